//! Octets to text and back: the encodings a document may have, and where in its octets a place of its text is.
//!
//! The signature is written into the document's own octets, so only encodings are read whose every character
//! has one known width or can be counted without state: UTF-8, UTF-16 and the single-octet ones.

use std::borrow::Cow;

use encoding_rs::{
    Encoding, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_10,
    ISO_8859_13, ISO_8859_14, ISO_8859_15, KOI8_R, UTF_16BE, UTF_16LE, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252,
    WINDOWS_1253, WINDOWS_1254, WINDOWS_1256, WINDOWS_1257,
};

use super::xml_error::{XmlError, XmlFault, shortened};

mod declaration;
mod document_type;

use declaration::Declaration;
pub(crate) use document_type::{DocumentType, InternalSubset};

/// A document as text, checked to hold only characters that XML allows. The byte order mark is not part of the text.
#[derive(Debug)]
pub(crate) struct XmlDocument<'b> {
    text: Cow<'b, str>,
    width: Width,
    mark: usize,
    content: usize,
    internal_subset: InternalSubset,
    document_type: DocumentType,
}

impl<'b> XmlDocument<'b> {
    /// Decodes by byte order mark and declaration, as XML 1.0, appendix F describes. A document type declaration is left to the reader
    /// to refuse.
    ///
    /// # Errors
    /// When they contradict each other, the encoding is not supported, or a character is not allowed in XML.
    pub(crate) fn decode(octets: &'b [u8]) -> Result<Self, XmlError> {
        Self::decode_with(octets, InternalSubset::Refused)
    }

    /// The same, where a document type declaration may be allowed, which is read then.
    ///
    /// # Errors
    /// The same, and when that declaration is malformed or more than is allowed.
    pub(crate) fn decode_with(octets: &'b [u8], internal_subset: InternalSubset) -> Result<Self, XmlError> {
        let (text, width, mark) = match octets {
            [0xEF, 0xBB, 0xBF, rest @ ..] => (utf8(rest)?, Width::Utf8, 3),
            [0xFF, 0xFE, rest @ ..] => (wide(rest, UTF_16LE)?, Width::Utf16 { little_endian: true }, 2),
            [0xFE, 0xFF, rest @ ..] => (wide(rest, UTF_16BE)?, Width::Utf16 { little_endian: false }, 2),
            _ => match announced(octets)? {
                None => (utf8(octets)?, Width::Utf8, 0),
                Some(charset) => (charset.decode(octets)?, Width::Single, 0),
            },
        };
        let declaration = Declaration::read(&text)?;
        let detected = match width {
            Width::Utf8 => Some("UTF-8"),
            Width::Utf16 { .. } => Some("UTF-16"),
            Width::Single => None,
        };
        if let (Some(detected), Some(declared)) = (detected, declaration.encoding)
            && !declared.eq_ignore_ascii_case(detected)
        {
            let fault = XmlFault::ConflictingEncoding { declared: shortened(declared), detected };
            return Err(XmlError::at_start(fault));
        }
        let content = declaration.length;
        refuse_illegal_characters(&text)?;
        // The tokenizer would drop a second mark without counting it.
        if text.get(content..).is_some_and(|rest| rest.starts_with('\u{FEFF}')) {
            return Err(XmlError::at(&text, content, XmlFault::TextOutsideRoot));
        }
        let document_type = match internal_subset {
            InternalSubset::Refused => DocumentType::default(),
            InternalSubset::Allowed => DocumentType::read(&text, content)?,
        };
        Ok(Self { text, width, mark, content, internal_subset, document_type })
    }

    /// The whole text, declaration included.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where in the text the XML declaration, if any, has ended.
    pub(crate) fn content_offset(&self) -> usize {
        self.content
    }

    /// The place in the octets of byte `offset` of the text.
    pub(crate) fn octet_offset(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        self.mark
            + match self.width {
                Width::Utf8 => before.len(),
                Width::Utf16 { .. } => 2 * before.encode_utf16().count(),
                Width::Single => before.chars().count(),
            }
    }

    /// What was allowed when it was decoded.
    pub(crate) const fn internal_subset(&self) -> InternalSubset {
        self.internal_subset
    }

    /// What it declares about attributes; nothing without document type declaration.
    pub(crate) const fn document_type(&self) -> &DocumentType {
        &self.document_type
    }

    /// How its characters become octets.
    pub(crate) const fn width(&self) -> Width {
        self.width
    }
}

/// How the characters of a document become octets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Width {
    /// UTF-8.
    Utf8,
    /// UTF-16.
    Utf16 {
        /// Whether the low octet comes first.
        little_endian: bool,
    },
    /// One octet for each character; all of these encodings agree with ASCII.
    Single,
}

impl Width {
    /// ASCII text, which comes between existing text, in the encoding of the document.
    pub(crate) fn encode_ascii(self, addition: &str) -> Vec<u8> {
        debug_assert!(addition.is_ascii(), "what Sigillo adds is ASCII");
        match self {
            Self::Utf8 | Self::Single => addition.as_bytes().to_vec(),
            Self::Utf16 { little_endian } => addition
                .encode_utf16()
                .flat_map(|unit| if little_endian { unit.to_le_bytes() } else { unit.to_be_bytes() })
                .collect(),
        }
    }
}

/// A single-octet encoding. `encoding_rs` reads labels as browsers do, where "ISO-8859-1" means windows-1252;
/// other XML parsers take the name at its word, so the table below does.
enum Charset {
    Ascii,
    Latin1,
    Table { name: &'static str, encoding: &'static Encoding, holes: bool },
}

const CHARSETS: &[(&str, &Encoding)] = &[
    ("ISO-8859-2", ISO_8859_2),
    ("ISO-8859-3", ISO_8859_3),
    ("ISO-8859-4", ISO_8859_4),
    ("ISO-8859-5", ISO_8859_5),
    ("ISO-8859-6", ISO_8859_6),
    ("ISO-8859-7", ISO_8859_7),
    ("ISO-8859-8", ISO_8859_8),
    ("ISO-8859-10", ISO_8859_10),
    ("ISO-8859-13", ISO_8859_13),
    ("ISO-8859-14", ISO_8859_14),
    ("ISO-8859-15", ISO_8859_15),
    ("KOI8-R", KOI8_R),
    ("windows-1250", WINDOWS_1250),
    ("windows-1251", WINDOWS_1251),
    ("windows-1252", WINDOWS_1252),
    ("windows-1253", WINDOWS_1253),
    ("windows-1254", WINDOWS_1254),
    ("windows-1256", WINDOWS_1256),
    ("windows-1257", WINDOWS_1257),
];

impl Charset {
    fn named(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("US-ASCII") || name.eq_ignore_ascii_case("ASCII") {
            return Some(Self::Ascii);
        }
        if name.eq_ignore_ascii_case("ISO-8859-1") {
            return Some(Self::Latin1);
        }
        CHARSETS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(name, encoding)| Self::Table {
            name,
            encoding,
            holes: name.starts_with("windows"),
        })
    }

    fn decode<'b>(&self, octets: &'b [u8]) -> Result<Cow<'b, str>, XmlError> {
        let undecodable = |encoding| XmlError::at_start(XmlFault::Undecodable { encoding });
        match *self {
            Self::Ascii if octets.is_ascii() => Ok(encoding_rs::mem::decode_latin1(octets)),
            Self::Ascii => Err(undecodable("US-ASCII")),
            Self::Latin1 => Ok(encoding_rs::mem::decode_latin1(octets)),
            Self::Table { name, encoding, holes } => {
                let text = encoding
                    .decode_without_bom_handling_and_without_replacement(octets)
                    .ok_or_else(|| undecodable(name))?;
                // Browsers fill the unassigned octets of the windows code pages with control characters.
                if holes && text.chars().any(|character| ('\u{80}'..='\u{9F}').contains(&character)) {
                    return Err(undecodable(name));
                }
                Ok(text)
            }
        }
    }
}

/// The single-octet encoding that the declaration of a document without byte order mark announces.
fn announced(octets: &[u8]) -> Result<Option<Charset>, XmlError> {
    if !octets.starts_with(b"<?xml") {
        return Ok(None);
    }
    // Long enough for any declaration; what is not ASCII here is not a declaration either.
    let start = octets.get(..1024).unwrap_or(octets);
    let end = start.windows(2).position(|pair| pair == b"?>").map_or(start.len(), |position| position + 2);
    let ascii = start.get(..end).unwrap_or(start);
    let text = std::str::from_utf8(ascii).map_err(|_| XmlError::at_start(XmlFault::Declaration))?;
    match Declaration::read(text)?.encoding {
        None => Ok(None),
        Some(name) if name.eq_ignore_ascii_case("UTF-8") => Ok(None),
        Some(name) if name.eq_ignore_ascii_case("UTF-16") => Err(XmlError::at_start(XmlFault::ConflictingEncoding {
            declared: shortened(name),
            detected: "without the byte order mark of UTF-16",
        })),
        Some(name) => Charset::named(name)
            .map(Some)
            .ok_or_else(|| XmlError::at_start(XmlFault::UnsupportedEncoding { declared: shortened(name) })),
    }
}

fn utf8(octets: &[u8]) -> Result<Cow<'_, str>, XmlError> {
    match std::str::from_utf8(octets) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(error) => {
            let valid = octets.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok());
            let valid = valid.unwrap_or_default();
            Err(XmlError::at(valid, valid.len(), XmlFault::Undecodable { encoding: "UTF-8" }))
        }
    }
}

fn wide<'b>(octets: &'b [u8], encoding: &'static Encoding) -> Result<Cow<'b, str>, XmlError> {
    encoding
        .decode_without_bom_handling_and_without_replacement(octets)
        .ok_or_else(|| XmlError::at_start(XmlFault::Undecodable { encoding: "UTF-16" }))
}

/// XML 1.0, production 2; surrogates cannot occur in a `str`.
pub(crate) fn is_legal(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

fn refuse_illegal_characters(text: &str) -> Result<(), XmlError> {
    // Octets are looked at in bulk; only where something is wrong, each character is.
    let control = |octet: u8| octet < b' ' && !matches!(octet, b'\t' | b'\n' | b'\r');
    let is_fine = |block: &[u8]| block.iter().fold(0_u8, |wrong, octet| wrong | u8::from(control(*octet))) == 0;
    if text.as_bytes().chunks(4096).all(is_fine) && !text.contains('\u{FFFE}') && !text.contains('\u{FFFF}') {
        return Ok(());
    }
    match text.char_indices().find(|&(_, character)| !is_legal(character)) {
        None => Ok(()),
        Some((offset, character)) => {
            Err(XmlError::at(text, offset, XmlFault::Character { code: u32::from(character) }))
        }
    }
}

#[cfg(test)]
mod tests;
