//! The byte range of a signature: the whole file but the string in `/Contents` (ISO 32000-2, 12.8.1).

use std::ops::Range;

use cryptotoken_api::DigestAlgorithm;
use openssl::error::ErrorStack;
use openssl::hash::Hasher;

/// What a signature covers: everything before a gap and everything after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ByteRange {
    gap: Range<usize>,
    end: usize,
}

impl ByteRange {
    /// All of a file of `end` octets but the `gap`.
    pub(super) const fn new(gap: Range<usize>, end: usize) -> Self {
        Self { gap, end }
    }

    /// Where the first part ends and the second begins.
    pub(super) fn gap(&self) -> Range<usize> {
        self.gap.clone()
    }

    /// Where the revision that is covered ends.
    pub(super) const fn end(&self) -> usize {
        self.end
    }

    /// The numbers that follow the first, zero: end of the first part, start and length of the second.
    pub(super) fn numbers(&self) -> String {
        format!("{} {} {}", self.gap.start, self.gap.end, self.end - self.gap.end)
    }

    /// The digest over both parts of the file that `segments` are.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub(super) fn digest(&self, segments: &[&[u8]], algorithm: DigestAlgorithm) -> Result<Vec<u8>, ErrorStack> {
        let mut hasher = Hasher::new(algorithm.message_digest())?;
        let mut offset = 0;
        for segment in segments {
            let within = |position: usize| position.clamp(offset, offset + segment.len()) - offset;
            hasher.update(segment.get(..within(self.gap.start)).unwrap_or_default())?;
            hasher.update(segment.get(within(self.gap.end)..within(self.end)).unwrap_or_default())?;
            offset += segment.len();
        }
        Ok(hasher.finish()?.to_vec())
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
            assert_eq!(range.digest(&[first, second], DigestAlgorithm::Sha256).unwrap(), expected, "cut at {cut}");
        }
    }

    #[test]
    fn numbers_beyond_four_gibibytes_are_written_in_full() {
        assert_eq!(
            ByteRange::new(5_000_000_000..5_000_020_000, 5_000_030_000).numbers(),
            "5000000000 5000020000 10000"
        );
    }
}
