//! Opens a PDF whose cross-reference data is damaged, from what a scan finds in it.
//!
//! The update then has a cross-reference section that lists everything, and nothing refers to the damaged data any more: from then
//! on every reader sees the same document. Where readers of the damaged file may have seen different ones, it is refused.

use std::collections::{BTreeMap, HashSet};

use super::super::scan::{self, Definition, Disputed, Scan};
use super::*;

impl<'a> PdfFile<'a> {
    /// Opens the file by what is found in it. `written` is what its cross-reference data says, if that can be read at all.
    ///
    /// # Errors
    /// [`PdfRefusal::Irreparable`] with what stands in the way, or as [`PdfFile::open`].
    pub(super) fn reconstruct(
        bytes: &'a [u8],
        octets: PdfOctets<'a>,
        defect: String,
        written: Option<CrossReference>,
        password: Option<&SecretString>,
    ) -> Result<Self, PdfRefusal> {
        let scan = Scan::read(bytes)?;
        // What has such a number cannot be listed, and would be lost.
        if scan.has_numbers_beyond {
            return Err(PdfRefusal::TooLarge("it has object numbers beyond 8388607"));
        }
        let irreparable = |reason: &str| PdfRefusal::Irreparable { defect: defect.clone(), reason: reason.to_owned() };
        if let Some(Disputed { offset, what }) = scan.disputed {
            return Err(irreparable(&format!("before byte {offset} begins what only some readers take for {what}")));
        }
        let mut trailer = trailer(scan.trailers).map_err(irreparable)?;
        trailer.remove(b"Size");
        let mut objects = BTreeMap::new();
        for (number, Definition { offset, generation, .. }) in &scan.objects {
            let location = Location::Offset { offset: *offset, generation: *generation };
            objects.insert(*number, slot(location));
        }
        let mut file = Self {
            octets,
            kind: SectionKind::Table,
            last_section: Err(defect.clone()),
            trailer,
            objects,
            streams: RefCell::default(),
            encryption: None,
            access_permissions: None,
            catalog: (0, 0),
            budget: Cell::new(4 * bytes.len() + 2 * MAX_DECOMPRESSED),
            values: Cell::new(value::MAX_VALUES),
            opening: Cell::new(0),
            highest_reference: scan.highest_reference,
            unreadable: Cell::new(None),
        };
        file.open_encryption(password)?;
        file.unpack(&scan.objects).map_err(|reason| irreparable(&reason))?;
        if let Some(written) = written {
            file.refuse_other_definitions(&written.locations).map_err(|reason| irreparable(&reason))?;
        }
        let is_compressed = |slot: &Slot| matches!(slot.location, Location::Compressed { .. });
        if scan.has_section_streams || file.objects.values().any(is_compressed) {
            file.kind = SectionKind::Stream;
        }
        file.catalog = file.find_catalog().map_err(irreparable)?;
        file.trailer.set("Root", Object::Reference(file.catalog));
        // What was no catalog need not be anything.
        file.unreadable.set(None);
        file.refuse_missing_pages(irreparable)?;
        file.refuse_unread()?;
        Ok(file)
    }

    /// Lists the objects in object streams, each unless it is defined again further on.
    fn unpack(&mut self, definitions: &BTreeMap<u32, Definition>) -> Result<(), String> {
        let mut containers: Vec<(usize, u32)> = definitions
            .iter()
            .filter(|(_, definition)| definition.is_object_stream)
            .map(|(number, definition)| (definition.offset, *number))
            .collect();
        containers.sort_unstable();
        for (offset, container) in containers {
            let stream = self.object_stream(container);
            let stream = stream.ok_or_else(|| format!("object stream {container} cannot be read"))?;
            self.highest_reference = self.highest_reference.max(scan::highest_reference(&stream.content));
            for (index, number) in (0..).zip(&stream.numbers) {
                if *number > HIGHEST_OBJECT_NUMBER {
                    return Err(format!("object stream {container} has an object number beyond 8388607"));
                }
                let is_later = definitions.get(number).is_some_and(|definition| definition.offset > offset);
                if !is_later && *number > 0 {
                    self.objects.insert(*number, slot(Location::Compressed { container, index }));
                }
            }
        }
        // Its number may have come to mean an object that is in a stream, even in itself: then nobody finds what it holds.
        for slot in self.objects.values() {
            let Location::Compressed { container, .. } = slot.location else { continue };
            let location = self.objects.get(&container).map(|slot| slot.location);
            if !matches!(location, Some(Location::Offset { .. })) {
                return Err(format!("object stream {container} is another object too"));
            }
        }
        Ok(())
    }

    /// Where what is written is right, and readers that look for objects would find another, they disagree.
    fn refuse_other_definitions(&self, written: &[(u32, Location)]) -> Result<(), String> {
        for (number, location) in written {
            let Some(found) = self.objects.get(number).map(|slot| slot.location) else { continue };
            let Location::Offset { offset, generation } = *location else { continue };
            if found != *location && header_end(self.octets.after(offset), (*number, generation)).is_some() {
                return Err(format!("object {number} is defined several times, and readers disagree which counts"));
            }
        }
        Ok(())
    }

    /// A page that is missing was cut off or overwritten.
    fn refuse_missing_pages(&self, irreparable: impl Fn(&str) -> PdfRefusal) -> Result<(), PdfRefusal> {
        let Some(catalog) = self.dictionary(self.catalog) else { return Ok(()) };
        let mut open: Vec<&Object> = catalog.get(b"Pages").into_iter().collect();
        let mut seen = HashSet::new();
        while let Some(object) = open.pop() {
            let is_again = object.as_reference().is_ok_and(|id| !seen.insert(id));
            if is_again || object.is_null() {
                continue;
            }
            let missing = || match object {
                Object::Reference((number, _)) => irreparable(&format!("page object {number} is missing")),
                _ => irreparable("a page is missing"),
            };
            let node = self.resolve(object).as_dict().map_err(|_| missing())?;
            if let Ok(kids) = self.value(node, b"Kids").as_array() {
                self.charge(COST_OF_KID * kids.len())?;
                open.extend(kids);
                continue;
            }
            let contents = match node.get(b"Contents").map(|contents| (contents, self.resolve(contents))) {
                Ok((_, Object::Array(parts))) => parts.as_slice(),
                Ok((contents, _)) => std::slice::from_ref(contents),
                Err(_) => &[],
            };
            self.charge(COST_OF_KID * contents.len())?;
            for part in contents.iter().filter_map(|part| part.as_reference().ok()) {
                if !self.objects.contains_key(&part.0) {
                    return Err(irreparable(&format!("object {}, what is on a page, is missing", part.0)));
                }
            }
        }
        Ok(())
    }

    /// The catalog that the trailer names, or the only one that there is.
    fn find_catalog(&self) -> Result<ObjectId, &'static str> {
        if let Ok(root) = self.trailer.get(b"Root") {
            let root = root.as_reference().map_err(|_| "its catalog is no object of its own")?;
            let is_there = self.dictionary(root).is_some_and(|catalog| catalog.has(b"Pages"));
            return is_there.then_some(root).ok_or("the catalog that its trailer names is not there");
        }
        let mut catalogs = Vec::new();
        for (number, slot) in &self.objects {
            let generation = match slot.location {
                Location::Offset { generation, .. } => generation,
                _ => 0,
            };
            let Ok(dictionary) = self.object((*number, generation)).as_dict() else { continue };
            if [&b"Filter"[..], b"O", b"U", b"P"].iter().all(|key| dictionary.has(key)) {
                return Err("it has no trailer, and seems to be encrypted");
            }
            if dictionary.get(b"Type").and_then(Object::as_name).is_ok_and(|kind| kind == b"Catalog") {
                catalogs.push((*number, generation));
            }
        }
        match catalogs.as_slice() {
            [catalog] => Ok(*catalog),
            [] => Err("it has no catalog"),
            _ => Err("it has no trailer, and several catalogs"),
        }
    }
}

/// Of looking at a kid or a part of a page, in octets that are read: many nodes may share one list of them.
const COST_OF_KID: usize = 64;

/// What the trailers say together: of each entry the last, but not where that would be another document.
fn trailer(trailers: Vec<Dictionary>) -> Result<Dictionary, &'static str> {
    let mut merged = Dictionary::new();
    for trailer in trailers {
        for (key, value) in trailer {
            let other = merged.get(&key).is_ok_and(|earlier| *earlier != value);
            match key.as_slice() {
                b"Root" if other => return Err("its trailers name different catalogs"),
                b"Encrypt" if other => return Err("its trailers name different encryptions"),
                _ => merged.set(key, value),
            }
        }
    }
    Ok(merged)
}
