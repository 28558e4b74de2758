//! A credential: one name for key and certificate, with the purpose that keeps protocols apart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateChain;
use crate::key::{KeyAlias, KeyId};

/// Where a key is: a token of `sigillo.toml`, and the object on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyLocation {
    /// Name of the token.
    pub token: String,
    /// `CKA_LABEL`.
    pub alias: KeyAlias,
    /// `CKA_ID`.
    pub id: KeyId,
}

/// What a credential's key may sign. A blind signature over chosen bytes can forge an AdES signature of the same key,
/// so a worker whose kind does not fit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// AdES signatures of documents: cades, pades, xades.
    Document,
    /// Bytes or digests chosen by the caller: plain, CSC `signHash`.
    Blind,
    /// RFC 3161 timestamps.
    Timestamp,
}

impl Purpose {
    /// The name on the command line and in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Blind => "blind",
            Self::Timestamp => "timestamp",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Purpose {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Document, Self::Blind, Self::Timestamp]
            .into_iter()
            .find(|p| p.name() == name)
            .ok_or_else(|| UnknownName(name.to_owned()))
    }
}

/// A word that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown name \"{0}\"")]
pub struct UnknownName(pub String);

/// The life of a credential. Only `Active` signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialState {
    /// The device wants the key authorised first.
    AwaitingAuthorization,
    /// There is a key and no certificate yet.
    AwaitingCertificate,
    /// The certificate is not valid yet.
    Scheduled,
    /// Signs.
    Active,
    /// Put aside by an operator; `credential activate` takes it back.
    Suspended,
    /// Switched off by an operator.
    Disabled,
    /// The certificate was revoked.
    Revoked,
    /// The certificate is past its end.
    Expired,
    /// Replaced or its key destroyed.
    Retired,
}

impl CredentialState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::AwaitingAuthorization,
        Self::AwaitingCertificate,
        Self::Scheduled,
        Self::Active,
        Self::Suspended,
        Self::Disabled,
        Self::Revoked,
        Self::Expired,
        Self::Retired,
    ];

    /// The name on the command line and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AwaitingAuthorization => "awaiting-authorization",
            Self::AwaitingCertificate => "awaiting-certificate",
            Self::Scheduled => "scheduled",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for CredentialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CredentialState {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.name() == name).ok_or_else(|| UnknownName(name.to_owned()))
    }
}

/// A credential that can sign: it has a certificate. What a worker sees of it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its name.
    pub name: String,
    /// What its key may sign.
    pub purpose: Purpose,
    /// Its state now.
    pub state: CredentialState,
    /// Certificates, leaf first.
    pub chain: CertificateChain,
}
