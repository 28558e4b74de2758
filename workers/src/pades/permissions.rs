//! Whether a document lets a further signature in: access permissions, certification and field locks
//! (ISO 32000-2, 7.6.4.2, 12.8.2.2 and 12.8.2.4).

use lopdf::{Dictionary, Permissions};

use super::fields::{Field, TargetField};
use super::file::PdfFile;
use super::refusal::PdfRefusal;

/// Refuses a document whose author or earlier signers forbid the seal.
///
/// # Errors
/// [`PdfRefusal::AccessPermissions`], [`PdfRefusal::ChangesForbidden`], [`PdfRefusal::FieldLocked`].
pub(super) fn check(file: &PdfFile<'_>, fields: &[Field<'_>], target: &TargetField) -> Result<(), PdfRefusal> {
    if let Some(permissions) = file.access_permissions() {
        check_access(permissions, target)?;
    }
    if let Ok(permissions) = file.value(file.catalog()?, b"Perms").as_dict()
        && let Ok(certification) = file.value(permissions, b"DocMDP").as_dict()
    {
        check_transforms(file, certification, target)?;
    }
    for field in fields {
        if let Some(signature) = field.signature() {
            check_transforms(file, signature, target)?;
            // Readers that look for four numbers there read no signature of the file.
            if file.value(signature, b"ByteRange").as_array().is_ok_and(|numbers| numbers.len() != 4) {
                let name = &field.name;
                return Err(PdfRefusal::Malformed(format!("the signature in field \"{name}\" has an odd /ByteRange")));
            }
            // PDF 2.0: the lock of a signed field may carry a level for the whole document.
            if let Ok(lock) = file.value(field.dictionary, b"Lock").as_dict()
                && file.value(lock, b"P").as_i64().ok() == Some(1)
            {
                return Err(PdfRefusal::ChangesForbidden);
            }
        }
    }
    Ok(())
}

/// ISO 32000-2, table 22: bits 4 and 6 for new fields; 6 or 9 for filling one that is there.
fn check_access(permissions: Permissions, target: &TargetField) -> Result<(), PdfRefusal> {
    let allowed = match target {
        TargetField::New { .. } => permissions.contains(Permissions::MODIFIABLE | Permissions::ANNOTABLE),
        TargetField::Existing { .. } => permissions.intersects(Permissions::ANNOTABLE | Permissions::FILLABLE),
    };
    match (allowed, target) {
        (true, _) => Ok(()),
        (false, TargetField::New { .. }) => Err(PdfRefusal::AccessPermissions("new signature fields")),
        (false, TargetField::Existing { .. }) => Err(PdfRefusal::AccessPermissions("filling in form fields")),
    }
}

fn check_transforms(file: &PdfFile<'_>, signature: &Dictionary, target: &TargetField) -> Result<(), PdfRefusal> {
    let Ok(references) = file.value(signature, b"Reference").as_array() else { return Ok(()) };
    for reference in references {
        let Ok(reference) = file.resolve(reference).as_dict() else { continue };
        let parameters = file.value(reference, b"TransformParams").as_dict();
        match (file.value(reference, b"TransformMethod").as_name(), parameters) {
            (Ok(b"DocMDP"), Ok(parameters)) if file.value(parameters, b"P").as_i64().ok() == Some(1) => {
                return Err(PdfRefusal::ChangesForbidden);
            }
            (Ok(b"FieldMDP"), Ok(parameters)) if locks(file, parameters, target.name()) => {
                return Err(PdfRefusal::FieldLocked { field: target.name().to_owned() });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether FieldMDP parameters cover the field (ISO 32000-2, table 259). An action that is none of the three locks.
fn locks(file: &PdfFile<'_>, parameters: &Dictionary, field: &str) -> bool {
    let listed = || {
        let names = file.value(parameters, b"Fields").as_array().map(Vec::as_slice).unwrap_or_default();
        names.iter().filter_map(|name| lopdf::decode_text_string(file.resolve(name)).ok()).any(|name| {
            // Naming a field names its descendants.
            field.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    match file.value(parameters, b"Action").as_name() {
        Ok(b"Include") => listed(),
        Ok(b"Exclude") => !listed(),
        _ => true,
    }
}

/// Whether the document carries a signature already.
pub(super) fn is_signed(fields: &[Field<'_>]) -> bool {
    fields.iter().any(|field| field.signature().is_some())
}
