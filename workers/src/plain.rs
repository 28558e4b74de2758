//! Plain signatures: the signature value over the caller's bytes, or over a digest the caller computed.
//!
//! The caller chooses what is signed, so such a key can be made to sign anything, an AdES structure included. That is why
//! plain workers use credentials of purpose `blind` only (see `policy`).

mod check;
mod prepare;

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Fields};

/// Options of `plain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlainConfig {
    /// How ECDSA signatures are encoded. Default `der`.
    pub ecdsa_encoding: EcdsaEncoding,
    /// Whether callers may send digests to `sign-digest`. Default `false`.
    pub allow_client_hash: bool,
}

/// Encoding of an ECDSA signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EcdsaEncoding {
    /// `ECDSA-Sig-Value` (RFC 3279, section 2.2.3), which OpenSSL and Java verify.
    #[default]
    Der,
    /// `r || s` in fixed width, which JWS and XML Signature use.
    Fixed,
}

impl PlainConfig {
    pub(crate) const KEYS: &'static [&'static str] = &["ecdsa_encoding", "allow_client_hash"];

    pub(crate) fn parse(fields: &mut Fields) -> Result<Self, ConfigError> {
        Ok(Self {
            ecdsa_encoding: fields.take("ecdsa_encoding")?.unwrap_or_default(),
            allow_client_hash: fields.take("allow_client_hash")?.unwrap_or_default(),
        })
    }
}
