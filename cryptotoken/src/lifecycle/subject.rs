//! Subjects as operators type them, to the names that certification requests carry (RFC 4514 text, RFC 5280 encodings).
//!
//! Unlike RFC 4514 the order typed is the order encoded, most general first, as certificates are shown.

use der::asn1::{Any, Ia5StringRef, ObjectIdentifier, PrintableStringRef, SetOfVec};
use der::{Decode, Encode, Tag};
use x509_cert::attr::AttributeTypeAndValue;

/// A checked and encoded subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    der: Vec<u8>,
}

/// A subject that cannot be used. Whoever typed it must change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    /// Nothing there.
    #[error("the subject is empty; write for example \"C=EE, O=Acme AS, CN=Acme e-Seal\"")]
    Empty,
    /// No `=`.
    #[error("\"{0}\" is no NAME=value")]
    NoValue(String),
    /// A name that is neither known nor a dotted OID.
    #[error("unknown attribute \"{name}\"; did you mean \"{nearest}\"? (dotted OIDs work for all others)")]
    UnknownAttribute {
        /// As typed.
        name: String,
        /// The known one most like it.
        nearest: &'static str,
    },
    /// An empty value.
    #[error("{0} is empty")]
    EmptyValue(String),
    /// Too long for certificates.
    #[error("{name} has {length} characters, certificates take {most} (RFC 5280, appendix A.1)")]
    TooLong {
        /// Attribute.
        name: String,
        /// Characters typed.
        length: usize,
        /// Characters allowed.
        most: usize,
    },
    /// Not two letters.
    #[error("C is a country's two capital letters (ISO 3166), not \"{0}\"")]
    Country(String),
    /// Characters that the encoding does not have.
    #[error("{name} takes only {allowed}; \"{value}\" has others")]
    Characters {
        /// Attribute.
        name: String,
        /// What is allowed.
        allowed: &'static str,
        /// As typed.
        value: String,
    },
    /// A backslash or a `#` value that means nothing.
    #[error("\"{0}\": write \\, \\+ \\\\ \\\" \\; \\= \\# or two hexadecimal digits after a backslash")]
    Escape(String),
    /// Two attributes in one step of the name.
    #[error("\"{0}\": a plus sign joins attributes, which is not supported; write \\+ for the character")]
    MultiValued(String),
    /// The encoder failed, which is a bug.
    #[error("the subject cannot be encoded: {0}")]
    Encoding(String),
}

impl Subject {
    /// Reads `C=EE, O=Acme AS, organizationIdentifier=NTREE-12345678, CN=Acme e-Seal`.
    ///
    /// # Errors
    /// [`InvalidSubject`], saying which attribute and what to write instead.
    pub fn parse(text: &str) -> Result<Self, InvalidSubject> {
        let parts = split(text)?;
        if parts.is_empty() {
            return Err(InvalidSubject::Empty);
        }
        let mut names = Vec::with_capacity(parts.len());
        for part in parts {
            let encoding = |error: der::Error| InvalidSubject::Encoding(error.to_string());
            let mut set = SetOfVec::new();
            set.insert(attribute(&part)?).map_err(encoding)?;
            names.push(set);
        }
        let der = names.to_der().map_err(|error: der::Error| InvalidSubject::Encoding(error.to_string()))?;
        Ok(Self { der })
    }

    /// The DER `Name` (RFC 5280, section 4.1.2.4).
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

impl std::str::FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// One `NAME=value`, the value unescaped; `hex` where it was written `#04…`.
struct Part {
    name: String,
    value: String,
    hex: Option<Vec<u8>>,
}

/// Splits at commas (or semicolons) that are neither escaped nor quoted.
fn split(text: &str) -> Result<Vec<Part>, InvalidSubject> {
    let mut parts = Vec::new();
    let mut piece = String::new();
    let (mut escaped, mut quoted) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' | ';' if !quoted => {
                parts.push(part(&piece)?);
                piece.clear();
                continue;
            }
            '+' if !quoted => return Err(InvalidSubject::MultiValued(text.to_owned())),
            _ => {}
        }
        piece.push(c);
    }
    if quoted {
        return Err(InvalidSubject::Escape(piece));
    }
    if !piece.trim().is_empty() || !parts.is_empty() {
        parts.push(part(&piece)?);
    }
    Ok(parts)
}

fn part(piece: &str) -> Result<Part, InvalidSubject> {
    let (name, value) = piece.split_once('=').ok_or_else(|| InvalidSubject::NoValue(piece.trim().to_owned()))?;
    let (name, value) = (name.trim().to_owned(), value.trim_start());
    if let Some(digits) = value.strip_prefix('#') {
        let octets = hex::decode(digits.trim_end()).map_err(|_| InvalidSubject::Escape(piece.trim().to_owned()))?;
        return Ok(Part { name, value: String::new(), hex: Some(octets) });
    }
    let value = unescape(value).ok_or_else(|| InvalidSubject::Escape(piece.trim().to_owned()))?;
    if value.is_empty() {
        return Err(InvalidSubject::EmptyValue(name));
    }
    Ok(Part { name, value, hex: None })
}

/// RFC 4514, section 2.4 (escapes) and RFC 2253, section 4 (quotes); blanks at the end count only when escaped or quoted.
fn unescape(text: &str) -> Option<String> {
    let mut octets = Vec::new();
    let mut kept = 0;
    let mut quoted = false;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => {
                quoted = !quoted;
                kept = octets.len();
            }
            '\\' => {
                let next = characters.next()?;
                if let Some(high) = next.to_digit(16) {
                    let low = characters.next()?.to_digit(16)?;
                    octets.push(u8::try_from(high * 16 + low).ok()?);
                } else if " \"#+,;<=>\\".contains(next) {
                    octets.push(u8::try_from(next).ok()?);
                } else {
                    return None;
                }
                kept = octets.len();
            }
            _ => {
                octets.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
                if c != ' ' || quoted {
                    kept = octets.len();
                }
            }
        }
    }
    octets.truncate(kept);
    String::from_utf8(octets).ok()
}

fn attribute(part: &Part) -> Result<AttributeTypeAndValue, InvalidSubject> {
    let encoding = |error: der::Error| InvalidSubject::Encoding(error.to_string());
    let wrong = |allowed| InvalidSubject::Characters { name: part.name.clone(), allowed, value: part.value.clone() };
    let known = KNOWN.iter().find(|known| known.names.iter().any(|name| name.eq_ignore_ascii_case(&part.name)));
    let oid = match known {
        Some(known) => ObjectIdentifier::new(known.oid).map_err(|error| InvalidSubject::Encoding(error.to_string()))?,
        None => ObjectIdentifier::new(&part.name)
            .map_err(|_| InvalidSubject::UnknownAttribute { name: part.name.clone(), nearest: nearest(&part.name) })?,
    };
    // A dotted OID of a known attribute has the same encoding and limits as its name.
    let known = known.or_else(|| KNOWN.iter().find(|known| known.oid == oid.to_string()));
    if let Some(der) = &part.hex {
        let value = Any::from_der(der).map_err(|_| InvalidSubject::Escape(part.name.clone()))?;
        return Ok(AttributeTypeAndValue { oid, value });
    }
    let (encode_as, most) = known.map_or((Encoding::Utf8, usize::MAX), |known| (known.encoding, known.most));
    if encode_as == Encoding::Country && !(part.value.len() == 2 && part.value.chars().all(|c| c.is_ascii_uppercase()))
    {
        return Err(InvalidSubject::Country(part.value.clone()));
    }
    let length = part.value.chars().count();
    if length > most {
        return Err(InvalidSubject::TooLong { name: part.name.clone(), length, most });
    }
    let value = match encode_as {
        Encoding::Country | Encoding::Printable => {
            let text = PrintableStringRef::new(&part.value);
            Any::encode_from(&text.map_err(|_| wrong("the letters A-Z a-z, digits, blanks and ' ( ) + , - . / : = ?"))?)
        }
        Encoding::Ia5 => Any::encode_from(&Ia5StringRef::new(&part.value).map_err(|_| wrong("ASCII characters"))?),
        Encoding::Utf8 => Any::new(Tag::Utf8String, part.value.as_bytes()),
    }
    .map_err(encoding)?;
    Ok(AttributeTypeAndValue { oid, value })
}

fn nearest(name: &str) -> &'static str {
    let similarity = |known: &str| strsim::jaro_winkler(&known.to_ascii_lowercase(), &name.to_ascii_lowercase());
    let names = KNOWN.iter().flat_map(|known| known.names.iter().copied());
    names.max_by(|a, b| similarity(a).total_cmp(&similarity(b))).unwrap_or("CN")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Country,
    Printable,
    Ia5,
    Utf8,
}

struct Known {
    names: &'static [&'static str],
    oid: &'static str,
    encoding: Encoding,
    /// Characters at most: RFC 5280, appendix A.1; X.520 for those it does not list.
    most: usize,
}

const fn known(names: &'static [&'static str], oid: &'static str, encoding: Encoding, most: usize) -> Known {
    Known { names, oid, encoding, most }
}

const KNOWN: [Known; 18] = [
    known(&["C", "countryName"], "2.5.4.6", Encoding::Country, 2),
    known(&["ST", "S", "stateOrProvinceName"], "2.5.4.8", Encoding::Utf8, 128),
    known(&["L", "localityName"], "2.5.4.7", Encoding::Utf8, 128),
    known(&["street", "streetAddress"], "2.5.4.9", Encoding::Utf8, 128),
    known(&["postalCode"], "2.5.4.17", Encoding::Utf8, 40),
    known(&["O", "organizationName"], "2.5.4.10", Encoding::Utf8, 64),
    known(&["OU", "organizationalUnitName"], "2.5.4.11", Encoding::Utf8, 64),
    known(&["organizationIdentifier"], "2.5.4.97", Encoding::Utf8, usize::MAX),
    known(&["CN", "commonName"], "2.5.4.3", Encoding::Utf8, 64),
    known(&["serialNumber"], "2.5.4.5", Encoding::Printable, 64),
    known(&["givenName", "GN"], "2.5.4.42", Encoding::Utf8, 32_768),
    known(&["surname", "SN"], "2.5.4.4", Encoding::Utf8, 32_768),
    known(&["title"], "2.5.4.12", Encoding::Utf8, 64),
    known(&["pseudonym"], "2.5.4.65", Encoding::Utf8, 128),
    known(&["businessCategory"], "2.5.4.15", Encoding::Utf8, 128),
    known(&["UID", "userId"], "0.9.2342.19200300.100.1.1", Encoding::Utf8, 256),
    known(&["emailAddress", "E"], "1.2.840.113549.1.9.1", Encoding::Ia5, 255),
    // RFC 5280, section 4.1.2.4: domain components are IA5String.
    known(&["DC", "domainComponent"], "0.9.2342.19200300.100.1.25", Encoding::Ia5, 63),
];

#[cfg(test)]
mod tests {
    use x509_cert::name::Name;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, Tag, String)> {
        let name = Name::from_der(Subject::parse(text).unwrap().der()).unwrap();
        let one = |attribute: &AttributeTypeAndValue| {
            let value = String::from_utf8(attribute.value.value().to_vec()).unwrap();
            (attribute.oid.to_string(), der::Tagged::tag(&attribute.value), value)
        };
        name.as_ref().iter().flat_map(|step| step.as_ref().iter().map(one)).collect()
    }

    fn value(text: &str) -> String {
        pairs(text).remove(0).2
    }

    #[test]
    fn the_order_typed_is_the_order_encoded() {
        let order: Vec<_> = pairs("C=EE, O=Acme AS, organizationIdentifier=NTREE-12345678, cn=Acme e-Seal")
            .into_iter()
            .map(|(oid, _, _)| oid)
            .collect();
        assert_eq!(order, ["2.5.4.6", "2.5.4.10", "2.5.4.97", "2.5.4.3"]);
    }

    #[test]
    fn escapes_and_quotes_are_those_of_rfc_4514() {
        assert_eq!(value(r"CN=Smith\, Jones \+ Sons\; \#1 \\ \=x"), r"Smith, Jones + Sons; #1 \ =x");
        assert_eq!(value(r"CN=Lu\C4\8Di\C4\87"), "Lučić");
        assert_eq!(value(r#"CN="Acme, Inc. + Co""#), "Acme, Inc. + Co");
        assert_eq!(value(r"CN=  spaced   "), "spaced");
        assert_eq!(value(r"CN=\ kept\ "), " kept ");
        assert_eq!(value("CN=a=b"), "a=b");
    }

    #[test]
    fn dotted_identifiers_work_and_known_ones_keep_their_encoding() {
        assert_eq!(pairs("2.5.4.6=EE")[0].1, Tag::PrintableString);
        assert_eq!(pairs("1.3.6.1.4.1.99999.1=x")[0].1, Tag::Utf8String);
        assert_eq!(
            pairs("1.3.6.1.4.1.99999.1=#13024142")[0],
            ("1.3.6.1.4.1.99999.1".into(), Tag::PrintableString, "AB".into())
        );
        assert_eq!(pairs("DC=example")[0].1, Tag::Ia5String);
    }

    #[test]
    fn what_certificates_cannot_carry_is_refused_with_the_reason() {
        let long = "x".repeat(65);
        for (text, reason) in [
            ("", "empty"),
            ("  ", "empty"),
            ("CN=", "CN is empty"),
            ("CN", "no NAME=value"),
            ("CN=a,", "no NAME=value"),
            ("C=Estonia", "two capital letters"),
            ("C=ee", "two capital letters"),
            ("serialNumber=42*", "takes only"),
            ("emailAddress=é@x", "ASCII"),
            ("orgIdentifier=x", "did you mean \"organizationIdentifier\""),
            ("CN=a+O=b", "plus sign"),
            (r"CN=a\x", "backslash"),
            (r"CN=a\", "backslash"),
            (r"CN=\ff", "backslash"),
            ("CN=\"open", "backslash"),
            ("2.5.4.3=#zz", "backslash"),
            ("2.5.4.3=#0c05ff", "backslash"),
            (&format!("CN={long}"), "65 characters, certificates take 64"),
            (&format!("O={long}"), "65 characters, certificates take 64"),
            (&format!("C=EE, serialNumber={long}"), "65 characters"),
        ] {
            let error = Subject::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(Subject::parse(&format!("CN={}", "ä".repeat(64))).is_ok(), "characters count, not octets");
    }
}
