//! Finds the objects and trailers of a PDF by looking for them, where the data that says where they are is damaged.
//!
//! One pass from the first byte to the last, as poppler, PDFBox, qpdf, pdf.js and pyHanko do it, so that the same objects are found.
//! What is inside a stream is no object of the file. Every byte is read a bounded number of times.

use std::collections::{BTreeMap, HashMap};

use lopdf::{Dictionary, Object};
use memchr::memmem;

use super::cross_reference::{HIGHEST_OBJECT_NUMBER, MAX_TRAILER_VALUES, integer};
use super::refusal::PdfRefusal;
use super::stream;
use super::syntax::{self, value};

/// What is in a file, in whatever order.
#[derive(Default)]
pub(super) struct Scan {
    /// Of each object number the last definition.
    pub(super) objects: BTreeMap<u32, Definition>,
    /// The dictionaries after `trailer`, and those of cross-reference streams, in the order of the file.
    pub(super) trailers: Vec<Dictionary>,
    /// Whether some of them are those of streams.
    pub(super) has_section_streams: bool,
    /// Whether there are objects with numbers that not every reader takes; they are left out.
    pub(super) has_numbers_beyond: bool,
    /// The highest object number that is referred to.
    pub(super) highest_reference: u32,
    /// The first that only some readers take for an object or a trailer, because it is within another, or in a comment.
    pub(super) disputed: Option<Disputed>,
}

/// What is disputed between readers: poppler, PDFBox and qpdf look through the content of streams too, and not in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disputed {
    /// From the first byte of the file: where its keyword ends.
    pub(super) offset: usize,
    /// `an object` or `a trailer`.
    pub(super) what: &'static str,
}

/// Where an object begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    /// From the first byte of the file.
    pub(super) offset: usize,
    /// Its generation.
    pub(super) generation: u16,
    /// Whether it is a stream of objects (ISO 32000-2, 7.5.7).
    pub(super) is_object_stream: bool,
}

impl Scan {
    /// Looks through the whole file.
    ///
    /// # Errors
    /// [`PdfRefusal::CutOff`] when the file ends within a stream, [`PdfRefusal::TooLarge`] when objects begin inside others over and
    /// over, or trailers hold more values than any do.
    pub(super) fn read(file: &[u8]) -> Result<Self, PdfRefusal> {
        let mut scanner = Scanner {
            file,
            found: Self { highest_reference: highest_reference(file), ..Self::default() },
            integers: integers(file),
            budget: 4 * file.len() + 1024,
            values: MAX_TRAILER_VALUES,
            undisputed: 0,
        };
        let mut position = 0;
        while let Some(rest) = file.get(position..).filter(|rest| !rest.is_empty()) {
            position += scanner.step(position, rest)?.max(1);
        }
        scanner.dispute(file.len(), 0);
        if scanner.values == 0 {
            return Err(PdfRefusal::TooLarge("its trailers hold more than 500,000 values"));
        }
        Ok(scanner.found)
    }
}

struct Scanner<'f> {
    file: &'f [u8],
    found: Scan,
    /// The objects that are a number: lengths of streams.
    integers: HashMap<u32, usize>,
    budget: usize,
    /// How many values trailers may still have, all together.
    values: usize,
    /// Where the last keyword ends that begins an object or a trailer.
    undisputed: usize,
}

impl Scanner<'_> {
    /// How many bytes of `rest`, which begins at `position`, are done with.
    fn step(&mut self, position: usize, rest: &[u8]) -> Result<usize, PdfRefusal> {
        match rest {
            [b'0'..=b'9', ..] => match header(rest) {
                Some((number, generation, length)) => {
                    self.dispute(position, length);
                    if number > HIGHEST_OBJECT_NUMBER {
                        self.found.has_numbers_beyond = true;
                        return Ok(length);
                    }
                    self.object(position, (number, generation), length)
                }
                None => Ok(rest.iter().take_while(|byte| byte.is_ascii_digit()).count()),
            },
            // What follows these on the same line counts: programs that append forget to end the line.
            [b'%', b'%', b'E', b'O', b'F', ..] => Ok(5),
            [b'%', b'P', b'D', b'F', ..] => Ok(syntax::regular_length(rest.get(1..).unwrap_or_default()) + 1),
            [b'%', ..] => Ok(rest.iter().take_while(|byte| !b"\r\n".contains(byte)).count()),
            _ if rest.starts_with(b"endobj") => Ok(6),
            _ if rest.starts_with(b"endstream") => Ok(9),
            _ if rest.starts_with(TRAILER) => {
                self.dispute(position, TRAILER.len());
                let start = syntax::skip_white_space(self.file, position + 7);
                let Some(end) = self.object_end(start)? else { return Ok(7) };
                let trailer = self.file.get(start..end).unwrap_or_default();
                if let Ok(Object::Dictionary(trailer)) = value::parse_within(trailer, &mut self.values) {
                    self.found.trailers.push(trailer);
                }
                Ok(end - position)
            }
            _ => Ok(syntax::regular_length(rest)),
        }
    }

    /// The object whose header of this length begins at `position`.
    fn object(
        &mut self,
        position: usize,
        (number, generation): (u32, u16),
        length: usize,
    ) -> Result<usize, PdfRefusal> {
        let start = syntax::skip_white_space(self.file, position + length);
        let mut definition = Definition { offset: position, generation, is_object_stream: false };
        let Some(end) = self.object_end(start)? else {
            // Readers make of it what they can, or nothing.
            self.define(number, definition);
            return Ok(length);
        };
        if !stream::begins(self.file.get(end..).unwrap_or_default()) {
            self.define(number, definition);
            return Ok(end - position);
        }
        let mut values = value::MAX_VALUES;
        let dictionary = match value::parse_within(self.file.get(start..end).unwrap_or_default(), &mut values) {
            Ok(Object::Dictionary(dictionary)) => dictionary,
            _ => Dictionary::new(),
        };
        let declared = match dictionary.get(b"Length") {
            Ok(Object::Reference((number, _))) => self.integers.get(number).copied(),
            Ok(length) => length.as_i64().ok().and_then(|length| usize::try_from(length).ok()),
            Err(_) => None,
        };
        let Some(content) = stream::extent(self.file.get(end..).unwrap_or_default(), declared) else {
            return Err(PdfRefusal::CutOff { object: number });
        };
        match dictionary.get(b"Type").and_then(Object::as_name) {
            Ok(b"ObjStm") => definition.is_object_stream = true,
            Ok(b"XRef") => {
                self.values = self.values.saturating_sub(value::MAX_VALUES - values);
                self.found.has_section_streams = true;
                self.found.trailers.push(dictionary);
            }
            _ => {}
        }
        self.define(number, definition);
        Ok(end + content.end - position)
    }

    /// Looks for what others take to begin between the last beginning and this one, whose keyword ends after `length`.
    fn dispute(&mut self, position: usize, length: usize) {
        let between = self.file.get(self.undisputed..position).unwrap_or_default();
        if self.found.disputed.is_none() {
            let first = |keyword: &'static [u8]| {
                let mut ends = memmem::find_iter(between, keyword).map(|start| start + keyword.len());
                ends.find_map(|end| Some(Disputed { offset: self.undisputed + end, what: beginning(between, end)? }))
            };
            let disputed = [first(OBJECT), first(TRAILER)].into_iter().flatten();
            self.found.disputed = disputed.min_by_key(|disputed| disputed.offset);
        }
        self.undisputed = position + length;
    }

    fn define(&mut self, number: u32, definition: Definition) {
        let earlier = self.found.objects.entry(number).or_insert(definition);
        if definition.generation >= earlier.generation {
            *earlier = definition;
        }
    }

    fn object_end(&mut self, start: usize) -> Result<Option<usize>, PdfRefusal> {
        let end = syntax::object_end(self.file, start).ok();
        let cost = end.unwrap_or(self.file.len()).saturating_sub(start);
        let left = self.budget.checked_sub(cost).ok_or(PdfRefusal::TooLarge("its objects overlap"))?;
        self.budget = left;
        Ok(end)
    }
}

/// Number, generation and length of `N G obj`, if that is what `bytes` begin with.
fn header(bytes: &[u8]) -> Option<(u32, u16, usize)> {
    let window = bytes.get(..bytes.len().min(HEADER_ROOM))?;
    let (number, rest) = integer(window)?;
    let (generation, rest) =
        integer(rest).filter(|_| rest.first().is_some_and(|byte| syntax::is_white_space(*byte)))?;
    let rest = rest.trim_ascii_start().strip_prefix(b"obj")?;
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let generation = u16::try_from(generation).ok()?;
    (number > 0).then_some((number, generation, window.len() - rest.len()))
}

/// What seems to begin with the keyword that ends at `end`, whatever precedes it.
fn beginning(bytes: &[u8], end: usize) -> Option<&'static str> {
    let (before, after) = bytes.split_at_checked(end)?;
    if let Some(before) = before.strip_suffix(OBJECT) {
        let (_, before) = backwards(before)?;
        return backwards(before).filter(|(number, _)| *number > 0).map(|_| "an object");
    }
    let blanks = after.iter().take(HEADER_ROOM).take_while(|byte| syntax::is_white_space(**byte)).count();
    (before.ends_with(TRAILER) && after.get(blanks..)?.starts_with(b"<<")).then_some("a trailer")
}

/// The objects that are a number, wherever they seem to be.
fn integers(file: &[u8]) -> HashMap<u32, usize> {
    let mut integers = HashMap::new();
    let keywords = file.windows(4).enumerate().filter(|(_, window)| window == b" obj").map(|(position, _)| position);
    for position in keywords {
        let before = file.get(..position).unwrap_or_default();
        let number = backwards(before).and_then(|(_, before)| backwards(before));
        let value = file.get(position + 4..).and_then(|after| integer(after.get(..HEADER_ROOM.min(after.len()))?));
        if let (Some((number, _)), Some((value, _))) = (number, value) {
            integers.insert(number, value);
        }
    }
    integers
}

/// The highest number in something like `12 0 R`.
pub(super) fn highest_reference(bytes: &[u8]) -> u32 {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'R').map(|(position, _)| position);
    let number = |position: usize| {
        let (_, before) = backwards(bytes.get(..position)?)?;
        backwards(before).map(|(number, _)| number)
    };
    ends.filter_map(number).filter(|number| *number <= HIGHEST_OBJECT_NUMBER).max().unwrap_or(0)
}

/// The number that `bytes` end with, white space after it or not, and what precedes it.
fn backwards(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let bytes = bytes.get(bytes.len().saturating_sub(HEADER_ROOM)..)?;
    let blanks = bytes.iter().rev().take_while(|byte| syntax::is_white_space(**byte)).count();
    let bytes = bytes.get(..bytes.len() - blanks)?;
    let digits = bytes.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, digits) = bytes.split_at_checked(bytes.len() - digits)?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, before))
}

const OBJECT: &[u8] = b"obj";
const TRAILER: &[u8] = b"trailer";
/// An object's number, generation and keyword with generous white space.
const HEADER_ROOM: usize = 64;

#[cfg(test)]
mod tests;
