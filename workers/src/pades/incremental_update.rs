//! Writes an update behind a PDF: changed and new objects, a cross-reference section, a trailer (ISO 32000-2, 7.5.6).
//!
//! Only what is given is written; the bytes before the update stay as they are. The section is of the same kind as the
//! one before it, because readers do not take a mixture.

use std::collections::BTreeMap;

use lopdf::{Object, ObjectId, Stream};

use super::cross_reference::SectionKind;
use super::file::PdfFile;
use super::refusal::PdfRefusal;

/// The bytes that follow a file.
pub(super) struct IncrementalUpdate<'f> {
    file: &'f PdfFile<'f>,
    bytes: Vec<u8>,
    objects: BTreeMap<u32, Location>,
}

struct Location {
    offset: usize,
    generation: u16,
}

impl<'f> IncrementalUpdate<'f> {
    /// An empty update of `file`.
    pub(super) fn new(file: &'f PdfFile<'f>) -> Self {
        // `%%EOF` ends its line; many files stop short of that.
        let ends_a_line = file.octets().last_piece().last().is_some_and(|last| b"\r\n".contains(last));
        let bytes = if ends_a_line { Vec::new() } else { b"\n".to_vec() };
        Self { file, bytes, objects: BTreeMap::new() }
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
        self.objects.insert(number, Location { offset, generation });
        self.bytes.extend(format!("{number} {generation} obj\n").as_bytes());
    }

    fn trailer(&self, size: u32) -> Result<lopdf::Dictionary, PdfRefusal> {
        let previous = i64::try_from(self.file.last_section());
        let mut trailer = self.file.lasting_trailer();
        trailer.set("Prev", previous.map_err(|_| PdfRefusal::TooLarge("an offset is out of range"))?);
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
        // As in the standard's own example (annex H.7), the head of the free list leads the section.
        let mut table = "xref\n0 1\n0000000000 65535 f \n".to_owned();
        for (first, locations) in self.subsections() {
            table.push_str(&format!("{first} {}\n", locations.len()));
            for Location { offset, generation } in locations {
                if *offset > LARGEST_TABLE_OFFSET {
                    return Err(PdfRefusal::TooLarge("its cross-reference table holds offsets of ten digits only"));
                }
                table.push_str(&format!("{offset:010} {generation:05} n \n"));
            }
        }
        self.bytes.extend(table.as_bytes());
        self.bytes.extend(b"trailer\n");
        let trailer = Object::Dictionary(self.trailer(next)?);
        write_object(&mut self.bytes, &trailer)?;
        self.bytes.push(b'\n');
        Ok(())
    }

    fn write_stream(&mut self, number: u32) -> Result<(), PdfRefusal> {
        let mut dictionary = self.trailer(number + 1)?;
        self.begin((number, 0));
        let mut index = Vec::new();
        let mut content = Vec::new();
        for (first, locations) in self.subsections() {
            index.push(Object::Integer(i64::from(first)));
            index.push(Object::Integer(i64::try_from(locations.len()).unwrap_or(i64::MAX)));
            for Location { offset, generation } in locations {
                content.push(1);
                content.extend((*offset as u64).to_be_bytes());
                content.extend(generation.to_be_bytes());
            }
        }
        dictionary.set("Type", Object::Name(b"XRef".to_vec()));
        dictionary.set("W", vec![1.into(), 8.into(), 2.into()]);
        dictionary.set("Index", index);
        write_object(&mut self.bytes, &Object::Stream(Stream::new(dictionary, content)))?;
        self.bytes.extend(b"\nendobj\n");
        Ok(())
    }
}

fn write_object(bytes: &mut Vec<u8>, object: &Object) -> Result<(), PdfRefusal> {
    lopdf::Writer::write_object(bytes, object).map_err(|error| PdfRefusal::Damaged(error.to_string()))
}

const LARGEST_TABLE_OFFSET: usize = 9_999_999_999;
