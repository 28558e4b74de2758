//! Texts with placeholders, as `Sealed by {signer}` and `https://example.com/{custom.number}`.

use std::collections::BTreeMap;

use cryptotoken_api::{Certificate, DigestAlgorithm};
use der::asn1::{ObjectIdentifier, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::name::Name;

/// A text whose placeholders are known.
#[derive(Clone, Debug)]
pub(super) struct Template {
    lines: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug)]
enum Piece {
    Fixed(String),
    Placeholder(Placeholder),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Placeholder {
    Signer,
    Organization,
    Subject,
    Issuer,
    SerialNumber,
    Time,
    Reason,
    Location,
    DocumentSha256,
    Custom(String),
}

const NAMES: [(&str, Placeholder); 9] = [
    ("signer", Placeholder::Signer),
    ("organization", Placeholder::Organization),
    ("subject", Placeholder::Subject),
    ("issuer", Placeholder::Issuer),
    ("serial_number", Placeholder::SerialNumber),
    ("time", Placeholder::Time),
    ("reason", Placeholder::Reason),
    ("location", Placeholder::Location),
    ("document_sha256", Placeholder::DocumentSha256),
];

/// What placeholders stand for in one seal.
pub(super) struct Values<'v> {
    pub(super) certificate: &'v Certificate,
    pub(super) time: String,
    pub(super) reason: Option<&'v str>,
    pub(super) location: Option<&'v str>,
    pub(super) custom: &'v BTreeMap<String, String>,
    /// The document before the seal.
    pub(super) document: &'v [u8],
}

impl Template {
    /// Reads a template; `{{` and `}}` are braces.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let lines: Result<Vec<_>, String> = text.trim_end_matches('\n').split('\n').map(pieces).collect();
        Ok(Self { lines: lines? })
    }

    /// The text of one seal. A line is left out when it has placeholders and none of them a value.
    pub(super) fn fill(&self, values: &Values<'_>) -> String {
        let mut filled = Vec::new();
        for line in &self.lines {
            let mut text = String::new();
            let (mut placeholders, mut found) = (0, 0);
            for piece in line {
                match piece {
                    Piece::Fixed(fixed) => text.push_str(fixed),
                    Piece::Placeholder(placeholder) => {
                        placeholders += 1;
                        if let Some(value) = values.value(placeholder) {
                            found += 1;
                            text.push_str(&value);
                        }
                    }
                }
            }
            if placeholders == 0 || found > 0 {
                filled.push(text);
            }
        }
        filled.join("\n")
    }

    /// The text of one seal as an address: values are percent-encoded (RFC 3986, section 2.1).
    ///
    /// # Errors
    /// The name of a placeholder that has no value: half an address leads nowhere.
    pub(super) fn fill_address(&self, values: &Values<'_>) -> Result<String, String> {
        let mut text = String::new();
        for piece in self.lines.iter().flatten() {
            match piece {
                Piece::Fixed(fixed) => text.push_str(fixed),
                Piece::Placeholder(placeholder) => {
                    let value = values.value(placeholder).ok_or_else(|| placeholder.name())?;
                    text.push_str(&percent_encoded(&value));
                }
            }
        }
        Ok(text)
    }

    /// All that is not a placeholder.
    pub(super) fn fixed(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().flatten().filter_map(|piece| match piece {
            Piece::Fixed(fixed) => Some(fixed.as_str()),
            Piece::Placeholder(_) => None,
        })
    }
}

fn pieces(line: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut fixed = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        fixed.push_str(before);
        if let Some(after) = from.strip_prefix("{{") {
            fixed.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            fixed.push('}');
            rest = after;
        } else {
            let (name, after) = from.strip_prefix('{').and_then(|from| from.split_once('}')).ok_or_else(|| {
                format!(
                    "a brace stands alone in \"{line}\"; write {{{{ and }}}} for braces, {{signer}} for a placeholder"
                )
            })?;
            pieces.push(Piece::Fixed(std::mem::take(&mut fixed)));
            pieces.push(Piece::Placeholder(placeholder(name)?));
            rest = after;
        }
    }
    fixed.push_str(rest);
    pieces.push(Piece::Fixed(fixed));
    if line.chars().any(char::is_control) {
        return Err("it must not contain control characters but line feeds".into());
    }
    Ok(pieces)
}

fn placeholder(name: &str) -> Result<Placeholder, String> {
    if let Some((_, placeholder)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(placeholder.clone());
    }
    if let Some(custom) = name.strip_prefix("custom.").filter(|custom| is_custom_name(custom)) {
        return Ok(Placeholder::Custom(custom.to_owned()));
    }
    let nearest = crate::config::nearest(name, NAMES.iter().map(|(known, _)| *known));
    let hint = nearest.map_or_else(
        || format!("use {}, or custom.NAME", NAMES.map(|(known, _)| known).join(", ")),
        |nearest| format!("did you mean {{{nearest}}}?"),
    );
    Err(format!("there is no placeholder {{{name}}}; {hint}"))
}

/// Whether a value may be called so.
pub(super) fn is_custom_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

impl Placeholder {
    fn name(&self) -> String {
        match self {
            Self::Custom(name) => format!("custom.{name}"),
            other => NAMES.iter().find(|(_, known)| known == other).map_or("", |(name, _)| *name).to_owned(),
        }
    }
}

impl Values<'_> {
    /// What a seal says to those who cannot see it.
    pub(super) fn in_one_line(&self, text: Option<&Template>) -> String {
        let text = text.map(|text| text.fill(self).replace('\n', ", ")).filter(|text| !text.is_empty());
        text.or_else(|| self.value(&Placeholder::Signer)).unwrap_or_else(|| self.certificate.subject())
    }

    fn value(&self, placeholder: &Placeholder) -> Option<String> {
        let subject = || self.certificate.fields().subject();
        let value = match placeholder {
            Placeholder::Signer => attribute(subject(), COMMON_NAME).or_else(|| attribute(subject(), ORGANIZATION)),
            Placeholder::Organization => attribute(subject(), ORGANIZATION),
            Placeholder::Subject => Some(self.certificate.subject()),
            Placeholder::Issuer => {
                let issuer = self.certificate.fields().issuer();
                attribute(issuer, COMMON_NAME).or_else(|| Some(self.certificate.issuer()))
            }
            Placeholder::SerialNumber => Some(self.certificate.serial_number()),
            Placeholder::Time => Some(self.time.clone()),
            Placeholder::Reason => self.reason.map(str::to_owned),
            Placeholder::Location => self.location.map(str::to_owned),
            Placeholder::DocumentSha256 => Some(hex::encode(DigestAlgorithm::Sha256.digest(self.document))),
            Placeholder::Custom(name) => self.custom.get(name).cloned(),
        };
        // A certificate may say anything.
        value
            .map(|value| value.chars().filter(|c| !c.is_control()).collect())
            .filter(|value: &String| !value.is_empty())
    }
}

/// The most specific attribute of this type.
fn attribute(name: &Name, wanted: ObjectIdentifier) -> Option<String> {
    let value = name.iter().filter(|attribute| attribute.oid == wanted).map(|attribute| &attribute.value).last()?;
    let utf8 = value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().to_owned());
    let printable = || value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str().to_owned());
    let teletex = || value.decode_as::<TeletexStringRef<'_>>().map(|text| text.as_str().to_owned());
    utf8.or_else(|_| printable()).or_else(|_| teletex()).ok()
}

fn percent_encoded(value: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_placeholders_and_lone_braces_are_refused() {
        let refused = |text| Template::parse(text).unwrap_err();
        assert!(refused("by {singer}").contains("did you mean {signer}?"));
        assert!(refused("by {zzzzzzzzzzzz}").contains("custom.NAME"));
        assert!(refused("by {custom.}").contains("no placeholder"));
        assert!(refused("by {signer").contains("a brace stands alone"));
        assert!(refused("by }").contains("a brace stands alone"));
        assert!(refused("a\tb").contains("control"));
        let fixed: String = Template::parse("{{x}}\n{signer} y").unwrap().fixed().collect();
        assert_eq!(fixed, "{x} y");
    }

    #[test]
    fn values_in_an_address_are_encoded() {
        assert_eq!(percent_encoded("a b/õ~"), "a%20b%2F%C3%B5~");
    }
}
