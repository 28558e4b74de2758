//! The attributes of one start tag (XML 1.0, sections 3.1 and 3.3.3).

use std::borrow::Cow;

use memchr::memchr;

use super::Attribute;
use super::characters::{BLANK, position, resolve_reference, split_qname};
use crate::xades::xml_error::{XmlFault, shortened};

/// An attribute as it stands in the tag, namespace declarations included.
pub(crate) struct RawAttribute<'t> {
    /// Its namespace is empty until that of the prefix is known; its value is normalised as for type CDATA, unless something else is
    /// declared.
    pub(crate) attribute: Attribute<'t>,
    /// Where the name begins, counted from the start of the tag's inside.
    pub(crate) offset: usize,
    /// Whether it declares a namespace.
    pub(crate) is_declaration: bool,
}

/// Splits what follows the element's name in a start tag. The error names the place it was found at.
pub(super) fn split<'t>(
    inside: &'t str,
    start: usize,
    attributes: &mut Vec<RawAttribute<'t>>,
) -> Result<(), (usize, XmlFault)> {
    attributes.clear();
    let mut rest = inside.get(start..).unwrap_or_default();
    loop {
        let trimmed = rest.trim_start_matches(BLANK);
        let offset = inside.len() - trimmed.len();
        if trimmed.is_empty() {
            return Ok(());
        }
        let at = |fault| (offset, fault);
        if trimmed.len() == rest.len() {
            return Err(at(XmlFault::Attribute));
        }
        if attributes.len() >= MAX_ATTRIBUTES {
            return Err(at(XmlFault::Limit { limit: MAX_ATTRIBUTES, what: "attributes in one element" }));
        }
        let (name, after) = split_at(trimmed, b'=').ok_or_else(|| at(XmlFault::Attribute))?;
        let qualified = name.trim_end_matches(BLANK);
        let (prefix, local) =
            split_qname(qualified).ok_or_else(|| at(XmlFault::Name { name: shortened(qualified) }))?;
        let quoted = after.trim_start_matches(BLANK);
        let quote = quoted.bytes().next().filter(|quote| matches!(quote, b'"' | b'\''));
        let (value, remaining) =
            quote.and_then(|quote| split_at(quoted.get(1..)?, quote)).ok_or_else(|| at(XmlFault::Attribute))?;
        let value = normalize(value).map_err(at)?;
        let is_declaration = prefix == "xmlns" || qualified == "xmlns";
        let attribute = Attribute { qualified, prefix, local, value, ..Attribute::default() };
        attributes.push(RawAttribute { attribute, offset, is_declaration });
        rest = remaining;
    }
}

/// What is before the first `octet`, which is ASCII, and what is behind it.
fn split_at(text: &str, octet: u8) -> Option<(&str, &str)> {
    let position = memchr(octet, text.as_bytes())?;
    Some((text.get(..position)?, text.get(position + 1..)?))
}

/// Section 3.3.3: literal white space becomes blanks, referenced white space stays.
fn normalize(value: &str) -> Result<Cow<'_, str>, XmlFault> {
    if value.len() > MAX_ATTRIBUTE_VALUE {
        return Err(XmlFault::Limit { limit: MAX_ATTRIBUTE_VALUE, what: "octets in an attribute value" });
    }
    if position(value.as_bytes(), |octet| matches!(octet, b'<' | b'&' | b'\t' | b'\r' | b'\n')).is_none() {
        return Ok(Cow::Borrowed(value));
    }
    if value.contains('<') {
        return Err(XmlFault::LessThanInAttribute);
    }
    let mut normalized = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(position) = rest.find(['&', '\t', '\r', '\n']) {
        let (before, special) = rest.split_at(position);
        normalized.push_str(before);
        rest = if let Some(reference) = special.strip_prefix('&') {
            let undefined = |text| XmlFault::Reference { reference: shortened(text) };
            let (reference, after) = reference.split_once(';').ok_or_else(|| undefined(reference))?;
            normalized.push(resolve_reference(reference).ok_or_else(|| undefined(reference))?);
            after
        } else {
            normalized.push(' ');
            special.strip_prefix("\r\n").or_else(|| special.get(1..)).unwrap_or_default()
        };
    }
    normalized.push_str(rest);
    Ok(Cow::Owned(normalized))
}

/// Far above what documents have; keeps a hostile tag from taking many times its size in memory.
const MAX_ATTRIBUTES: usize = 1024;
/// What libxml2 reads without being told to read huge documents.
const MAX_ATTRIBUTE_VALUE: usize = 10_000_000;
