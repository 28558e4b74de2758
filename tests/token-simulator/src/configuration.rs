//! What is simulated: the TOML file that `SIGILLO_SIMULATOR_CONF` names, read anew whenever it changes. A copy of the module with a file
//! of its own name and `.toml` beside it takes that one instead, so that one process can have several devices.
//!
//! A changed file counts from the next call on, in every process that uses it; counters of faults then begin anew. A file that cannot
//! be read makes every call fail, with the reason on standard error: a fault that silently stays away would let a test pass.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cryptoki_sys::*;
use serde::Deserialize;

use crate::authorization::KeyAuthorization;
use crate::device::Device;
use crate::ec::Ec;
use crate::eddsa::Eddsa;
use crate::faults::Fault;
use crate::identity::Identity;
use crate::login::Login;
use crate::mechanisms::Mechanisms;
use crate::naming::Naming;
use crate::sessions::SessionRules;
use crate::templates::Templates;
use crate::visibility::Visibility;

/// The environment variable with the path of the file.
pub const VARIABLE: &str = "SIGILLO_SIMULATOR_CONF";

/// The whole file. Only `module` is needed; what is left out is as the real module does it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    /// The real PKCS#11 module. It is loaded once in a process, whatever this says later.
    pub(crate) module: PathBuf,
    /// A file to which each call is appended, for [`crate::calls()`]. Relative paths are from the folder of the configuration.
    pub(crate) call_log: Option<PathBuf>,
    /// A folder for what the device remembers, shared by all processes. Needed for `key_authorization`.
    pub(crate) state: Option<PathBuf>,
    #[serde(default)]
    pub(crate) device: Device,
    #[serde(default)]
    pub(crate) identity: Identity,
    #[serde(default)]
    pub(crate) sessions: SessionRules,
    #[serde(default)]
    pub(crate) login: Login,
    #[serde(default)]
    pub(crate) mechanisms: Mechanisms,
    #[serde(default)]
    pub(crate) templates: Templates,
    #[serde(default)]
    pub(crate) naming: Naming,
    #[serde(default)]
    pub(crate) visibility: Visibility,
    #[serde(default)]
    pub(crate) ec: Ec,
    #[serde(default)]
    pub(crate) eddsa: Eddsa,
    pub(crate) key_authorization: Option<KeyAuthorization>,
    #[serde(default, rename = "fault")]
    pub(crate) faults: Vec<Fault>,
}

/// The configuration as it is now.
///
/// # Errors
/// `CKR_GENERAL_ERROR` when it cannot be read; the reason is on standard error.
pub(crate) fn current() -> Result<Arc<Configuration>, CK_RV> {
    let Some(path) = beside().or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from)) else {
        eprintln!("token-simulator: {VARIABLE} is not set");
        return Err(CKR_GENERAL_ERROR);
    };
    let stamp = Stamp::of(&path);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = loaded.as_ref().filter(|loaded| loaded.stamp == stamp && loaded.path == path) {
        return loaded.configuration.clone().ok_or(CKR_GENERAL_ERROR);
    }
    let configuration = match read(&path) {
        Ok(configuration) => Some(Arc::new(configuration)),
        Err(reason) => {
            eprintln!("token-simulator: {}: {reason}", path.display());
            None
        }
    };
    *loaded = Some(Loaded { path, stamp, configuration: configuration.clone() });
    configuration.ok_or(CKR_GENERAL_ERROR)
}

/// The file beside this module, where there is one.
fn beside() -> Option<PathBuf> {
    static BESIDE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = BESIDE.get_or_init(|| {
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        let own_code = beside as fn() -> Option<PathBuf>;
        let module = mapped_file(&maps, own_code as usize)?;
        Some(module.with_extension("toml")).filter(|file| file.exists())
    });
    found.clone()
}

/// Which file is mapped at an address, by the lines `FROM-TO PERMISSIONS OFFSET DEVICE INODE FILE` (proc_pid_maps(5)).
fn mapped_file(maps: &str, address: usize) -> Option<PathBuf> {
    let line = maps.lines().find(|line| {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let number = |hex| usize::from_str_radix(hex, 16).unwrap_or_default();
        range.is_some_and(|(from, to)| (number(from)..number(to)).contains(&address))
    })?;
    line.find('/').and_then(|start| line.get(start..)).map(PathBuf::from)
}

static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

struct Loaded {
    path: PathBuf,
    stamp: Option<Stamp>,
    configuration: Option<Arc<Configuration>>,
}

/// What tells one version of a file from another.
#[derive(PartialEq, Eq)]
struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
    length: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: metadata.ino(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
            length: metadata.len(),
        })
    }
}

fn read(path: &Path) -> Result<Configuration, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut configuration: Configuration = toml::from_str(&text).map_err(|error| error.to_string())?;
    for fault in &configuration.faults {
        fault.check()?;
    }
    if configuration.key_authorization.is_some() && configuration.state.is_none() {
        return Err("key_authorization needs a state folder".to_owned());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    configuration.module = folder.join(configuration.module);
    configuration.call_log = configuration.call_log.map(|log| folder.join(log));
    configuration.state = configuration.state.map(|state| folder.join(state));
    Ok(configuration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_readme_is_read_and_names_every_key() {
        let readme = include_str!("../README.md");
        let example = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let configuration: Configuration = toml::from_str(example).unwrap();
        assert!(configuration.key_authorization.is_some());
        assert!(!configuration.faults.is_empty());
    }

    #[test]
    fn every_device_is_a_configuration() {
        for name in crate::DEVICES {
            let text = format!("module = 'x'\nstate = 'y'\n{}", crate::device(name).unwrap());
            toml::from_str::<Configuration>(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert!(crate::device("none").is_none());
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for wrong in [
            "modul = 'x'",
            "module = 'x'\n[device]\nabsent = 'CKR_NONE'",
            "module = 'x'\n[templates]\nrefused = ['CKM_RSA_PKCS']",
            "module = 'x'\n[templates]\nprivate_forced = { CKA_NONE = true }",
            "module = 'x'\n[ec]\nsignature = 'der'",
        ] {
            assert!(toml::from_str::<Configuration>(wrong).is_err(), "{wrong}");
        }
        let unknown: Configuration = toml::from_str("module = 'x'\n[[fault]]\nfunction = 'C_Sing'").unwrap();
        assert!(unknown.faults[0].check().is_err());
        assert!(toml::from_str::<Configuration>("module = 'x'\n[device]\nabsent = 0x80000018").is_ok());
    }
}
