//! The real module: loaded once, never unloaded.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use cryptoki_sys::*;
use libloading::{Library, Symbol};

/// The functions of the real module; `None` before the first `C_Initialize`.
pub(crate) fn functions() -> Option<&'static CK_FUNCTION_LIST> {
    FUNCTIONS.get().copied()
}

/// Loads the module unless it is.
///
/// # Errors
/// `CKR_GENERAL_ERROR`, with the reason on standard error.
pub(crate) fn load(path: &Path) -> Result<&'static CK_FUNCTION_LIST, CK_RV> {
    static LOADING: Mutex<()> = Mutex::new(());
    let _one = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(functions) = functions() {
        return Ok(functions);
    }
    let functions = open(path).map_err(|reason| {
        eprintln!("token-simulator: {}: {reason}", path.display());
        CKR_GENERAL_ERROR
    })?;
    Ok(FUNCTIONS.get_or_init(|| functions))
}

static FUNCTIONS: OnceLock<&'static CK_FUNCTION_LIST> = OnceLock::new();

fn open(path: &Path) -> Result<&'static CK_FUNCTION_LIST, String> {
    // SAFETY: loading runs the initialisers of a PKCS#11 module that the configuration names; that is what it is there for.
    let library = unsafe { Library::new(path) }.map_err(|error| error.to_string())?;
    // Its functions are called until the process ends.
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: the symbol has this signature in every PKCS#11 module (PKCS#11 3.0, section 5.4).
    let list: Symbol<'static, unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV> =
        unsafe { library.get(b"C_GetFunctionList\0") }.map_err(|error| error.to_string())?;
    let mut functions = std::ptr::null_mut();
    // SAFETY: the argument is a valid place for the pointer.
    let code = unsafe { list(&raw mut functions) };
    // SAFETY: a module's list lives as long as the module, which is never unloaded.
    match unsafe { functions.as_ref() } {
        Some(functions) if code == CKR_OK => Ok(functions),
        _ => Err(format!("C_GetFunctionList: {code:#x}")),
    }
}
