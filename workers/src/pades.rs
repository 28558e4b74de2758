//! PAdES signatures (EN 319 142-1): a CMS in a signature field of a PDF, added by an incremental update.
//!
//! The bytes of the document stay as they are; the update adds a signature dictionary, a field, and what leads to it.
//! Where its cross-reference data is damaged, the update says anew where every object is. Whatever would make a reader reject or
//! repair the result is refused in `prepare`. The CMS is built in [`crate::cades`],
//! which knows nothing of PDF.

mod appearance;
mod appearances;
mod assemble;
mod augment;
mod byte_range;
mod check;
mod cross_reference;
mod edits;
mod field_lock;
mod fields;
mod file;
mod incremental_update;
mod layout;
mod octets;
mod pages;
mod permissions;
mod prepare;
mod preview;
pub mod refusal;
mod scan;
mod security_store;
mod seed_values;
mod signature_dictionary;
mod signatures;
mod stream;
mod syntax;

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Fields};
pub use appearance::AppearanceConfig;
pub use field_lock::LockedFields;

/// Options of `pades`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PadesConfig {
    /// Why the document is sealed (`/Reason`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where it is sealed (`/Location`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Full name of the signature field: an empty one of the document, else a new one. Default: a new one with the first
    /// free name of `Signature1`, `Signature2`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How the seal looks on the page. Default: it is not seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appearance: Option<AppearanceConfig>,
    /// Makes the seal a certification with this DocMDP level; only on documents that are not signed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certification: Option<Certification>,
    /// Form fields that may not change once the seal is there. A field of the document that says what it locks must say the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockedFields>,
}

/// What a certified document still allows (DocMDP, ISO 32000-2, table 257), spelt 1, 2 and 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Certification {
    /// Nothing.
    NoChanges,
    /// Filling in forms, and signing.
    FormFilling,
    /// Annotations too.
    Annotations,
}

impl Certification {
    /// The number in the file.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::NoChanges => 1,
            Self::FormFilling => 2,
            Self::Annotations => 3,
        }
    }
}

impl From<Certification> for u8 {
    fn from(certification: Certification) -> Self {
        certification.level()
    }
}

impl TryFrom<u8> for Certification {
    type Error = &'static str;

    fn try_from(level: u8) -> Result<Self, Self::Error> {
        match level {
            1 => Ok(Self::NoChanges),
            2 => Ok(Self::FormFilling),
            3 => Ok(Self::Annotations),
            _ => Err("a certification is 1 (no changes), 2 (form filling) or 3 (annotations too)"),
        }
    }
}

impl PadesConfig {
    pub(crate) const KEYS: &'static [&'static str] =
        &["reason", "location", "field", "appearance", "certification", "lock"];

    /// What `caller_may_set` may name.
    pub(crate) const SETTABLE: &'static [&'static str] = &["reason", "location", "field", "appearance"];

    pub(crate) fn parse(fields: &mut Fields) -> Result<Self, ConfigError> {
        let appearance = fields.take("appearance")?.map(AppearanceConfig::parse).transpose()?;
        let mut text = |key| match fields.take::<String>(key)? {
            Some(text) => match refuse_text(&text) {
                None => Ok(Some(text)),
                Some(reason) => Err(ConfigError::Value { key, reason: reason.to_owned() }),
            },
            None => Ok(None),
        };
        Ok(Self {
            reason: text("reason")?,
            location: text("location")?,
            field: text("field")?,
            appearance,
            certification: fields.take("certification")?,
            lock: Self::parse_lock(fields)?,
        })
    }

    fn parse_lock(fields: &mut Fields) -> Result<Option<LockedFields>, ConfigError> {
        let lock = fields.take::<LockedFields>("lock")?;
        let refused = |reason: &str| Err(ConfigError::Value { key: "lock", reason: reason.to_owned() });
        match &lock {
            Some(LockedFields::Include(names) | LockedFields::Exclude(names)) if names.is_empty() => {
                refused("it names no field; leave it out to lock none, or say \"all\"")
            }
            Some(lock) => match lock.names().iter().find_map(|name| refuse_text(name)) {
                Some(reason) => refused(&format!("a name is unfit: {reason}")),
                None => Ok(Some(lock.clone())),
            },
            None => Ok(None),
        }
    }
}

/// Why a text cannot go into a signature dictionary or a field name.
fn refuse_text(text: &str) -> Option<&'static str> {
    if text.is_empty() || text.chars().count() > MAX_TEXT {
        Some("it must have 1 to 500 characters")
    } else if text.chars().any(char::is_control) {
        Some("it must not contain control characters")
    } else {
        None
    }
}

const MAX_TEXT: usize = 500;
