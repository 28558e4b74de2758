//! The document type declaration with an internal subset (XML 1.0, section 2.8), where a worker allows one.
//!
//! Every XML processor reads the internal subset, whether it validates or not (section 5.1), and what it declares about attributes is in
//! the canonical form: values of other types than CDATA have lost blanks, and those of type ID can be referred to. So that is read, to the
//! letter. What stands elsewhere (an external subset) or for something else (entities) is refused; so are default values, which xmllint
//! and Java's parser add to elements and xmlsec1 does not.

use std::collections::HashMap;
use std::ops::Range;

use crate::xades::reader::{RawAttribute, is_ncname};
use crate::xades::xml_error::{XmlError, XmlFault, shortened};

mod attribute_list;
mod content_model;
mod scanner;

use attribute_list::DeclaredTypes;
use scanner::Scanner;

/// Whether a document may have a document type declaration, with an internal subset alone and without entities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum InternalSubset {
    /// It may have none.
    #[default]
    Refused,
    /// It may.
    Allowed,
}

/// Where the document type declaration is, and what it declares about attributes.
#[derive(Debug, Default)]
pub(crate) struct DocumentType {
    /// `None` without one.
    range: Option<Range<usize>>,
    elements: HashMap<String, DeclaredTypes>,
}

impl DocumentType {
    /// Reads the one that the document has, if it has any; `content` is where its XML declaration has ended. What stands before it is
    /// looked at by the reader of the document.
    ///
    /// # Errors
    /// At the first place that is not well-formed, not accepted, or breaks a bound.
    pub(super) fn read(text: &str, content: usize) -> Result<Self, XmlError> {
        let mut scanner = Scanner::new(text, content);
        loop {
            scanner.blanks();
            let passed = match () {
                () if scanner.take("<!--") => scanner.until("-->"),
                () if scanner.take("<?") => scanner.until("?>"),
                () => break,
            };
            if passed.is_err() {
                return Ok(Self::default());
            }
        }
        let start = scanner.position();
        scanner = Scanner::new(text, start);
        if !scanner.take("<!DOCTYPE") {
            return Ok(Self::default());
        }
        let mut this = Self::default();
        scanner.required_blanks()?;
        scanner.qualified_name()?;
        scanner.blanks();
        if scanner.starts("SYSTEM") || scanner.starts("PUBLIC") {
            return Err(scanner.fault(XmlFault::ExternalSubset));
        }
        if scanner.take("[") {
            this.declarations(&mut scanner)?;
            scanner.blanks();
        }
        scanner.expect(">")?;
        // The tokenizer, which begins anew here, would drop a mark of the byte order without counting it.
        if scanner.starts("\u{FEFF}") {
            return Err(scanner.fault(XmlFault::TextOutsideRoot));
        }
        this.range = Some(start..scanner.position());
        Ok(this)
    }

    fn declarations(&mut self, scanner: &mut Scanner<'_>) -> Result<(), XmlError> {
        let mut declared = 0;
        loop {
            scanner.blanks();
            scanner.refuse_too_long()?;
            match () {
                () if scanner.take("]") => return Ok(()),
                () if scanner.starts("<!--") => scanner.comment()?,
                () if scanner.starts("<?") => scanner.instruction()?,
                () if scanner.starts("<!ENTITY") => return Err(scanner.fault(XmlFault::EntityDeclaration)),
                () if scanner.starts("%") => return Err(scanner.fault(XmlFault::ParameterEntity)),
                () if scanner.take("<!ATTLIST") => attribute_list::read(scanner, &mut self.elements, &mut declared)?,
                () if scanner.take("<!ELEMENT") => content_model::read(scanner)?,
                () if scanner.take("<!NOTATION") => notation(scanner)?,
                () => return Err(scanner.malformed()),
            }
        }
    }

    /// Where it ends when it begins at this octet of the text.
    pub(crate) fn end_of(&self, start: usize) -> Option<usize> {
        self.range.as_ref().filter(|range| range.start == start).map(|range| range.end)
    }

    /// Does to the attributes of an element of that name what is declared about them.
    pub(crate) fn apply(&self, element: &str, attributes: &mut [RawAttribute<'_>]) {
        // Most documents declare nothing.
        if !self.elements.is_empty()
            && let Some(types) = self.elements.get(element)
        {
            attribute_list::apply(types, attributes);
        }
    }
}

/// `NotationDecl` (production 82), which has no effect here: entities of notations are not accepted.
fn notation(scanner: &mut Scanner<'_>) -> Result<(), XmlError> {
    scanner.required_blanks()?;
    scanner.name()?;
    scanner.required_blanks()?;
    if scanner.take("SYSTEM") {
        scanner.required_blanks()?;
        scanner.quoted()?;
    } else {
        scanner.expect("PUBLIC")?;
        scanner.required_blanks()?;
        let start = scanner.position();
        let is_public = |each: char| each.is_ascii_alphanumeric() || " \r\n-'()+,./:=?;!*#@$_%".contains(each);
        if !scanner.quoted()?.chars().all(is_public) {
            return Err(scanner.fault_at(start, XmlFault::MarkupDeclaration));
        }
        if scanner.blanks() && !scanner.starts(">") {
            scanner.quoted()?;
        }
    }
    scanner.blanks();
    scanner.expect(">")
}

/// A processing instruction's target (production 17; Namespaces in XML 1.0, section 7).
fn is_target(name: &str) -> bool {
    is_ncname(name) && !name.eq_ignore_ascii_case("xml")
}

/// `name` is no name of the kind that is wanted.
fn not_a_name(name: &str) -> XmlFault {
    if name.is_empty() { XmlFault::MarkupDeclaration } else { XmlFault::Name { name: shortened(name) } }
}

#[cfg(test)]
mod tests;
