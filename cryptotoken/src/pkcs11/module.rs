//! Loaded libraries: one per path and process, initialised once, shared by every token that uses it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use crate::pkcs11::error::name;
use crate::profile;

/// Why there is no library.
#[derive(Debug)]
pub(crate) enum ModuleError {
    /// `sigillo.toml` must be changed.
    Configuration(String),
    /// It may be there later.
    Unavailable(String),
}

/// Loads and initialises the library, or hands out the one that is loaded already.
///
/// `C_Initialize` is a fact of the process, not of a token (PKCS#11 3.0, section 5.4), hence the one static of this crate. A library
/// stays loaded until the process ends: finalising it under a token that still has sessions is undefined.
pub(crate) fn load(configured: Option<&Path>, profile: &profile::Module) -> Result<Pkcs11, ModuleError> {
    let path = locate(configured, profile)?;
    // Of every token, though the library reads it only once: what another token had it loaded with may not be what this one needs.
    check_environment(profile)?;
    // A library that is slow to start must not keep the others waiting.
    let entry = Arc::clone(LOADED.lock().unwrap_or_else(PoisonError::into_inner).entry(path.clone()).or_default());
    let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = entry.as_ref() {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(&path).map_err(|error| match error {
        Error::MissingSymbol(_) => {
            ModuleError::Configuration(format!("{} is no PKCS#11 library: it has no C_GetFunctionList", path.display()))
        }
        Error::LibraryLoading(cause) => {
            let needs = match profile.requires.as_slice() {
                [] => String::new(),
                requires => format!("; it needs {}", requires.join(", ")),
            };
            ModuleError::Unavailable(format!("the library {} cannot be loaded: {cause}{needs}", path.display()))
        }
        other => ModuleError::Unavailable(format!("the library {} does not start: {}", path.display(), name(&other))),
    })?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another part of the process initialised it; it is ready all the same.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => {
            let reason = format!("C_Initialize of {} failed: {}", path.display(), name(&error));
            return Err(ModuleError::Unavailable(reason));
        }
    }
    *entry = Some(module.clone());
    Ok(module)
}

/// Filled once the library is initialised.
type Entry = Arc<Mutex<Option<Pkcs11>>>;

static LOADED: LazyLock<Mutex<HashMap<PathBuf, Entry>>> = LazyLock::new(Mutex::default);

/// Where the library is: the path configured, else the first of the search path that exists.
pub(crate) fn locate(configured: Option<&Path>, profile: &profile::Module) -> Result<PathBuf, ModuleError> {
    // The canonical path, so that two names of one library are one library.
    match configured {
        Some(path) => path.canonicalize().map_err(|error| {
            ModuleError::Unavailable(format!("the library {} cannot be read: {error}", path.display()))
        }),
        None if profile.library.is_empty() => {
            Err(ModuleError::Configuration("this profile knows no library path: set \"library\"".to_owned()))
        }
        None => profile.library.iter().find_map(|path| path.canonicalize().ok()).ok_or_else(|| {
            let tried: Vec<_> = profile.library.iter().map(|path| path.display().to_string()).collect();
            ModuleError::Unavailable(format!("no library found at {}; install it or set \"library\"", tried.join(", ")))
        }),
    }
}

fn check_environment(profile: &profile::Module) -> Result<(), ModuleError> {
    for (variable, wanted) in &profile.env {
        if std::env::var(variable).ok().as_ref() != Some(wanted) {
            let reason = format!("the library needs {variable}={wanted} in the environment of the service");
            return Err(ModuleError::Configuration(reason));
        }
    }
    if let Some(variable) = profile.env_required.iter().find(|variable| std::env::var_os(variable).is_none()) {
        let reason = format!("the library needs {variable} in the environment of the service");
        return Err(ModuleError::Configuration(reason));
    }
    Ok(())
}
