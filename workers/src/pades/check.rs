//! Verifies a sealed PDF as it will be sent (promises 3 and 4).

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader};

use super::byte_range::{ByteRange, slices};
use super::syntax::{self, SyntaxError};
use crate::cades::verify::verify_signed_data;
use crate::create::SignatureContext;
use crate::error::Discrepancy;
use crate::worker::{SignedDocument, SignerDocument};

pub(super) fn check(
    signed: &SignedDocument,
    document: &SignerDocument,
    context: &SignatureContext<'_>,
) -> Result<(), Discrepancy> {
    let odd = |what: &str| Discrepancy::Unreadable(what.to_owned());
    let original = document.octets().map_err(|_| odd("there is no original document"))?;
    let [before, update] = signed.segments.as_slice() else { return Err(odd("the PDF is not original and update")) };
    if before != original {
        return Err(odd("the bytes before the update are not those of the document"));
    }
    let found = Found::in_update(update).map_err(|_| odd("the update does not begin with a signature dictionary"))?;
    let offset = before.len();
    let range = ByteRange::new(offset + found.gap.start..offset + found.gap.end, signed.length());
    if found.byte_range != format!("0 {}", range.numbers()) {
        return Err(odd("/ByteRange is not the whole file but /Contents"));
    }
    let digest = range.digest(&slices(&signed.segments), context.algorithm.digest());
    let digest = digest.map_err(|error| Discrepancy::Unreadable(error.to_string()))?;
    let cms = without_padding(&found.contents).ok_or_else(|| odd("/Contents is not a CMS and zeros"))?;
    verify_signed_data(cms, context, None, |encapsulated| encapsulated.is_none().then_some(digest))
}

/// The entries of the signature dictionary that say what is signed.
struct Found {
    byte_range: String,
    contents: Vec<u8>,
    gap: std::ops::Range<usize>,
}

impl Found {
    fn in_update(update: &[u8]) -> Result<Self, SyntaxError> {
        let mut start = 0;
        // Object number, generation number, `obj`.
        for _ in 0..3 {
            start = syntax::skip_white_space(update, syntax::object_end(update, start)?);
        }
        let text = update.get(start..).ok_or(SyntaxError)?;
        let (entries, _) = syntax::dictionary(text)?;
        let value = |key: &[u8]| entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.clone());
        let gap = value(b"Contents").ok_or(SyntaxError)?;
        let contents = text.get(gap.start + 1..gap.end - 1).ok_or(SyntaxError)?;
        let byte_range = text.get(value(b"ByteRange").ok_or(SyntaxError)?).ok_or(SyntaxError)?;
        let byte_range = byte_range.strip_prefix(b"[").and_then(|range| range.strip_suffix(b"]")).ok_or(SyntaxError)?;
        let byte_range = std::str::from_utf8(byte_range).map_err(|_| SyntaxError)?;
        Ok(Self {
            byte_range: byte_range.trim_end().to_owned(),
            contents: syntax::hexadecimal(contents)?,
            gap: start + gap.start..start + gap.end,
        })
    }
}

/// The CMS without the zeros behind it.
fn without_padding(contents: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(contents).ok()?;
    AnyRef::decode(&mut reader).ok()?;
    let (cms, padding) = contents.split_at_checked(usize::try_from(reader.position()).ok()?)?;
    padding.iter().all(|octet| *octet == 0).then_some(cms)
}
