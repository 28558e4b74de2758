//! Whether a document lets a further signature in: access permissions, certification and field locks
//! (ISO 32000-2, 7.6.4.2, 12.7.5.5, 12.8.2.2 and 12.8.2.4).
//!
//! Signers cannot forbid validation data and document timestamps: they are no changes (12.8.2.2.2). The access permissions of an encrypted
//! document, which are its author's, bind a document timestamp like every other new field.

use std::collections::HashSet;

use lopdf::{Dictionary, Object, Permissions};

use super::Certification;
use super::field_lock::{FieldLock, Unreadable, read_level};
use super::fields::{self, Field, TargetField};
use super::file::PdfFile;
use super::refusal::PdfRefusal;

/// Refuses a document whose author or earlier signers forbid the seal, which is `visible` or not.
///
/// # Errors
/// [`PdfRefusal::AccessPermissions`], [`PdfRefusal::ChangesForbidden`], [`PdfRefusal::FieldLocked`], [`PdfRefusal::OnlyInField`],
/// [`PdfRefusal::NewVisibleField`].
pub(super) fn check(
    file: &PdfFile<'_>,
    fields: &[Field<'_>],
    target: &TargetField,
    visible: bool,
) -> Result<(), PdfRefusal> {
    let access = check_access(file, matches!(target, TargetField::New { .. }));
    if access.is_err() && check_access(file, false).is_err() {
        return access;
    }
    let mut restrictions = Restrictions::default();
    if let Ok(permissions) = file.value(file.catalog()?, b"Perms").as_dict()
        && let Ok(certification) = file.value(permissions, b"DocMDP").as_dict()
    {
        restrictions.read_transforms(file, certification)?;
    }
    let mut seen = HashSet::new();
    for field in fields {
        let Some(signature) = field.signature() else { continue };
        // Readers that look for four numbers there read no signature of the file.
        if file.value(signature, b"ByteRange").as_array().is_ok_and(|numbers| numbers.len() != 4) {
            let name = &field.name;
            return Err(PdfRefusal::Malformed(format!("the signature in field \"{name}\" has an odd /ByteRange")));
        }
        // Kids inherit the signature of their parent.
        if seen.insert(std::ptr::from_ref(signature)) {
            restrictions.read_transforms(file, signature)?;
        }
        // What the author wants locked by this signature is locked, whether or not its signer repeated it.
        if let Ok(lock) = file.value(field.dictionary, b"Lock").as_dict() {
            restrictions.locks.push(FieldLock::read(file, lock));
        }
    }
    for (checked, forbids) in
        [(access, "its access permissions"), (restrictions.check(target), "earlier signatures (FieldMDP)")]
    {
        if let Err(refusal) = checked {
            return Err(match empty_field(file, fields, &restrictions) {
                Some(field) if matches!(target, TargetField::New { .. }) => PdfRefusal::OnlyInField { forbids, field },
                _ => refusal,
            });
        }
    }
    // Filling in a form and signing (ISO 32000-2, table 257) put nothing new on a page.
    if visible && restrictions.has_level() && matches!(target, TargetField::New { .. }) {
        return Err(PdfRefusal::NewVisibleField);
    }
    Ok(())
}

/// The first of the empty fields that may be named in place of a new one.
fn empty_field(file: &PdfFile<'_>, fields: &[Field<'_>], restrictions: &Restrictions) -> Option<String> {
    let empty = fields.iter().filter(|field| field.kind == Some(b"Sig") && field.value.is_null());
    let mut targets =
        empty.take(MAX_TRIED).filter_map(|field| fields::choose(file, fields, Some(&field.name), None).ok());
    targets.find(|target| restrictions.check(target).is_ok()).map(|target| target.name().to_owned())
}

/// Fields that are tried before none is named: each is looked up among all.
const MAX_TRIED: usize = 32;
/// Of following one, in octets that are read.
const COST_OF_REFERENCE: usize = 64;

/// Refuses a document whose author forbids a document timestamp, which is in a new field.
///
/// # Errors
/// [`PdfRefusal::AccessPermissions`].
pub(super) fn check_document_timestamp(file: &PdfFile<'_>) -> Result<(), PdfRefusal> {
    check_access(file, true)
}

/// What the signatures in a document forbid, together.
#[derive(Default)]
struct Restrictions {
    levels: Vec<Option<Certification>>,
    locks: Vec<Result<FieldLock, Unreadable>>,
}

impl Restrictions {
    fn read_transforms(&mut self, file: &PdfFile<'_>, signature: &Dictionary) -> Result<(), PdfRefusal> {
        let Ok(references) = file.value(signature, b"Reference").as_array() else { return Ok(()) };
        // Many signatures may share one list.
        file.charge(COST_OF_REFERENCE * references.len())?;
        for reference in references {
            let Ok(reference) = file.resolve(reference).as_dict() else { continue };
            let Ok(parameters) = file.value(reference, b"TransformParams").as_dict() else { continue };
            match file.value(reference, b"TransformMethod").as_name() {
                Ok(b"DocMDP") => self.levels.push(match file.value(parameters, b"P") {
                    // ISO 32000-2, table 257.
                    Object::Null => Some(Certification::FormFilling),
                    level => read_level(level),
                }),
                Ok(b"FieldMDP") => self.locks.push(FieldLock::read(file, parameters)),
                _ => {}
            }
        }
        Ok(())
    }

    fn levels(&self) -> impl Iterator<Item = Option<Certification>> {
        let of_locks = self.locks.iter().flatten().filter_map(|lock| lock.level).map(Some);
        self.levels.iter().copied().chain(of_locks)
    }

    /// Whether one says what the document still allows.
    fn has_level(&self) -> bool {
        self.levels().next().is_some()
    }

    /// Refuses a field that one of them locks, and every field when one allows no changes. A later signature can allow less
    /// than an earlier one, not more (ISO 32000-2, table 236). What cannot be read allows nothing.
    fn check(&self, target: &TargetField) -> Result<(), PdfRefusal> {
        if self.levels().any(|level| matches!(level, None | Some(Certification::NoChanges))) {
            return Err(PdfRefusal::ChangesForbidden);
        }
        let name = target.name();
        if self.locks.iter().any(|lock| lock.as_ref().map_or(true, |lock| lock.fields.contains(name))) {
            return Err(PdfRefusal::FieldLocked { field: name.to_owned() });
        }
        Ok(())
    }
}

/// ISO 32000-2, table 22: bits 4 and 6 for new fields; 6 or 9 for filling one that is there.
fn check_access(file: &PdfFile<'_>, new_field: bool) -> Result<(), PdfRefusal> {
    match file.access_permissions() {
        Some(given) if new_field && !given.contains(Permissions::MODIFIABLE | Permissions::ANNOTABLE) => {
            Err(PdfRefusal::AccessPermissions("new signature fields"))
        }
        Some(given) if !new_field && !given.intersects(Permissions::ANNOTABLE | Permissions::FILLABLE) => {
            Err(PdfRefusal::AccessPermissions("filling in form fields"))
        }
        _ => Ok(()),
    }
}

/// Whether the document carries a signature already.
pub(super) fn is_signed(fields: &[Field<'_>]) -> bool {
    fields.iter().any(|field| field.signature().is_some())
}
