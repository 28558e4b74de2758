//! Opens a caller's PDF as written (ISO 32000-2, 7.5), or where that is damaged by what is found in it.
//!
//! Objects are read when they are asked for, each at most once: a seal needs a handful of them, whatever the size of the
//! document. `lopdf` has the types, the stream filters and the encryption; it does not load the file, because it repairs
//! what it can, and reads everything (2026-11-20; rejected: `Document::load_mem`, quadratic on hostile files).

mod encryption;
mod reconstruction;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use lopdf::encryption::{decrypt_object, encrypt_object};
use lopdf::{Dictionary, EncryptionState, Object, ObjectId, Permissions, Stream, StringFormat};

use secrecy::SecretString;

use super::cross_reference::{CrossReference, HIGHEST_OBJECT_NUMBER, Location, SectionKind, integer};
use super::octets::PdfOctets;
use super::refusal::PdfRefusal;
use super::stream::{self, MAX_DECOMPRESSED};
use super::syntax::{self, value};
use encryption::unsupported;

/// A PDF whose objects can be found.
pub(super) struct PdfFile<'a> {
    octets: PdfOctets<'a>,
    kind: SectionKind,
    /// Or why no section can be relied on.
    last_section: Result<usize, String>,
    trailer: Dictionary,
    objects: BTreeMap<u32, Slot>,
    streams: RefCell<HashMap<u32, Rc<ObjectStream>>>,
    /// How strings and streams are encrypted, if they are.
    encryption: Option<EncryptionState>,
    /// What the author of an encrypted file allows; none for its owner, whom that does not bind.
    access_permissions: Option<Permissions>,
    catalog: ObjectId,
    budget: Cell<usize>,
    /// Values that may still be read.
    values: Cell<usize>,
    /// Object streams that are being read, each for the next.
    opening: Cell<usize>,
    /// Of those that are known to be referred to, or to be taken.
    highest_reference: u32,
    /// The last object that was needed, is listed, and cannot be read.
    unreadable: Cell<Option<u32>>,
}

struct Slot {
    location: Location,
    /// Nothing where it cannot be read.
    object: OnceCell<Option<Box<Object>>>,
}

/// An object stream, decoded (ISO 32000-2, 7.5.7).
struct ObjectStream {
    content: Vec<u8>,
    /// The place in the list of each object and its offset; nothing of one that is listed twice, of which readers show one or the other.
    entries: HashMap<u32, Option<(u32, usize)>>,
    /// In the order of the stream.
    numbers: Vec<u32>,
}

impl<'a> PdfFile<'a> {
    /// Reads what says where everything is.
    ///
    /// # Errors
    /// A [`PdfRefusal`] when it is no PDF, damaged beyond repair, or opens only with a password.
    pub(super) fn open(octets: PdfOctets<'a>, password: Option<&SecretString>) -> Result<Self, PdfRefusal> {
        refuse_other_format(octets)?;
        let (defect, written) = match CrossReference::read(octets) {
            Ok(read) => match Self::as_written(octets, read, password) {
                // Read again rather than kept beside what is made of it: most files are sound.
                Err(PdfRefusal::CrossReference(defect)) => (defect, CrossReference::read(octets).ok()),
                opened => return opened,
            },
            Err(PdfRefusal::CrossReference(defect)) => (defect, None),
            Err(refusal) => return Err(refusal),
        };
        // Updates of ours say where everything is.
        let bytes = octets.in_one_piece().ok_or_else(|| PdfRefusal::CrossReference(defect.clone()))?;
        Self::reconstruct(bytes, octets, defect, written, password)
    }

    /// As [`Self::open`], and nothing is repaired.
    ///
    /// # Errors
    /// As [`Self::open`], and [`PdfRefusal::CrossReference`].
    pub(super) fn open_as_written(octets: PdfOctets<'a>, password: Option<&SecretString>) -> Result<Self, PdfRefusal> {
        refuse_other_format(octets)?;
        Self::as_written(octets, CrossReference::read(octets)?, password)
    }

    fn as_written(
        octets: PdfOctets<'a>,
        read: CrossReference,
        password: Option<&SecretString>,
    ) -> Result<Self, PdfRefusal> {
        let CrossReference { kind, start, trailer, locations, highest_stream, defect } = read;
        if let Some(defect) = defect {
            return Err(PdfRefusal::CrossReference(defect));
        }
        let catalog = trailer.get(b"Root").and_then(Object::as_reference);
        let catalog = catalog.map_err(|_| PdfRefusal::CrossReference("the trailer names no catalog (/Root)".into()))?;
        let mut file = Self {
            octets,
            kind,
            last_section: Ok(start),
            trailer,
            objects: locations.into_iter().map(|(number, location)| (number, slot(location))).collect(),
            streams: RefCell::default(),
            encryption: None,
            access_permissions: None,
            catalog,
            budget: Cell::new(2 * octets.len() + 2 * MAX_DECOMPRESSED),
            values: Cell::new(value::MAX_VALUES),
            opening: Cell::new(0),
            highest_reference: highest_stream.min(HIGHEST_OBJECT_NUMBER),
            unreadable: Cell::new(None),
        };
        file.refuse_misplaced_objects()?;
        file.open_encryption(password)?;
        let Some(root) = file.dictionary(catalog) else {
            return Err(PdfRefusal::CrossReference(format!("the catalog, object {}, is not there", catalog.0)));
        };
        // Readers look for all objects then: a section may end early, or stop making sense to the one that decodes it.
        if let Ok(Object::Reference((pages, _))) = root.get(b"Pages")
            && !file.objects.contains_key(pages)
        {
            return Err(PdfRefusal::CrossReference(format!("the page tree, object {pages}, is not listed")));
        }
        Ok(file)
    }

    /// The whole file.
    pub(super) const fn octets(&self) -> PdfOctets<'a> {
        self.octets
    }

    /// The kind of the last cross-reference section.
    pub(super) const fn section_kind(&self) -> SectionKind {
        self.kind
    }

    /// Where the last cross-reference section begins, for `/Prev`; none where the file's sections are damaged, so that an update
    /// must list all [`Self::locations`].
    pub(super) fn last_section(&self) -> Option<usize> {
        self.last_section.as_ref().ok().copied()
    }

    /// Refuses a document with signatures whose cross-reference data is damaged.
    ///
    /// # Errors
    /// [`PdfRefusal::SignedAndDamaged`].
    pub(super) fn refuse_damage_under_signatures(&self) -> Result<(), PdfRefusal> {
        match &self.last_section {
            Ok(_) => Ok(()),
            Err(defect) => Err(PdfRefusal::SignedAndDamaged(defect.clone())),
        }
    }

    /// Where each object is.
    pub(super) fn locations(&self) -> impl Iterator<Item = (u32, Location)> {
        self.objects.iter().map(|(number, slot)| (*number, slot.location))
    }

    /// The catalog's object number.
    pub(super) const fn catalog_id(&self) -> ObjectId {
        self.catalog
    }

    /// The document catalog.
    pub(super) fn catalog(&self) -> Result<&Dictionary, PdfRefusal> {
        self.dictionary(self.catalog).ok_or(PdfRefusal::MissingObject(self.catalog))
    }

    /// The access permissions of an encrypted file; none where it was opened as its owner.
    pub(super) const fn access_permissions(&self) -> Option<Permissions> {
        self.access_permissions
    }

    /// The trailer entries that every later section repeats: all but those about the section itself.
    pub(super) fn lasting_trailer(&self) -> Dictionary {
        let mut trailer = self.trailer.clone();
        for key in SECTION_KEYS {
            trailer.remove(key);
        }
        trailer.iter_mut().for_each(|(_, value)| write_hexadecimal(value));
        trailer
    }

    /// The lowest object number that is free for certain, and that nothing in the trailer refers to: a reference to no object must
    /// not come to mean a new one.
    pub(super) fn next_object_number(&self) -> Result<u32, PdfRefusal> {
        let declared = self.trailer.get(b"Size").and_then(Object::as_i64).unwrap_or(0);
        let declared = u32::try_from(declared).unwrap_or(u32::MAX);
        let next = self.objects.keys().next_back().map_or(1, |highest| highest + 1).max(declared);
        let next = next.max(self.highest_reference + 1);
        let next = self.trailer.iter().fold(next, |next, (_, value)| next.max(highest_reference(value) + 1));
        if next > HIGHEST_OBJECT_NUMBER - 64 {
            return Err(PdfRefusal::TooLarge("it has no object numbers left"));
        }
        Ok(next)
    }

    /// What `object` is, or what it refers to; what is not in the file is null (ISO 32000-2, 7.3.10).
    pub(super) fn resolve<'o>(&'o self, object: &'o Object) -> &'o Object {
        let mut object = object;
        for _ in 0..MAX_REFERENCES {
            let Object::Reference(id) = object else { return object };
            object = self.object(*id);
        }
        let Object::Reference((number, _)) = object else { return object };
        // They may lead somewhere in the end.
        self.unreadable.set(Some(*number));
        &Object::Null
    }

    /// The value of `key`, resolved; null when absent.
    pub(super) fn value<'o>(&'o self, dictionary: &'o Dictionary, key: &[u8]) -> &'o Object {
        dictionary.get(key).map_or(&Object::Null, |object| self.resolve(object))
    }

    /// The dictionary of object `id`, if it is one.
    pub(super) fn dictionary(&self, id: ObjectId) -> Option<&Dictionary> {
        self.resolve(self.object(id)).as_dict().ok()
    }

    /// The object `id` in the bytes of the file, as its author wrote it, ready to be written again: strings of an
    /// encrypted file are encrypted.
    ///
    /// # Errors
    /// [`PdfRefusal::MissingObject`] when it is not where the cross-reference data says.
    pub(super) fn text(&self, id: ObjectId) -> Result<Vec<u8>, PdfRefusal> {
        let text = self.source(id).ok_or(PdfRefusal::MissingObject(id))?;
        if let Some((_, rest)) = self.extent(id)
            && stream::begins(rest)
        {
            return Err(PdfRefusal::Malformed(format!("object {} is a stream", id.0)));
        }
        // An object stream is encrypted as a whole, so its strings are in clear.
        if self.is_compressed(id) && self.encryption.is_some() {
            return syntax::with_strings(&text, |value| self.string(id, value));
        }
        Ok(text)
    }

    /// `value` as a string of object `id`, encrypted where the file is.
    pub(super) fn string(&self, id: ObjectId, value: Vec<u8>) -> Result<Vec<u8>, PdfRefusal> {
        let readable = value.is_ascii() && self.encryption.is_none();
        let format = if readable { StringFormat::Literal } else { StringFormat::Hexadecimal };
        let mut object = Object::String(value, format);
        if let Some(state) = &self.encryption {
            encrypt_object(state, id, &mut object).map_err(unsupported)?;
        }
        let mut text = Vec::new();
        lopdf::Writer::write_object(&mut text, &object).map_err(|error| PdfRefusal::Damaged(error.to_string()))?;
        Ok(text)
    }

    /// `content` as the stream that is to be object `id`, encrypted where the file is.
    ///
    /// # Errors
    /// As [`Self::string`].
    pub(super) fn new_stream(&self, id: ObjectId, content: Vec<u8>) -> Result<Vec<u8>, PdfRefusal> {
        self.stream_text(id, Stream::new(Dictionary::new(), content))
    }

    /// `stream` as it is to be object `id`, encrypted where the file is.
    ///
    /// # Errors
    /// As [`Self::string`].
    pub(super) fn stream_text(&self, id: ObjectId, stream: Stream) -> Result<Vec<u8>, PdfRefusal> {
        let mut object = Object::Stream(stream);
        if let Some(state) = &self.encryption {
            encrypt_object(state, id, &mut object).map_err(unsupported)?;
        }
        let mut text = Vec::new();
        lopdf::Writer::write_object(&mut text, &object).map_err(|error| PdfRefusal::Damaged(error.to_string()))?;
        Ok(text)
    }

    /// Refuses a file of which something that was needed was not read: because so much was that its objects must overlap or unpack
    /// beyond measure, or because an object is listed and cannot be read. Either looks like null here, and others may show what they read.
    ///
    /// # Errors
    /// [`PdfRefusal::TooLarge`] and [`PdfRefusal::Malformed`].
    pub(super) fn refuse_unread(&self) -> Result<(), PdfRefusal> {
        match (self.budget.get(), self.values.get()) {
            (0, _) => Err(PdfRefusal::TooLarge("its objects overlap, or unpack to more than 128 MiB")),
            (_, 0) => Err(PdfRefusal::TooLarge("its form and its pages hold more than two million values")),
            _ => match self.unreadable.get() {
                Some(number) => Err(PdfRefusal::Malformed(format!("object {number} cannot be read"))),
                None => Ok(()),
            },
        }
    }

    /// What `read` finds, where everything that it needs can be read: for what a seal can do without.
    pub(super) fn if_readable<T>(&self, read: impl FnOnce() -> Option<T>) -> Option<T> {
        let earlier = self.unreadable.take();
        let found = read().filter(|_| self.unreadable.get().is_none());
        self.unreadable.set(earlier);
        found
    }

    /// Takes the cost of work on what was read from what is left.
    ///
    /// # Errors
    /// As [`Self::refuse_unread`].
    pub(super) fn charge(&self, cost: usize) -> Result<(), PdfRefusal> {
        if self.spend(cost).is_some() { Ok(()) } else { self.refuse_unread() }
    }

    /// The object `id`; null when it is not in the file.
    fn object(&self, id: ObjectId) -> &Object {
        let Some(slot) = self.objects.get(&id.0).filter(|slot| slot.location.has_generation(id.1)) else {
            return &Object::Null;
        };
        let object = match slot.object.get() {
            Some(object) => object,
            None => {
                // A hostile object may be needed to read itself, and is null there.
                let object = self.read(id).map(Box::new);
                slot.object.get_or_init(|| object)
            }
        };
        object.as_deref().unwrap_or_else(|| {
            self.unreadable.set(Some(id.0));
            &Object::Null
        })
    }

    fn parse(&self, text: &[u8]) -> Option<Object> {
        let mut left = self.values.get();
        let object = value::parse_within(text, &mut left);
        self.values.set(left);
        object.ok()
    }

    fn read(&self, id: ObjectId) -> Option<Object> {
        let mut object = self.parse(&self.source(id)?)?;
        if let Some(state) = self.encryption.as_ref().filter(|_| !self.is_compressed(id)) {
            // A string that cannot be decrypted stays as it is; the rest of the object counts all the same.
            decrypt_object(state, id, &mut object).unwrap_or_default();
        }
        Some(object)
    }

    fn is_compressed(&self, (number, _): ObjectId) -> bool {
        self.objects.get(&number).is_some_and(|slot| matches!(slot.location, Location::Compressed { .. }))
    }

    /// The text of an object, without the content of a stream.
    fn source(&self, id: ObjectId) -> Option<Vec<u8>> {
        match self.objects.get(&id.0)?.location {
            Location::Offset { .. } => self.extent(id).map(|(text, _)| text.to_vec()),
            Location::Compressed { container, index } if id.1 == 0 => {
                let stream = self.object_stream(container)?;
                self.spend(0)?;
                // Some readers go by the place, others by the number.
                let (_, offset) = (*stream.entries.get(&id.0)?).filter(|(place, _)| *place == index)?;
                let start = syntax::skip_white_space(&stream.content, offset);
                let end = syntax::object_end(&stream.content, start).ok();
                self.spend(end.unwrap_or(stream.content.len()).saturating_sub(start))?;
                stream.content.get(start..end?).map(<[u8]>::to_vec)
            }
            _ => None,
        }
    }

    /// The text of an object that is not compressed, and what follows it.
    fn extent(&self, id: ObjectId) -> Option<(&'a [u8], &'a [u8])> {
        let Location::Offset { offset, .. } = self.objects.get(&id.0)?.location else { return None };
        self.spend(0)?;
        let piece = self.octets.after(offset);
        let piece = piece.get(syntax::skip_white_space(piece, header_end(piece, id)?)..)?;
        let end = syntax::object_end(piece, 0).ok();
        self.spend(end.unwrap_or(piece.len()))?;
        piece.split_at_checked(end?)
    }

    /// Takes the cost of a reading from what is left; `None` when nothing is.
    fn spend(&self, bytes: usize) -> Option<()> {
        let left = self.budget.get().saturating_sub(bytes);
        self.budget.set(left);
        (left > 0).then_some(())
    }

    /// The dictionary and the decoded content of a stream.
    pub(super) fn stream(&self, id: ObjectId) -> Option<(Dictionary, Vec<u8>)> {
        let (text, rest) = self.extent(id)?;
        let Object::Dictionary(dictionary) = self.parse(text)? else { return None };
        // First, because where a stream ends may be looked for through the whole file.
        let filters = stream::filters(&dictionary, |object| self.resolve(object))?;
        let length = usize::try_from(self.value(&dictionary, b"Length").as_i64().ok()?).ok();
        let content = stream::content(rest, length)?.to_vec();
        let mut object = Object::Stream(Stream::new(dictionary.clone(), content));
        if let Some(state) = &self.encryption {
            decrypt_object(state, id, &mut object).ok()?;
        }
        let Object::Stream(Stream { content, .. }) = object else { return None };
        let mut left = self.budget.get();
        let content = stream::decode(filters, content, &mut left);
        self.budget.set(left);
        Some((dictionary, content?))
    }

    fn object_stream(&self, number: u32) -> Option<Rc<ObjectStream>> {
        if let Some(stream) = self.streams.borrow().get(&number) {
            return Some(Rc::clone(stream));
        }
        // 7.5.7: what an object stream needs is in none; some writers' /N or /First may be.
        let opening = self.opening.get();
        if opening >= MAX_OPENING {
            return None;
        }
        self.opening.set(opening + 1);
        let stream = self.new_object_stream(number).map(Rc::new);
        self.opening.set(opening);
        let stream = stream?;
        self.streams.borrow_mut().insert(number, Rc::clone(&stream));
        Some(stream)
    }

    fn new_object_stream(&self, number: u32) -> Option<ObjectStream> {
        let (dictionary, content) = self.stream((number, 0))?;
        let integer_at = |key| usize::try_from(self.value(&dictionary, key).as_i64().ok()?).ok();
        let (first, count) = (integer_at(b"First")?, integer_at(b"N")?);
        let (mut entries, mut numbers) = (HashMap::new(), Vec::new());
        let mut index = content.get(..first)?;
        for place in 0..count {
            index = index.get(syntax::skip_white_space(index, 0)..)?;
            // Some writers announce more than there are.
            if index.is_empty() {
                break;
            }
            let (number, rest) = integer(index)?;
            let (offset, rest) = integer(rest.get(syntax::skip_white_space(rest, 0)..)?)?;
            let (number, entry) =
                (u32::try_from(number).ok()?, (u32::try_from(place).ok()?, first.checked_add(offset)?));
            entries.entry(number).and_modify(|entry| *entry = None).or_insert(Some(entry));
            numbers.push(number);
            index = rest;
        }
        Some(ObjectStream { content, entries, numbers })
    }

    /// Readers rebuild the whole table when one object is not where it should be, or take the object for null.
    fn refuse_misplaced_objects(&self) -> Result<(), PdfRefusal> {
        let mut counts: HashMap<u32, i64> = HashMap::new();
        for (number, slot) in &self.objects {
            match slot.location {
                Location::Free => {}
                Location::Offset { offset, generation } => {
                    if header_end(self.octets.after(offset), (*number, generation)).is_none() {
                        return Err(PdfRefusal::CrossReference(format!("object {number} is not at offset {offset}")));
                    }
                }
                Location::Compressed { container, index } => {
                    let count = counts.entry(container).or_insert_with(|| {
                        let stream = self.dictionary((container, 0));
                        stream.and_then(|stream| self.value(stream, b"N").as_i64().ok()).unwrap_or(0)
                    });
                    if *count <= i64::from(index) {
                        let place = format!("object {number} is not in object stream {container}");
                        return Err(PdfRefusal::CrossReference(place));
                    }
                }
            }
        }
        Ok(())
    }
}

/// A PDF has its header near its start.
fn refuse_other_format(octets: PdfOctets<'_>) -> Result<(), PdfRefusal> {
    match octets.after(0).windows(HEADER.len()).take(HEADER_WINDOW).position(|window| window == HEADER) {
        Some(0) => Ok(()),
        // pyHanko and EU DSS read no such file, and the others count offsets from different places.
        Some(bytes) => Err(PdfRefusal::BytesBeforeHeader { bytes }),
        None => Err(PdfRefusal::NotPdf),
    }
}

const fn slot(location: Location) -> Slot {
    Slot { location, object: OnceCell::new() }
}

/// The end of `N G obj`, if `bytes` begin with that.
fn header_end(bytes: &[u8], (number, generation): ObjectId) -> Option<usize> {
    // Bounded, so that a table full of bad offsets costs no more than a good one.
    let window = bytes.get(..bytes.len().min(HEADER_ROOM))?;
    let (found_number, rest) = integer(window)?;
    let (found_generation, rest) = integer(rest)?;
    let rest = rest.trim_ascii_start().strip_prefix(b"obj")?;
    let found = (u32::try_from(found_number).ok()?, u16::try_from(found_generation).ok()?) == (number, generation);
    found.then_some(window.len() - rest.len())
}

/// Has the strings of `object` written in hexadecimal: lopdf takes quadratic time to escape a literal string.
fn write_hexadecimal(object: &mut Object) {
    match object {
        Object::String(_, format) => *format = StringFormat::Hexadecimal,
        Object::Array(elements) => elements.iter_mut().for_each(write_hexadecimal),
        Object::Dictionary(entries) => entries.iter_mut().for_each(|(_, value)| write_hexadecimal(value)),
        _ => {}
    }
}

/// The highest object number that `object` refers to, or zero.
fn highest_reference(object: &Object) -> u32 {
    match object {
        Object::Reference((number, _)) => (*number).min(HIGHEST_OBJECT_NUMBER),
        Object::Array(elements) => elements.iter().map(highest_reference).max().unwrap_or(0),
        Object::Dictionary(entries) => entries.iter().map(|(_, value)| highest_reference(value)).max().unwrap_or(0),
        _ => 0,
    }
}

const HEADER: &[u8] = b"%PDF-";
/// Readers look for the header in so many bytes; further in it is content.
const HEADER_WINDOW: usize = 1024;
/// An object's number, generation and keyword with generous white space.
const HEADER_ROOM: usize = 64;
/// References to references in a row that are followed.
const MAX_REFERENCES: usize = 32;
/// Object streams that may be read each for the next.
const MAX_OPENING: usize = 4;
/// Trailer entries that describe one section, or the stream that it is (ISO 32000-2, tables 5, 15, 17 and 19).
const SECTION_KEYS: [&[u8]; 13] = [
    b"Size",
    b"Prev",
    b"XRefStm",
    b"Type",
    b"Index",
    b"W",
    b"Length",
    b"Filter",
    b"DecodeParms",
    b"DL",
    b"F",
    b"FFilter",
    b"FDecodeParms",
];
