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
        let token = Self { configuration: folder.join("softhsm2.conf"), library: Self::installed_library() };
        token.configure(&tokens);
        let mut init = Command::new("softhsm2-util");
        init.args(["--init-token", "--free", "--label", LABEL, "--so-pin", "so-pin-test", "--pin", PIN]);
        run(init.env("SOFTHSM2_CONF", token.configuration()));
        token
    }

    /// A copy of the device as it is now, with all its keys, under another label and serial number: what the means of a vendor for cloning
    /// come to. In the same folder both are tokens of one SoftHSM; in another one it is a device of its own. The PIN is the same.
    ///
    /// # Panics
    /// When the token is not alone in its folder, or cannot be copied.
    #[must_use]
    pub fn copy(&self, folder: &Path, label: &str) -> Self {
        let [original] = self.folders().try_into().expect("one token");
        let copy = Self { configuration: folder.join("softhsm2.conf"), library: self.library.clone() };
        let tokens = folder.join("tokens");
        if !copy.configuration.exists() {
            std::fs::create_dir_all(&tokens).expect("a folder for the token");
            copy.configure(&tokens);
        }
        let target = tokens.join(format!("copy-{label}"));
        std::fs::create_dir(&target).expect("a folder for the copy");
        for file in std::fs::read_dir(&original).expect("the token").map(|file| file.expect("a file").path()) {
            std::fs::copy(&file, target.join(file.file_name().expect("a name"))).expect("a copy");
        }
        let (file, padded) = (target.join("token.object"), |label: &str| format!("{label:32}").into_bytes());
        let object = std::fs::read(&file).expect("the token's own object");
        let object = replace(&object, &padded(LABEL), &padded(label));
        // Of 16 hexadecimal digits, behind its attribute type (CKA_OS_TOKENSERIAL), kind and length; SoftHSM numbers slots by the last eight.
        let serial =
            object.windows(8).position(|window| window == [0, 0, 0, 0, 0x80, 0, 0x53, 0x4a]).expect("the serial") + 24;
        let digest = hex::encode(openssl::sha::sha256(label.as_bytes()));
        let object = [&object[..serial], &digest.as_bytes()[..16], &object[serial + 16..]].concat();
        std::fs::write(&file, object).expect("the copy's own object");
        copy
    }

    /// Moves its keys into the folder of another token: both are tokens of one SoftHSM then.
    ///
    /// # Panics
    /// When that fails.
    pub fn join(&self, other: &Self) {
        for folder in self.folders() {
            let target = other.configuration.with_file_name("tokens").join(folder.file_name().expect("a name"));
            std::fs::create_dir(&target).expect("a folder");
            for file in std::fs::read_dir(&folder).expect("the token").map(|file| file.expect("a file").path()) {
                std::fs::copy(&file, target.join(file.file_name().expect("a name"))).expect("a copy");
            }
        }
    }

    /// Sets an attribute that is a truth value on every object that has it with the opposite value, as another device could report it.
    ///
    /// # Panics
    /// When no object has it so.
    pub fn set_attribute(&self, attribute: u64, value: bool) {
        let with =
            |value: bool| [&attribute.to_be_bytes()[..], &1_u64.to_be_bytes(), &[u8::from(value) * 0xff]].concat();
        let mut changed = 0;
        for folder in self.folders() {
            for file in std::fs::read_dir(&folder).expect("the token").map(|file| file.expect("a file").path()) {
                let object = std::fs::read(&file).expect("an object");
                let other = replace(&object, &with(!value), &with(value));
                if other != object {
                    std::fs::write(&file, other).expect("an object");
                    changed += 1;
                }
            }
        }
        assert!(changed > 0, "no object has attribute {attribute:#x} {}", !value);
    }

    fn folders(&self) -> Vec<PathBuf> {
        let tokens = self.configuration.with_file_name("tokens");
        std::fs::read_dir(tokens).expect("tokens").map(|folder| folder.expect("a token").path()).collect()
    }

    fn configure(&self, tokens: &Path) {
        let text =
            format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
        std::fs::write(&self.configuration, text).expect("softhsm2.conf");
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

/// Every occurrence of `old`, which is as long as `new`, replaced.
fn replace(octets: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    for start in 0..=octets.len().saturating_sub(old.len()) {
        if octets[start..].starts_with(old) {
            octets[start..start + new.len()].copy_from_slice(new);
        }
    }
    octets
}
