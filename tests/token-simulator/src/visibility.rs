//! Objects that other processes make: a library may know only what was there when it looked, as nShield's does where it assumes to be
//! the only process.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki_sys::*;
use serde::Deserialize;

use crate::foreign;
use crate::gate::{Call, real};

/// `[visibility]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Visibility {
    /// Whether objects are hidden that are made by others after the first login since `C_Initialize`.
    hides_later: bool,
}

/// What was there at that login, and what was made here since: class, id and label of each object.
static KNOWN: Mutex<Option<HashSet<Vec<u8>>>> = Mutex::new(None);

fn known() -> MutexGuard<'static, Option<HashSet<Vec<u8>>>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `C_Finalize`: the next start looks anew.
pub(crate) fn forget() {
    *known() = None;
}

/// After a login.
pub(crate) fn look(call: &Call, session: CK_SESSION_HANDLE) {
    let mut known = known();
    if known.is_some() || !call.configuration.visibility.hides_later {
        return;
    }
    let mut objects = [0; 1024];
    let mut found = 0;
    if real!(call, C_FindObjectsInit(session, std::ptr::null_mut(), 0)) != CKR_OK {
        return;
    }
    real!(call, C_FindObjects(session, objects.as_mut_ptr(), foreign::length(objects.len()), &raw mut found));
    real!(call, C_FindObjectsFinal(session));
    let found = usize::try_from(found).unwrap_or_default();
    *known = Some(objects.iter().take(found).map(|object| name(call, session, *object)).collect());
}

/// An object that was made here, where `code` says that it was. Hands the code on.
pub(crate) unsafe fn made(
    call: &Call,
    session: CK_SESSION_HANDLE,
    object: *const CK_OBJECT_HANDLE,
    code: CK_RV,
) -> CK_RV {
    // SAFETY: the application gave the place, and the real module has filled it.
    if let (CKR_OK, Some(object)) = (code, unsafe { object.as_ref() })
        && let Some(known) = known().as_mut()
    {
        known.insert(name(call, session, *object));
    }
    code
}

/// `C_FindObjects`.
pub(crate) unsafe fn find(
    call: &Call,
    session: CK_SESSION_HANDLE,
    objects: *mut CK_OBJECT_HANDLE,
    room: CK_ULONG,
    count: *mut CK_ULONG,
) -> CK_RV {
    loop {
        let code = real!(call, C_FindObjects(session, objects, room, count));
        let known = known();
        // SAFETY: the application gave the place, and the real module has filled it.
        let (Some(known), CKR_OK, Some(count)) = (known.as_ref(), code, unsafe { count.as_mut() }) else { return code };
        // SAFETY: so many were written.
        let found = unsafe { foreign::slice_mut(objects, *count) };
        let shown: Vec<_> =
            found.iter().copied().filter(|object| known.contains(&name(call, session, *object))).collect();
        let all_hidden = shown.is_empty() && *count > 0;
        *count = foreign::length(shown.len());
        found.iter_mut().zip(&shown).for_each(|(place, object)| *place = *object);
        // None at all would mean that there are no more.
        if !all_hidden {
            return code;
        }
    }
}

fn name(call: &Call, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) -> Vec<u8> {
    let mut name = Vec::new();
    for attribute in [CKA_CLASS, CKA_ID, CKA_LABEL] {
        let mut value = [0_u8; 256];
        let mut read = CK_ATTRIBUTE {
            type_: attribute,
            pValue: value.as_mut_ptr().cast(),
            ulValueLen: foreign::length(value.len()),
        };
        let code = real!(call, C_GetAttributeValue(session, object, &raw mut read, 1));
        let length = if code == CKR_OK { usize::try_from(read.ulValueLen).unwrap_or_default() } else { 0 };
        name.extend(length.to_ne_bytes());
        name.extend(value.iter().take(length));
    }
    name
}
