//! Logins of other kinds than a user with a PIN.

use std::sync::atomic::{AtomicU64, Ordering};

use cryptoki_sys::*;
use serde::Deserialize;

use crate::gate::{Call, real};
use crate::names::Code;
use crate::{foreign, visibility};

/// `[login]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Login {
    /// How every login is refused, as on a slot that has none. Absent: the PIN decides.
    refused: Option<Code>,
    /// User types of the vendor that log in as the user does.
    user_types: Vec<CK_USER_TYPE>,
    /// What must stand before the user's PIN, such as `operator:`. Without it the PIN is wrong.
    pin_prefix: Option<String>,
}

/// `C_Login`.
pub(crate) unsafe fn log_in(
    call: &Call,
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut CK_UTF8CHAR,
    length: CK_ULONG,
) -> CK_RV {
    let login = &call.configuration.login;
    if let Some(code) = login.refused {
        return code.0;
    }
    let asked = user;
    let user = if login.user_types.contains(&asked) { CKU_USER } else { asked };
    let code = pass_on(call, session, user, pin, length);
    if code == CKR_OK {
        LAST.store(asked, Ordering::SeqCst);
        visibility::look(call, session);
    }
    code
}

/// Whether the last login was of this user type.
pub(crate) fn is_logged_in_as(user: CK_USER_TYPE) -> bool {
    LAST.load(Ordering::SeqCst) == user
}

static LAST: AtomicU64 = AtomicU64::new(CK_UNAVAILABLE_INFORMATION);

fn pass_on(
    call: &Call,
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut CK_UTF8CHAR,
    length: CK_ULONG,
) -> CK_RV {
    let login = &call.configuration.login;
    let Some(prefix) = login.pin_prefix.as_ref().filter(|_| user == CKU_USER) else {
        return real!(call, C_Login(session, user, pin, length));
    };
    // SAFETY: the application gave both.
    let given = unsafe { foreign::slice(pin.cast_const(), length) };
    match given.strip_prefix(prefix.as_bytes()) {
        Some(pin) => real!(call, C_Login(session, user, pin.as_ptr().cast_mut(), foreign::length(pin.len()))),
        None => CKR_PIN_INCORRECT,
    }
}
