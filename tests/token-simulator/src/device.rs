//! Whether the device is there: it vanishes, restarts and returns, and connections to it stay broken as p11-kit's do.

use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki_sys::*;
use serde::Deserialize;

use crate::configuration::{self, Configuration};
use crate::names::Code;
use crate::{calls, faults, gate, library, sessions, visibility};

/// `[device]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Device {
    /// Whether it can be reached.
    present: bool,
    /// Raised by one, it restarts the device: connections break, authorisations of keys are gone.
    pub(crate) restarts: u64,
    /// What calls return while it is away and over a broken connection.
    absent: Code,
    /// What `C_Initialize` returns while it is away. With `CKR_OK` there are no slots then.
    absent_initialize: Code,
    recovers: Recovers,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            present: true,
            restarts: 0,
            absent: Code(CKR_DEVICE_ERROR),
            absent_initialize: Code(CKR_OK),
            recovers: Recovers::Reinitialize,
        }
    }
}

/// What an application has to do once the device is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Recovers {
    /// `C_Finalize` and `C_Initialize`.
    Reinitialize,
    /// New sessions and a new login; the old sessions are invalid.
    Sessions,
    /// Nothing.
    ByItself,
}

/// The application's connection to the device.
struct Connection {
    initialized: bool,
    /// Whether only `C_Finalize` helps.
    broken: bool,
    /// Whether the device was away at `C_Initialize`.
    without_slots: bool,
    /// The restarts that this connection knows of.
    restarts: u64,
}

static CONNECTION: Mutex<Connection> =
    Mutex::new(Connection { initialized: false, broken: false, without_slots: false, restarts: 0 });

fn connection() -> MutexGuard<'static, Connection> {
    CONNECTION.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a call cannot reach the device.
pub(crate) enum Unreachable {
    /// It fails with this code.
    Code(CK_RV),
    /// The library works and has found no slots.
    NoSlots(CK_RV),
}

/// Whether a call reaches the device now.
pub(crate) fn reach(configuration: &Configuration) -> Result<(), Unreachable> {
    let device = &configuration.device;
    let mut connection = connection();
    if !connection.initialized {
        return Err(Unreachable::Code(CKR_CRYPTOKI_NOT_INITIALIZED));
    }
    if connection.without_slots {
        return Err(Unreachable::NoSlots(device.absent.0));
    }
    if !device.present || connection.restarts != device.restarts {
        connection.restarts = device.restarts;
        match device.recovers {
            Recovers::Reinitialize => connection.broken = true,
            Recovers::Sessions => sessions::close_all(),
            Recovers::ByItself => {}
        }
    }
    if connection.broken || !device.present { Err(Unreachable::Code(device.absent.0)) } else { Ok(()) }
}

/// Whether the device was away when the library was initialised.
pub(crate) fn without_slots() -> bool {
    connection().without_slots
}

/// `C_Initialize`.
pub(crate) unsafe extern "C" fn initialize(arguments: *mut c_void) -> CK_RV {
    let configuration = match configuration::current() {
        Ok(configuration) => configuration,
        Err(code) => return code,
    };
    calls::record(&configuration, "C_Initialize");
    let fate = faults::next(&configuration, "C_Initialize");
    let configuration = match fate.wait(configuration) {
        Ok(configuration) => configuration,
        Err(code) => return code,
    };
    if let Some(code) = fate.refused {
        return code;
    }
    let real = match library::load(&configuration.module) {
        Ok(real) => real,
        Err(code) => return code,
    };
    let mut connection = connection();
    if connection.initialized {
        return CKR_CRYPTOKI_ALREADY_INITIALIZED;
    }
    let device = &configuration.device;
    if !device.present && device.absent_initialize.0 != CKR_OK {
        return device.absent_initialize.0;
    }
    let Some(initialize) = real.C_Initialize else { return CKR_FUNCTION_NOT_SUPPORTED };
    // SAFETY: the application's arguments go on as they came.
    let code = match unsafe { initialize(arguments) } {
        // Somebody else in this process uses it too, and this application has not initialised it twice.
        CKR_CRYPTOKI_ALREADY_INITIALIZED => CKR_OK,
        code => code,
    };
    if code == CKR_OK {
        *connection = Connection {
            initialized: true,
            broken: false,
            without_slots: !device.present && device.recovers == Recovers::Reinitialize,
            restarts: device.restarts,
        };
    }
    if code == CKR_OK { fate.lost.unwrap_or(CKR_OK) } else { code }
}

/// `C_Finalize`. It works without the device too.
pub(crate) unsafe extern "C" fn finalize(reserved: *mut c_void) -> CK_RV {
    let configuration = match configuration::current() {
        Ok(configuration) => configuration,
        Err(code) => return code,
    };
    calls::record(&configuration, "C_Finalize");
    let fate = faults::next(&configuration, "C_Finalize");
    let configuration = match fate.wait(configuration) {
        Ok(configuration) => configuration,
        Err(code) => return code,
    };
    if let Some(code) = fate.refused {
        return code;
    }
    if gate::running() > 0 {
        calls::record(&configuration, "C_Finalize overlapping");
    }
    let mut connection = connection();
    if !connection.initialized {
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    }
    let Some(finalize) = library::functions().and_then(|real| real.C_Finalize) else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    // SAFETY: the application's argument goes on as it came.
    let code = unsafe { finalize(reserved) };
    if code == CKR_OK {
        connection.initialized = false;
        sessions::forget_all();
        visibility::forget();
    }
    if code == CKR_OK { fate.lost.unwrap_or(CKR_OK) } else { code }
}
