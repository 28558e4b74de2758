//! A PKCS#11 module in front of SoftHSM that behaves as the devices of vendors do: a token simulator, for tests only.
//!
//! A program loads it in place of the device's library. The file named by `SIGILLO_SIMULATOR_CONF` says which module is behind it and
//! what is simulated (`README.md` has all keys); it is read anew when it changes, so a test lets a device vanish under a running
//! service by writing it again. Whatever is not simulated goes straight to the real module.
//!
//! The order of a call: `function_list` (every function) → `gate` (configuration, record, faults, device, session) → the module of the
//! subject (`identity`, `sessions`, `login`, `mechanisms`, `templates`, `naming`, `visibility`, `reading`, `ec`, `eddsa`, `signing`, `authorization`) → `library`.

mod authorization;
mod calls;
mod configuration;
mod device;
mod devices;
mod ec;
mod eddsa;
mod faults;
mod foreign;
mod function_list;
mod gate;
mod identity;
mod library;
mod login;
mod mechanisms;
mod names;
mod naming;
mod reading;
mod sessions;
mod signing;
mod templates;
mod visibility;

use std::io;
use std::path::{Path, PathBuf};

use cryptoki_sys::{CK_FUNCTION_LIST, CK_RV, CKR_ARGUMENTS_BAD, CKR_OK};

pub use authorization::{
    CP5_BackupObject, CP5_KeyAuthorization, CP5_KeyAuthorizationInit, CP5_RestoreObject, CP5_UnblockKey,
};
pub use calls::calls;
pub use configuration::VARIABLE;
pub use devices::{DEVICES, device};

/// The way into every PKCS#11 module.
///
/// # Safety
/// `list` is null or a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    // SAFETY: by the contract of this function.
    let Some(list) = (unsafe { list.as_mut() }) else { return CKR_ARGUMENTS_BAD };
    // PKCS#11 has no const; nobody writes to a function list.
    *list = (&raw const function_list::FUNCTIONS).cast_mut();
    CKR_OK
}

/// The module that belongs to the running test: beside it in the target folder, where cargo builds it for every package that has
/// this one among its dependencies.
///
/// # Errors
/// When it is not there; `cargo build -p token-simulator` builds it for others.
pub fn library() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folders = program.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join("libtoken_simulator.so")).find(|library| library.exists());
    found.ok_or_else(|| io::Error::other("libtoken_simulator.so is not built; run: cargo build -p token-simulator"))
}

/// Replaces a configuration at one stroke, so that no call reads half of it.
///
/// # Errors
/// When it cannot be written.
pub fn configure(file: &Path, text: &str) -> io::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, text)?;
    std::fs::rename(new, file)
}
