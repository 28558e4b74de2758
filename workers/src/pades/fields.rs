//! The form fields of a PDF: which names are taken, and which field a seal goes into (ISO 32000-2, 12.7.4 and 12.7.5.5).

use std::collections::{HashMap, HashSet};

use lopdf::{Dictionary, Object, ObjectId};

use super::field_lock::{FieldLock, LockedFields, Unreadable};
use super::file::PdfFile;
use super::refusal::PdfRefusal;

/// A form field with what it inherits.
pub(super) struct Field<'f> {
    /// Its fully qualified name.
    pub(super) name: String,
    /// Its object, unless it is written directly into the tree.
    pub(super) id: Option<ObjectId>,
    /// Its dictionary.
    pub(super) dictionary: &'f Dictionary,
    /// `/FT`, its own or inherited.
    pub(super) kind: Option<&'f [u8]>,
    /// `/V`, its own or inherited; null when it has no value.
    pub(super) value: &'f Object,
    depth: usize,
}

impl Field<'_> {
    /// The signature in it, if it is a signature field that is signed.
    pub(super) fn signature(&self) -> Option<&Dictionary> {
        if self.kind == Some(b"Sig") { self.value.as_dict().ok() } else { None }
    }
}

/// The field that receives the seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TargetField {
    /// An empty signature field of the document.
    Existing {
        /// Its object.
        id: ObjectId,
        /// Its fully qualified name.
        name: String,
        /// What the signature in it is to lock.
        lock: Option<FieldLock>,
    },
    /// A field to be made.
    New {
        /// Its name.
        name: String,
        /// What the signature in it is to lock.
        lock: Option<FieldLock>,
    },
}

impl TargetField {
    /// The fully qualified name.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Existing { name, .. } | Self::New { name, .. } => name,
        }
    }

    /// What the signature in it is to lock.
    pub(super) const fn lock(&self) -> Option<&FieldLock> {
        match self {
            Self::Existing { lock, .. } | Self::New { lock, .. } => lock.as_ref(),
        }
    }
}

/// Every field of the document, parents before children.
///
/// # Errors
/// [`PdfRefusal::Malformed`] when the tree has a cycle or is deeper than any form is.
pub(super) fn all<'f>(file: &'f PdfFile<'_>) -> Result<Vec<Field<'f>>, PdfRefusal> {
    let mut fields = Vec::new();
    let mut seen = HashMap::new();
    let form = file.value(file.catalog()?, b"AcroForm");
    let Ok(form) = form.as_dict() else { return Ok(fields) };
    let Ok(roots) = file.value(form, b"Fields").as_array() else { return Ok(fields) };
    let mut open: Vec<(&Object, Option<usize>)> = roots.iter().rev().map(|root| (root, None)).collect();
    while let Some((object, parent)) = open.pop() {
        let id = object.as_reference().ok();
        if let Some(id) = id
            && let Some(earlier) = seen.insert(id, parent)
        {
            let shared = file.dictionary(id);
            let is_leaf = !shared.is_some_and(|field| field.has(b"Kids"));
            // Some programs list a field or widget twice.
            if is_leaf && earlier == parent {
                continue;
            }
            // In two places it has two names. Some readers go below it twice, and count a signature in it twice.
            let own = shared.and_then(|field| file.value(field, b"FT").as_name().ok());
            let kind =
                |parent: Option<usize>| own.or_else(|| fields.get(parent?).and_then(|field: &Field<'_>| field.kind));
            if !is_leaf || [earlier, parent].map(kind).contains(&Some(b"Sig")) {
                return Err(PdfRefusal::Malformed(format!(
                    "form field object {} occurs twice in the field tree",
                    id.0
                )));
            }
        }
        let Ok(dictionary) = file.resolve(object).as_dict() else { continue };
        let parent = parent.and_then(|index| fields.get(index));
        let partial = lopdf::decode_text_string(file.value(dictionary, b"T")).ok();
        // A kid without /T is a widget of its parent, unless it goes on.
        if partial.is_none() && parent.is_some() && !dictionary.has(b"Kids") {
            continue;
        }
        let depth = parent.map_or(0, |parent: &Field<'_>| parent.depth + 1);
        if depth > MAX_DEPTH {
            return Err(PdfRefusal::Malformed("form fields are nested too deeply".into()));
        }
        let value = match (file.value(dictionary, b"V"), parent) {
            (Object::Null, Some(parent)) => parent.value,
            (value, _) => value,
        };
        let name = full_name(parent, partial);
        // A long name of a parent is repeated in those of all its kids, and many parents may have the same list of kids.
        file.charge(name.len() + size_of::<Field<'_>>())?;
        let field = Field {
            name,
            id,
            dictionary,
            kind: file.value(dictionary, b"FT").as_name().ok().or(parent.and_then(|parent| parent.kind)),
            value,
            depth,
        };
        let index = fields.len();
        fields.push(field);
        if let Ok(kids) = file.value(dictionary, b"Kids").as_array() {
            open.extend(kids.iter().rev().map(|kid| (kid, Some(index))));
        }
    }
    Ok(fields)
}

/// The widgets of a field that are objects of their own (ISO 32000-2, 12.7.4.1); where there are none, it may be its own.
pub(super) fn widgets_below(file: &PdfFile<'_>, field: ObjectId) -> Vec<ObjectId> {
    let kids = file.dictionary(field).map(|field| file.value(field, b"Kids"));
    let kids = kids.and_then(|kids| kids.as_array().ok()).map(Vec::as_slice).unwrap_or_default();
    let kids = kids.iter().filter_map(|kid| kid.as_reference().ok());
    kids.filter(|kid| file.dictionary(*kid).is_some_and(|kid| !kid.has(b"T") && !kid.has(b"Kids"))).collect()
}

/// ISO 32000-2, 12.7.4.2.
fn full_name(parent: Option<&Field<'_>>, partial: Option<String>) -> String {
    match (parent, partial) {
        (Some(parent), Some(partial)) => format!("{}.{partial}", parent.name),
        (Some(parent), None) => parent.name.clone(),
        (None, partial) => partial.unwrap_or_default(),
    }
}

/// The field named `wanted`, or a new one; without a wish a new one of the first free name `Signature1`, `Signature2`, ….
/// A field of the document locks what its author says, else what `lock` says.
///
/// # Errors
/// [`PdfRefusal::FieldUnusable`] when a field of that name exists that cannot take a signature.
pub(super) fn choose(
    file: &PdfFile<'_>,
    fields: &[Field<'_>],
    wanted: Option<&str>,
    lock: Option<&LockedFields>,
) -> Result<TargetField, PdfRefusal> {
    let lock = lock.cloned().map(FieldLock::from);
    let Some(wanted) = wanted else {
        let taken: HashSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let free = (1_u32..).map(|n| format!("Signature{n}")).find(|name| !taken.contains(name.as_str()));
        return Ok(TargetField::New { name: free.unwrap_or_default(), lock });
    };
    let unusable = |reason| PdfRefusal::FieldUnusable { field: wanted.to_owned(), reason };
    let mut named = fields.iter().filter(|field| field.name == wanted);
    let Some(field) = named.next() else {
        if wanted.contains('.') {
            return Err(unusable("there is none of that name, and a new one must not have a full stop in its name"));
        }
        return Ok(TargetField::New { name: wanted.to_owned(), lock });
    };
    if named.next().is_some() {
        return Err(unusable("there are several of that name"));
    }
    if field.kind != Some(b"Sig") {
        return Err(unusable("it is no signature field"));
    }
    if !field.value.is_null() {
        return Err(unusable("it is signed already"));
    }
    // ISO 32000-2, 12.7.4.1: only a terminal field has a value.
    let kids = file.value(field.dictionary, b"Kids").as_array().map(Vec::as_slice).unwrap_or_default();
    if kids.iter().filter_map(|kid| file.resolve(kid).as_dict().ok()).any(|kid| kid.has(b"T")) {
        return Err(unusable("it has other fields below it"));
    }
    let own = match file.value(field.dictionary, b"Lock") {
        Object::Null => None,
        own => {
            let own = own.as_dict().map_err(|_| Unreadable).and_then(|own| FieldLock::read(file, own));
            Some(own.map_err(|_| unusable("it cannot be read what it locks (/Lock)"))?)
        }
    };
    if let (Some(own), Some(lock)) = (&own, &lock)
        && own.fields != lock.fields
    {
        return Err(unusable("it locks other fields than the worker is told to lock"));
    }
    let widget = field.dictionary.has(b"Kids") || field.dictionary.has(b"Rect");
    match field.id {
        Some(id) if widget => Ok(TargetField::Existing { id, name: wanted.to_owned(), lock: own.or(lock) }),
        Some(_) => Err(unusable("it has no widget on a page")),
        None => Err(unusable("it is not an indirect object")),
    }
}

/// Deeper than any form, shallow enough for quadratic name building to stay cheap.
const MAX_DEPTH: usize = 32;
