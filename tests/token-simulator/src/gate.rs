//! The way of every call: configuration, record, faults, device, session, and only then the function itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cryptoki_sys::*;

use crate::configuration::{self, Configuration};
use crate::device::{self, Unreachable};
use crate::{calls, faults, library, sessions, signing};

/// A call that has reached the device.
pub(crate) struct Call {
    pub(crate) configuration: Arc<Configuration>,
    /// The real module.
    pub(crate) real: &'static CK_FUNCTION_LIST,
}

/// A call that comes in.
pub(crate) struct Incoming {
    pub(crate) function: &'static str,
    pub(crate) session: Option<CK_SESSION_HANDLE>,
    /// Whether it only asks how long its output would be. Such calls are counted apart and hit by no fault, since `times = 1` for
    /// `C_Sign` is meant for a signature.
    pub(crate) asks_length: bool,
}

/// Calls a function of the real module.
macro_rules! real {
    ($call:expr, $name:ident($($argument:expr),* $(,)?)) => {
        match $call.real.$name {
            // SAFETY: the arguments are the application's, or made here to the same rules.
            Some(function) => unsafe { function($($argument),*) },
            None => cryptoki_sys::CKR_FUNCTION_NOT_SUPPORTED,
        }
    };
}
pub(crate) use real;

/// Lets a call through to `act` unless something stands in its way.
pub(crate) fn pass(incoming: &Incoming, act: impl FnOnce(&Call) -> CK_RV) -> CK_RV {
    let _running = Running::new();
    try_pass(incoming, act).unwrap_or_else(|code| code)
}

fn try_pass(incoming: &Incoming, act: impl FnOnce(&Call) -> CK_RV) -> Result<CK_RV, CK_RV> {
    let configuration = configuration::current()?;
    let function = incoming.function;
    let fate = if incoming.asks_length {
        calls::record(&configuration, &format!("{function} length"));
        faults::Fate::default()
    } else {
        calls::record(&configuration, function);
        faults::next(&configuration, function)
    };
    let configuration = fate.wait(configuration)?;
    if let Some(code) = fate.refused.or_else(|| unreachable(&configuration, function)) {
        signing::failed(incoming);
        return Err(code);
    }
    let real = library::functions().ok_or(CKR_CRYPTOKI_NOT_INITIALIZED)?;
    let call = Call { configuration, real };
    if let Some(session) = incoming.session {
        sessions::touch(&call, session)?;
    }
    let code = act(&call);
    Ok(if code == CKR_OK { fate.lost.unwrap_or(CKR_OK) } else { code })
}

fn unreachable(configuration: &Configuration, function: &str) -> Option<CK_RV> {
    match device::reach(configuration) {
        Ok(()) => None,
        Err(Unreachable::NoSlots(_)) if ["C_GetInfo", "C_GetSlotList"].contains(&function) => None,
        Err(Unreachable::Code(code) | Unreachable::NoSlots(code)) => Some(code),
    }
}

/// How many calls have come in and not returned.
pub(crate) fn running() -> usize {
    RUNNING.load(Ordering::SeqCst)
}

static RUNNING: AtomicUsize = AtomicUsize::new(0);

struct Running;

impl Running {
    fn new() -> Self {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}
