//! Kryoptic, a software token that has ML-DSA, as `scripts/install-tools` builds it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{repository, run};

/// The variable that names its configuration.
pub const VARIABLE: &str = "KRYOPTIC_CONF";

/// Number of the slot that [`configure`] makes.
pub const SLOT: u32 = 1;

/// Its PKCS#11 library.
///
/// # Panics
/// When it is missing.
#[must_use]
pub fn library() -> PathBuf {
    let asked = run(Command::new("bash")
        .args(["-c", ". scripts/tools-env; echo \"$SIGILLO_KRYOPTIC\""])
        .current_dir(repository()));
    let library = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim_end());
    assert!(library.exists(), "Kryoptic is missing at {}; run scripts/install-tools", library.display());
    library
}

/// Writes a configuration with one slot below `folder`, for [`VARIABLE`]. The token in it is not initialised.
///
/// # Panics
/// When it cannot be written.
#[must_use]
pub fn configure(folder: &Path) -> PathBuf {
    let (configuration, objects) = (folder.join("kryoptic.conf"), folder.join("kryoptic.sql"));
    let text = format!("[[slots]]\nslot = {SLOT}\ndbtype = \"sqlite\"\ndbargs = \"{}\"\n", objects.display());
    std::fs::write(&configuration, text).expect("kryoptic.conf");
    configuration
}
