//! One `[[token]]` of `sigillo.toml`: which library, which slot, where the PIN is. Never the PIN itself.

mod kak;

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

pub use kak::{KakLocation, KeyAuthorizationConfig};

/// A token as `sigillo.toml` describes it, read and not yet checked against its profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// The name by which credentials and commands mean this token.
    pub name: String,
    /// Which vendor's profile it wears: `softhsm`, `generic`, …
    pub profile: String,
    /// The PKCS#11 library. Absent: the first that exists of the profile's search path.
    #[serde(default)]
    pub library: Option<PathBuf>,
    /// Which slot; never "the first".
    pub slot: SlotSelector,
    /// Where the PIN is.
    pub pin: PinSource,
    /// Sessions used at the same time, at most. Absent: the profile's `session.max`.
    #[serde(default)]
    pub sessions: Option<usize>,
    /// Where keys that must be authorised find their KAK after a restart of the device. Absent: a person authorises them.
    #[serde(default)]
    pub key_authorization: Option<KeyAuthorizationConfig>,
    /// Whether a credential with a key on this token stays out of `active` until a backup of the key is on record. Default false.
    #[serde(default)]
    pub require_backup: bool,
    /// Fields of the profile by dotted path, such as `"session.idle_ping" = "600s"`; never `assurance.*`.
    #[serde(default, rename = "override")]
    pub overrides: toml::Table,
}

impl TokenConfig {
    /// The same configuration with relative paths resolved against `base`, the folder of `sigillo.toml`.
    #[must_use]
    pub fn resolved(mut self, base: &Path) -> Self {
        self.library = self.library.map(|path| base.join(path));
        if let PinSource::File(path) = &self.pin {
            self.pin = PinSource::File(base.join(path));
        }
        self.key_authorization = self.key_authorization.map(|config| config.resolved(base));
        self
    }
}

/// How a slot is found. Exactly one key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawSlot")]
pub enum SlotSelector {
    /// `label`: `CK_TOKEN_INFO.label`.
    Label(String),
    /// `serial`: `CK_TOKEN_INFO.serialNumber`.
    Serial(String),
    /// `id`: the slot's number as the library counts, for devices where it never changes.
    Id(u64),
    /// `index`: the position in the library's list of slots, from 0.
    Index(usize),
}

impl fmt::Display for SlotSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(f, "label \"{label}\""),
            Self::Serial(serial) => write!(f, "serial \"{serial}\""),
            Self::Id(id) => write!(f, "id {id}"),
            Self::Index(index) => write!(f, "index {index}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSlot {
    label: Option<String>,
    serial: Option<String>,
    id: Option<u64>,
    index: Option<usize>,
}

impl TryFrom<RawSlot> for SlotSelector {
    type Error = &'static str;

    fn try_from(raw: RawSlot) -> Result<Self, Self::Error> {
        match raw {
            RawSlot { label: Some(label), serial: None, id: None, index: None } => Ok(Self::Label(label)),
            RawSlot { label: None, serial: Some(serial), id: None, index: None } => Ok(Self::Serial(serial)),
            RawSlot { label: None, serial: None, id: Some(id), index: None } => Ok(Self::Id(id)),
            RawSlot { label: None, serial: None, id: None, index: Some(index) } => Ok(Self::Index(index)),
            _ => Err("a slot is named by exactly one of label, serial, id, index"),
        }
    }
}

/// The name of a secret, never the secret. Exactly one key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawPin")]
pub enum PinSource {
    /// `credential`: a systemd credential (`LoadCredential=` of the unit), in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// `file`: its content without the trailing newline.
    File(PathBuf),
    /// `env`: an environment variable; for development, since other programs of the same user can read it.
    Env(String),
    /// `unlock = "manual"`: an operator gives it with `sigillo token unlock`.
    Manual,
    /// `none = true`: this device wants no login.
    NoLogin,
    /// `empty = true`: a login with an empty PIN.
    Empty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPin {
    credential: Option<String>,
    file: Option<PathBuf>,
    env: Option<String>,
    unlock: Option<Unlock>,
    none: Option<bool>,
    empty: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unlock {
    Manual,
}

impl TryFrom<RawPin> for PinSource {
    type Error = &'static str;

    fn try_from(raw: RawPin) -> Result<Self, Self::Error> {
        if raw.none == Some(false) || raw.empty == Some(false) {
            return Err("none and empty can only be true; leave the key out instead");
        }
        let mut named = [
            raw.credential.map(Self::Credential),
            raw.file.map(Self::File),
            raw.env.map(Self::Env),
            raw.unlock.map(|Unlock::Manual| Self::Manual),
            raw.none.map(|_| Self::NoLogin),
            raw.empty.map(|_| Self::Empty),
        ]
        .into_iter()
        .flatten();
        match (named.next(), named.next()) {
            (Some(source), None) => Ok(source),
            _ => Err("a pin is named by exactly one of credential, file, env, unlock, none, empty"),
        }
    }
}

/// A PIN that could not be read. The operator must supply it where `sigillo.toml` says it is.
#[derive(Debug, thiserror::Error)]
pub enum PinUnreadable {
    /// The service was not started by a unit with `LoadCredential=`.
    #[error("there is no systemd credential \"{0}\": CREDENTIALS_DIRECTORY is not set")]
    NoCredentials(String),
    /// The file is not there or may not be read.
    #[error("the PIN file {path} cannot be read")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Env(String),
}

impl PinSource {
    /// A name that stays the same over restarts, by which a rejection is remembered: `file:/etc/sigillo/pin`.
    #[must_use]
    pub fn source_name(&self) -> String {
        match self {
            Self::Credential(name) => format!("credential:{name}"),
            Self::File(path) => format!("file:{}", path.display()),
            Self::Env(name) => format!("env:{name}"),
            Self::Manual => "manual".to_owned(),
            Self::NoLogin => "none".to_owned(),
            Self::Empty => "empty".to_owned(),
        }
    }

    /// Reads the secret; `None` where nothing is to be read: [`PinSource::Manual`] and [`PinSource::NoLogin`].
    ///
    /// # Errors
    /// [`PinUnreadable`]; a retry helps once the operator put the secret in its place.
    pub fn read(&self) -> Result<Option<SecretString>, PinUnreadable> {
        match self {
            Self::Credential(name) => {
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
                    .ok_or_else(|| PinUnreadable::NoCredentials(name.clone()))?;
                read_file(&Path::new(&folder).join(name)).map(Some)
            }
            Self::File(path) => {
                warn_if_readable_by_others(path);
                read_file(path).map(Some)
            }
            Self::Env(name) => match std::env::var(name) {
                Ok(pin) => Ok(Some(SecretString::from(pin))),
                Err(_) => Err(PinUnreadable::Env(name.clone())),
            },
            Self::Manual | Self::NoLogin => Ok(None),
            Self::Empty => Ok(Some(SecretString::from(""))),
        }
    }
}

fn read_file(path: &Path) -> Result<SecretString, PinUnreadable> {
    let mut text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|source| PinUnreadable::File { path: path.to_owned(), source })?;
    // Editors and `echo` end a file with a newline that is no part of the PIN.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(SecretString::from(text.as_str()))
}

fn warn_if_readable_by_others(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        tracing::warn!(pin.file = %path.display(), "the PIN file can be read by other users; run: chmod 600 {}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn config(pin: &str, slot: &str) -> Result<TokenConfig, String> {
        let text = format!("name = 'hsm'\nprofile = 'softhsm'\nslot = {slot}\npin = {pin}\n");
        toml::from_str(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_example_is_read() {
        let config: TokenConfig = toml::from_str(
            r#"
            name = "seal-hsm"
            profile = "softhsm"
            library = "/usr/lib/softhsm/libsofthsm2.so"
            slot = { label = "sigillo" }
            pin = { credential = "pin" }
            sessions = 8
            [override]
            "session.idle_ping" = "600s"
            "#,
        )
        .unwrap();
        assert_eq!(config.slot, SlotSelector::Label("sigillo".into()));
        assert_eq!(config.pin, PinSource::Credential("pin".into()));
        let profile = crate::TokenProfile::load(&config.profile, &config.overrides).unwrap();
        assert_eq!(profile.session.idle_ping, std::time::Duration::from_secs(600));
    }

    #[test]
    fn slot_and_pin_are_named_exactly_once() {
        let (pin, slot) = ("{ none = true }", "{ index = 0 }");
        assert!(config(pin, slot).is_ok());
        for bad in
            ["{}", "{ file = 'a', env = 'B' }", "{ none = false }", "{ unlock = 'auto' }", "{ pin = '1234' }", "'1234'"]
        {
            assert!(config(bad, slot).is_err(), "{bad}");
        }
        for bad in ["{}", "{ label = 'a', serial = 'b' }", "{ first = true }", "0"] {
            assert!(config(pin, bad).is_err(), "{bad}");
        }
        assert!(config("{ env = 'PIN' }", "{ label = 'a', id = 1 }").unwrap_err().contains("exactly one"));
    }

    #[test]
    fn a_pin_file_is_read_without_its_newline_and_named_by_its_whole_path() {
        let folder = tempfile::tempdir().unwrap();
        for (content, pin) in [("12 34\n", "12 34"), ("1234\r\n", "1234"), ("1234", "1234"), ("1234\n\n", "1234\n")] {
            std::fs::write(folder.path().join("pin"), content).unwrap();
            let config = config("{ file = 'pin' }", "{ index = 0 }").unwrap().resolved(folder.path());
            assert_eq!(config.pin.read().unwrap().unwrap().expose_secret(), pin);
            assert_eq!(config.pin.source_name(), format!("file:{}", folder.path().join("pin").display()));
        }
        let missing = PinSource::File(folder.path().join("none"));
        assert!(missing.read().is_err());
    }

    #[test]
    fn no_pin_and_an_empty_pin_are_different() {
        assert!(PinSource::NoLogin.read().unwrap().is_none());
        assert_eq!(PinSource::Empty.read().unwrap().unwrap().expose_secret(), "");
        assert!(PinSource::Env("SIGILLO_TEST_NO_SUCH_PIN".into()).read().is_err());
    }
}
