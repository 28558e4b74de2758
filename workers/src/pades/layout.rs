//! Lays out an incremental update with a signature field and room for what it is to hold: a signature or a document timestamp.

use std::ops::Range;

use lopdf::ObjectId;

use super::appearance::{NewObjects, Shown, VisibleSeal};
use super::byte_range::ByteRange;
use super::edits::Edits;
use super::fields::{self, TargetField};
use super::file::PdfFile;
use super::incremental_update::IncrementalUpdate;
use super::pages;
use super::refusal::PdfRefusal;
use super::signature_dictionary::{SignatureDictionary, text_string};
use super::syntax;

/// An update with room in `/Contents`.
pub(super) struct Layout {
    /// The bytes that follow the file.
    pub(super) update: Vec<u8>,
    /// Where in the update `/Contents` is, angle brackets included.
    pub(super) contents: Range<usize>,
    /// The page that the field is on.
    pub(super) page: ObjectId,
}

/// What else the update says of the document.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Says {
    /// That the signature certifies it.
    pub(super) certified: bool,
    /// That its fields need not be drawn anew.
    pub(super) drawn: bool,
}

/// What was made does not fit the room.
pub(super) struct TooSmall {
    /// Octets needed.
    pub(super) needed: usize,
    /// Octets reserved.
    pub(super) reserved: usize,
}

impl Layout {
    /// The update of `file` that puts a signature dictionary into the field; `dictionary` writes it for its object number.
    /// A new field is on this page, invisible unless there is a seal to see.
    ///
    /// # Errors
    /// [`PdfRefusal`] when an object that must be extended is not what it should be, or numbers are used up.
    pub(super) fn in_field(
        file: &PdfFile<'_>,
        target: &TargetField,
        page: ObjectId,
        seal: Option<&VisibleSeal<'_>>,
        says: Says,
        dictionary: impl FnOnce(ObjectId) -> Result<SignatureDictionary, PdfRefusal>,
    ) -> Result<Self, PdfRefusal> {
        let mut numbers = file.next_object_number()?..;
        let mut new_id = || (numbers.next().unwrap_or(u32::MAX), 0);
        let signature = new_id();
        let dictionary = dictionary(signature)?;
        let mut update = IncrementalUpdate::new(file);
        // The signature comes first in the update, where the check before release looks for it.
        let start = update.write(signature, &dictionary.text);

        let mut edits = Edits::new(file);
        let catalog = file.catalog_id();
        let field = match target {
            TargetField::Existing { id, .. } => *id,
            TargetField::New { .. } => new_id(),
        };
        let widget = seal.and_then(|seal| seal.widget).unwrap_or(field);
        let mut objects = NewObjects { file, update: &mut update, next: &mut new_id };
        let shown = match (seal, target) {
            (Some(seal), _) => Some(seal.write(widget, &mut edits, &mut objects)?),
            (None, TargetField::New { .. }) => Shown::nothing(&mut objects)?,
            (None, TargetField::Existing { .. }) => None,
        };
        match target {
            TargetField::Existing { .. } => {
                edits.set(field, &[], "V", &reference(signature))?;
                // ISO 32000-2, 12.7.4.2: representations of one field have the same value; poppler looks for it there alone.
                for representation in fields::widgets_below(file, field) {
                    edits.set(representation, &[], "V", &reference(signature))?;
                }
                for (key, value) in shown.iter().flat_map(Shown::entries) {
                    edits.set(widget, &[], key, value.as_bytes())?;
                }
                if shown.is_some() {
                    edits.set(widget, &[], "F", WIDGET_FLAGS.as_bytes())?;
                }
            }
            TargetField::New { name, lock } => {
                let mut text = new_field(file, field, name, page, (seal, shown.as_ref()), signature)?;
                if let Some(lock) = lock {
                    // ISO 32000-2, table 235: an indirect reference.
                    let id = new_id();
                    let entries = lock.entries(|value| file.string(id, value))?;
                    update.write(id, &[b"<</Type/SigFieldLock".to_vec(), entries, b">>".to_vec()].concat());
                    text = syntax::with_entry(&text, "Lock", &reference(id))?;
                }
                update.write(field, &text);
                match seal.map_or(Ok(None), |_| pages::shared_annotations(file, page))? {
                    Some(mut own) => {
                        own.push(field);
                        let own = own.into_iter().map(reference).collect::<Vec<_>>().join(&b' ');
                        edits.set(page, &[], "Annots", &[b"[", own.as_slice(), b"]"].concat())?;
                    }
                    None => edits.push(page, &[("Annots", b"[]")], &reference(field))?,
                }
                if lacks_tab_order(file, page)? {
                    edits.set(page, &[], "Tabs", b"/S")?;
                }
                if file.value(file.catalog()?, b"AcroForm").is_null() {
                    let form = new_id();
                    let fields = [b"<</Fields[".to_vec(), reference(field), b"]/SigFlags 3>>".to_vec()].concat();
                    update.write(form, &fields);
                    edits.set(catalog, &[], "AcroForm", &reference(form))?;
                } else {
                    edits.push(catalog, &[("AcroForm", b"<<>>"), ("Fields", b"[]")], &reference(field))?;
                }
            }
        }
        if let Ok(form) = file.value(file.catalog()?, b"AcroForm").as_dict() {
            let flags = file.value(form, b"SigFlags").as_i64().unwrap_or(0);
            // ISO 32000-2, table 225: signatures exist; save by appending only.
            if flags & 3 != 3 {
                edits.set(catalog, &[("AcroForm", b"<<>>")], "SigFlags", (flags | 3).to_string().as_bytes())?;
            }
        }
        if says.drawn {
            edits.set(catalog, &[("AcroForm", b"<<>>")], "NeedAppearances", b"false")?;
        }
        if says.certified {
            edits.set(catalog, &[("Perms", b"<<>>")], "DocMDP", &reference(signature))?;
        }
        for (id, text) in edits.into_texts() {
            update.write(id, &text);
        }

        let (next, _) = new_id();
        let mut update = update.finish(next)?;
        let shifted = |range: Range<usize>| range.start + start..range.end + start;
        let contents = shifted(dictionary.contents);
        let range = byte_range(file.octets().len(), &contents, update.len());
        let room = update.get_mut(shifted(dictionary.byte_range)).unwrap_or_default();
        let numbers = range.numbers();
        room.get_mut(..numbers.len())
            .ok_or(PdfRefusal::TooLarge("its byte range does not fit the room for it"))?
            .copy_from_slice(numbers.as_bytes());
        Ok(Self { update, contents, page })
    }
}

/// What a signature covers whose `/Contents` is there in an update of so many octets behind a file of so many.
pub(super) const fn byte_range(file: usize, contents: &Range<usize>, update: usize) -> ByteRange {
    ByteRange::new(file + contents.start..file + contents.end, file + update)
}

/// How many octets the hexadecimal string there holds.
pub(super) fn room(contents: &Range<usize>) -> usize {
    // Between the angle brackets.
    contents.len().saturating_sub(2) / 2
}

/// Puts octets into the room; what is left of it stays zero.
///
/// # Errors
/// [`TooSmall`].
pub(super) fn fill(update: &mut [u8], contents: &Range<usize>, octets: &[u8]) -> Result<(), TooSmall> {
    let digits = hex::encode(octets);
    let too_small = TooSmall { needed: octets.len(), reserved: room(contents) };
    let place = update.get_mut(contents.start + 1..contents.end - 1).unwrap_or_default();
    place.get_mut(..digits.len()).ok_or(too_small)?.copy_from_slice(digits.as_bytes());
    Ok(())
}

/// A signature field merged with its widget (ISO 32000-2, 12.7.5.5).
fn new_field(
    file: &PdfFile<'_>,
    id: ObjectId,
    name: &str,
    page: ObjectId,
    (seal, shown): (Option<&VisibleSeal<'_>>, Option<&Shown>),
    signature: ObjectId,
) -> Result<Vec<u8>, PdfRefusal> {
    let rectangle = seal.map_or_else(|| "0 0 0 0".into(), VisibleSeal::rectangle);
    let mut parts = vec![
        format!("<</Type/Annot/Subtype/Widget/FT/Sig/F {WIDGET_FLAGS}/Rect[{rectangle}]/P ").into_bytes(),
        reference(page),
        b"/T".to_vec(),
        file.string(id, text_string(name))?,
        b"/V ".to_vec(),
        reference(signature),
    ];
    parts.extend(
        shown.iter().flat_map(|shown| shown.entries()).map(|(key, value)| format!("/{key} {value}").into_bytes()),
    );
    if let Some(seal) = seal {
        parts.extend([b"/TU".to_vec(), file.string(id, text_string(seal.description()))?]);
    }
    parts.push(b">>".to_vec());
    Ok(parts.concat())
}

/// Whether the page must be told that the tab key follows its structure: with an annotation on it, PDF/UA-1 wants that of every page of a
/// tagged document (ISO 14289-1, 7.18.3). Verifiers take it for an alteration of what was signed before.
fn lacks_tab_order(file: &PdfFile<'_>, page: ObjectId) -> Result<bool, PdfRefusal> {
    let catalog = file.catalog()?;
    let flags = file
        .value(catalog, b"AcroForm")
        .as_dict()
        .map_or(0, |form| file.value(form, b"SigFlags").as_i64().unwrap_or(0));
    let is_signed = flags & 1 == 1;
    let tagged = file.if_readable(|| file.value(catalog, b"StructTreeRoot").as_dict().ok()).is_some();
    let ordered = file.dictionary(page).is_none_or(|page| page.has(b"Tabs"));
    Ok(tagged && !is_signed && !ordered)
}

/// Print (3) and locked (8): a seal is printed, and cannot be moved.
const WIDGET_FLAGS: &str = "132";

/// `object` as a reference.
pub(super) fn reference((number, generation): ObjectId) -> Vec<u8> {
    format!("{number} {generation} R").into_bytes()
}
