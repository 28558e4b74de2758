//! How a signature is written where a national profile or an old verifier wants something else than the default.

use cryptotoken_api::DigestAlgorithm;
use serde::{Deserialize, Serialize};

use super::canonicalization::{Algorithm, EXCLUSIVE, Method};
use super::reader::is_ncname;
use crate::config::{ConfigError, Fields};
use crate::create::SignatureContext;

/// The switches. The default is what EN 319 132-1 asks of a baseline signature, and what stands any surroundings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SignatureForm {
    /// `v2` (default): `SigningCertificateV2`; `v1`: `SigningCertificate` of XAdES 1.3.2.
    #[serde(skip_serializing_if = "is_default")]
    pub signing_certificate: CertificateReference,
    /// Order of the issuer's name in `SigningCertificate` (v1 only): `rfc4514` (default), the most specific part first, or
    /// `as-issued`, as in the certificate.
    #[serde(skip_serializing_if = "is_default")]
    pub issuer_name: IssuerName,
    /// Certificates in `ds:KeyInfo`: `chain` (default), without the root, or `leaf`.
    #[serde(skip_serializing_if = "is_default")]
    pub key_info: KeyInfo,
    /// Whether `ds:KeyInfo` is signed too.
    #[serde(skip_serializing_if = "is_default")]
    pub sign_key_info: bool,
    /// What identifiers begin with; default `sigillo-`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_prefix: Option<String>,
    /// `exclusive` (default), `inclusive` or `inclusive-1.1`: of `ds:SignedInfo`, and of every reference that is to XML.
    #[serde(skip_serializing_if = "is_default")]
    pub canonicalization: Canonicalization,
    /// Digest of the references; default: that of the signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_digest: Option<DigestAlgorithm>,
}

/// Which property names the signing certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateReference {
    /// `SigningCertificate`, with the issuer's name as text.
    V1,
    /// `SigningCertificateV2`.
    #[default]
    V2,
}

/// In which order a name is written as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IssuerName {
    /// The most specific part first (RFC 4514, section 2.1).
    #[default]
    #[serde(rename = "rfc4514")]
    Rfc4514,
    /// As in the certificate.
    #[serde(rename = "as-issued")]
    AsIssued,
}

/// Which certificates are in `ds:KeyInfo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyInfo {
    /// The signing certificate and those of its authorities, without the root.
    #[default]
    Chain,
    /// The signing certificate.
    Leaf,
}

/// The canonicalization algorithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Canonicalization {
    /// Exclusive XML Canonicalization 1.0.
    #[default]
    #[serde(rename = "exclusive")]
    Exclusive,
    /// Canonical XML 1.0.
    #[serde(rename = "inclusive")]
    Inclusive,
    /// Canonical XML 1.1.
    #[serde(rename = "inclusive-1.1")]
    Inclusive11,
}

impl SignatureForm {
    pub(super) fn parse(fields: &mut Fields) -> Result<Self, ConfigError> {
        let form = Self {
            signing_certificate: fields.take("signing_certificate")?.unwrap_or_default(),
            issuer_name: fields.take("issuer_name")?.unwrap_or_default(),
            key_info: fields.take("key_info")?.unwrap_or_default(),
            sign_key_info: fields.take("sign_key_info")?.unwrap_or_default(),
            id_prefix: fields.take("id_prefix")?,
            canonicalization: fields.take("canonicalization")?.unwrap_or_default(),
            reference_digest: fields.take("reference_digest")?,
        };
        let refuse = |key, reason: &str| Err(ConfigError::Value { key, reason: reason.to_owned() });
        if form.issuer_name != IssuerName::default() && form.signing_certificate == CertificateReference::V2 {
            return refuse("issuer_name", "only signing_certificate \"v1\" has a name as text; remove the key");
        }
        let is_plain = |prefix: &String| prefix.is_ascii() && prefix.len() <= 64 && is_ncname(prefix);
        if form.id_prefix.as_ref().is_some_and(|prefix| !is_plain(prefix)) {
            return refuse(
                "id_prefix",
                "it must begin with a letter or \"_\", and go on with these, digits, \".\" and \"-\"",
            );
        }
        Ok(form)
    }

    /// The identifier of the signature, which nobody else has: 122 random bits.
    pub(super) fn id(&self, context: &SignatureContext<'_>) -> String {
        format!("{}{}", self.id_prefix.as_deref().unwrap_or("sigillo-"), context.id.simple())
    }

    /// How references and `ds:SignedInfo` are written.
    pub(super) fn method(&self) -> Method {
        match self.canonicalization {
            Canonicalization::Exclusive => EXCLUSIVE.clone(),
            Canonicalization::Inclusive => Method::INCLUSIVE,
            Canonicalization::Inclusive11 => Method { algorithm: Algorithm::Inclusive11, comments: false },
        }
    }

    /// The digest of references and of the certificate.
    pub(super) fn digest(&self, context: &SignatureContext<'_>) -> DigestAlgorithm {
        self.reference_digest.unwrap_or_else(|| context.algorithm.digest())
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
