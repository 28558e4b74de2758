//! Finds the page that a signature field belongs to (ISO 32000-2, 7.7.3).

use std::collections::HashSet;

use lopdf::{Object, ObjectId};

use super::file::PdfFile;
use super::refusal::PdfRefusal;

/// The first page.
///
/// # Errors
/// [`PdfRefusal::NoPages`] when the page tree has no leaf that can be found.
pub(super) fn first(file: &PdfFile<'_>) -> Result<ObjectId, PdfRefusal> {
    let root = file.catalog()?.get(b"Pages").and_then(Object::as_reference).map_err(|_| PdfRefusal::NoPages)?;
    let mut seen = HashSet::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        // A tree has no node twice; a file in which one is its own ancestor would never end.
        if !seen.insert(id) {
            return Err(PdfRefusal::Malformed("the page tree has a cycle".into()));
        }
        let Some(node) = file.dictionary(id) else { return Err(PdfRefusal::MissingObject(id)) };
        match (file.value(node, b"Kids").as_array(), file.value(node, b"Type").as_name()) {
            (Ok(kids), _) => open.extend(kids.iter().rev().filter_map(|kid| kid.as_reference().ok())),
            (Err(_), Ok(b"Page")) => return Ok(id),
            (Err(_), _) => return Err(PdfRefusal::Malformed(format!("object {} in the page tree is no page", id.0))),
        }
    }
    Err(PdfRefusal::NoPages)
}
