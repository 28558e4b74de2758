//! Whether readers must draw the fields of a form anew, as it asks them to (`/NeedAppearances`, ISO 32000-2, table 224).
//!
//! A reader that does changes the document after it was signed, and draws a seal that can be seen as an empty field. So the wish is taken back
//! with the first signature, where nothing is lost: every field is drawn already, and shows the value that it has.

use lopdf::{Dictionary, Object};

use super::fields::Field;
use super::file::PdfFile;

/// Whether the form asks for it without need.
pub(super) fn are_asked_for_in_vain(file: &PdfFile<'_>, fields: &[Field<'_>]) -> bool {
    let asked = file.catalog().is_ok_and(|catalog| {
        let form = file.value(catalog, b"AcroForm");
        form.as_dict().is_ok_and(|form| is_true(file.value(form, b"NeedAppearances")))
    });
    asked
        && fields.len() <= MAX_FIELDS
        && fields.iter().all(|field| widgets(file, field).all(|widget| is_drawn(file, field, widget)))
}

fn is_true(value: &Object) -> bool {
    matches!(value, Object::Boolean(true))
}

/// Where the field is seen: itself, or those of its kids that are no fields.
fn widgets<'f>(file: &'f PdfFile<'_>, field: &'f Field<'_>) -> impl Iterator<Item = &'f Dictionary> {
    let kids = file.value(field.dictionary, b"Kids").as_array().map(Vec::as_slice).unwrap_or_default();
    // Many fields may share one list.
    let kids = if file.charge(COST_OF_KID * kids.len()).is_ok() { kids } else { &[] };
    let kids = kids
        .iter()
        .filter_map(|kid| file.resolve(kid).as_dict().ok())
        .filter(|kid| !kid.has(b"T") && !kid.has(b"Kids"));
    let itself = field.dictionary.has(b"Rect").then_some(field.dictionary);
    itself.into_iter().chain(kids)
}

fn is_drawn(file: &PdfFile<'_>, field: &Field<'_>, widget: &Dictionary) -> bool {
    let flags = file.value(widget, b"F").as_i64().unwrap_or(0);
    if field.kind == Some(b"Sig") || flags & HIDDEN != 0 {
        return true;
    }
    let Ok(appearances) = file.value(widget, b"AP").as_dict() else { return false };
    let Ok(drawing) = file.value(appearances, b"N").as_dict() else { return false };
    match (field.kind, file.value(widget, b"AS").as_name()) {
        // What is ticked has a drawing for that; what is not may have none.
        (Some(b"Btn"), Ok(state)) => drawing.has(state) || state == b"Off",
        (Some(b"Btn"), Err(_)) => is_form(drawing),
        _ => is_form(drawing) && shows(file, appearances, field.value),
    }
}

/// Whether it is the dictionary of a form XObject, not one of states.
fn is_form(drawing: &Dictionary) -> bool {
    drawing.has(b"BBox")
}

/// Whether the drawing has the first word of the value in it.
fn shows(file: &PdfFile<'_>, appearances: &Dictionary, value: &Object) -> bool {
    let text = match value {
        Object::Null => return true,
        text @ Object::String(..) => lopdf::decode_text_string(text).unwrap_or_default(),
        _ => return false,
    };
    let letters = |character: &char| character.is_ascii_alphanumeric();
    let word: String = text.chars().skip_while(|c| !letters(c)).take_while(letters).collect();
    let Ok(id) = appearances.get(b"N").and_then(Object::as_reference) else { return false };
    let drawn = || file.stream(id).map(|(_, content)| content).unwrap_or_default();
    text.is_empty() || (!word.is_empty() && drawn().windows(word.len()).any(|part| part == word.as_bytes()))
}

/// Hidden (2) and NoView (6) (ISO 32000-2, table 167).
const HIDDEN: i64 = 1 << 1 | 1 << 5;
/// Of looking at one, in octets that are read.
const COST_OF_KID: usize = 64;
/// Larger forms stay as they are.
const MAX_FIELDS: usize = 10_000;
