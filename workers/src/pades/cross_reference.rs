//! Reads where the objects of a PDF are, strictly as written (ISO 32000-2, 7.5.4 to 7.5.8).
//!
//! Nothing is guessed: where it is damaged, a seal lists all objects anew, as they are found by `super::scan`. Nothing is read twice,
//! so that a hostile file costs no more than an honest one.

mod entries;

use std::collections::HashSet;

use lopdf::{Dictionary, Object};

use super::octets::PdfOctets;
use super::refusal::PdfRefusal;
use super::stream;
use super::syntax::{self, value};
use entries::Entries;

/// How a section locates its objects; an update must do it the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SectionKind {
    /// `xref` and `trailer` (7.5.4).
    Table,
    /// A stream (7.5.8).
    Stream,
}

/// Where an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// Nowhere: its number is free.
    Free,
    /// At an offset of the file.
    Offset {
        /// From the first byte of the file.
        offset: usize,
        /// Its generation.
        generation: u16,
    },
    /// In an object stream.
    Compressed {
        /// Number of the stream.
        container: u32,
        /// Its place in there.
        index: u32,
    },
}

impl Location {
    /// Whether an object of this generation is there.
    pub(super) const fn has_generation(self, wanted: u16) -> bool {
        match self {
            Self::Free => false,
            Self::Offset { generation, .. } => generation == wanted,
            Self::Compressed { .. } => wanted == 0,
        }
    }
}

/// All sections of a file, merged.
pub(super) struct CrossReference {
    /// Kind of the last section.
    pub(super) kind: SectionKind,
    /// Where the last section begins.
    pub(super) start: usize,
    /// The trailer of the last section.
    pub(super) trailer: Dictionary,
    /// Each object number with what counts for it, in their order.
    pub(super) locations: Vec<(u32, Location)>,
    /// The highest object number of a section that is a stream; some are not listed.
    pub(super) highest_stream: u32,
    /// What is wrong with them all the same.
    pub(super) defect: Option<String>,
}

struct Section {
    kind: SectionKind,
    entries: Entries,
    trailer: Dictionary,
}

impl CrossReference {
    /// Reads the last section and all before it.
    ///
    /// # Errors
    /// [`PdfRefusal::CrossReference`] at the first defect that leaves nothing to go by.
    pub(super) fn read(file: PdfOctets<'_>) -> Result<Self, PdfRefusal> {
        let start = start(file)?;
        let mut reader = SectionReader { file, budget: 2 * file.len() + stream::MAX_DECOMPRESSED, highest_stream: 0 };
        let last = reader.section(start)?;
        let mut seen = HashSet::from([start]);
        let mut merged = last.entries;
        let mut previous = number(&last.trailer, b"Prev");
        let mut ring = None;
        while let Some(offset) = previous {
            // Some readers end the chain here and see what is listed so far; others look for all objects anew.
            if !seen.insert(offset) {
                ring = Some("its sections lead back to one another".to_owned());
                break;
            }
            let section = reader.section(offset)?;
            previous = number(&section.trailer, b"Prev");
            merged.append(section.entries)?;
        }
        Ok(Self {
            kind: last.kind,
            start,
            trailer: last.trailer,
            locations: merged.finish()?,
            highest_stream: reader.highest_stream,
            defect: ring,
        })
    }
}

/// What `startxref` names.
fn start(file: PdfOctets<'_>) -> Result<usize, PdfRefusal> {
    let file = file.last_piece();
    let padding = file.iter().rev().take_while(|byte| syntax::is_white_space(**byte)).count();
    let tail = (file.len() - padding).saturating_sub(TAIL);
    let keyword = b"startxref";
    let found = file.get(tail..).unwrap_or_default().windows(keyword.len()).rposition(|window| window == keyword);
    let found = found.ok_or_else(|| defect("there is no startxref at its end"))?;
    let after = file.get(tail + found + keyword.len()..).unwrap_or_default();
    let (offset, rest) = integer(after).ok_or_else(|| defect("startxref names no offset"))?;
    if !rest.trim_ascii_start().starts_with(b"%%EOF") {
        return Err(defect("startxref is not followed by %%EOF"));
    }
    Ok(offset)
}

/// Reads sections, with a bound on what they may unpack to.
struct SectionReader<'f> {
    file: PdfOctets<'f>,
    budget: usize,
    highest_stream: u32,
}

impl SectionReader<'_> {
    /// Sections inside sections would otherwise be read over and over.
    fn spend(&mut self, cost: usize) -> Result<(), PdfRefusal> {
        self.budget = self.budget.saturating_sub(cost);
        if self.budget == 0 { Err(defect("its sections overlap, or unpack beyond measure")) } else { Ok(()) }
    }

    fn section(&mut self, offset: usize) -> Result<Section, PdfRefusal> {
        let file = self.file;
        // Poppler, pyHanko and EU DSS live with white space before a section.
        let white_space = file.after(offset).iter().take_while(|byte| syntax::is_white_space(**byte));
        let offset = offset + white_space.take(MAX_WHITE_SPACE).count();
        let text = file.after(offset);
        if text.starts_with(b"xref") {
            let (mut section, rest) = table(text.get(4..).unwrap_or_default(), file.len(), offset)?;
            self.spend(text.len() - rest.len())?;
            if let Some(hybrid) = number(&section.trailer, b"XRefStm") {
                section.entries = section.entries.revealed_by(self.stream_section(hybrid)?.entries);
            }
            Ok(section)
        } else if text.first().is_some_and(u8::is_ascii_digit) {
            self.stream_section(offset)
        } else {
            Err(defect(&format!("no section begins at offset {offset}")))
        }
    }

    fn stream_section(&mut self, offset: usize) -> Result<Section, PdfRefusal> {
        let file = self.file;
        let malformed = || defect(&format!("the stream at offset {offset} is malformed"));
        let (number_of_stream, rest) = integer(file.after(offset)).ok_or_else(malformed)?;
        let number_of_stream = u32::try_from(number_of_stream).map_err(|_| malformed())?;
        self.highest_stream = self.highest_stream.max(number_of_stream);
        let (_, rest) = integer(rest).ok_or_else(malformed)?;
        let body = rest.trim_ascii_start().strip_prefix(b"obj").ok_or_else(malformed)?;
        let start = syntax::skip_white_space(body, 0);
        let end = syntax::object_end(body, start).map_err(|_| malformed())?;
        let trailer = value::parse_within(body.get(start..end).ok_or_else(malformed)?, &mut { MAX_TRAILER_VALUES });
        let Ok(Object::Dictionary(trailer)) = trailer else { return Err(malformed()) };
        // 7.5.8.2: all its entries are direct, /Length too.
        let content =
            stream::content(body.get(end..).unwrap_or_default(), number(&trailer, b"Length")).ok_or_else(malformed)?;
        let filters = stream::filters(&trailer, |direct| direct);
        let content = filters.and_then(|filters| stream::decode(filters, content.to_vec(), &mut self.budget));
        self.spend(0)?;
        let content = content.ok_or_else(|| defect(&format!("the stream at offset {offset} cannot be decoded")))?;

        let numbers = |key: &[u8]| -> Option<Vec<usize>> {
            trailer.get(key).ok()?.as_array().ok()?.iter().map(|n| usize::try_from(n.as_i64().ok()?).ok()).collect()
        };
        let widths = numbers(b"W").ok_or_else(malformed)?;
        let [kind, second, third] = *widths.as_slice() else { return Err(malformed()) };
        if widths.iter().any(|width| *width > 8) || second == 0 {
            return Err(malformed());
        }
        let size = number(&trailer, b"Size").ok_or_else(malformed)?;
        let index = numbers(b"Index").unwrap_or_else(|| vec![0, size]);
        let ids = index.as_chunks::<2>().0.iter().flat_map(|[first, count]| *first..first.saturating_add(*count));
        let mut entries = Entries::new(file.len());
        for (id, entry) in ids.zip(content.chunks_exact(kind + second + third)) {
            let (kind_field, rest) = entry.split_at(kind);
            let (second, third) = rest.split_at(second);
            let generation = || u16::try_from(big_endian(third)).map_err(|_| malformed());
            let location = match if kind_field.is_empty() { 1 } else { big_endian(kind_field) } {
                1 => Location::Offset { offset: big_endian(second), generation: generation()? },
                2 => Location::Compressed {
                    container: u32::try_from(big_endian(second)).map_err(|_| malformed())?,
                    index: u32::try_from(big_endian(third)).map_err(|_| malformed())?,
                },
                // 7.5.8.3: type 0 is free, any other a reference to the null object.
                _ => Location::Free,
            };
            entries.push(id, location)?;
        }
        Ok(Section { kind: SectionKind::Stream, entries, trailer })
    }
}

/// The section that `text` begins with, and what follows it.
fn table(mut text: &[u8], file_length: usize, offset: usize) -> Result<(Section, &[u8]), PdfRefusal> {
    let malformed = || defect(&format!("the table at offset {offset} is malformed"));
    let mut entries = Entries::new(file_length);
    loop {
        if let Some(trailer) = text.trim_ascii_start().strip_prefix(b"trailer") {
            let end = syntax::object_end(trailer, 0).map_err(|_| malformed())?;
            let (trailer, rest) = trailer.split_at_checked(end).ok_or_else(malformed)?;
            let trailer = value::parse_within(trailer, &mut { MAX_TRAILER_VALUES }).map_err(|_| malformed())?;
            let Object::Dictionary(trailer) = trailer else { return Err(malformed()) };
            return Ok((Section { kind: SectionKind::Table, entries, trailer }, rest));
        }
        let (first, rest) = integer(text).ok_or_else(malformed)?;
        let (count, rest) = integer(rest).ok_or_else(malformed)?;
        text = rest;
        for number in first..first.saturating_add(count) {
            // Poppler and EU DSS live with a count that is too high.
            if text.trim_ascii_start().starts_with(b"trailer") {
                break;
            }
            let (offset, rest) = integer(text).ok_or_else(malformed)?;
            let (generation, rest) = integer(rest).ok_or_else(malformed)?;
            let (keyword, rest) = rest.trim_ascii_start().split_first().ok_or_else(malformed)?;
            text = rest;
            let location = match keyword {
                // An in-use entry at offset 0 is a common way to write a free one.
                b'n' if offset != 0 => {
                    Location::Offset { offset, generation: u16::try_from(generation).map_err(|_| malformed())? }
                }
                b'n' | b'f' => Location::Free,
                _ => return Err(malformed()),
            };
            entries.push(number, location)?;
        }
    }
}

fn number(dictionary: &Dictionary, key: &[u8]) -> Option<usize> {
    usize::try_from(dictionary.get(key).ok()?.as_i64().ok()?).ok()
}

/// The number that `bytes` begin with, and what follows it.
pub(super) fn integer(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let start = bytes.iter().take_while(|byte| syntax::is_white_space(**byte)).count();
    let bytes = bytes.get(start..)?;
    let (digits, rest) = bytes.split_at(bytes.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let with = |number: usize, digit: &u8| number.checked_mul(10)?.checked_add(usize::from(digit - b'0'));
    Some((digits.iter().try_fold(0, with).filter(|_| !digits.is_empty())?, rest))
}

fn big_endian(octets: &[u8]) -> usize {
    octets.iter().fold(0, |number, octet| number << 8 | usize::from(*octet))
}

fn defect(what: &str) -> PdfRefusal {
    PdfRefusal::CrossReference(what.to_owned())
}

/// ISO 32000-1, annex C: the highest number that every reader takes.
pub(super) const HIGHEST_OBJECT_NUMBER: u32 = 8_388_607;
/// How many values its trailers have: they are held several times. Those of streams list every gap in the numbers of objects.
pub(super) const MAX_TRAILER_VALUES: usize = 500_000;
/// How much white space before a section is skipped; linearizing programs leave some hundred blanks.
const MAX_WHITE_SPACE: usize = 1024;
/// The defect of a section that lists higher numbers.
pub(super) const NUMBERS_BEYOND: &str = "it lists object numbers beyond 8388607";
/// How far from the end readers look for `startxref`.
const TAIL: usize = 1024 + 32;

#[cfg(test)]
mod tests;
