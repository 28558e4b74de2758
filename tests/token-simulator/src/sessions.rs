//! Sessions: how many, of which kind, how long they last, and what goes on in each.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cryptoki_sys::*;
use serde::Deserialize;

use crate::authorization::Challenge;
use crate::gate::{Call, real};
use crate::library;
use crate::names::Code;
use crate::signing::Operation;

/// `[sessions]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SessionRules {
    /// How many the application may have open; one more is `CKR_SESSION_COUNT`.
    pub(crate) limit: Option<usize>,
    /// How a session without `CKF_RW_SESSION` is refused. Absent: it is opened.
    read_only: Option<Code>,
    /// After how long without a call a session is gone.
    idle_ms: Option<u64>,
    /// After how many calls a session is gone.
    calls: Option<u64>,
    /// What the call returns that finds its session gone. The next ones get `CKR_SESSION_HANDLE_INVALID`.
    expired: Code,
    /// Whether the login goes with an expired session.
    expiry_logs_out: bool,
    /// `CK_SESSION_INFO.ulDeviceError`.
    device_error: CK_ULONG,
}

impl Default for SessionRules {
    fn default() -> Self {
        Self {
            limit: None,
            read_only: None,
            idle_ms: None,
            calls: None,
            expired: Code(CKR_SESSION_HANDLE_INVALID),
            expiry_logs_out: false,
            device_error: 0,
        }
    }
}

struct Session {
    slot: CK_SLOT_ID,
    used: Instant,
    calls: u64,
    signing: Option<Operation>,
    /// Octets of a coordinate, where ECDSA is being verified.
    verifying: Option<usize>,
    challenge: Option<Challenge>,
}

impl Session {
    fn is_expired(&self, rules: &SessionRules) -> bool {
        rules.idle_ms.is_some_and(|idle| self.used.elapsed() >= Duration::from_millis(idle))
            || rules.calls.is_some_and(|calls| self.calls >= calls)
    }
}

#[derive(Default)]
struct Table {
    open: HashMap<CK_SESSION_HANDLE, Session>,
    /// Sessions that the real module is opening.
    opening: usize,
}

static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes that a session is used; refuses when it is gone.
pub(crate) fn touch(call: &Call, handle: CK_SESSION_HANDLE) -> Result<(), CK_RV> {
    let rules = &call.configuration.sessions;
    let mut table = table();
    let Some(session) = table.open.get_mut(&handle) else { return Ok(()) };
    if session.is_expired(rules) {
        table.open.remove(&handle);
        drop(table);
        expire(call, handle);
        return Err(rules.expired.0);
    }
    session.used = Instant::now();
    session.calls += 1;
    Ok(())
}

fn expire(call: &Call, handle: CK_SESSION_HANDLE) {
    if call.configuration.sessions.expiry_logs_out {
        real!(call, C_Logout(handle));
    }
    real!(call, C_CloseSession(handle));
}

/// `C_OpenSession`.
pub(crate) unsafe fn open(
    call: &Call,
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    application: *mut c_void,
    notify: CK_NOTIFY,
    handle: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    let rules = &call.configuration.sessions;
    if let Some(code) = rules.read_only
        && flags & CKF_RW_SESSION == 0
    {
        return code.0;
    }
    let gone: Vec<_> = {
        let mut table = table();
        let gone: Vec<_> =
            table.open.iter().filter(|(_, session)| session.is_expired(rules)).map(|(handle, _)| *handle).collect();
        table.open.retain(|_, session| !session.is_expired(rules));
        if rules.limit.is_some_and(|limit| table.open.len() + table.opening >= limit) {
            return CKR_SESSION_COUNT;
        }
        table.opening += 1;
        gone
    };
    gone.into_iter().for_each(|handle| expire(call, handle));
    let code = real!(call, C_OpenSession(slot, flags, application, notify, handle));
    let mut table = table();
    table.opening = table.opening.saturating_sub(1);
    // SAFETY: the real module has filled it.
    if let Some(handle) = unsafe { handle.as_ref() }.filter(|_| code == CKR_OK) {
        let session = Session { slot, used: Instant::now(), calls: 0, signing: None, verifying: None, challenge: None };
        table.open.insert(*handle, session);
    }
    code
}

/// `C_CloseSession`.
pub(crate) unsafe fn close(call: &Call, handle: CK_SESSION_HANDLE) -> CK_RV {
    table().open.remove(&handle);
    real!(call, C_CloseSession(handle))
}

/// `C_CloseAllSessions`.
pub(crate) unsafe fn close_slot(call: &Call, slot: CK_SLOT_ID) -> CK_RV {
    table().open.retain(|_, session| session.slot != slot);
    real!(call, C_CloseAllSessions(slot))
}

/// Ends all sessions, as a device does that restarts.
pub(crate) fn close_all() {
    let Some(close) = library::functions().and_then(|real| real.C_CloseSession) else { return };
    for (handle, _) in std::mem::take(&mut table().open) {
        // SAFETY: any number may be given as a handle.
        unsafe { close(handle) };
    }
}

/// The real module has ended them all.
pub(crate) fn forget_all() {
    table().open.clear();
}

/// `C_GetSessionInfo`.
pub(crate) unsafe fn info(call: &Call, session: CK_SESSION_HANDLE, info: *mut CK_SESSION_INFO) -> CK_RV {
    let code = real!(call, C_GetSessionInfo(session, info));
    // SAFETY: the real module has filled it.
    if let Some(info) = unsafe { info.as_mut() }.filter(|_| code == CKR_OK) {
        info.ulDeviceError = call.configuration.sessions.device_error;
    }
    code
}

/// What the real module says of a session.
pub(crate) fn real_info(call: &Call, session: CK_SESSION_HANDLE) -> Result<CK_SESSION_INFO, CK_RV> {
    let mut info = CK_SESSION_INFO::default();
    let code = real!(call, C_GetSessionInfo(session, &raw mut info));
    if code == CKR_OK { Ok(info) } else { Err(code) }
}

/// Sets the signature that a session is making.
pub(crate) fn set_signing(handle: CK_SESSION_HANDLE, operation: Option<Operation>) {
    if let Some(session) = table().open.get_mut(&handle) {
        session.signing = operation;
    }
}

/// The signature that a session is making.
pub(crate) fn signing(handle: CK_SESSION_HANDLE) -> Option<Operation> {
    table().open.get(&handle)?.signing.clone()
}

/// Sets how many octets a coordinate has in the signature that a session verifies.
pub(crate) fn set_verifying(handle: CK_SESSION_HANDLE, coordinate: Option<usize>) {
    if let Some(session) = table().open.get_mut(&handle) {
        session.verifying = coordinate;
    }
}

/// The same, taken.
pub(crate) fn take_verifying(handle: CK_SESSION_HANDLE) -> Option<usize> {
    table().open.get_mut(&handle)?.verifying.take()
}

/// Sets what a session's owner must sign with a key authorisation key.
pub(crate) fn set_challenge(handle: CK_SESSION_HANDLE, challenge: Challenge) {
    if let Some(session) = table().open.get_mut(&handle) {
        session.challenge = Some(challenge);
    }
}

/// The same, taken: it is good for one answer.
pub(crate) fn take_challenge(handle: CK_SESSION_HANDLE) -> Option<Challenge> {
    table().open.get_mut(&handle)?.challenge.take()
}
