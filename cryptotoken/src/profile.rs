//! What differs between vendors, as data: one file per vendor in `profile/`, laid over `profile/generic.toml`.
//!
//! A vendor is never asked for by name in code. Where data cannot say it, add a variant to an enum here, handled in one `match`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

/// A vendor's facts, with the overrides of one token applied.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenProfile {
    /// The library and what it needs.
    pub module: Module,
    /// How slots behave.
    pub slot: Slot,
    /// How one logs in.
    pub login: Login,
    /// How sessions behave.
    pub session: Session,
    /// How keys are generated.
    pub keygen: Keygen,
    /// How objects are named.
    pub naming: Naming,
    /// Who hashes, and what signatures look like.
    pub sign: Sign,
    /// Certificates on the token.
    pub cert: Cert,
    /// Return values by what helps against them.
    pub errors: Errors,
    /// How far one goes to get a lost device back.
    pub recovery: Recovery,
    /// What the device is worth; never overridden.
    pub assurance: Assurance,
    /// Whether `sigillo.toml` changed a field.
    #[serde(skip)]
    pub overridden: bool,
}

/// The library.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// Where the library may be, first found wins.
    pub library: Vec<PathBuf>,
    /// Environment variables the library must see. They are compared and not set: changing the environment of a process
    /// with several threads is unsound, and what the unit file says is what an auditor reads.
    pub env: BTreeMap<String, String>,
}

/// Slots.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// How often `C_GetTokenInfo` is asked before a slot counts as unreadable.
    pub retry: u32,
}

/// Login.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Who logs in.
    pub mode: LoginMode,
    /// Whether `CKR_USER_ALREADY_LOGGED_IN` is success.
    pub already_logged_in_ok: bool,
}

/// Who logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginMode {
    /// `CKU_USER`.
    User,
    /// Nobody: the device protects its keys otherwise.
    None,
}

/// Sessions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Sessions at the same time where `sigillo.toml` is silent.
    pub max: usize,
    /// How long operations without a deadline of their own wait for a session.
    #[serde(deserialize_with = "duration")]
    pub wait: Duration,
    /// Whether every session must be read-write.
    pub read_write: bool,
    /// Idle time after which a session is asked for its state before it is lent; zero: never.
    #[serde(deserialize_with = "duration")]
    pub idle_ping: Duration,
    /// Whether an object's handle is the same in every session.
    pub handles_span_sessions: bool,
}

/// Key generation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keygen {
    /// Mechanism for RSA keys.
    pub rsa: RsaKeygen,
    /// Mechanism for keys on NIST curves.
    pub ec: EcKeygen,
    /// Mechanism for Ed25519.
    pub eddsa: EddsaKeygen,
    /// How `CKA_EC_PARAMS` names Ed25519.
    pub eddsa_params: EddsaParams,
    /// Whether the public half is a token object.
    pub public_token: bool,
    /// Attributes that are left out of the templates.
    pub omit: BTreeSet<TemplateAttribute>,
    /// Attributes of the private key.
    pub private_template: BTreeMap<TemplateAttribute, bool>,
    /// Attributes of the public key.
    pub public_template: BTreeMap<TemplateAttribute, bool>,
}

/// Mechanism for RSA keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum RsaKeygen {
    /// The usual one.
    #[serde(rename = "CKM_RSA_PKCS_KEY_PAIR_GEN")]
    Pkcs,
}

/// Mechanism for keys on NIST curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum EcKeygen {
    /// The usual one.
    #[serde(rename = "CKM_EC_KEY_PAIR_GEN")]
    Ec,
}

/// Mechanism for Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum EddsaKeygen {
    /// That of PKCS#11 3.0.
    #[serde(rename = "CKM_EC_EDWARDS_KEY_PAIR_GEN")]
    Edwards,
    /// Devices without one.
    #[serde(rename = "off")]
    Off,
}

/// How `CKA_EC_PARAMS` names Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EddsaParams {
    /// The OID of RFC 8410.
    Oid,
    /// A `PrintableString` "edwards25519".
    Printable,
}

/// A boolean attribute of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[expect(missing_docs, reason = "the names are those of PKCS#11")]
pub enum TemplateAttribute {
    #[serde(rename = "CKA_PRIVATE")]
    Private,
    #[serde(rename = "CKA_SENSITIVE")]
    Sensitive,
    #[serde(rename = "CKA_EXTRACTABLE")]
    Extractable,
    #[serde(rename = "CKA_SIGN")]
    Sign,
    #[serde(rename = "CKA_DECRYPT")]
    Decrypt,
    #[serde(rename = "CKA_UNWRAP")]
    Unwrap,
    #[serde(rename = "CKA_DERIVE")]
    Derive,
    #[serde(rename = "CKA_MODIFIABLE")]
    Modifiable,
    #[serde(rename = "CKA_VERIFY")]
    Verify,
    #[serde(rename = "CKA_ENCRYPT")]
    Encrypt,
    #[serde(rename = "CKA_WRAP")]
    Wrap,
}

/// Names.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Naming {
    /// Where `CKA_ID` comes from.
    pub id: IdRule,
}

/// Where `CKA_ID` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdRule {
    /// Twenty random octets in the template.
    Random20,
}

/// Signing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// RSASSA-PKCS1-v1_5.
    pub rsa_pkcs1: Hashing,
    /// RSASSA-PSS.
    pub rsa_pss: Hashing,
    /// ECDSA.
    pub ecdsa: Hashing,
    /// How ECDSA values are encoded.
    pub ecdsa_sig: EcdsaEncoding,
    /// Ed25519.
    pub eddsa: EddsaSigning,
}

/// Who hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hashing {
    /// This service; the device gets the digest.
    Raw,
    /// The device; it gets the data.
    HashInToken,
    /// The scheme is not used on this device.
    Off,
}

/// Encoding of ECDSA values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EcdsaEncoding {
    /// `r || s` in fixed width.
    Rs,
    /// DER `ECDSA-Sig-Value`.
    X962,
    /// Either; told apart by length and form.
    Auto,
}

/// Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EddsaSigning {
    /// `CKM_EDDSA` over the data.
    Data,
    /// Not on this device.
    Off,
}

/// Certificates on the token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cert {
    /// Whether certificates are written.
    pub store: CertStore,
}

/// Whether certificates are written to the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertStore {
    /// Never.
    Never,
    /// Beside the key, replacing the one before.
    Optional,
}

/// `CKR_…` names (vendors' own as `0x8…`) by what helps. `CKR_PIN_…` never occur: a rejected PIN is not tried again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    /// Another session helps.
    pub session: BTreeSet<String>,
    /// A login helps.
    pub login: BTreeSet<String>,
    /// Finding the object again helps.
    pub handle: BTreeSet<String>,
    /// Only connecting anew helps.
    pub device: BTreeSet<String>,
}

/// Getting a lost device back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// How far one goes.
    pub depth: RecoveryDepth,
    /// Pause after the first failed attempt; it doubles with each one, and is shortened at random.
    #[serde(deserialize_with = "duration")]
    pub back_off: Duration,
    /// The longest pause; a device that is back is found again within it.
    #[serde(deserialize_with = "duration")]
    pub back_off_max: Duration,
    /// After how long a call that does not return is given up, with its thread and its session.
    #[serde(deserialize_with = "duration")]
    pub call_timeout: Duration,
}

/// How far one goes to get a lost device back. Each step begins with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryDepth {
    /// Another session.
    Session,
    /// Slot, login and sessions anew.
    Slot,
    /// `C_Finalize` and `C_Initialize`, then the slot anew. All tokens of the library share it.
    Module,
    /// The library cannot be initialised twice: an operator restarts the service.
    Process,
}

/// What the device is worth.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assurance {
    /// Whether it is a qualified signature/seal creation device (eIDAS, Annex II).
    pub qscd: bool,
    /// Certificates of the device, as its vendor names them.
    pub claims: Vec<String>,
    /// Whether it is for development only.
    pub non_production: bool,
}

/// A profile that cannot be had. `sigillo.toml` must be changed.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is no such profile.
    #[error("there is no profile \"{name}\"; did you mean \"{nearest}\"? Known: {}", known_profiles())]
    Unknown {
        /// The name asked for.
        name: String,
        /// The known one most like it.
        nearest: &'static str,
    },
    /// An override of a field that does not exist.
    #[error("override: the profile has no field \"{path}\"; did you mean \"{nearest}\"?")]
    UnknownField {
        /// The path asked for.
        path: String,
        /// The known one most like it.
        nearest: String,
    },
    /// An override of what an audit relies on.
    #[error("override: \"{0}\" says what the device is worth and cannot be overridden")]
    Assurance(String),
    /// An override with a value that the field cannot have.
    #[error("override: {0}")]
    Value(String),
}

impl TokenProfile {
    /// The profile of this name with `overrides` applied.
    ///
    /// # Errors
    /// [`ProfileError`] when there is none, or an override does not fit.
    pub fn load(name: &str, overrides: &Table) -> Result<Self, ProfileError> {
        let vendor = FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text).ok_or_else(|| {
            let nearest =
                FILES.iter().map(|(known, _)| *known).max_by(|a, b| similarity(name, a, b)).unwrap_or("generic");
            ProfileError::Unknown { name: name.to_owned(), nearest }
        })?;
        let mut merged = read(GENERIC)?;
        merge(&mut merged, read(vendor)?);
        let known = leaves(&merged);
        let mut wanted = Vec::new();
        flatten("", overrides, &known, &mut wanted);
        for (path, value) in &wanted {
            if path.split('.').next() == Some("assurance") {
                return Err(ProfileError::Assurance(path.clone()));
            }
            if !known.contains(path) && !is_template_attribute(path) {
                let nearest =
                    known.iter().filter(|p| !p.starts_with("assurance.")).max_by(|a, b| similarity(path, a, b));
                let nearest = nearest.cloned().unwrap_or_default();
                return Err(ProfileError::UnknownField { path: path.clone(), nearest });
            }
            set(&mut merged, path, value.clone());
            // Each alone, so that the message names the path it belongs to.
            Value::Table(merged.clone())
                .try_into::<Self>()
                .map_err(|error| ProfileError::Value(format!("\"{path}\": {}", error.message())))?;
        }
        let mut profile: Self =
            Value::Table(merged).try_into().map_err(|error| ProfileError::Value(error.to_string()))?;
        profile.overridden = !wanted.is_empty();
        Ok(profile)
    }
}

/// The profiles' names, joined for messages.
fn known_profiles() -> String {
    FILES.map(|(name, _)| name).join(", ")
}

fn read(text: &str) -> Result<Table, ProfileError> {
    text.parse::<Table>().map_err(|error| ProfileError::Value(error.to_string()))
}

fn similarity(to: &str, a: &str, b: &str) -> std::cmp::Ordering {
    strsim::jaro_winkler(to, a).total_cmp(&strsim::jaro_winkler(to, b))
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Dotted paths of everything that is no section.
fn leaves(table: &Table) -> BTreeSet<String> {
    fn walk(prefix: &str, table: &Table, paths: &mut BTreeSet<String>) {
        for (key, value) in table {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                Value::Table(inner) if path != FREE_TABLE => walk(&path, inner, paths),
                _ => {
                    paths.insert(path);
                }
            }
        }
    }
    let mut paths = BTreeSet::new();
    walk("", table, &mut paths);
    paths
}

/// Overrides may be written `"a.b" = 1` or `a.b = 1`; both become the path `a.b`.
fn flatten(prefix: &str, table: &Table, known: &BTreeSet<String>, found: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) if !known.contains(&path) => flatten(&path, inner, known, found),
            _ => found.push((path, value.clone())),
        }
    }
}

/// Templates may gain attributes that the generic ones lack; which exist is checked when the value is read.
fn is_template_attribute(path: &str) -> bool {
    ["keygen.private_template.CKA_", "keygen.public_template.CKA_"].iter().any(|prefix| path.starts_with(prefix))
}

fn set(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        Some((section, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(section) {
                set(inner, rest, value);
            }
        }
        None => {
            table.insert(path.to_owned(), value);
        }
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "\"{text}\" is no duration: write a number and ms, s, m or h, such as \"600s\""
        ))
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3600)?)),
        _ => None,
    }
}

/// The one table whose keys are free, so that it is overridden as a whole.
const FREE_TABLE: &str = "module.env";

const GENERIC: &str = include_str!("profile/generic.toml");

const FILES: [(&str, &str); 2] = [("softhsm", include_str!("profile/softhsm.toml")), ("generic", GENERIC)];

#[cfg(test)]
mod tests {
    use super::*;

    fn load(overrides: &str) -> Result<TokenProfile, String> {
        TokenProfile::load("softhsm", &overrides.parse().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_profile_is_complete_and_says_nothing_unknown() {
        for (name, _) in FILES {
            let profile = TokenProfile::load(name, &Table::new()).unwrap();
            assert!(!profile.overridden, "{name}");
        }
    }

    #[test]
    fn softhsm_is_never_a_qualified_device() {
        let assurance = load("").unwrap().assurance;
        assert!(!assurance.qscd && assurance.non_production);
    }

    #[test]
    fn a_field_is_overridden_by_its_dotted_path_quoted_or_not() {
        for text in ["'session.max' = 3", "session.max = 3", "session = { max = 3 }"] {
            let profile = load(text).unwrap();
            assert_eq!(profile.session.max, 3, "{text}");
            assert!(profile.overridden);
        }
        let template = load("'keygen.private_template.CKA_MODIFIABLE' = false").unwrap().keygen.private_template;
        assert_eq!(template.get(&TemplateAttribute::Modifiable), Some(&false));
        assert_eq!(load("module.env = { A = 'b' }").unwrap().module.env.len(), 1);
    }

    #[test]
    fn an_override_that_cannot_be_is_refused_with_the_way_out() {
        for (text, reason) in [
            ("'assurance.qscd' = true", "cannot be overridden"),
            ("assurance = { non_production = false }", "cannot be overridden"),
            ("'session.maxx' = 3", "did you mean \"session.max\""),
            ("session = 3", "no field \"session\""),
            ("'session.max' = 'many'", "\"session.max\""),
            ("'session.idle_ping' = '10 minutes'", "is no duration"),
            ("'sign.ecdsa' = 'maybe'", "\"sign.ecdsa\""),
            ("'keygen.private_template.CKA_UNKNOWN' = true", "CKA_UNKNOWN"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn an_unknown_profile_is_refused_with_the_nearest_one() {
        let error = TokenProfile::load("softhms", &Table::new()).unwrap_err().to_string();
        assert!(error.contains("did you mean \"softhsm\""), "{error}");
    }
}
