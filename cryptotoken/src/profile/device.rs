//! Sections of a profile about the library and the device behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::profile::layers::duration;

/// Whether a device can do something, as far as anybody said so who had one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Support {
    /// It can.
    Yes,
    /// It cannot.
    No,
    /// Nobody said. What the device answers decides.
    Unknown,
}

impl Support {
    /// The name in profiles and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
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
    /// Variables that must be set, to whatever value.
    pub env_required: BTreeSet<String>,
    /// Variables whose value is the path of the library's configuration; named where a token is not found.
    pub configured_by: BTreeSet<String>,
    /// What else must be installed or running, said where the library cannot be loaded.
    pub requires: Vec<String>,
    /// A text that `C_Initialize` is given in `pReserved`; empty: a null pointer, as PKCS#11 wants it. NSS reads there, as its
    /// `LibraryParameters`, where its database is.
    pub init_args: String,
}

/// Slots.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// How often `C_GetTokenInfo` is asked before a slot counts as unreadable.
    pub retry: u32,
    /// Which ways to name a slot go on meaning the same one.
    pub stable: BTreeSet<SlotName>,
}

/// A way to name a slot, a key of `slot` in `sigillo.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotName {
    /// `CK_TOKEN_INFO.label`.
    Label,
    /// `CK_TOKEN_INFO.serialNumber`.
    Serial,
    /// The number.
    Id,
    /// The position in the list.
    Index,
}

impl SlotName {
    /// The key in `sigillo.toml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Serial => "serial",
            Self::Id => "id",
            Self::Index => "index",
        }
    }
}

/// Login.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Who logs in.
    pub mode: LoginMode,
    /// Whether `CKR_USER_ALREADY_LOGGED_IN` is success.
    pub already_logged_in_ok: bool,
    /// What is to be typed as PIN, for the prompt.
    pub pin: String,
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
    /// Whether a key that another process makes is found by a library that runs already.
    pub sees_later_keys: Support,
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

/// What is done about a lost device, and how patiently.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// What must be begun anew.
    pub depth: RecoveryDepth,
    /// The pause after the first failure; it doubles with each further one.
    #[serde(deserialize_with = "duration")]
    pub first_pause: Duration,
    /// The longest pause.
    #[serde(deserialize_with = "duration")]
    pub longest_pause: Duration,
    /// How long a call into the library may take before it counts as hung.
    #[serde(deserialize_with = "duration")]
    pub call_timeout: Duration,
}

/// What must be begun anew after the loss of a device, each including the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryDepth {
    /// Sessions and login; the library finds its device by itself.
    Session,
    /// The slot, too: it may have another number.
    Slot,
    /// The library: `C_Finalize` and `C_Initialize`.
    Module,
    /// The process: the library does not take a device back that it lost.
    Process,
}

/// Who survives the loss of one machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ha {
    /// Who.
    pub kind: HaKind,
    /// How, for operators.
    pub note: String,
}

/// Who survives the loss of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HaKind {
    /// Nobody below this service.
    None,
    /// The vendor's library, by its own configuration.
    Library,
    /// The device: what the library sees as one is several.
    Device,
    /// Nobody said.
    Unknown,
}

impl HaKind {
    /// The name in profiles and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Library => "library",
            Self::Device => "device",
            Self::Unknown => "unknown",
        }
    }
}

/// Authorisation of single keys (EN 419 221-5).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAuthorization {
    /// How.
    pub kind: KeyAuthorizationKind,
    /// What an authorisation is good for.
    pub scope: AuthorizationScope,
    /// What ends it.
    pub lost_on: BTreeSet<AuthorizationLoss>,
    /// Vendor's mechanism that initialises a key with its authorisation key; 0: not known.
    pub initialize_mechanism: u64,
    /// Vendor's mechanism that authorises a key; 0: not known.
    pub authorize_mechanism: u64,
    /// Vendor's mechanism that changes the authorisation key; 0: not known, so that it is refused.
    pub change_mechanism: u64,
    /// The number of operations that means "without limit"; 0: not known.
    pub unlimited_count: u64,
    /// Vendor's number of [`AuthorizationProtocol::RsaPssSha256`](cryptotoken_api::AuthorizationProtocol); 0: not known.
    pub pss_protocol: u8,
    /// Vendor's number of [`AuthorizationProtocol::RsaPkcs1Sha256`](cryptotoken_api::AuthorizationProtocol); 0: not known.
    pub pkcs1_protocol: u8,
    /// Whether a zero octet stands before the modulus of a KAK, as before a signed number.
    pub leading_zero: bool,
    /// What a key says about its authorisation in `C_Sign`, `CKR_…` or `0x8…`; empty: not known.
    pub unauthorized_errors: BTreeSet<String>,
    /// Which of these fields nobody has compared with the vendor's header; each use of one warns.
    pub unverified: BTreeSet<String>,
}

/// How keys are authorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAuthorizationKind {
    /// Not at all, or not so that PKCS#11 shows it.
    None,
    /// By a signature of the key authorisation key (KAK) over a challenge: `CP5_KeyAuthorizationInit`, `CP5_KeyAuthorization`.
    UtimacoCp5,
    /// By authorisation data for each session: `CA_AuthorizeKey`.
    LunaPka,
    /// By the login or a preloaded logical token, with an end in time or number of uses.
    NshieldExternal,
}

impl KeyAuthorizationKind {
    /// The name in profiles and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::UtimacoCp5 => "utimaco-cp5",
            Self::LunaPka => "luna-pka",
            Self::NshieldExternal => "nshield-external",
        }
    }
}

/// What an authorisation is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorizationScope {
    /// The key, in whatever session.
    Key,
    /// The key in one session.
    Session,
}

/// What ends an authorisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorizationLoss {
    /// The device starts anew.
    DeviceRestart,
    /// The number of uses is reached.
    UseCount,
    /// The time is over.
    Timeout,
    /// `C_Logout`.
    Logout,
    /// A new session does not have it.
    NewSession,
    /// The authorisation data was changed.
    DataChange,
}

/// What the device says of itself. Each list holds patterns of which one must match, `*` for any text, whatever the case; an empty list
/// asks nothing. Where all are empty nobody knows what to expect. Never overridden.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityPatterns {
    /// `CK_INFO.manufacturerID`.
    pub library_manufacturer: Vec<String>,
    /// `CK_INFO.libraryDescription`.
    pub library_description: Vec<String>,
    /// `CK_TOKEN_INFO.manufacturerID`.
    pub token_manufacturer: Vec<String>,
    /// `CK_TOKEN_INFO.model`.
    pub token_model: Vec<String>,
    /// Functions beside those of PKCS#11 that the library exports, all of them.
    pub exports: Vec<String>,
}

/// What the device is worth; never overridden.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assurance {
    /// Whether it is a qualified signature/seal creation device (eIDAS, Annex II).
    pub qscd: bool,
    /// Whether the device tells assigned keys (EN 419 221-5) from others, so that a qualified seal needs one.
    pub assigned_keys: bool,
    /// Certificates of the device, as its vendor names them.
    pub claims: Vec<String>,
    /// Whether it is for development only.
    pub non_production: bool,
}

/// What a measurement must find, beside kinds of keys and algorithms.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// A certificate can be written beside its key.
    pub certificates: Support,
    /// A second key with the same `CKA_ID` is refused by the device.
    pub duplicate_ids_refused: Support,
    /// `CKA_LABEL` of a key can be changed.
    pub attribute_change: Support,
    /// The public half of a pair may be a session object.
    pub session_objects: Support,
}
