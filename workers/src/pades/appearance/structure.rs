//! Keeps a tagged document tagged: a seal that is seen has its place in the structure (ISO 32000-2, 14.7.5 and 14.8.4).
//!
//! A form element in the structure leads to the field, the field's number in the parent tree leads back. A document that is
//! signed already is left as it is: verifiers take a changed structure for an alteration of what was signed.

use lopdf::{Dictionary, Object, ObjectId};

use super::super::edits::Edits;
use super::super::file::PdfFile;
use super::super::refusal::PdfRefusal;
use super::objects::{NewObjects, reference};

/// A field and what it says.
pub(super) struct TaggedField<'t> {
    pub(super) field: ObjectId,
    pub(super) page: ObjectId,
    pub(super) description: &'t str,
}

impl TaggedField<'_> {
    /// Puts the field into the structure of the document and returns its number there (`/StructParent`); `None` where the
    /// document has no structure that can be added to.
    pub(super) fn tag(&self, edits: &mut Edits<'_>, objects: &mut NewObjects<'_, '_>) -> Option<i64> {
        let file = objects.file;
        let found = file.if_readable(|| {
            let root = file.value(file.catalog().ok()?, b"StructTreeRoot").as_dict().ok()?;
            let key = next_key(file, root)?;
            let element = objects.number();
            let branches = file.value(root, b"ParentTree").as_dict().is_ok_and(|tree| tree.has(b"Kids"));
            let leaf = branches.then(|| objects.number());
            let mut changed = edits.clone();
            let parent = add(file, root, element, leaf, key, &mut changed).ok()?;
            Some((key, element, leaf, parent, changed))
        });
        let (key, element, leaf, parent, changed) = found?;
        let alternative = objects.string(element, self.description).ok()?;
        let (field, page) = (reference(self.field), reference(self.page));
        let text = format!(
            "<</Type/StructElem/S/Form/P {parent}/Pg {page}/K<</Type/OBJR/Obj {field}/Pg {page}>>/Alt{alternative}>>"
        );
        objects.write(element, &text);
        if let Some(leaf) = leaf {
            objects.write(leaf, &format!("<</Limits[{key} {key}]/Nums[{key} {}]>>", reference(element)));
        }
        *edits = changed;
        Some(key)
    }
}

/// Makes the structure lead to the new element and returns the element's parent.
fn add(
    file: &PdfFile<'_>,
    root: &Dictionary,
    element: ObjectId,
    leaf: Option<ObjectId>,
    key: i64,
    edits: &mut Edits<'_>,
) -> Result<String, PdfRefusal> {
    let catalog = file.catalog_id();
    let in_root = ("StructTreeRoot", b"<<>>".as_slice());
    if let Some(leaf) = leaf {
        edits.push(catalog, &[in_root, ("ParentTree", b"<<>>"), ("Kids", b"[]")], reference(leaf).as_bytes())?;
    } else {
        let entry = format!("{key} {}", reference(element));
        edits.push(catalog, &[in_root, ("ParentTree", b"<<>>"), ("Nums", b"[]")], entry.as_bytes())?;
    }
    edits.set(catalog, &[in_root], "ParentTreeNextKey", (key + 1).to_string().as_bytes())?;

    let child = reference(element);
    match container(file, root) {
        Some(parent) => {
            let node = file.dictionary(parent).ok_or(PdfRefusal::MissingObject(parent))?;
            add_child(file, node, parent, &child, edits)?;
            Ok(reference(parent))
        }
        None => {
            let parent = file.catalog()?.get(b"StructTreeRoot").and_then(Object::as_reference);
            let parent = parent.map_err(|_| PdfRefusal::Malformed("the structure tree is no object".into()))?;
            add_child(file, root, parent, &child, edits)?;
            Ok(reference(parent))
        }
    }
}

/// The one element below the root that holds all the others, where it is so.
fn container(file: &PdfFile<'_>, root: &Dictionary) -> Option<ObjectId> {
    let only = match root.get(b"K").ok()? {
        Object::Reference(id) => match file.resolve(&Object::Reference(*id)) {
            Object::Array(kids) => one(kids)?,
            _ => *id,
        },
        Object::Array(kids) => one(kids)?,
        _ => return None,
    };
    let element = file.dictionary(only)?;
    let kind = file.value(element, b"S").as_name().ok()?;
    [b"Document".as_slice(), b"Part", b"Art", b"Sect", b"Div"].contains(&kind).then_some(only)
}

fn one(kids: &[Object]) -> Option<ObjectId> {
    match kids {
        [Object::Reference(id)] => Some(*id),
        _ => None,
    }
}

/// `/K` is one child, or an array of children, or not there.
fn add_child(
    file: &PdfFile<'_>,
    node: &Dictionary,
    id: ObjectId,
    child: &str,
    edits: &mut Edits<'_>,
) -> Result<(), PdfRefusal> {
    match node.get(b"K") {
        Ok(kids) if !matches!(file.resolve(kids), Object::Array(_) | Object::Null) => {
            let only = match kids {
                Object::Reference(only) => reference(*only),
                Object::Integer(content) => content.to_string(),
                _ => return Err(PdfRefusal::Malformed("a structure element has a child that is no object".into())),
            };
            edits.set(id, &[], "K", format!("[{only} {child}]").as_bytes())
        }
        _ => edits.push(id, &[("K", b"[]")], child.as_bytes()),
    }
}

/// A key of the parent tree that is free for certain, and above all others.
fn next_key(file: &PdfFile<'_>, root: &Dictionary) -> Option<i64> {
    let declared = file.value(root, b"ParentTreeNextKey").as_i64().unwrap_or(0);
    let mut next = declared.max(0);
    let Ok(mut node) = file.value(root, b"ParentTree").as_dict() else { return Some(next) };
    for _ in 0..MAX_DEPTH {
        if let Ok(numbers) = file.value(node, b"Nums").as_array() {
            let keys = numbers.iter().step_by(2).filter_map(|key| file.resolve(key).as_i64().ok());
            next = keys.fold(next, |next, key| next.max(key.saturating_add(1)));
            return (next < i64::from(i32::MAX)).then_some(next);
        }
        let Some(last) = file.value(node, b"Kids").as_array().ok().and_then(|kids| kids.last()) else {
            return Some(next);
        };
        node = file.resolve(last).as_dict().ok()?;
    }
    None
}

/// Deeper than any tree of numbers that is in order.
const MAX_DEPTH: usize = 32;
