//! The byte range of a signature: the whole file but the string in `/Contents` (ISO 32000-2, 12.8.1).

use std::ops::Range;

/// What a signature covers: everything before a gap and everything after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_four_gibibytes_are_written_in_full() {
        assert_eq!(
            ByteRange::new(5_000_000_000..5_000_020_000, 5_000_030_000).numbers(),
            "5000000000 5000020000 10000"
        );
    }
}
