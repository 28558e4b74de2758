//! Signatures: made by the real module, if the key is authorised for one more; recoded where the device's coding differs.

use cryptoki_sys::*;

use crate::authorization::{self, KeyName, RefusesAt};
use crate::gate::{Call, Incoming, real};
use crate::{ec, foreign, library, mechanisms, sessions};

/// A signature that has been begun.
#[derive(Clone)]
pub(crate) struct Operation {
    mechanism: CK_MECHANISM_TYPE,
    /// The key, where keys need authorisation.
    key: Option<KeyName>,
}

/// `C_SignInit`.
pub(crate) unsafe fn init(
    call: &Call,
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the application gave the pointer.
    let begun = unsafe { mechanisms::check(call, mechanism) }.and_then(|mechanism| {
        let mechanism = call.configuration.eddsa.sign(call, session, mechanism, key)?;
        let key = authorization::needed(call, session, key)?;
        if let (Some(rules), Some(key)) = (&call.configuration.key_authorization, &key)
            && rules.refuses_at == RefusesAt::SignInit
        {
            authorization::check(call, rules, key)?;
        }
        Ok(Operation { mechanism, key })
    });
    let operation = match begun {
        Ok(operation) => operation,
        Err(code) => return code,
    };
    // SAFETY: it has been checked that this is a mechanism.
    let mut mechanism = unsafe { *mechanism };
    mechanism.mechanism = operation.mechanism;
    let code = real!(call, C_SignInit(session, &raw mut mechanism, key));
    if code == CKR_OK {
        sessions::set_signing(session, Some(operation));
    }
    code
}

/// `C_Sign`.
pub(crate) unsafe fn sign(
    call: &Call,
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> CK_RV {
    let real = |out, out_length| real!(call, C_Sign(session, data, length, out, out_length));
    // SAFETY: the application gave buffer and length.
    unsafe { finish(call, session, out, out_length, &real) }
}

/// `C_SignFinal`.
pub(crate) unsafe fn sign_final(
    call: &Call,
    session: CK_SESSION_HANDLE,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> CK_RV {
    let real = |out, out_length| real!(call, C_SignFinal(session, out, out_length));
    // SAFETY: the application gave buffer and length.
    unsafe { finish(call, session, out, out_length, &real) }
}

/// Ends the signature of a session after its call failed without reaching the real module: whatever the reason, it is over (PKCS#11 3.0,
/// section 5.13.2), and the next `C_SignInit` must not find it.
pub(crate) fn failed(incoming: &Incoming) {
    let signs = ["C_Sign", "C_SignUpdate", "C_SignFinal"].contains(&incoming.function) && !incoming.asks_length;
    let (Some(session), Some(sign)) = (incoming.session, library::functions().and_then(|real| real.C_Sign)) else {
        return;
    };
    if signs && sessions::signing(session).is_some() {
        let (mut data, mut discarded) = ([0], [0; LONGEST]);
        // SAFETY: the buffers are ours; any number may be given as a handle. What is signed here stays here.
        unsafe { sign(session, data.as_mut_ptr(), 1, discarded.as_mut_ptr(), &mut foreign::length(LONGEST)) };
        sessions::set_signing(session, None);
    }
}

type Sign<'a> = &'a dyn Fn(*mut CK_BYTE, *mut CK_ULONG) -> CK_RV;

/// # Safety
/// `out` has `out_length` octets, or is null.
unsafe fn finish(
    call: &Call,
    session: CK_SESSION_HANDLE,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
    real: Sign<'_>,
) -> CK_RV {
    let Some(operation) = sessions::signing(session) else { return real(out, out_length) };
    let x962 = ec::is_x962(call, operation.mechanism);
    if out.is_null() {
        let code = real(out, out_length);
        // SAFETY: by the contract of this function.
        if let Some(length) = unsafe { out_length.as_mut() }.filter(|_| x962 && code == CKR_OK) {
            *length = ec::longest_x962(*length);
        }
        return code;
    }
    let rules = call.configuration.key_authorization.as_ref().zip(operation.key.as_ref());
    if let Some((rules, key)) = rules
        && let Err(code) = authorization::take_one(call, rules, key)
    {
        // The operation is over (PKCS#11 3.0, section 5.13.2), in the real module too; what it signs to end it stays here.
        let mut discarded = [0; LONGEST];
        real(discarded.as_mut_ptr(), &mut foreign::length(LONGEST));
        sessions::set_signing(session, None);
        return code;
    }
    let code = if x962 {
        // SAFETY: by the contract of this function.
        unsafe { finish_x962(out, out_length, real) }
    } else {
        real(out, out_length)
    };
    if code != CKR_OK
        && let Some((rules, key)) = rules
    {
        authorization::give_back(call, rules, key);
    }
    if code != CKR_BUFFER_TOO_SMALL {
        sessions::set_signing(session, None);
    }
    code
}

/// # Safety
/// `out` has `out_length` octets.
unsafe fn finish_x962(out: *mut CK_BYTE, out_length: *mut CK_ULONG, real: Sign<'_>) -> CK_RV {
    let mut length = 0;
    let code = real(std::ptr::null_mut(), &raw mut length);
    if code != CKR_OK {
        return code;
    }
    // SAFETY: by the contract of this function.
    let Some(room) = (unsafe { out_length.as_mut() }) else { return CKR_ARGUMENTS_BAD };
    // Whether it is long enough must be known before the signature is made, and so before its length is.
    if *room < ec::longest_x962(length) {
        *room = ec::longest_x962(length);
        return CKR_BUFFER_TOO_SMALL;
    }
    let mut raw = vec![0; usize::try_from(length).unwrap_or_default()];
    let code = real(raw.as_mut_ptr(), &raw mut length);
    raw.truncate(usize::try_from(length).unwrap_or_default());
    match ec::to_x962(&raw) {
        // SAFETY: by the contract of this function.
        Ok(der) if code == CKR_OK => unsafe { foreign::give(&der, out, out_length) },
        Ok(_) => code,
        Err(_) => CKR_GENERAL_ERROR,
    }
}

/// Octets of the longest signature: RSA of 16384 bits.
const LONGEST: usize = 2048;
