//! The octets of a PDF in two pieces: a document as it came, and the updates behind it. Neither is ever copied for the other.
//!
//! Every object lies in one of the pieces, because updates begin where the document ends (ISO 32000-2, 7.5.6).

use std::ops::Range;

use bytes::Bytes;
use cryptotoken_api::DigestAlgorithm;
use openssl::error::ErrorStack;
use openssl::hash::Hasher;

use super::byte_range::ByteRange;
use crate::memory::MemoryDocument;

/// A PDF that grows.
#[derive(Clone, Debug)]
pub(super) struct GrowingPdf {
    document: MemoryDocument,
    updates: Vec<u8>,
}

impl GrowingPdf {
    /// The document in the first segment and its updates in the others. `known` is the same document where it was looked at before.
    pub(super) fn new(segments: &[Bytes], known: Option<&MemoryDocument>) -> Self {
        let (document, updates) = match segments {
            [] => (MemoryDocument::default(), Vec::new()),
            [document, updates @ ..] => match known.filter(|known| known.is(document)) {
                Some(known) => (known.clone(), updates.concat()),
                None => (document.clone().into(), updates.concat()),
            },
        };
        Self { document, updates }
    }

    /// All of it.
    pub(super) fn octets(&self) -> PdfOctets<'_> {
        PdfOctets { document: &self.document, updates: &self.updates, hashed: Some(&self.document) }
    }

    /// The digest that the range has with one more update, which is not there yet.
    ///
    /// # Errors
    /// As [`PdfOctets::digest`].
    pub(super) fn digest_with(
        &self,
        update: &[u8],
        range: &ByteRange,
        algorithm: DigestAlgorithm,
    ) -> Result<Vec<u8>, ErrorStack> {
        let updates = [&self.updates, update].concat();
        PdfOctets::of(&self.document).followed_by(&updates).digest(range, algorithm)
    }

    /// Adds one more update.
    pub(super) fn append(&mut self, update: &[u8]) {
        self.updates.extend(update);
    }

    /// The pieces, one after the other.
    pub(super) fn into_segments(self) -> Vec<Bytes> {
        let document = Bytes::clone(&self.document);
        if self.updates.is_empty() { vec![document] } else { vec![document, self.updates.into()] }
    }
}

/// What is looked at: a PDF or an earlier revision of it.
#[derive(Clone, Copy)]
pub(super) struct PdfOctets<'a> {
    document: &'a [u8],
    updates: &'a [u8],
    hashed: Option<&'a MemoryDocument>,
}

impl<'a> PdfOctets<'a> {
    /// The document alone.
    pub(super) fn of(document: &'a MemoryDocument) -> Self {
        Self { document, updates: &[], hashed: Some(document) }
    }

    /// The document with these updates behind it.
    pub(super) const fn followed_by(self, update: &'a [u8]) -> Self {
        Self { updates: update, ..self }
    }

    /// How many.
    pub(super) const fn len(self) -> usize {
        self.document.len() + self.updates.len()
    }

    /// What begins at `offset`, to the end of the piece that it is in.
    pub(super) fn after(self, offset: usize) -> &'a [u8] {
        let inside = match offset.checked_sub(self.document.len()) {
            None => self.document.get(offset..),
            Some(offset) => self.updates.get(offset..),
        };
        inside.unwrap_or_default()
    }

    /// The octets there, if they are in one piece.
    pub(super) fn get(self, range: Range<usize>) -> Option<&'a [u8]> {
        self.after(range.start).get(..range.end.checked_sub(range.start)?)
    }

    /// All of them, if they are in one piece.
    pub(super) const fn in_one_piece(self) -> Option<&'a [u8]> {
        if self.updates.is_empty() { Some(self.document) } else { None }
    }

    /// The end of the file, as much of it as is in one piece.
    pub(super) const fn last_piece(self) -> &'a [u8] {
        if self.updates.is_empty() { self.document } else { self.updates }
    }

    /// The revision that ends there.
    pub(super) fn until(self, end: usize) -> Option<Self> {
        match end.checked_sub(self.document.len()) {
            None => Some(Self { document: self.document.get(..end)?, updates: &[], hashed: None }),
            Some(end) => Some(Self { updates: self.updates.get(..end)?, ..self }),
        }
    }

    /// Whether these are the first octets.
    pub(super) fn begin_with(self, document: &MemoryDocument) -> bool {
        std::ptr::eq(self.document, document.as_ref()) || self.document.starts_with(document)
    }

    /// The digest over both parts of the byte range. A document that both the range and the hash begin with is hashed once.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub(super) fn digest(self, range: &ByteRange, algorithm: DigestAlgorithm) -> Result<Vec<u8>, ErrorStack> {
        let (mut hasher, mut offset, pieces) = match self.hashed {
            Some(hashed) if range.gap().start >= self.document.len() => {
                (hashed.hasher(algorithm)?, self.document.len(), [self.updates, &[]])
            }
            _ => (Hasher::new(algorithm.message_digest())?, 0, [self.document, self.updates]),
        };
        for piece in pieces {
            let within = |position: usize| position.clamp(offset, offset + piece.len()) - offset;
            hasher.update(piece.get(..within(range.gap().start)).unwrap_or_default())?;
            hasher.update(piece.get(within(range.gap().end)..within(range.end())).unwrap_or_default())?;
            offset += piece.len();
        }
        Ok(hasher.finish()?.to_vec())
    }
}

impl<'a> From<&'a [u8]> for PdfOctets<'a> {
    fn from(document: &'a [u8]) -> Self {
        Self { document, updates: &[], hashed: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_same_however_the_file_is_cut() {
        let file = b"0123456789<abcdef>XYZ";
        let range = ByteRange::new(10..18, file.len());
        let expected = DigestAlgorithm::Sha256.digest(b"0123456789XYZ");
        for cut in 0..=file.len() {
            let (first, second) = file.split_at(cut);
            let pdf = GrowingPdf::new(&[Bytes::from_static(first), Bytes::from_static(second)], None);
            for _ in 0..2 {
                assert_eq!(pdf.octets().digest(&range, DigestAlgorithm::Sha256).unwrap(), expected, "cut at {cut}");
            }
            for end in 18..=file.len() {
                let revision = pdf.octets().until(end).unwrap();
                let range = ByteRange::new(10..18, end);
                let expected = DigestAlgorithm::Sha256.digest(&[&file[..10], &file[18..end]].concat());
                assert_eq!(revision.digest(&range, DigestAlgorithm::Sha256).unwrap(), expected, "{cut}, {end}");
            }
        }
    }

    #[test]
    fn what_is_there_is_found_in_either_piece() {
        let mut pdf = GrowingPdf::new(&[Bytes::from_static(b"01234")], None);
        assert_eq!(pdf.octets().last_piece(), b"01234");
        pdf.append(b"56");
        pdf.append(b"789");
        let octets = pdf.octets();
        assert_eq!(
            (octets.len(), octets.after(2), octets.after(5), octets.after(7)),
            (10, &b"234"[..], &b"56789"[..], &b"789"[..])
        );
        assert_eq!((octets.after(10), octets.after(11), octets.last_piece()), (&b""[..], &b""[..], &b"56789"[..]));
        assert_eq!((octets.get(3..5), octets.get(6..8), octets.get(4..6)), (Some(&b"34"[..]), Some(&b"67"[..]), None));
        assert_eq!(octets.until(4).map(PdfOctets::len), Some(4));
        assert_eq!(octets.until(7).map(|revision| revision.last_piece()), Some(&b"56"[..]));
        assert!(octets.until(11).is_none());
        assert_eq!(pdf.into_segments().concat(), b"0123456789");
    }
}
