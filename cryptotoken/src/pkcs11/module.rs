//! Loaded libraries: one per path and process, shared by every token that uses it, and started anew for all of them together.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use crate::pkcs11::authorization::Cp5;
use crate::pkcs11::connection::Connection;
use crate::pkcs11::error::name;
use crate::pkcs11::gate::{Gate, NotRestarted};
use crate::profile;

/// Why there is no library.
#[derive(Debug)]
pub(crate) enum ModuleError {
    /// `sigillo.toml` must be changed.
    Configuration(String),
    /// It may be there later.
    Unavailable(String),
}

/// A loaded library.
pub(crate) struct Module {
    path: PathBuf,
    pkcs11: Pkcs11,
    /// What it is started with, each time.
    init_args: CString,
    gate: Gate,
    connections: Mutex<Vec<Weak<Connection>>>,
    cp5: OnceLock<Result<Arc<Cp5>, String>>,
}

impl Module {
    /// The functions, for those who hold a [`Visit`](crate::pkcs11::gate::Visit).
    pub(crate) const fn pkcs11(&self) -> &Pkcs11 {
        &self.pkcs11
    }

    /// Its door.
    pub(crate) const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The functions of CP5 in this very library, for those who hold a [`Visit`](crate::pkcs11::gate::Visit).
    ///
    /// # Errors
    /// A sentence that names the library, where it does not have them.
    pub(crate) fn cp5(&self) -> Result<Arc<Cp5>, String> {
        self.cp5.get_or_init(|| Cp5::find(&self.path).map(Arc::new)).clone()
    }

    /// Remembers who would suffer from a restart.
    pub(crate) fn register(&self, connection: &Arc<Connection>) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|known| known.strong_count() > 0);
        connections.push(Arc::downgrade(connection));
    }

    /// `C_Finalize` and `C_Initialize`, unless another thread has done so since `generation`. All sessions of all tokens end.
    ///
    /// A library under which another token still answers is left alone: one token that stays away must not take the others with it.
    ///
    /// # Errors
    /// A sentence for operators.
    pub(crate) fn restart(&self, generation: u64, deadline: Instant) -> Result<(), String> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Outside the door, since this asks the device.
        if connections.iter().filter_map(Weak::upgrade).any(|connection| connection.is_up()) {
            return Err("the library is not started anew, because another of its tokens still answers".to_owned());
        }
        let start = || {
            if let Err(error) = self.pkcs11.clone().finalize() {
                tracing::debug!("C_Finalize of {}: {}", self.path.display(), name(&error));
            }
            initialize(&self.pkcs11, &self.init_args)
        };
        match self.gate.restart(generation, deadline, start) {
            Ok(()) => {
                tracing::info!("{} was started anew", self.path.display());
                Ok(())
            }
            Err(NotRestarted::Occupied(inside)) => Err(format!(
                "the library cannot be started anew, because {inside} calls have not come back; if they never do, restart the service"
            )),
            Err(NotRestarted::Failed(error)) => Err(format!("C_Initialize failed: {}", name(&error))),
        }
    }
}

fn initialize(pkcs11: &Pkcs11, text: &CStr) -> Result<(), Error> {
    match pkcs11.initialize(arguments(text)) {
        // Another part of the process initialised it; it is ready all the same.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(error),
    }
}

#[expect(unsafe_code, reason = "the crate takes pReserved as a pointer of which it knows nothing")]
fn arguments(text: &CStr) -> CInitializeArgs {
    let flags = CInitializeFlags::OS_LOCKING_OK;
    match NonNull::new(text.as_ptr().cast_mut().cast()) {
        // SAFETY: the pointer is only read, as a text that ends with zero, and only in the call of `C_Initialize`, which the caller's
        // borrow of the text outlives. Whether the library expects a text there is what the operator says who gives one.
        Some(pointer) if !text.is_empty() => unsafe { CInitializeArgs::new_with_reserved(flags, pointer) },
        _ => CInitializeArgs::new(flags),
    }
}

/// Loads and initialises the library, or hands out the one that is loaded already; `true` when it was initialised just now.
///
/// `C_Initialize` is a fact of the process, not of a token (PKCS#11 3.0, section 5.4), hence the one static of this crate. A library
/// stays loaded until the process ends.
pub(crate) fn load(configured: Option<&Path>, profile: &profile::Module) -> Result<(Arc<Module>, bool), ModuleError> {
    let path = locate(configured, profile)?;
    let init_args = CString::new(profile.init_args.as_str())
        .map_err(|_| ModuleError::Configuration("\"module.init_args\" has a zero in it".to_owned()))?;
    // Of every token, though the library reads it only once: what another token had it loaded with may not be what this one needs.
    check_environment(profile)?;
    // A library that is slow to start must not keep the others waiting.
    let entry = Arc::clone(LOADED.lock().unwrap_or_else(PoisonError::into_inner).entry(path.clone()).or_default());
    let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = entry.as_ref() {
        if module.init_args != init_args {
            let reason = format!("{} was started with another \"module.init_args\" for another token", path.display());
            return Err(ModuleError::Configuration(reason));
        }
        return Ok((Arc::clone(module), false));
    }
    let pkcs11 = Pkcs11::new(&path).map_err(|error| match error {
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
    initialize(&pkcs11, &init_args).map_err(|error| {
        let looked = configured_by(profile);
        ModuleError::Unavailable(format!("C_Initialize of {} failed: {}{looked}", path.display(), name(&error)))
    })?;
    let (gate, connections, cp5) = (Gate::default(), Mutex::default(), OnceLock::new());
    let module = Arc::new(Module { path, pkcs11, init_args, gate, connections, cp5 });
    *entry = Some(Arc::clone(&module));
    Ok((module, true))
}

/// Filled once the library is initialised.
type Entry = Arc<Mutex<Option<Arc<Module>>>>;

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

/// Where the library looks for its configuration, as the end of a sentence: a token that is not found may be one of another place.
pub(crate) fn configured_by(profile: &profile::Module) -> String {
    let said = profile.configured_by.iter().map(|variable| match std::env::var_os(variable) {
        None => format!("{variable} is not set, so that the library looks at its usual places"),
        Some(path) => {
            let missing = if Path::new(&path).exists() { "" } else { " (no such file)" };
            format!("the library is configured by {variable}={}{missing}", Path::new(&path).display())
        }
    });
    said.map(|said| format!("; {said}")).collect()
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
