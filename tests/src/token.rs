//! A SoftHSM token in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::run;

/// A token that is initialised and empty.
pub struct TestToken {
    configuration: PathBuf,
    library: PathBuf,
}

/// Label of the token.
pub const LABEL: &str = "sigillo-test";
/// Its user PIN.
pub const PIN: &str = "4711-test";

const LIBRARIES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];

/// The PKCS#11 library of SoftHSM.
///
/// # Panics
/// When it is missing.
#[must_use]
pub fn softhsm() -> PathBuf {
    let library = LIBRARIES.iter().map(PathBuf::from).find(|path| path.exists());
    library.expect("SoftHSM is missing; install it with: scripts/install-tools")
}

impl TestToken {
    /// Makes one below `folder`.
    ///
    /// # Panics
    /// When SoftHSM is missing.
    #[must_use]
    pub fn create(folder: &Path) -> Self {
        let tokens = folder.join("tokens");
        std::fs::create_dir(&tokens).expect("a folder for the token");
        let configuration = folder.join("softhsm2.conf");
        let text =
            format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
        std::fs::write(&configuration, text).expect("softhsm2.conf");
        let token = Self { configuration, library: Self::installed_library() };
        let mut init = Command::new("softhsm2-util");
        init.args(["--init-token", "--free", "--label", LABEL, "--so-pin", "so-pin-test", "--pin", PIN]);
        run(init.env("SOFTHSM2_CONF", token.configuration()));
        token
    }

    /// SoftHSM's library on this machine.
    ///
    /// # Panics
    /// When SoftHSM is missing.
    #[must_use]
    pub fn installed_library() -> PathBuf {
        let library = LIBRARIES.iter().map(PathBuf::from).find(|path| path.exists());
        library.expect("SoftHSM is missing; install it with: scripts/install-tools")
    }

    /// What `SOFTHSM2_CONF` must name.
    #[must_use]
    pub fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// The PKCS#11 library.
    #[must_use]
    pub fn library(&self) -> &Path {
        &self.library
    }
}
