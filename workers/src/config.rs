//! The definition of a worker, as `sigillo worker apply` reads it and the database keeps it.
//!
//! Keys that no definition of that kind has are refused with the nearest one that it has. Every default is written here
//! or beside the options of the format.

mod augmentation;
mod duration;
mod timestamp;
mod trust;

use std::time::Duration;

use cryptotoken_api::{Certificate, DigestAlgorithm, KeySpec, SignatureAlgorithm, SignatureScheme};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cades::{CadesConfig, CadesMode};
use crate::error::WorkerError;
use crate::kind::WorkerKind;
use crate::level::SignatureLevel;
use crate::pades::PadesConfig;
use crate::plain::PlainConfig;
use crate::tsa::TsaConfig;
use crate::worker::SigningParameters;
use crate::xades::{XadesConfig, XadesMode};

use augmentation::Augmentation;
pub use augmentation::Degrade;
pub use timestamp::{TimestampConfig, TimestampOrigin};
pub use trust::{RevocationFreshness, TrustAnchors};

/// Why a definition is not accepted. Whoever wrote it must correct it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Neither TOML nor JSON.
    #[error("the definition cannot be read: {0}")]
    Syntax(String),
    /// A key that definitions of this kind do not have.
    #[error("unknown key \"{key}\"{}{}", line.map(|l| format!(" in line {l}")).unwrap_or_default(), nearest.as_ref().map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default())]
    UnknownKey {
        /// The key.
        key: String,
        /// Its line, where the definition was a text.
        line: Option<usize>,
        /// The known key that is most like it.
        nearest: Option<String>,
    },
    /// A key that every definition needs is missing.
    #[error("key \"{0}\" is missing")]
    Missing(&'static str),
    /// A value that the key does not take.
    #[error("key \"{key}\": {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

/// A worker's definition, checked. The credential and its certificate are judged at `apply` and at every signature.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerConfig {
    name: String,
    kind: WorkerKind,
    credential: String,
    augmentation: Augmentation,
    digest: Option<DigestAlgorithm>,
    signature_scheme: Option<SignatureScheme>,
    qualified: Option<Qualified>,
    caller_may_set: Vec<String>,
    format: FormatConfig,
}

/// The gate of EU qualified seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Qualified {
    /// EU qualified electronic seals: certificate, device and evidence are checked at every signature.
    Eseal,
}

/// The options that only one kind has.
#[derive(Clone, Debug, PartialEq)]
pub enum FormatConfig {
    /// Options of `plain`.
    Plain(PlainConfig),
    /// Options of `cades`.
    Cades(CadesConfig),
    /// Options of `pades`.
    Pades(PadesConfig),
    /// Options of `xades`.
    Xades(XadesConfig),
    /// Options of `timestamp`.
    Timestamp(TsaConfig),
}

/// The keys that every kind has.
const COMMON_KEYS: &[&str] =
    &["name", "kind", "credential", "digest", "signature_scheme", "qualified", "caller_may_set"];

impl FormatConfig {
    fn parse(kind: WorkerKind, fields: &mut Fields) -> Result<Self, ConfigError> {
        Ok(match kind {
            WorkerKind::Plain => Self::Plain(PlainConfig::parse(fields)?),
            WorkerKind::Cades => Self::Cades(CadesConfig::parse(fields)?),
            WorkerKind::Pades => Self::Pades(PadesConfig::parse(fields)?),
            WorkerKind::Xades => Self::Xades(XadesConfig::parse(fields)?),
            WorkerKind::Timestamp => Self::Timestamp(TsaConfig::parse(fields)?),
        })
    }

    /// The keys beside the common ones.
    const fn keys(kind: WorkerKind) -> &'static [&'static str] {
        match kind {
            WorkerKind::Plain => PlainConfig::KEYS,
            WorkerKind::Cades => CadesConfig::KEYS,
            WorkerKind::Pades => PadesConfig::KEYS,
            WorkerKind::Xades => XadesConfig::KEYS,
            WorkerKind::Timestamp => TsaConfig::KEYS,
        }
    }

    /// What `caller_may_set` may name.
    const fn settable(kind: WorkerKind) -> &'static [&'static str] {
        match kind {
            WorkerKind::Cades => CadesConfig::SETTABLE,
            WorkerKind::Pades => PadesConfig::SETTABLE,
            WorkerKind::Xades => XadesConfig::SETTABLE,
            WorkerKind::Plain | WorkerKind::Timestamp => &[],
        }
    }

    fn serialize(&self) -> Result<Value, serde_json::Error> {
        match self {
            Self::Plain(options) => serde_json::to_value(options),
            Self::Cades(options) => serde_json::to_value(options),
            Self::Pades(options) => serde_json::to_value(options),
            Self::Xades(options) => serde_json::to_value(options),
            Self::Timestamp(options) => serde_json::to_value(options),
        }
    }
}

/// The keys of a definition that have not been read yet.
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Takes the value of `key`, where present.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, key: &'static str) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.0.remove(key) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|error| ConfigError::Value { key, reason: error.to_string() })
    }

    fn required<T: DeserializeOwned>(&mut self, key: &'static str) -> Result<T, ConfigError> {
        self.take(key)?.ok_or(ConfigError::Missing(key))
    }
}

impl WorkerConfig {
    /// Reads a definition in TOML, or in JSON when the text begins with `{`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let map: Map<String, Value> = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| ConfigError::Syntax(error.to_string()))?
        } else {
            toml::from_str(text).map_err(|error| ConfigError::Syntax(error.to_string()))?
        };
        Self::from_map(map, text)
    }

    fn from_map(map: Map<String, Value>, text: &str) -> Result<Self, ConfigError> {
        let mut fields = Fields(map);
        let kind: String = fields.required("kind")?;
        let kind: WorkerKind = serde_json::from_value(Value::from(kind.as_str())).map_err(|_| ConfigError::Value {
            key: "kind",
            reason: format!("there is no kind \"{kind}\"; use plain, cades, pades, xades or timestamp"),
        })?;
        let known = || COMMON_KEYS.iter().chain(&Augmentation::KEYS).chain(FormatConfig::keys(kind)).copied();
        if let Some(key) = fields.0.keys().find(|key| !known().any(|k| k == key.as_str())) {
            return Err(unknown_key(key, known(), text));
        }
        let config = Self {
            name: name(fields.required("name")?)?,
            credential: fields.required("credential")?,
            augmentation: Augmentation::parse(kind, &mut fields)?,
            digest: fields.take("digest")?,
            signature_scheme: fields.take("signature_scheme")?,
            qualified: fields.take("qualified")?,
            caller_may_set: fields.take("caller_may_set")?.unwrap_or_default(),
            format: FormatConfig::parse(kind, &mut fields)?,
            kind,
        };
        config.check_qualified()?;
        config.check_settable()?;
        config.check_content_timestamp()?;
        config.check_mode()?;
        config.check_scheme()?;
        Ok(config)
    }

    fn check_scheme(&self) -> Result<(), ConfigError> {
        match self.signature_scheme {
            Some(scheme) => self.check_format_knows(scheme),
            None => Ok(()),
        }
    }

    // Readers of PDF and verifiers of XML and of timestamps that know Ed25519 or ML-DSA are few; a seal that nobody can verify is
    // worse than none.
    fn check_format_knows(&self, scheme: SignatureScheme) -> Result<(), ConfigError> {
        use WorkerKind::{Pades, Timestamp, Xades};
        match (self.kind, scheme) {
            (Pades | Xades | Timestamp, SignatureScheme::Eddsa | SignatureScheme::MlDsa) => Err(ConfigError::Value {
                key: "signature_scheme",
                reason: format!(
                    "a {} worker signs with rsa-pkcs1, rsa-pss or ecdsa; name a credential with an RSA or EC key",
                    self.kind
                ),
            }),
            // Nobody else reads validation data and archive timestamps of such a signature yet.
            (_, SignatureScheme::MlDsa) if self.level() > SignatureLevel::BaselineT => Err(ConfigError::Value {
                key: "level",
                reason:
                    "no verifier of others judges long-term signatures with ML-DSA yet; write B-B or B-T, or name a \
                         credential with an RSA or EC key"
                        .into(),
            }),
            _ => Ok(()),
        }
    }

    fn check_qualified(&self) -> Result<(), ConfigError> {
        if self.kind == WorkerKind::Timestamp && self.qualified.is_some() {
            return Err(ConfigError::Value {
                key: "qualified",
                reason: "a timestamp worker makes no seals; its statement is qualified_timestamp".into(),
            });
        }
        Ok(())
    }

    // A counter-signature is an attribute of what it signs: the higher levels are those of the whole signature.
    fn check_mode(&self) -> Result<(), ConfigError> {
        match &self.format {
            FormatConfig::Cades(options)
                if options.mode == CadesMode::CounterSign && self.level() > SignatureLevel::BaselineT =>
            {
                Err(ConfigError::Value {
                    key: "level",
                    reason: "a counter-signature has B-B or B-T; send it to …/augment of another worker then".into(),
                })
            }
            FormatConfig::Xades(options)
                if options.mode == XadesMode::CounterSign && self.level() > SignatureLevel::BaselineT =>
            {
                Err(ConfigError::Value {
                    key: "level",
                    reason: "a counter-signature is made at B-B or B-T; send it to …/augment of another worker then"
                        .into(),
                })
            }
            _ => Ok(()),
        }
    }

    // It comes from where the others come from, and below B-T there is no such place.
    fn check_content_timestamp(&self) -> Result<(), ConfigError> {
        let wanted = match &self.format {
            FormatConfig::Cades(options) => options.content_timestamp,
            FormatConfig::Xades(options) => options.content_timestamp.is_wanted(),
            _ => false,
        };
        match wanted && self.level() == SignatureLevel::BaselineB {
            true => Err(ConfigError::Value { key: "content_timestamp", reason: "it needs level B-T or above".into() }),
            false => Ok(()),
        }
    }

    fn check_settable(&self) -> Result<(), ConfigError> {
        let settable = FormatConfig::settable(self.kind);
        match self.caller_may_set.iter().find(|name| !settable.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(ConfigError::Value {
                key: "caller_may_set",
                reason: match settable {
                    [] => format!("callers of a {} worker can set nothing; remove \"{name}\"", self.kind),
                    some => {
                        format!("callers of a {} worker can set {}; remove \"{name}\"", self.kind, some.join(", "))
                    }
                },
            }),
        }
    }

    /// Refuses parameters beside a signature that is to be augmented: of XML, which one grows can be chosen; a PDF may need its password.
    ///
    /// # Errors
    /// [`WorkerError::Parameter`] for the first one.
    pub fn check_augmentation_parameters(&self, parameters: &SigningParameters) -> Result<(), WorkerError> {
        self.check_password(parameters)?;
        let chooses = |name: &str| self.kind() == WorkerKind::Xades && name == SigningParameters::SIGNATURE_ID;
        match parameters.names().find(|name| !chooses(name)) {
            None => parameters.text(SigningParameters::SIGNATURE_ID).map(drop),
            Some(name) => Err(WorkerError::Parameter {
                name: name.to_owned(),
                reason:
                    "nothing can be chosen about a signature that is there; send at most the \"password\" of a PDF, \
                         or the \"signature_id\" of the one that is meant in XML"
                        .into(),
            }),
        }
    }

    /// Refuses what is no password, and one for what no password opens. Does not repeat it.
    fn check_password(&self, parameters: &SigningParameters) -> Result<(), WorkerError> {
        let refused = |reason: &str| {
            let name = SigningParameters::PASSWORD.to_owned();
            Err(WorkerError::Parameter { name, reason: reason.to_owned() })
        };
        if parameters.value(SigningParameters::PASSWORD).is_some() {
            return refused("it must be a text; send a string");
        }
        if parameters.password().is_some() && self.kind() != WorkerKind::Pades {
            return refused("only PDFs are opened with one; leave it out");
        }
        Ok(())
    }

    /// Refuses parameters that this worker does not let callers choose.
    ///
    /// # Errors
    /// [`WorkerError::Parameter`] for the first one.
    pub fn check_parameters(&self, parameters: &SigningParameters) -> Result<(), WorkerError> {
        self.check_password(parameters)?;
        match parameters.names().find(|name| !self.caller_may_set.iter().any(|allowed| allowed == name)) {
            None => Ok(()),
            Some(name) => Err(WorkerError::Parameter {
                name: name.to_owned(),
                reason: match self.caller_may_set.as_slice() {
                    [] => "this worker fixes everything; send no parameters".into(),
                    allowed => format!("this worker lets callers choose {}", allowed.join(", ")),
                },
            }),
        }
    }

    /// The definition as the database keeps it: every key that was set, as JSON.
    ///
    /// # Errors
    /// Only when the encoder fails, which would be a bug.
    pub fn to_json(&self) -> Result<Map<String, Value>, serde_json::Error> {
        let mut map = Map::new();
        map.insert("name".into(), self.name.clone().into());
        map.insert("kind".into(), serde_json::to_value(self.kind)?);
        map.insert("credential".into(), self.credential.clone().into());
        self.augmentation.write(&mut map)?;
        if let Some(digest) = self.digest {
            map.insert("digest".into(), serde_json::to_value(digest)?);
        }
        if let Some(scheme) = self.signature_scheme {
            map.insert("signature_scheme".into(), serde_json::to_value(scheme)?);
        }
        if let Some(qualified) = self.qualified {
            map.insert("qualified".into(), serde_json::to_value(qualified)?);
        }
        if !self.caller_may_set.is_empty() {
            map.insert("caller_may_set".into(), self.caller_may_set.clone().into());
        }
        if let Value::Object(options) = self.format.serialize()? {
            map.extend(options);
        }
        Ok(map)
    }

    /// The algorithm this worker signs with, given its credential's key.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when the definition asks for something that the key or the format cannot do.
    pub fn algorithm(&self, key: KeySpec) -> Result<SignatureAlgorithm, ConfigError> {
        let algorithm = SignatureAlgorithm::for_key(key, self.signature_scheme, self.digest)
            .map_err(|error| ConfigError::Value { key: "signature_scheme", reason: error.to_string() })?;
        self.check_format_knows(algorithm.scheme())?;
        Ok(algorithm)
    }

    /// Name of the worker.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> WorkerKind {
        self.kind
    }

    /// Name of the credential.
    #[must_use]
    pub fn credential(&self) -> &str {
        &self.credential
    }

    /// Level of the signatures; means nothing for plain ones.
    #[must_use]
    pub const fn level(&self) -> SignatureLevel {
        self.augmentation.level
    }

    /// Where timestamps come from; there is one whenever the level is above B-B.
    #[must_use]
    pub const fn timestamp(&self) -> Option<&TimestampConfig> {
        self.augmentation.timestamp.as_ref()
    }

    /// Whether an outage of others may lower the level.
    #[must_use]
    pub const fn degrade(&self) -> Degrade {
        self.augmentation.degrade
    }

    /// The lowest level that may be released: [`Self::level`] itself when it never degrades.
    #[must_use]
    pub fn minimum_level(&self) -> SignatureLevel {
        self.augmentation.minimum_level()
    }

    /// Certificates that are trusted without a path: roots of the signer, of time-stamping authorities, of responders. Never
    /// empty from level B-LT on.
    #[must_use]
    pub fn trust_anchors(&self) -> &[Certificate] {
        self.augmentation.trust_anchors.certificates()
    }

    /// How fresh the revocation information in a signature must be. Default `after-signature`.
    #[must_use]
    pub fn revocation_freshness(&self) -> RevocationFreshness {
        self.augmentation.revocation_freshness()
    }

    /// How long the status of the credential's certificate may be known before it is asked for again, before the key is used;
    /// `None`: it is not asked. Default: 12 hours where there are trust anchors, else none.
    #[must_use]
    pub fn status_max_age(&self) -> Option<Duration> {
        self.augmentation.status_max_age()
    }

    /// The gate, where there is one.
    #[must_use]
    pub const fn qualified(&self) -> Option<Qualified> {
        self.qualified
    }

    /// What callers may choose.
    #[must_use]
    pub fn caller_may_set(&self) -> &[String] {
        &self.caller_may_set
    }

    /// Whether documents that are not in memory can be signed: as CMS, and beside an XML signature,
    /// because the content is hashed from its first octet to its last.
    /// A signature that is to be joined is read as a whole.
    #[must_use]
    pub fn takes_spooled(&self) -> bool {
        match &self.format {
            FormatConfig::Cades(options) => options.mode == CadesMode::Sign,
            FormatConfig::Xades(options) => options.is_beside(),
            _ => false,
        }
    }

    /// Whether one signature is over several files, where they are sent.
    #[must_use]
    pub fn takes_files(&self) -> bool {
        matches!(&self.format, FormatConfig::Xades(options) if options.takes_files())
    }

    /// Whether what it signs is a signature that is there, of its document or of its value.
    #[must_use]
    pub fn joins(&self) -> bool {
        matches!(&self.format, FormatConfig::Cades(options) if options.mode != CadesMode::Sign)
    }

    /// The options of its kind.
    #[must_use]
    pub const fn format(&self) -> &FormatConfig {
        &self.format
    }
}

fn name(name: String) -> Result<String, ConfigError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        Ok(name)
    } else {
        Err(ConfigError::Value {
            key: "name",
            reason: format!("\"{name}\" is no name: use 1 to 64 of the characters A-Z a-z 0-9 . _ -"),
        })
    }
}

/// The known word that is most like this one, if any is.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= 1 + word.len() / 3)
        .map(|(_, candidate)| candidate)
}

fn unknown_key<'a>(key: &str, known: impl Iterator<Item = &'a str>, text: &str) -> ConfigError {
    let nearest = nearest(key, known).map(str::to_owned);
    let line = text
        .lines()
        .position(|line| line.trim_start().trim_start_matches('"').starts_with(key))
        .map(|position| position + 1);
    ConfigError::UnknownKey { key: key.to_owned(), line, nearest }
}

#[cfg(test)]
mod tests;
