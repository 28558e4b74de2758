//! Lays out the signature dictionary (ISO 32000-2, 12.8.1; EN 319 142-1, clause 6.3).
//!
//! `prepare` reserves `/Contents` and `/ByteRange`; their values are known only when the whole update is laid out.

use std::ops::Range;

use lopdf::ObjectId;
use time::OffsetDateTime;

use super::Certification;
use super::field_lock::FieldLock;
use super::file::PdfFile;
use super::refusal::PdfRefusal;

/// What a signature dictionary says beside the signature.
pub(super) struct SignatureClaims<'c> {
    /// `/M`, the claimed signing time.
    pub(super) signing_time: OffsetDateTime,
    /// `/Reason`.
    pub(super) reason: Option<&'c str>,
    /// `/Location`.
    pub(super) location: Option<&'c str>,
    /// DocMDP level of a certification.
    pub(super) certification: Option<Certification>,
    /// What it locks (FieldMDP).
    pub(super) lock: Option<&'c FieldLock>,
}

impl SignatureClaims<'_> {
    /// The DocMDP level of a certification: the worker's, or less where the lock of the field says so.
    pub(super) fn certification_level(&self) -> Option<Certification> {
        self.certification.and(self.lowest_level())
    }

    /// What the document allows after this signature, where it says anything.
    pub(super) fn lowest_level(&self) -> Option<Certification> {
        let locked = self.lock.and_then(|lock| lock.level);
        self.certification.into_iter().chain(locked).min_by_key(|level| level.level())
    }
}

/// A signature dictionary with room for what is not known yet.
pub(super) struct SignatureDictionary {
    /// The object's text.
    pub(super) text: Vec<u8>,
    /// Where in it the three numbers of `/ByteRange` after the first are.
    pub(super) byte_range: Range<usize>,
    /// Where in it the hexadecimal string of `/Contents` is, angle brackets included.
    pub(super) contents: Range<usize>,
}

/// The dictionary that is to be object `id` of `file`, with room for `reserved` octets of CMS.
///
/// # Errors
/// [`PdfRefusal::UnsupportedEncryption`] when its strings cannot be encrypted as the file demands.
pub(super) fn lay_out(
    file: &PdfFile<'_>,
    id: ObjectId,
    claims: &SignatureClaims<'_>,
    reserved: usize,
) -> Result<SignatureDictionary, PdfRefusal> {
    let (mut text, byte_range, contents) = begin("Sig", SUB_FILTER, reserved);
    let mut string = |key: &str, value: Vec<u8>| -> Result<(), PdfRefusal> {
        text.extend(key.as_bytes());
        text.extend(file.string(id, value)?);
        Ok(())
    };
    string("/M", date(claims.signing_time).into_bytes())?;
    if let Some(reason) = claims.reason {
        string("/Reason", text_string(reason))?;
    }
    if let Some(location) = claims.location {
        string("/Location", text_string(location))?;
    }
    let references = transforms(file, id, claims)?;
    if !references.is_empty() {
        text.extend([b"/Reference[", references.as_slice(), b"]"].concat());
    }
    text.extend(b">>");
    Ok(SignatureDictionary { text, byte_range, contents })
}

/// What later changes are to be compared with: signature reference dictionaries (ISO 32000-2, tables 256 to 259).
fn transforms(file: &PdfFile<'_>, id: ObjectId, claims: &SignatureClaims<'_>) -> Result<Vec<u8>, PdfRefusal> {
    let mut references = Vec::new();
    if let Some(level) = claims.certification_level() {
        let parameters = format!("<</Type/TransformParams/V/1.2/P {}>>", level.level());
        references.extend(format!("<</Type/SigRef/TransformMethod/DocMDP/TransformParams{parameters}>>").as_bytes());
    }
    if let Some(lock) = claims.lock {
        let (number, generation) = file.catalog_id();
        let start = format!(
            "<</Type/SigRef/TransformMethod/FieldMDP/Data {number} {generation} R\
             /TransformParams<</Type/TransformParams/V/1.2"
        );
        references.extend(start.as_bytes());
        references.extend(lock.entries(|name| file.string(id, name))?);
        references.extend(b">>>>");
    }
    Ok(references)
}

/// The dictionary of a document timestamp, with room for `reserved` octets of token (EN 319 142-1, clause 5.4.3).
pub(super) fn document_timestamp(reserved: usize) -> SignatureDictionary {
    let (mut text, byte_range, contents) = begin("DocTimeStamp", "ETSI.RFC3161", reserved);
    text.extend(b">>");
    SignatureDictionary { text, byte_range, contents }
}

fn begin(kind: &str, sub_filter: &str, reserved: usize) -> (Vec<u8>, Range<usize>, Range<usize>) {
    let start = format!("<</Type/{kind}/Filter/{FILTER}/SubFilter/{sub_filter}/ByteRange [0 ");
    let mut text = start.into_bytes();
    let byte_range = extend(&mut text, &[b' '; BYTE_RANGE_ROOM]);
    text.extend(b"]/Contents ");
    let contents = extend(&mut text, &[b"<".to_vec(), vec![b'0'; 2 * reserved], b">".to_vec()].concat());
    (text, byte_range, contents)
}

/// A text string in PDFDocEncoding where that is ASCII, else in UTF-16BE with its mark (ISO 32000-2, 7.9.2.2).
pub(super) fn text_string(text: &str) -> Vec<u8> {
    if text.is_ascii() {
        text.as_bytes().to_vec()
    } else {
        [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect()
    }
}

fn extend(text: &mut Vec<u8>, with: &[u8]) -> Range<usize> {
    let start = text.len();
    text.extend(with);
    start..text.len()
}

/// ISO 32000-2, 7.9.4.
fn date(time: OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    format!(
        "D:{:04}{:02}{:02}{:02}{:02}{:02}+00'00'",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// The handler that readers have for such signatures.
pub(super) const FILTER: &str = "Adobe.PPKLite";
/// EN 319 142-1, clause 6.3.
pub(super) const SUB_FILTER: &str = "ETSI.CAdES.detached";

/// Three numbers of up to 19 digits, with blanks between.
const BYTE_RANGE_ROOM: usize = 3 * 19 + 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_ascii_is_utf_16_with_its_mark() {
        assert_eq!(text_string("Tallinn"), b"Tallinn");
        assert_eq!(text_string("Põ\u{1f58b}"), [0xfe, 0xff, 0, b'P', 0, 0xf5, 0xd8, 0x3d, 0xdd, 0x8b]);
    }

    #[test]
    fn dates_are_in_utc() {
        let time = OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap();
        let east = time.to_offset(time::UtcOffset::from_hms(2, 0, 0).unwrap());
        assert_eq!(date(east), "D:20261118110640+00'00'");
    }
}
