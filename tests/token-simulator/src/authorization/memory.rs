//! What the device remembers of its keys: a file that all processes share, as they share a device.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cryptoki_sys::{CK_RV, CK_ULONG, CKR_GENERAL_ERROR};
use serde::{Deserialize, Serialize};

/// Which key: token and `CKA_ID`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct KeyName(pub(crate) String);

/// A key that is initialised.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Key {
    /// The KAK as PEM.
    pub(super) kak: String,
    /// How the KAK signs: `CP5_KEY_AUTH_PROT_…`.
    pub(super) protocol: u8,
    /// `bAssigned` of the initialisation.
    pub(super) assigned: bool,
    /// Wrong signatures of the KAK since the last good one.
    pub(super) failures: u32,
    pub(super) authorization: Option<Authorization>,
}

/// What a key may do until the device restarts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Authorization {
    /// How many signatures; absent: no limit.
    pub(super) remaining: Option<CK_ULONG>,
}

pub(super) type Keys = BTreeMap<KeyName, Key>;

#[derive(Default, Serialize, Deserialize)]
struct Content {
    restarts: u64,
    keys: Keys,
}

/// The file, as it is after so many restarts of the device.
pub(super) struct Memory<'a> {
    folder: &'a Path,
    restarts: u64,
}

impl<'a> Memory<'a> {
    pub(super) fn new(folder: &'a Path, restarts: u64) -> Self {
        Self { folder, restarts }
    }

    /// Looks, while nobody changes it.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Keys) -> Result<T, CK_RV>) -> Result<T, CK_RV> {
        let _lock = self.lock().map_err(|error| self.failed(&error))?;
        look(&self.load().map_err(|error| self.failed(&error))?.keys)
    }

    /// Changes it, while nobody else looks. What is refused changes nothing.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Keys) -> Result<T, CK_RV>) -> Result<T, CK_RV> {
        let _lock = self.lock().map_err(|error| self.failed(&error))?;
        let mut content = self.load().map_err(|error| self.failed(&error))?;
        let result = change(&mut content.keys)?;
        self.store(&content).map_err(|error| self.failed(&error))?;
        Ok(result)
    }

    fn lock(&self) -> io::Result<File> {
        std::fs::create_dir_all(self.folder)?;
        let file = File::create(self.folder.join("lock"))?;
        file.lock()?;
        Ok(file)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("authorizations.toml")
    }

    fn load(&self) -> io::Result<Content> {
        let mut content: Content = match std::fs::read_to_string(self.path()) {
            Ok(text) => toml::from_str(&text).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(error),
        };
        if content.restarts != self.restarts {
            content.restarts = self.restarts;
            content.keys.values_mut().for_each(|key| key.authorization = None);
        }
        Ok(content)
    }

    fn store(&self, content: &Content) -> io::Result<()> {
        let new = self.folder.join("authorizations.new");
        std::fs::write(&new, toml::to_string(content).map_err(io::Error::other)?)?;
        std::fs::rename(new, self.path())
    }

    fn failed(&self, error: &io::Error) -> CK_RV {
        eprintln!("token-simulator: {}: {error}", self.folder.display());
        CKR_GENERAL_ERROR
    }
}
