//! Writes the objects of a seal into an update, encrypted where the file is.

use lopdf::{Object, ObjectId, Stream};

use super::super::file::PdfFile;
use super::super::incremental_update::IncrementalUpdate;
use super::super::refusal::PdfRefusal;
use super::super::syntax::value;

/// An update that takes new objects.
pub(in super::super) struct NewObjects<'o, 'f> {
    pub(in super::super) file: &'o PdfFile<'f>,
    pub(in super::super) update: &'o mut IncrementalUpdate<'f>,
    pub(in super::super) next: &'o mut dyn FnMut() -> ObjectId,
}

impl NewObjects<'_, '_> {
    /// A number for an object to be written.
    pub(super) fn number(&mut self) -> ObjectId {
        (self.next)()
    }

    /// Writes an object as it stands here.
    pub(super) fn write(&mut self, id: ObjectId, text: &str) {
        self.update.write(id, text.as_bytes());
    }

    /// Writes a stream with these entries of its dictionary, compressed.
    ///
    /// # Errors
    /// [`PdfRefusal::UnsupportedEncryption`].
    pub(super) fn stream(&mut self, entries: &str, content: Vec<u8>) -> Result<ObjectId, PdfRefusal> {
        self.write_stream(entries, content, true)
    }

    /// Writes a stream that is encoded already, as its entries say.
    ///
    /// # Errors
    /// As [`Self::stream`].
    pub(super) fn encoded_stream(&mut self, entries: &str, content: Vec<u8>) -> Result<ObjectId, PdfRefusal> {
        self.write_stream(entries, content, false)
    }

    fn write_stream(&mut self, entries: &str, content: Vec<u8>, compress: bool) -> Result<ObjectId, PdfRefusal> {
        let id = self.number();
        let Ok(Object::Dictionary(dictionary)) = value::parse(format!("<<{entries}>>").as_bytes()) else {
            return Err(PdfRefusal::Malformed("the dictionary of a new stream".into()));
        };
        let mut stream = Stream::new(dictionary, content);
        if compress {
            stream.compress().map_err(|error| PdfRefusal::Damaged(error.to_string()))?;
        }
        let text = self.file.stream_text(id, stream)?;
        self.update.write(id, &text);
        Ok(id)
    }

    /// `text` as a string of object `id`.
    ///
    /// # Errors
    /// As [`Self::stream`].
    pub(super) fn string(&self, id: ObjectId, text: &str) -> Result<String, PdfRefusal> {
        let string = self.file.string(id, super::super::signature_dictionary::text_string(text))?;
        // Written in ASCII or in hexadecimal.
        Ok(String::from_utf8_lossy(&string).into_owned())
    }
}

/// `object` as a reference.
pub(super) fn reference((number, generation): ObjectId) -> String {
    format!("{number} {generation} R")
}
