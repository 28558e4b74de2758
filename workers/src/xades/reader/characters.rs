//! Names, line ends and references of XML 1.0.

use std::borrow::Cow;

use memchr::memchr;

use crate::xades::document::is_legal;

/// White space (production 3).
pub(crate) const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

/// The same of an octet.
pub(super) const fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// Where the first octet is of which `is_special` holds. Behind the first few, many are looked at in one step.
pub(crate) fn position(octets: &[u8], is_special: impl Fn(u8) -> bool) -> Option<usize> {
    let (few, many) = octets.split_at(octets.len().min(16));
    let (blocks, rest) = many.as_chunks::<32>();
    let first = |octets: &[u8], from: usize| Some(from + octets.iter().position(|octet| is_special(*octet))?);
    first(few, 0).or_else(|| {
        let has_any = |block: &[u8; 32]| block.iter().fold(false, |any, octet| any | is_special(*octet));
        let plain = blocks.iter().take_while(|block| !has_any(block)).count();
        first(blocks.get(plain).map_or(rest, <[u8; 32]>::as_slice), few.len() + 32 * plain)
    })
}

/// Whether this is a name without colon (Namespaces in XML 1.0, production 4; XML 1.0 fifth edition, production 5).
pub(crate) fn is_ncname(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(starts_name)
        && characters.all(|each| {
            starts_name(each)
                || matches!(each, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
        })
        && name.len() <= MAX_NAME
}

/// Splits a qualified name; `None` when it is not one.
pub(crate) fn split_qname(name: &str) -> Option<(&str, &str)> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let valid =
        is_ncname(local) && (prefix.is_empty() != name.contains(':')) && (prefix.is_empty() || is_ncname(prefix));
    valid.then_some((prefix, local))
}

/// Production 4 without the colon.
fn starts_name(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// Line ends as a parser must report them (section 2.11).
pub(crate) fn normalize_line_ends(text: &str) -> Cow<'_, str> {
    if memchr(b'\r', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut normalized = String::with_capacity(text.len());
    for (index, part) in text.split('\r').enumerate() {
        if index > 0 && !part.starts_with('\n') {
            normalized.push('\n');
        }
        normalized.push_str(part);
    }
    Cow::Owned(normalized)
}

/// What `&reference;` stands for in a document without DTD (sections 4.1 and 4.6).
pub(crate) fn resolve_reference(reference: &str) -> Option<char> {
    let (digits, radix) = match reference {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => match reference.strip_prefix("#x") {
            Some(digits) => (digits, 16),
            None => (reference.strip_prefix('#')?, 10),
        },
    };
    // `from_str_radix` would accept a sign.
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    char::from_u32(u32::from_str_radix(digits, radix).ok()?).filter(|&character| is_legal(character))
}

/// What libxml2 takes.
const MAX_NAME: usize = 50_000;
