//! Opens a caller's PDF and refuses those that readers would have to repair (ISO 32000-2, 7.5).
//!
//! `lopdf` parses; this adds what it is lenient about. A repaired file must not be sealed: the offsets of the seal would
//! count from what one program guessed, and the next program guesses differently.

use lopdf::xref::XrefEntry;
use lopdf::{DecompressError, Dictionary, Document, LoadOptions, Object, ObjectId, Permissions, StringFormat};

use super::refusal::PdfRefusal;
use super::syntax;

/// How the last section of a file locates its objects; an update must do it the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CrossReference {
    /// `xref` and `trailer` (ISO 32000-2, 7.5.4).
    Table,
    /// A stream (ISO 32000-2, 7.5.8).
    Stream,
}

/// A PDF that was read as written.
pub(super) struct PdfFile<'a> {
    bytes: &'a [u8],
    document: Document,
    cross_reference: CrossReference,
    catalog: ObjectId,
}

impl<'a> PdfFile<'a> {
    /// Reads a PDF.
    ///
    /// # Errors
    /// A [`PdfRefusal`] when it is none, damaged, or opens only with a password.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, PdfRefusal> {
        let header = bytes.windows(HEADER.len()).take(HEADER_WINDOW).position(|window| window == HEADER);
        match header {
            Some(0) => {}
            Some(bytes) => return Err(PdfRefusal::BytesBeforeHeader { bytes }),
            None => return Err(PdfRefusal::NotPdf),
        }
        let options = LoadOptions::with_max_decompressed_size(MAX_DECOMPRESSED);
        let document = Document::load_mem_with_options(bytes, options).map_err(load_refusal)?;
        if let Some(recovery) = document.xref_recovery {
            return Err(PdfRefusal::CrossReference(format!("{recovery:?} while reading")));
        }
        let cross_reference = cross_reference_at(bytes, document.xref_start)?;
        refuse_unopened(&document)?;
        let catalog = document.trailer.get(b"Root").and_then(Object::as_reference);
        let catalog = catalog.map_err(|_| PdfRefusal::Malformed("the trailer names no catalog (/Root)".into()))?;
        let file = Self { bytes, document, cross_reference, catalog };
        file.refuse_misplaced_objects()?;
        file.catalog()?;
        Ok(file)
    }

    /// The whole file.
    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The kind of the last cross-reference section.
    pub(super) const fn cross_reference(&self) -> CrossReference {
        self.cross_reference
    }

    /// Where the last cross-reference section begins, for `/Prev`.
    pub(super) const fn last_cross_reference(&self) -> usize {
        self.document.xref_start
    }

    /// The catalog's object number.
    pub(super) const fn catalog_id(&self) -> ObjectId {
        self.catalog
    }

    /// The document catalog.
    pub(super) fn catalog(&self) -> Result<&Dictionary, PdfRefusal> {
        self.dictionary(self.catalog).ok_or(PdfRefusal::MissingObject(self.catalog))
    }

    /// The access permissions of an encrypted file, which was opened with the empty user password.
    pub(super) fn access_permissions(&self) -> Option<Permissions> {
        self.document.encryption_state.as_ref().map(|state| state.permissions())
    }

    /// The trailer entries that every later section repeats: all but those about the section itself.
    pub(super) fn lasting_trailer(&self) -> Dictionary {
        let mut trailer = self.document.trailer.clone();
        for key in SECTION_KEYS {
            trailer.remove(key);
        }
        // lopdf takes /Encrypt away when it has decrypted.
        if let Some(id) = self.document.encryption_state.as_ref().and_then(|state| state.encrypt_object_id()) {
            trailer.set("Encrypt", Object::Reference(id));
        }
        trailer
    }

    /// The lowest object number that is free for certain.
    pub(super) fn next_object_number(&self) -> Result<u32, PdfRefusal> {
        let declared = self.document.trailer.get(b"Size").and_then(Object::as_i64).unwrap_or(0);
        let declared = u32::try_from(declared).unwrap_or(u32::MAX);
        let next = declared.max(self.document.max_id.saturating_add(1));
        // ISO 32000-1, annex C: the highest number that every reader takes.
        if next > HIGHEST_OBJECT_NUMBER - 16 {
            return Err(PdfRefusal::TooLarge("it has no object numbers left"));
        }
        Ok(next)
    }

    /// What `object` is, or what it refers to; what is not in the file is null (ISO 32000-2, 7.3.10).
    pub(super) fn resolve<'o>(&'o self, object: &'o Object) -> &'o Object {
        let mut object = object;
        for _ in 0..MAX_REFERENCES {
            match object {
                Object::Reference(id) => object = self.object(*id),
                other => return other,
            }
        }
        &Object::Null
    }

    /// The object `id`; null when the cross-reference data does not have it, even where lopdf came across one.
    fn object(&self, id: ObjectId) -> &Object {
        let listed = match self.document.reference_table.get(id.0) {
            Some(XrefEntry::Normal { generation, .. }) => *generation == id.1,
            Some(XrefEntry::Compressed { .. }) => id.1 == 0,
            _ => false,
        };
        if listed { self.document.objects.get(&id).unwrap_or(&Object::Null) } else { &Object::Null }
    }

    /// The value of `key`, resolved; null when absent.
    pub(super) fn value<'o>(&'o self, dictionary: &'o Dictionary, key: &[u8]) -> &'o Object {
        dictionary.get(key).map_or(&Object::Null, |object| self.resolve(object))
    }

    /// The dictionary of object `id`, if it is one.
    pub(super) fn dictionary(&self, id: ObjectId) -> Option<&Dictionary> {
        self.resolve(self.object(id)).as_dict().ok()
    }

    /// The object `id` in the bytes of the file, as its author wrote it. Strings of an encrypted file are encrypted for
    /// this object where the update can take them over.
    ///
    /// # Errors
    /// [`PdfRefusal::MissingObject`] when it is not where the cross-reference data says.
    pub(super) fn text(&self, id: ObjectId) -> Result<Vec<u8>, PdfRefusal> {
        let missing = || PdfRefusal::MissingObject(id);
        match self.document.reference_table.get(id.0) {
            Some(XrefEntry::Normal { offset, generation }) if *generation == id.1 => {
                let offset = usize::try_from(*offset).map_err(|_| missing())?;
                let body = header_end(self.bytes, offset, id).ok_or_else(missing)?;
                let start = syntax::skip_white_space(self.bytes, body);
                let end = syntax::object_end(self.bytes, start).map_err(|_| missing())?;
                let next = self.bytes.get(syntax::skip_white_space(self.bytes, end)..).unwrap_or_default();
                if next.starts_with(b"stream") {
                    return Err(PdfRefusal::Malformed(format!("object {} is a stream", id.0)));
                }
                self.bytes.get(start..end).map(<[u8]>::to_vec).ok_or_else(missing)
            }
            Some(XrefEntry::Compressed { container, .. }) if id.1 == 0 => {
                let text = self.compressed_text(*container, id.0).ok_or_else(missing)?;
                // An object stream is encrypted as a whole, so its strings are in clear.
                if self.document.encryption_state.is_none() {
                    return Ok(text);
                }
                syntax::with_strings(&text, |value| self.string(id, value))
            }
            _ => Err(missing()),
        }
    }

    /// `value` as a string of object `id`, encrypted where the file is.
    pub(super) fn string(&self, id: ObjectId, value: Vec<u8>) -> Result<Vec<u8>, PdfRefusal> {
        let readable = value.is_ascii() && self.document.encryption_state.is_none();
        let format = if readable { StringFormat::Literal } else { StringFormat::Hexadecimal };
        let mut object = Object::String(value, format);
        if let Some(state) = &self.document.encryption_state {
            lopdf::encryption::encrypt_object(state, id, &mut object)
                .map_err(|error| PdfRefusal::UnsupportedEncryption(error.to_string()))?;
        }
        let mut text = Vec::new();
        lopdf::Writer::write_object(&mut text, &object).map_err(|error| PdfRefusal::Damaged(error.to_string()))?;
        Ok(text)
    }

    fn compressed_text(&self, container: u32, number: u32) -> Option<Vec<u8>> {
        let stream = self.object((container, 0)).as_stream().ok()?;
        let content = stream.get_plain_content_with_limit(MAX_DECOMPRESSED).ok()?;
        let first = usize::try_from(stream.dict.get(b"First").ok()?.as_i64().ok()?).ok()?;
        let index = std::str::from_utf8(content.get(..first)?).ok()?;
        let numbers: Vec<usize> = index.split_ascii_whitespace().map_while(|number| number.parse().ok()).collect();
        let number = usize::try_from(number).ok()?;
        let offset = numbers.as_chunks::<2>().0.iter().find(|[of, _]| *of == number).map(|[_, offset]| *offset)?;
        let start = syntax::skip_white_space(&content, first.checked_add(offset)?);
        let end = syntax::object_end(&content, start).ok()?;
        content.get(start..end).map(<[u8]>::to_vec)
    }

    /// Readers rebuild the whole table when one object is not where it should be, or take the object for null.
    fn refuse_misplaced_objects(&self) -> Result<(), PdfRefusal> {
        for (number, entry) in &self.document.reference_table.entries {
            match entry {
                // An in-use entry at offset 0 is a common way to write a free one.
                XrefEntry::Normal { offset: 0, .. } | XrefEntry::Free | XrefEntry::UnusableFree => {}
                XrefEntry::Normal { offset, generation } => {
                    let position = usize::try_from(*offset).unwrap_or(usize::MAX);
                    if header_end(self.bytes, position, (*number, *generation)).is_none() {
                        return Err(PdfRefusal::CrossReference(format!("object {number} is not at offset {offset}")));
                    }
                }
                XrefEntry::Compressed { container, index } => {
                    let stream = self.object((*container, 0)).as_stream();
                    let count = stream.and_then(|stream| stream.dict.get(b"N")).and_then(Object::as_i64).unwrap_or(0);
                    if count <= i64::from(*index) {
                        let place = format!("object {number} is not in object stream {container}");
                        return Err(PdfRefusal::CrossReference(place));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The end of `N G obj` at `offset`, if that is there.
fn header_end(bytes: &[u8], offset: usize, (number, generation): ObjectId) -> Option<usize> {
    // Bounded, so that a table full of bad offsets costs no more than a good one.
    let window = bytes.get(offset..bytes.len().min(offset.checked_add(HEADER_ROOM)?))?;
    let (found_number, rest) = integer(window)?;
    let (found_generation, rest) = integer(rest)?;
    let rest = rest.trim_ascii_start().strip_prefix(b"obj")?;
    let found = (found_number, found_generation) == (u64::from(number), u64::from(generation));
    found.then_some(offset + window.len() - rest.len())
}

/// The number that `bytes` begin with, and what follows it.
fn integer(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let bytes = bytes.trim_ascii_start();
    let (digits, rest) = bytes.split_at(bytes.iter().take_while(|byte| byte.is_ascii_digit()).count());
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

fn cross_reference_at(bytes: &[u8], offset: usize) -> Result<CrossReference, PdfRefusal> {
    let section = bytes.get(offset..).unwrap_or_default();
    if section.starts_with(b"xref") {
        Ok(CrossReference::Table)
    } else if section.first().is_some_and(u8::is_ascii_digit) {
        Ok(CrossReference::Stream)
    } else {
        Err(PdfRefusal::CrossReference(format!("startxref names offset {offset}, where no section begins")))
    }
}

fn load_refusal(error: lopdf::Error) -> PdfRefusal {
    match error {
        lopdf::Error::UnsupportedSecurityHandler(name) => {
            PdfRefusal::UnsupportedEncryption(format!("handler {}", String::from_utf8_lossy(&name)))
        }
        lopdf::Error::Decompress(DecompressError::MemoryLimitExceeded { .. }) => {
            PdfRefusal::TooLarge("a stream that describes its objects is larger than 64 MiB when decompressed")
        }
        lopdf::Error::Xref(error) => PdfRefusal::CrossReference(error.to_string()),
        lopdf::Error::Decryption(error) => PdfRefusal::UnsupportedEncryption(error.to_string()),
        error => PdfRefusal::Damaged(error.to_string()),
    }
}

/// lopdf "loads" a file that it could not decrypt, without its objects.
fn refuse_unopened(document: &Document) -> Result<(), PdfRefusal> {
    let Ok(encrypt) = document.trailer.get(b"Encrypt") else { return Ok(()) };
    let encrypt = document.dereference(encrypt).ok().and_then(|(_, object)| object.as_dict().ok());
    match encrypt.and_then(|dictionary| dictionary.get(b"Filter").and_then(Object::as_name).ok()) {
        Some(b"Standard") => Err(PdfRefusal::PasswordNeeded),
        Some(handler) => {
            Err(PdfRefusal::UnsupportedEncryption(format!("handler {}", String::from_utf8_lossy(handler))))
        }
        None => Err(PdfRefusal::UnsupportedEncryption("its encryption dictionary cannot be read".into())),
    }
}

const HEADER: &[u8] = b"%PDF-";
/// Readers look for the header in so many bytes; further in it is content.
const HEADER_WINDOW: usize = 1024;
/// Bound on what one object stream or cross-reference stream may decompress to.
const MAX_DECOMPRESSED: usize = 64 << 20;
/// An object's number, generation and keyword with generous white space.
const HEADER_ROOM: usize = 64;
/// References to references in a row that are followed.
const MAX_REFERENCES: usize = 32;
const HIGHEST_OBJECT_NUMBER: u32 = 8_388_607;
/// Trailer entries that describe one section, or the stream that it is (ISO 32000-2, tables 5, 15, 17 and 19).
const SECTION_KEYS: [&[u8]; 14] = [
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
    b"Encrypt",
];
