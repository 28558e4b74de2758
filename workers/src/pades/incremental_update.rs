//! Writes an update behind a PDF: changed and new objects, a cross-reference section, a trailer (ISO 32000-2, 7.5.6).
//!
//! Only what is given is written; the bytes before the update stay as they are. The section is of the same kind as the
//! one before it, because readers do not take a mixture. Where that is damaged, it lists all objects, and refers to no other.

use std::collections::BTreeMap;

use lopdf::{Object, ObjectId, Stream};

use super::cross_reference::{Location, SectionKind};
use super::file::PdfFile;
use super::refusal::PdfRefusal;

/// The bytes that follow a file.
pub(super) struct IncrementalUpdate<'f> {
    file: &'f PdfFile<'f>,
    bytes: Vec<u8>,
    objects: BTreeMap<u32, Location>,
}

impl<'f> IncrementalUpdate<'f> {
    /// An empty update of `file`.
    pub(super) fn new(file: &'f PdfFile<'f>) -> Self {
        // `%%EOF` ends its line; many files stop short of that.
        let ends_a_line = file.octets().last_piece().last().is_some_and(|last| b"\r\n".contains(last));
        let bytes = if ends_a_line { Vec::new() } else { b"\n".to_vec() };
        let objects = if file.last_section().is_none() { all_locations(file) } else { BTreeMap::new() };
        Self { file, bytes, objects }
    }

    /// Appends an object and returns where in the update its text begins.
    pub(super) fn write(&mut self, id: ObjectId, text: &[u8]) -> usize {
        self.begin(id);
        let start = self.bytes.len();
        self.bytes.extend(text);
        self.bytes.extend(b"\nendobj\n");
        start
    }

    /// Closes the update with the cross-reference section; `next` is the lowest object number not in use.
    ///
    /// # Errors
    /// [`PdfRefusal::TooLarge`] when an offset does not fit the section.
    pub(super) fn finish(mut self, next: u32) -> Result<Vec<u8>, PdfRefusal> {
        let section = self.file.octets().len() + self.bytes.len();
        match self.file.section_kind() {
            SectionKind::Table => self.write_table(next)?,
            SectionKind::Stream => self.write_stream(next)?,
        }
        self.bytes.extend(format!("startxref\n{section}\n%%EOF\n").as_bytes());
        Ok(self.bytes)
    }

    fn begin(&mut self, (number, generation): ObjectId) {
        let offset = self.file.octets().len() + self.bytes.len();
        self.objects.insert(number, Location::Offset { offset, generation });
        self.bytes.extend(format!("{number} {generation} obj\n").as_bytes());
    }

    fn trailer(&self, size: u32) -> Result<lopdf::Dictionary, PdfRefusal> {
        let mut trailer = self.file.lasting_trailer();
        if let Some(previous) = self.file.last_section() {
            let previous = i64::try_from(previous);
            trailer.set("Prev", previous.map_err(|_| PdfRefusal::TooLarge("an offset is out of range"))?);
        }
        trailer.set("Size", i64::from(size));
        Ok(trailer)
    }

    /// Runs of consecutive object numbers: first number, locations.
    fn subsections(&self) -> Vec<(u32, Vec<&Location>)> {
        let mut subsections: Vec<(u32, Vec<&Location>)> = Vec::new();
        let mut expected = None;
        for (number, location) in &self.objects {
            match subsections.last_mut() {
                Some((_, locations)) if expected == Some(*number) => locations.push(location),
                _ => subsections.push((*number, vec![location])),
            }
            expected = number.checked_add(1);
        }
        subsections
    }

    fn write_table(&mut self, next: u32) -> Result<(), PdfRefusal> {
        let mut table = "xref\n".to_owned();
        if !self.objects.contains_key(&0) {
            // As in the standard's own example (annex H.7), the head of the free list leads the section.
            table.push_str("0 1\n0000000000 65535 f \n");
        }
        for (first, locations) in self.subsections() {
            table.push_str(&format!("{first} {}\n", locations.len()));
            for location in locations {
                match location {
                    Location::Offset { offset, .. } if *offset > LARGEST_TABLE_OFFSET => {
                        return Err(PdfRefusal::TooLarge("its cross-reference table holds offsets of ten digits only"));
                    }
                    Location::Offset { offset, generation } => {
                        table.push_str(&format!("{offset:010} {generation:05} n \n"));
                    }
                    _ => table.push_str("0000000000 65535 f \n"),
                }
            }
        }
        self.bytes.extend(table.as_bytes());
        self.bytes.extend(b"trailer\n");
        let trailer = Object::Dictionary(self.trailer(next)?);
        write_object(&mut self.bytes, &trailer)?;
        self.bytes.push(b'\n');
        Ok(())
    }

    /// In octets, of generations and of places in object streams: four only where one of these holds more than 65,536 objects.
    fn last_width(&self) -> u8 {
        let is_high =
            |location: &Location| matches!(location, Location::Compressed { index, .. } if *index > u16::MAX.into());
        if self.objects.values().any(is_high) { 4 } else { 2 }
    }

    fn write_stream(&mut self, number: u32) -> Result<(), PdfRefusal> {
        let mut dictionary = self.trailer(number + 1)?;
        self.begin((number, 0));
        let mut index = Vec::new();
        let mut content = Vec::new();
        let last_width = self.last_width();
        for (first, locations) in self.subsections() {
            index.push(Object::Integer(i64::from(first)));
            index.push(Object::Integer(i64::try_from(locations.len()).unwrap_or(i64::MAX)));
            for location in locations {
                let (kind, field, last) = match *location {
                    Location::Free => (0, 0, u32::from(u16::MAX)),
                    Location::Offset { offset, generation } => (1, offset as u64, u32::from(generation)),
                    Location::Compressed { container, index } => (2, u64::from(container), index),
                };
                content.push(kind);
                content.extend(field.to_be_bytes());
                content.extend(last.to_be_bytes().into_iter().skip(size_of::<u32>() - usize::from(last_width)));
            }
        }
        dictionary.set("Type", Object::Name(b"XRef".to_vec()));
        dictionary.set("W", vec![1.into(), 8.into(), i64::from(last_width).into()]);
        dictionary.set("Index", index);
        write_object(&mut self.bytes, &Object::Stream(Stream::new(dictionary, content)))?;
        self.bytes.extend(b"\nendobj\n");
        Ok(())
    }
}

/// What a section lists that is the only one: object 0, which is free, and no gaps (ISO 32000-2, 7.5.4), unless they are large.
fn all_locations(file: &PdfFile<'_>) -> BTreeMap<u32, Location> {
    let mut all = BTreeMap::from([(0, Location::Free)]);
    let mut expected = 1;
    for (number, location) in file.locations() {
        if number.saturating_sub(expected) <= LARGEST_GAP {
            all.extend((expected..number).map(|unused| (unused, Location::Free)));
        }
        all.insert(number, location);
        expected = number + 1;
    }
    all
}

fn write_object(bytes: &mut Vec<u8>, object: &Object) -> Result<(), PdfRefusal> {
    lopdf::Writer::write_object(bytes, object).map_err(|error| PdfRefusal::Damaged(error.to_string()))
}

/// Hostile files have an object 8388607.
const LARGEST_GAP: u32 = 1000;
const LARGEST_TABLE_OFFSET: usize = 9_999_999_999;
