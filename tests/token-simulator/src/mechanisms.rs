//! Mechanisms: what the list says, what works, which need not be the same.

use cryptoki_sys::*;
use serde::Deserialize;

use crate::authorization;
use crate::foreign;
use crate::gate::{Call, real};
use crate::identity::give_list;
use crate::names::MechanismName;

/// `[mechanisms]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mechanisms {
    /// Neither listed nor working: `CKR_MECHANISM_INVALID`.
    refused: Vec<MechanismName>,
    /// Working but not listed.
    hidden: Vec<MechanismName>,
    /// Listed but not working.
    pretended: Vec<MechanismName>,
}

impl Mechanisms {
    fn works(&self, mechanism: CK_MECHANISM_TYPE) -> bool {
        !self.refused.iter().chain(&self.pretended).any(|name| name.0 == mechanism)
    }

    fn is_listed(&self, mechanism: CK_MECHANISM_TYPE) -> bool {
        !self.refused.iter().chain(&self.hidden).any(|name| name.0 == mechanism)
    }
}

/// The mechanism of a call, refused where it does not work.
///
/// # Safety
/// The application gave the pointer.
pub(crate) unsafe fn check(call: &Call, mechanism: *const CK_MECHANISM) -> Result<CK_MECHANISM_TYPE, CK_RV> {
    // SAFETY: by the contract of this function.
    let mechanism = unsafe { mechanism.as_ref() }.ok_or(CKR_ARGUMENTS_BAD)?.mechanism;
    if call.configuration.mechanisms.works(mechanism) { Ok(mechanism) } else { Err(CKR_MECHANISM_INVALID) }
}

/// `C_GetMechanismList`.
pub(crate) unsafe fn list(call: &Call, slot: CK_SLOT_ID, list: *mut CK_MECHANISM_TYPE, count: *mut CK_ULONG) -> CK_RV {
    let mut known = 0;
    let code = real!(call, C_GetMechanismList(slot, std::ptr::null_mut(), &raw mut known));
    if code != CKR_OK {
        return code;
    }
    let mut mechanisms = vec![0; usize::try_from(known).unwrap_or_default()];
    let code = real!(call, C_GetMechanismList(slot, mechanisms.as_mut_ptr(), &raw mut known));
    if code != CKR_OK {
        return code;
    }
    mechanisms.truncate(usize::try_from(known).unwrap_or_default());
    call.configuration.eddsa.list(&mut mechanisms);
    let rules = &call.configuration.mechanisms;
    mechanisms.retain(|mechanism| rules.is_listed(*mechanism));
    let missing = rules.pretended.iter().map(|name| name.0).filter(|name| !mechanisms.contains(name));
    let missing: Vec<_> = missing.collect();
    mechanisms.extend(missing);
    // SAFETY: the application gave both.
    unsafe { give_list(&mechanisms, list, count) }
}

/// `C_GetMechanismInfo`.
pub(crate) unsafe fn info(
    call: &Call,
    slot: CK_SLOT_ID,
    mechanism: CK_MECHANISM_TYPE,
    info: *mut CK_MECHANISM_INFO,
) -> CK_RV {
    if !call.configuration.mechanisms.is_listed(mechanism) {
        return CKR_MECHANISM_INVALID;
    }
    real!(call, C_GetMechanismInfo(slot, mechanism, info))
}

/// `C_EncryptInit`.
pub(crate) unsafe fn encrypt_init(
    call: &Call,
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the application gave the pointer.
    match unsafe { check(call, mechanism) } {
        Ok(_) => real!(call, C_EncryptInit(session, mechanism, key)),
        Err(code) => code,
    }
}

/// `C_DecryptInit`.
pub(crate) unsafe fn decrypt_init(
    call: &Call,
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the application gave the pointer.
    match unsafe { check(call, mechanism) }.and_then(|_| authorization::only_signs(call, session, key)) {
        Ok(()) => real!(call, C_DecryptInit(session, mechanism, key)),
        Err(code) => code,
    }
}

/// `C_SignRecoverInit`.
pub(crate) unsafe fn sign_recover_init(
    call: &Call,
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the application gave the pointer.
    match unsafe { check(call, mechanism) }.and_then(|_| authorization::only_signs(call, session, key)) {
        Ok(()) => real!(call, C_SignRecoverInit(session, mechanism, key)),
        Err(code) => code,
    }
}

/// `C_DigestInit`.
pub(crate) unsafe fn digest_init(call: &Call, session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM) -> CK_RV {
    // SAFETY: the application gave the pointer.
    match unsafe { check(call, mechanism) } {
        Ok(_) => real!(call, C_DigestInit(session, mechanism)),
        Err(code) => code,
    }
}

/// `C_UnwrapKey`.
#[expect(clippy::too_many_arguments, reason = "the standard's")]
pub(crate) unsafe fn unwrap(
    call: &Call,
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    unwrapping: CK_OBJECT_HANDLE,
    wrapped: *mut CK_BYTE,
    length: CK_ULONG,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the application gave the pointers.
    let checked = unsafe { check(call, mechanism) }
        .and_then(|_| authorization::only_signs(call, session, unwrapping))
        .and_then(|()| crate::templates::check(call, unsafe { foreign::slice(template.cast_const(), count) }));
    match checked {
        Ok(()) => real!(call, C_UnwrapKey(session, mechanism, unwrapping, wrapped, length, template, count, key)),
        Err(code) => code,
    }
}

/// `C_DeriveKey`.
pub(crate) unsafe fn derive(
    call: &Call,
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    base: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the application gave the pointers.
    let checked = unsafe { check(call, mechanism) }
        .and_then(|_| authorization::only_signs(call, session, base))
        .and_then(|()| crate::templates::check(call, unsafe { foreign::slice(template.cast_const(), count) }));
    match checked {
        Ok(()) => real!(call, C_DeriveKey(session, mechanism, base, template, count, key)),
        Err(code) => code,
    }
}
