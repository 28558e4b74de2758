//! The XML declaration (XML 1.0, production 23), read to the letter.

use crate::xades::xml_error::{XmlError, XmlFault, shortened};

/// What `<?xml version="1.0" encoding="…" standalone="…"?>` said.
pub(super) struct Declaration<'t> {
    pub(super) encoding: Option<&'t str>,
    /// Octets of text it takes; 0 when there is none.
    pub(super) length: usize,
}

impl<'t> Declaration<'t> {
    pub(super) fn read(text: &'t str) -> Result<Self, XmlError> {
        let Some(inside) = text.strip_prefix("<?xml").filter(|rest| rest.starts_with(BLANK)) else {
            return Ok(Self { encoding: None, length: 0 });
        };
        let malformed = || XmlError::at_start(XmlFault::Declaration);
        let end = inside.find("?>").ok_or_else(malformed)?;
        let mut rest = inside.get(..end).ok_or_else(malformed)?;
        let version = pseudo_attribute(&mut rest, "version").ok_or_else(malformed)?;
        let encoding = pseudo_attribute(&mut rest, "encoding");
        let standalone = pseudo_attribute(&mut rest, "standalone");
        let encoding_is_name = encoding.is_none_or(|name| {
            name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '.' | '_' | '-'))
        });
        if !encoding_is_name || !matches!(standalone, None | Some("yes" | "no")) || !rest.trim_matches(BLANK).is_empty()
        {
            return Err(malformed());
        }
        if version != "1.0" {
            return Err(XmlError::at_start(XmlFault::Version { version: shortened(version) }));
        }
        Ok(Self { encoding, length: "<?xml".len() + end + "?>".len() })
    }
}

/// Takes `S name Eq quoted` from the front of `rest`, or leaves it as it is.
fn pseudo_attribute<'t>(rest: &mut &'t str, name: &str) -> Option<&'t str> {
    let trimmed = rest.trim_start_matches(BLANK);
    if trimmed.len() == rest.len() {
        return None;
    }
    let value = trimmed.strip_prefix(name)?.trim_start_matches(BLANK).strip_prefix('=')?.trim_start_matches(BLANK);
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (value, after) = value.get(1..)?.split_once(quote)?;
    *rest = after;
    Some(value)
}

const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];
