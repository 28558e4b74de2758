//! CAdES signatures (EN 319 122-1): CMS SignedData with the document inside or beside it.
//!
//! The pieces that PAdES shares are here too: signed attributes, the CMS structure and its verification. Nothing here
//! knows of PDF.

mod archive;
mod assemble;
pub(crate) mod attributes;
pub(crate) mod augment;
mod check;
mod encapsulate;
mod joining;
mod optional_attributes;
mod prepare;
pub mod properties;
mod rebuild;
pub(crate) mod received;
pub(crate) mod signed_data;
pub mod signer_info;
pub(crate) mod verify;

use cms::signed_data::SignedAttributes;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Fields};
use crate::level::SignaturePackaging;
use properties::SignedProperties;

/// What a `cades` worker signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CadesMode {
    /// Whatever is sent, whatever it is.
    #[default]
    Sign,
    /// The content of a CMS signature, as one more signer of it.
    CoSign,
    /// The value of the one signer of a CMS signature.
    CounterSign,
}

impl CadesMode {
    fn is_default(&self) -> bool {
        *self == Self::Sign
    }
}

/// Options of `cades`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CadesConfig {
    /// `encapsulated` (default) or `detached`.
    pub packaging: SignaturePackaging,
    /// What is signed: a document (default), or a signature that is there.
    #[serde(skip_serializing_if = "CadesMode::is_default")]
    pub mode: CadesMode,
    /// Whether a timestamp over the content is asked for before it is signed, and signed with it. Needs level B-T or above.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub content_timestamp: bool,
    /// What the signer says beside the signature.
    #[serde(flatten)]
    pub properties: SignedProperties,
}

impl CadesConfig {
    pub(crate) const KEYS: &'static [&'static str] = &[
        "packaging",
        "mode",
        "content_timestamp",
        "commitment_type",
        "signer_location",
        "claimed_roles",
        "signature_policy",
        "content_hints",
        "mime_type",
    ];

    /// What `caller_may_set` may name.
    pub(crate) const SETTABLE: &'static [&'static str] = SignedProperties::KEYS;

    pub(crate) fn parse(fields: &mut Fields) -> Result<Self, ConfigError> {
        let config = match fields.take("packaging")?.unwrap_or(SignaturePackaging::Encapsulated) {
            packaging @ (SignaturePackaging::Encapsulated | SignaturePackaging::Detached) => Ok(Self {
                packaging,
                mode: fields.take("mode")?.unwrap_or_default(),
                content_timestamp: fields.take("content_timestamp")?.unwrap_or_default(),
                properties: SignedProperties::parse(fields)?,
            }),
            _ => Err(ConfigError::Value {
                key: "packaging",
                reason: "a cades worker packages \"encapsulated\" or \"detached\"".into(),
            }),
        }?;
        config.check_mode()?;
        Ok(config)
    }

    // What has no sense there would be ignored, and nobody may believe to have it.
    fn check_mode(&self) -> Result<(), ConfigError> {
        let refuse = |key, reason: &str| Err(ConfigError::Value { key, reason: reason.to_owned() });
        match self.mode {
            CadesMode::Sign => Ok(()),
            _ if self.packaging == SignaturePackaging::Detached => {
                refuse("packaging", "a signature that is joined stays as it is; remove the key")
            }
            _ if self.content_timestamp => refuse("content_timestamp", "only mode \"sign\" stamps the content"),
            CadesMode::CounterSign if self.properties.describes_content() => {
                refuse("mode", "a counter-signature signs no content; remove content_hints and mime_type")
            }
            _ => Ok(()),
        }
    }
}
