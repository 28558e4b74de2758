//! CAdES signatures (EN 319 122-1): CMS SignedData with the document inside or beside it.
//!
//! The pieces that PAdES shares are here too: signed attributes, the CMS structure and its verification. Nothing here
//! knows of PDF.

mod archive;
mod assemble;
pub(crate) mod attributes;
pub(crate) mod augment;
mod check;
mod prepare;
mod rebuild;
pub(crate) mod received;
pub(crate) mod signed_data;
pub mod signer_info;
pub(crate) mod verify;

use serde::Serialize;

use crate::config::{ConfigError, Fields};
use crate::level::SignaturePackaging;

/// Options of `cades`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CadesConfig {
    /// `encapsulated` (default) or `detached`.
    pub packaging: SignaturePackaging,
}

impl CadesConfig {
    pub(crate) const KEYS: &'static [&'static str] = &["packaging"];

    pub(crate) fn parse(fields: &mut Fields) -> Result<Self, ConfigError> {
        match fields.take("packaging")?.unwrap_or(SignaturePackaging::Encapsulated) {
            packaging @ (SignaturePackaging::Encapsulated | SignaturePackaging::Detached) => Ok(Self { packaging }),
            _ => Err(ConfigError::Value {
                key: "packaging",
                reason: "a cades worker packages \"encapsulated\" or \"detached\"".into(),
            }),
        }
    }
}
