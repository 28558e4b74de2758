//! `<!ATTLIST …>` (XML 1.0, section 3.3), and what it does to the attributes of elements.

use std::borrow::Cow;
use std::collections::HashMap;

use super::scanner::Scanner;
use crate::xades::reader::RawAttribute;
use crate::xades::xml_error::{XmlError, XmlFault, shortened};

/// The types that are declared for the attributes of the elements of one name.
pub(super) type DeclaredTypes = HashMap<String, AttributeType>;

/// What matters of an attribute's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttributeType {
    /// CDATA.
    Text,
    /// ID.
    Id,
    /// Any other: one or several words.
    Words,
}

/// Normalises values, and notes identifiers.
pub(super) fn apply(types: &DeclaredTypes, attributes: &mut [RawAttribute<'_>]) {
    for RawAttribute { attribute, .. } in attributes {
        match types.get(attribute.qualified) {
            None | Some(AttributeType::Text) => continue,
            Some(AttributeType::Id) => attribute.is_declared_id = true,
            Some(AttributeType::Words) => {}
        }
        // Section 3.3.3. Referenced tabs and line ends are no blanks here.
        let value = &attribute.value;
        if value.starts_with(' ') || value.ends_with(' ') || value.contains("  ") {
            let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
            attribute.value = Cow::Owned(words.join(" "));
        }
    }
}

/// Reads what follows `<!ATTLIST`; `total` is how many attributes are declared in all.
pub(super) fn read(
    scanner: &mut Scanner<'_>,
    elements: &mut HashMap<String, DeclaredTypes>,
    total: &mut usize,
) -> Result<(), XmlError> {
    scanner.required_blanks()?;
    let element = scanner.qualified_name()?;
    let of_signature = element.split_once(':').is_some_and(|(prefix, _)| PREFIXES.contains(&prefix));
    let declared = elements.entry(element.to_owned()).or_default();
    loop {
        let blank = scanner.blanks();
        if scanner.take(">") {
            return Ok(());
        }
        if !blank {
            return Err(scanner.malformed());
        }
        *total += 1;
        if *total > MAX_ATTRIBUTES {
            return Err(scanner.fault(XmlFault::Limit { limit: MAX_ATTRIBUTES, what: "declared attributes" }));
        }
        let start = scanner.position();
        let name = scanner.qualified_name()?;
        if declared.contains_key(name) {
            return Err(scanner.fault_at(start, XmlFault::DeclaredTwice { name: shortened(name) }));
        }
        scanner.required_blanks()?;
        let kind = attribute_type(scanner)?;
        if kind != AttributeType::Text && (name == "xmlns" || name.starts_with("xmlns:")) {
            return Err(scanner.fault_at(start, XmlFault::DeclaredNamespace { name: shortened(name) }));
        }
        if name != "Id" && kind != AttributeType::Text && of_signature {
            return Err(scanner.fault_at(start, XmlFault::DeclaredForSignature { name: shortened(name) }));
        }
        scanner.required_blanks()?;
        if scanner.starts("#FIXED") || scanner.starts("'") || scanner.starts("\"") {
            return Err(scanner.fault(XmlFault::DefaultValue { name: shortened(name) }));
        }
        if !scanner.take("#REQUIRED") {
            scanner.expect("#IMPLIED")?;
        }
        declared.insert(name.to_owned(), kind);
    }
}

/// `AttType` (productions 54 to 59).
fn attribute_type(scanner: &mut Scanner<'_>) -> Result<AttributeType, XmlError> {
    if scanner.take("(") {
        one_of(scanner, |scanner| scanner.name_token().map(drop))?;
        return Ok(AttributeType::Words);
    }
    let start = scanner.position();
    match scanner.name()? {
        "CDATA" => Ok(AttributeType::Text),
        "ID" => Ok(AttributeType::Id),
        "IDREF" | "IDREFS" | "ENTITY" | "ENTITIES" | "NMTOKEN" | "NMTOKENS" => Ok(AttributeType::Words),
        "NOTATION" => {
            scanner.required_blanks()?;
            scanner.expect("(")?;
            one_of(scanner, |scanner| scanner.name().map(drop))?;
            Ok(AttributeType::Words)
        }
        _ => Err(scanner.fault_at(start, XmlFault::MarkupDeclaration)),
    }
}

/// What follows the parenthesis of a list of words.
fn one_of(scanner: &mut Scanner<'_>, word: impl Fn(&mut Scanner<'_>) -> Result<(), XmlError>) -> Result<(), XmlError> {
    loop {
        scanner.blanks();
        word(scanner)?;
        scanner.blanks();
        if scanner.take(")") {
            return Ok(());
        }
        scanner.expect("|")?;
    }
}

/// Those of the elements that are written here. What a document declares of them must not change what they say.
const PREFIXES: [&str; 4] = ["ds", "xades", "xades141", "dsig-filter2"];

/// Of all elements together.
const MAX_ATTRIBUTES: usize = 10_000;
