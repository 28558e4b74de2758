//! CAdES signatures (EN 319 122-1): CMS SignedData with the document inside or beside it.
//!
//! The pieces that PAdES shares are here too: signed attributes, the CMS structure and its verification. Nothing here
//! knows of PDF.

mod archive;
mod assemble;
pub(crate) mod attributes;
mod augment;
mod check;
mod encapsulate;
mod optional_attributes;
mod prepare;
pub mod properties;
mod rebuild;
pub(crate) mod received;
pub(crate) mod signed_data;
pub mod signer_info;
pub(crate) mod verify;

use serde::Serialize;

use crate::config::{ConfigError, Fields};
use crate::level::SignaturePackaging;
use properties::SignedProperties;

/// Options of `cades`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CadesConfig {
    /// `encapsulated` (default) or `detached`.
    pub packaging: SignaturePackaging,
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
        match fields.take("packaging")?.unwrap_or(SignaturePackaging::Encapsulated) {
            packaging @ (SignaturePackaging::Encapsulated | SignaturePackaging::Detached) => Ok(Self {
                packaging,
                content_timestamp: fields.take("content_timestamp")?.unwrap_or_default(),
                properties: SignedProperties::parse(fields)?,
            }),
            _ => Err(ConfigError::Value {
                key: "packaging",
                reason: "a cades worker packages \"encapsulated\" or \"detached\"".into(),
            }),
        }
    }
}
