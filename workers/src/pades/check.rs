//! Verifies a sealed PDF as it will be sent (promises 3 and 4).

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader};
use lopdf::Object;
use secrecy::SecretString;

use super::augment::AugmentablePdf;
use super::byte_range::ByteRange;
use super::file::PdfFile;
use super::octets::{GrowingPdf, PdfOctets};
use super::refusal::PdfRefusal;
use super::syntax::{self, SyntaxError};
use super::{fields, pages};
use crate::cades::verify::verify_signed_data;
use crate::create::SignatureContext;
use crate::error::Discrepancy;
use crate::level::SignatureLevel;
use crate::worker::{SignedDocument, SignerDocument};

pub(super) fn check(
    signed: &SignedDocument,
    document: &SignerDocument,
    context: &SignatureContext<'_>,
) -> Result<(), Discrepancy> {
    let odd = |what: &str| Discrepancy::Unreadable(what.to_owned());
    let original = document.octets().map_err(|_| odd("there is no original document"))?;
    // Without what hashing the document came to before: promise 3 wants the digest of what is sent.
    let pdf = GrowingPdf::new(&signed.segments, None);
    let (octets, offset) = (pdf.octets(), original.len());
    if !octets.begin_with(original) {
        return Err(odd("the bytes before the update are not those of the document"));
    }
    let found = Found::in_update(octets.after(offset))
        .map_err(|_| odd("the update does not begin with a signature dictionary"))?;
    let level = signed.level.unwrap_or_default();
    // Further updates follow the signature above level B-T, and where its timestamp did not fit into it.
    let end = if level > SignatureLevel::BaselineB { found.end().unwrap_or_default() } else { octets.len() };
    let range = ByteRange::new(offset + found.gap.start..offset + found.gap.end, end);
    if end > octets.len() || found.byte_range != format!("0 {}", range.numbers()) {
        return Err(odd("/ByteRange is not the whole file but /Contents"));
    }
    let digest = octets.digest(&range, context.algorithm.digest());
    let digest = digest.map_err(|error| Discrepancy::Unreadable(error.to_string()))?;
    let cms = without_padding(&found.contents).ok_or_else(|| odd("/Contents is not a CMS and zeros"))?;
    let cms = verify_signed_data(cms, context, None, &[], |encapsulated| encapsulated.is_none().then_some(digest))?;
    let timestamps: usize = cms.signers.iter().map(|signer| signer.unsigned_attributes.len()).sum();
    let stamped_inside = timestamps == 1;
    let most = usize::from(level > SignatureLevel::BaselineB);
    let alone = level < SignatureLevel::BaselineT || (level == SignatureLevel::BaselineT && stamped_inside);
    if !cms.crls.is_empty() || timestamps > most || alone != (end == octets.len()) {
        return Err(odd("the CMS has more or less than a signature of its level"));
    }
    // The revision that the signature covers must be a PDF that leads to it, and so must the last one.
    for revision in [octets.until(end), Some(octets)].into_iter().flatten() {
        let leads_there = leads_to(revision, &found.dictionary, context.parameters.password());
        if !leads_there.map_err(|refusal| Discrepancy::Unreadable(refusal.to_string()))? {
            return Err(odd("no signature field leads to the signature"));
        }
        if end == octets.len() {
            break;
        }
    }
    if level > SignatureLevel::BaselineB {
        AugmentablePdf::read(&signed.segments, Some(&document.content), context.parameters.password().cloned())
            .and_then(|pdf| pdf.has_parts_of(level, stamped_inside))
            .map_err(Discrepancy::Augmentation)?;
    }
    Ok(())
}

/// Whether a reader of the whole file finds this signature dictionary in a field of the form.
fn leads_to(document: PdfOctets<'_>, dictionary: &[u8], password: Option<&SecretString>) -> Result<bool, PdfRefusal> {
    let file = PdfFile::open_as_written(document, password)?;
    let fields = fields::all(&file)?;
    let mut signatures = fields.iter().filter(|field| field.signature().is_some());
    let found = signatures.any(|field| {
        let value = field.dictionary.get(b"V").and_then(Object::as_reference);
        value.is_ok_and(|id| file.text(id).is_ok_and(|text| text == dictionary))
    });
    // The update alone leads to the signature; the pages are there only when it leads back to what was before.
    pages::first(&file)?;
    file.refuse_unread()?;
    Ok(found)
}

/// The entries of the signature dictionary that say what is signed.
struct Found {
    /// All of it, as it stands there.
    dictionary: Vec<u8>,
    byte_range: String,
    contents: Vec<u8>,
    gap: std::ops::Range<usize>,
}

impl Found {
    /// The end of the second part, as `/ByteRange` says.
    fn end(&self) -> Option<usize> {
        let numbers: Vec<usize> = self.byte_range.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [0, _, start, length] = *numbers.as_slice() else { return None };
        start.checked_add(length)
    }

    fn in_update(update: &[u8]) -> Result<Self, SyntaxError> {
        let mut start = 0;
        // Object number, generation number, `obj`.
        for _ in 0..3 {
            start = syntax::skip_white_space(update, syntax::object_end(update, start)?);
        }
        let text = update.get(start..).ok_or(SyntaxError)?;
        let (entries, close) = syntax::dictionary(text)?;
        let value = |key: &[u8]| entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.clone());
        let gap = value(b"Contents").ok_or(SyntaxError)?;
        let contents = text.get(gap.start + 1..gap.end - 1).ok_or(SyntaxError)?;
        let byte_range = text.get(value(b"ByteRange").ok_or(SyntaxError)?).ok_or(SyntaxError)?;
        let byte_range = byte_range.strip_prefix(b"[").and_then(|range| range.strip_suffix(b"]")).ok_or(SyntaxError)?;
        let byte_range = std::str::from_utf8(byte_range).map_err(|_| SyntaxError)?;
        Ok(Self {
            dictionary: text.get(..close + ">>".len()).ok_or(SyntaxError)?.to_vec(),
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

#[cfg(test)]
mod tests;
