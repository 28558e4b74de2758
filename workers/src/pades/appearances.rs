//! Whether readers must draw the fields of a form anew, as it asks them to (`/NeedAppearances`, ISO 32000-2, table 224).
//!
//! A reader that does changes the document after it was signed, and draws a seal that can be seen as an empty field. So the wish is taken back
//! with the first signature, but only where the document has nothing else to draw: the drawing of a field may show another value than the
//! field has, and then another document would be seen than before.

use lopdf::{Dictionary, Object};

use super::fields::Field;
use super::file::PdfFile;

/// Whether the form asks for it without need.
pub(super) fn are_asked_for_in_vain(file: &PdfFile<'_>, fields: &[Field<'_>]) -> bool {
    let asked = file.catalog().is_ok_and(|catalog| {
        let form = file.value(catalog, b"AcroForm");
        form.as_dict().is_ok_and(|form| matches!(file.value(form, b"NeedAppearances"), Object::Boolean(true)))
    });
    asked && !fields.iter().any(|field| is_seen(file, field))
}

/// Whether readers show something of the field that is no signature.
fn is_seen(file: &PdfFile<'_>, field: &Field<'_>) -> bool {
    let is_signature = field.kind == Some(SIGNATURE);
    if !is_signature && (!field.value.is_null() || has_something_to_draw(field.dictionary)) {
        return true;
    }
    // Widgets, or fields of their own. Many fields may share one list.
    let kids = file.value(field.dictionary, b"Kids").as_array().map(Vec::as_slice).unwrap_or_default();
    file.charge(COST_OF_KID * kids.len()).is_err()
        || kids.iter().filter_map(|kid| file.resolve(kid).as_dict().ok()).any(|kid| {
            let other = file.value(kid, b"FT").as_name().is_ok_and(|kind| kind != SIGNATURE);
            (other || !is_signature) && has_something_to_draw(kid)
        })
}

fn has_something_to_draw(dictionary: &Dictionary) -> bool {
    [&b"V"[..], b"AP", b"RV", b"Opt", b"MK"].iter().any(|key| dictionary.has(key))
}

const SIGNATURE: &[u8] = b"Sig";
/// Of looking at one, in octets that are read.
const COST_OF_KID: usize = 64;
