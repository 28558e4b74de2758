//! Collects the objects of the document that a seal extends, each with its new text.
//!
//! A path of keys leads from an object to the place that changes. Wherever an entry on it is a reference, the object
//! referred to is the one that changes, not its parent: an indirect `/Annots` stays indirect.

use std::collections::BTreeMap;

use lopdf::{Object, ObjectId};

use super::file::PdfFile;
use super::refusal::PdfRefusal;
use super::syntax::{self, SyntaxError};

/// A key, and what stands there when the document has nothing.
pub(super) type Step<'s> = (&'s str, &'s [u8]);

/// Objects with their new texts.
#[derive(Clone)]
pub(super) struct Edits<'f> {
    file: &'f PdfFile<'f>,
    texts: BTreeMap<ObjectId, Vec<u8>>,
}

impl<'f> Edits<'f> {
    /// No edits yet.
    pub(super) const fn new(file: &'f PdfFile<'f>) -> Self {
        Self { file, texts: BTreeMap::new() }
    }

    /// Sets an entry of the dictionary at `path` below object `id`.
    ///
    /// # Errors
    /// [`PdfRefusal::MissingObject`], or [`PdfRefusal::Malformed`] when something on the way is no dictionary.
    pub(super) fn set(&mut self, id: ObjectId, path: &[Step<'_>], key: &str, value: &[u8]) -> Result<(), PdfRefusal> {
        self.edit(id, path, &|text| syntax::with_entry(text, key, value))
    }

    /// Adds an element to the array at `path` below object `id`.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub(super) fn push(&mut self, id: ObjectId, path: &[Step<'_>], element: &[u8]) -> Result<(), PdfRefusal> {
        self.edit(id, path, &|text| syntax::with_element(text, element))
    }

    /// The changed objects.
    pub(super) fn into_texts(self) -> BTreeMap<ObjectId, Vec<u8>> {
        self.texts
    }

    fn edit(&mut self, id: ObjectId, path: &[Step<'_>], change: Change<'_>) -> Result<(), PdfRefusal> {
        let text = match self.texts.get(&id) {
            Some(text) => text.clone(),
            None => self.file.text(id)?,
        };
        if let Some(text) = self.edited(id, &text, path, change)? {
            self.texts.insert(id, text);
        }
        Ok(())
    }

    /// The changed text, or none when the change went into another object.
    fn edited(
        &mut self,
        id: ObjectId,
        text: &[u8],
        path: &[Step<'_>],
        change: Change<'_>,
    ) -> Result<Option<Vec<u8>>, PdfRefusal> {
        let malformed = |_: SyntaxError| {
            let keys: Vec<&str> = path.iter().map(|(key, _)| *key).collect();
            PdfRefusal::Malformed(format!("object {} cannot be extended {}", id.0, keys.join("/")).trim_end().into())
        };
        let Some(((key, default), rest)) = path.split_first() else { return change(text).map(Some).map_err(malformed) };
        let kind: &[u8] = if default.starts_with(b"[") { b"[" } else { b"<<" };
        let value = match syntax::entry(text, key.as_bytes()).map_err(malformed)? {
            None => default,
            Some(value) => match syntax::reference(value) {
                // Readers take what is of the wrong kind for nothing: an `/Annots` that is no array has no annotations.
                None if !value.starts_with(kind) => default,
                None => value,
                Some(target) => match (self.file.resolve(&Object::Reference(target)), kind) {
                    (Object::Array(_), b"[") | (Object::Dictionary(_), b"<<") => {
                        return self.edit(target, rest, change).map(|()| None);
                    }
                    // What cannot be read is null too, and `refuse_unread` refuses it.
                    _ => default,
                },
            },
        };
        let Some(value) = self.edited(id, value, rest, change)? else { return Ok(None) };
        syntax::with_entry(text, key, &value).map(Some).map_err(malformed)
    }
}

type Change<'c> = &'c dyn Fn(&[u8]) -> Result<Vec<u8>, SyntaxError>;
