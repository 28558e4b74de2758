//! `sigillo.toml`: what one node listens on, which database it uses, and which tokens it can reach.
//!
//! One file serves the server and the command line, so it is read in one place. Unknown keys are refused with the line
//! and the nearest known key. Secrets are named here, never written here.

mod fetch;
mod quantity;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cryptotoken::profile::environment_conflict;
use cryptotoken::{KakLocation, PinSource, TokenConfig};
use serde::Deserialize;
use serde::de::IntoDeserializer;

pub use fetch::{AccountConfig, FetchConfig, OcspCertificateId, OcspMethod};
pub use quantity::{ByteSize, Timeout};

/// Why the configuration is not accepted. The operator must correct the file or the environment.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// There is none in any of the usual places.
    #[error("there is neither {}; name one with --config or run: sigillo init", looked_in.join(" nor "))]
    NotFound {
        /// Where it was looked for.
        looked_in: Vec<String>,
    },
    /// It exists and cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong form.
    #[error("{}:{line}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong, and the nearest known key where one is unknown.
        message: String,
    },
    /// A variable of the environment that overrides nothing.
    #[error("environment variable {name}: {message}")]
    Environment {
        /// Its name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// Values that contradict each other.
    #[error("{}: {message}", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What contradicts what, and the next step.
        message: String,
    },
}

/// A node's configuration as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// `[server]`.
    #[serde(default)]
    pub server: ServerConfig,
    /// `[database]`.
    #[serde(default)]
    pub database: DatabaseConfig,
    /// `[fetch]`.
    #[serde(default)]
    pub fetch: FetchConfig,
    /// `[[token]]`, one each.
    #[serde(default, rename = "token")]
    pub tokens: Vec<TokenConfig>,
    /// The folder of the file; relative paths resolve against it.
    #[serde(skip)]
    pub base_dir: PathBuf,
}

/// `[server]`: what `sigillo-server` listens on and how much it takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// The largest document, in the encoding it is sent in. Default 100 MiB.
    pub max_document_bytes: ByteSize,
    /// What all requests together may send before they are answered; more get `overloaded`. A document takes about three times
    /// its size while it is signed. Default 1 GiB.
    pub max_pending_bytes: ByteSize,
    /// The folder of documents that are too big for memory, in files without a name. Default: none, every document is held in memory.
    pub spool: Option<PathBuf>,
    /// Documents above this size go to the spool folder, where the worker takes them from there. Default 8 MiB.
    pub spool_above: ByteSize,
    /// What all documents in the spool folder may have together; more get `overloaded`. Default 16 GiB.
    pub max_spool_bytes: ByteSize,
    /// How long a request may take in all, from its first byte to its answer. Default 60 s.
    pub request_timeout: Timeout,
    /// How long a caller may take nothing of an answer before the connection is cut. Default 60 s.
    pub send_timeout: Timeout,
    /// How many octets a second callers must take of an answer, on the average. Default 64 KiB.
    pub min_send_rate: ByteSize,
    /// The Unix socket over which `sigillo token unlock` hands a typed PIN to the server, used where a token has `unlock = "manual"`.
    /// Default `sigillo.sock` beside the configuration.
    pub control: PathBuf,
    /// How many requests sign at the same time; more wait. Default: four for each processor.
    pub concurrency: Option<usize>,
    /// How many requests may wait for that; more get `overloaded`. Default 256.
    pub queue: usize,
    /// Plain HTTP on an address that is not loopback is refused unless this is true. Default false.
    pub allow_plaintext: bool,
    /// TLS. Default: none, plain HTTP on loopback.
    pub tls: Option<TlsConfig>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            max_document_bytes: ByteSize(100 << 20),
            max_pending_bytes: ByteSize(1 << 30),
            spool: None,
            spool_above: ByteSize(8 << 20),
            max_spool_bytes: ByteSize(16 << 30),
            request_timeout: Timeout(std::time::Duration::from_secs(60)),
            send_timeout: Timeout(std::time::Duration::from_secs(60)),
            min_send_rate: ByteSize(64 << 10),
            control: PathBuf::from("sigillo.sock"),
            concurrency: None,
            queue: 256,
            allow_plaintext: false,
            tls: None,
        }
    }
}

/// `[server.tls]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM chain of the server, leaf first.
    pub certificate: PathBuf,
    /// PEM private key of the server.
    pub private_key: PathBuf,
    /// PEM certificates of the CAs whose client certificates are accepted. Absent: none are asked for.
    pub client_ca: Option<PathBuf>,
}

/// `[database]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `sqlite://FILE`, created if missing. Default `sqlite://sigillo.db`.
    pub url: String,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { url: "sqlite://sigillo.db".into() }
    }
}

impl Configuration {
    /// Reads the file named, or the first of `SIGILLO_CONFIG`, `./sigillo.toml`, `/etc/sigillo/sigillo.toml` that exists,
    /// and then the variables `SIGILLO__SECTION__KEY`.
    ///
    /// # Errors
    /// [`ConfigurationError`].
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigurationError> {
        let path = find(path)?;
        let text = std::fs::read_to_string(&path)
            .map_err(|source| ConfigurationError::Unreadable { path: path.clone(), source })?;
        // What is no UTF-8 overrides nothing of ours, or is refused as a value; others' variables must not stop us.
        let text_of = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let overrides = std::env::vars_os().map(|(name, value)| (text_of(name), text_of(value)));
        let overrides = overrides.filter(|(name, _)| name.starts_with(OVERRIDE_PREFIX));
        Self::parse(&text, &path, overrides)
    }

    /// The folder of documents that are too big for memory; `None` where none is named.
    #[must_use]
    pub fn spool(&self) -> Option<PathBuf> {
        self.server.spool.as_ref().map(|folder| self.base_dir.join(folder))
    }

    /// Where the control socket is; `None` where no token waits for a PIN that is typed.
    #[must_use]
    pub fn control(&self) -> Option<PathBuf> {
        let manual = self.tokens.iter().any(|token| token.pin == PinSource::Manual);
        manual.then(|| self.base_dir.join(&self.server.control))
    }

    fn parse(
        text: &str,
        path: &Path,
        overrides: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigurationError> {
        let invalid = |error: &toml::de::Error| ConfigurationError::Invalid {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            message: plainly(error.message()),
        };
        let mut configuration: Self = toml::from_str(text).map_err(|error| invalid(&error))?;
        let mut table: toml::Table = toml::from_str(text).map_err(|error| invalid(&error))?;
        let mut overridden = false;
        for (name, value) in overrides {
            apply_override(&mut table, &name, &value)?;
            overridden = true;
        }
        if overridden {
            let names = || format!("{OVERRIDE_PREFIX}*");
            configuration = Self::deserialize(table.into_deserializer()).map_err(|error| {
                ConfigurationError::Environment { name: names(), message: plainly(error.message()) }
            })?;
        }
        let absolute = std::path::absolute(path)
            .map_err(|source| ConfigurationError::Unreadable { path: path.to_owned(), source })?;
        configuration.base_dir = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        configuration
            .fetch
            .resolve(&configuration.base_dir)
            .map_err(|message| ConfigurationError::Contradiction { path: path.to_owned(), message })?;
        configuration.check(path)?;
        Ok(configuration)
    }

    fn check(&self, path: &Path) -> Result<(), ConfigurationError> {
        let contradiction = |message| Err(ConfigurationError::Contradiction { path: path.to_owned(), message });
        let server = &self.server;
        if server.tls.is_none() && !server.listen.ip().is_loopback() && !server.allow_plaintext {
            return contradiction(format!(
                "server.listen = \"{}\" is not a loopback address and there is no [server.tls]; add it, or set \
                 server.allow_plaintext = true when a proxy on this network ends TLS",
                server.listen
            ));
        }
        if server.concurrency == Some(0) {
            return contradiction("server.concurrency must be at least 1".into());
        }
        let mut names: Vec<&str> = self.tokens.iter().map(|token| token.name.as_str()).collect();
        names.sort_unstable();
        if let Some((name, _)) = names.iter().zip(names.iter().skip(1)).find(|(a, b)| a == b) {
            return contradiction(format!("there are two tokens named \"{name}\"; give each its own name"));
        }
        for token in &self.tokens {
            let kak = token.key_authorization.as_ref().map(|authorization| &authorization.kak);
            if let Some(KakLocation::Token { token: kak, .. }) = kak
                && !names.contains(&kak.as_str())
            {
                return contradiction(format!(
                    "the KAK of token \"{}\" is on token \"{kak}\", which is not in this file",
                    token.name
                ));
            }
        }
        // Here and not when a token is opened: the second one would find the library loaded for the first.
        environment_conflict(&self.tokens).map_or(Ok(()), contradiction)
    }
}

const OVERRIDE_PREFIX: &str = "SIGILLO__";

fn find(path: Option<&Path>) -> Result<PathBuf, ConfigurationError> {
    if let Some(path) = path {
        return Ok(path.to_owned());
    }
    if let Some(path) = std::env::var_os("SIGILLO_CONFIG") {
        return Ok(path.into());
    }
    let usual = ["./sigillo.toml", "/etc/sigillo/sigillo.toml"];
    match usual.iter().map(PathBuf::from).find(|path| path.exists()) {
        Some(path) => Ok(path),
        None => Err(ConfigurationError::NotFound { looked_in: usual.iter().map(ToString::to_string).collect() }),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

// What serde says, in words for people. Values are never repeated: what stands where the name of a PIN belongs is likely the PIN.
fn plainly(message: &str) -> String {
    if let Some((key, hint)) = nearest_key(message) {
        return format!("unknown key \"{key}\"{hint}");
    }
    let value =
        ["invalid type: ", "invalid value: ", "unknown variant "].iter().any(|start| message.starts_with(start));
    match message.rsplit_once(", expected ") {
        Some((_, "struct RawPin")) => "pin names the place of the PIN and never is the PIN: write { file = \"…\" }, \
             { credential = \"…\" }, { env = \"…\" }, { unlock = \"manual\" }, { none = true } or { empty = true }"
            .to_owned(),
        Some((_, "struct RawSlot")) => {
            "write slot = { label = \"…\" }, { serial = \"…\" }, { id = … } or { index = … }".to_owned()
        }
        Some((_, expected)) if value => format!("a value of the wrong form; expected {expected}"),
        _ if value => "a value of the wrong form".to_owned(),
        _ if message == "invalid socket address syntax" => {
            "write an IP address and a port, as in \"127.0.0.1:8080\"".to_owned()
        }
        _ => message.to_owned(),
    }
}

// serde says: unknown field `listn`, expected one of `listen`, `queue`.
fn nearest_key(message: &str) -> Option<(&str, String)> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    let nearest = quoted.min_by_key(|known| strsim::damerau_levenshtein(unknown, known));
    Some((unknown, nearest.map(|known| format!("; did you mean \"{known}\"?")).unwrap_or_default()))
}

fn apply_override(table: &mut toml::Table, name: &str, value: &str) -> Result<(), ConfigurationError> {
    let refuse =
        |message: &str| Err(ConfigurationError::Environment { name: name.to_owned(), message: message.to_owned() });
    let path = name.strip_prefix(OVERRIDE_PREFIX).unwrap_or(name).to_ascii_lowercase();
    let mut keys: Vec<&str> = path.split("__").collect();
    // Tokens are never taken from the environment: which library is loaded is decided by a file.
    if !matches!(keys.first(), Some(&"server" | &"database")) {
        return refuse("only keys of [server] and [database] can be overridden");
    }
    let Some(last) = keys.pop().filter(|_| !keys.is_empty()) else {
        return refuse("write SIGILLO__SECTION__KEY");
    };
    let mut section = table;
    for key in keys {
        let entry = section.entry(key).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        match entry.as_table_mut() {
            Some(inner) => section = inner,
            None => return refuse("it goes through a key that is no section"),
        }
    }
    // A number or a boolean where it reads as one, else the text as it is.
    let literal = value.parse::<toml::Value>().ok().filter(|v| v.is_integer() || v.is_bool());
    section.insert(last.to_owned(), literal.unwrap_or_else(|| toml::Value::String(value.to_owned())));
    Ok(())
}

#[cfg(test)]
mod tests;
