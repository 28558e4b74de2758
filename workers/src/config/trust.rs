//! Keys `trust_anchors`, `revocation_freshness` and `status_max_age`: whom a worker trusts, and how fresh knowledge must be.
//!
//! Decision of 2026-11-21: anchors stand in the definition as PEM and not in a file of each node, so that all nodes judge alike
//! and the version of the definition that the audit names says which anchors held. Rejected: names of files or of sections of
//! `sigillo.toml`, which may differ between nodes.

use std::time::Duration;

use cryptotoken_api::Certificate;
use cryptotoken_api::certificate::read_bundle;
use serde::{Deserialize, Serialize};

use super::duration;

/// Certificates that are trusted without a path, as PEM in the definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct TrustAnchors {
    // As written, so that what is stored is what was applied.
    pem: Vec<String>,
    certificates: Vec<Certificate>,
}

impl TrustAnchors {
    /// The anchors, in the order of the definition.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }
}

impl TryFrom<Vec<String>> for TrustAnchors {
    type Error = String;

    fn try_from(pem: Vec<String>) -> Result<Self, String> {
        let mut certificates = Vec::new();
        for text in &pem {
            let read = read_bundle(text.as_bytes()).map_err(|error| {
                format!("{error}; write the certificates themselves, as PEM: \"\"\"-----BEGIN CERTIFICATE-----…\"\"\"")
            })?;
            certificates.extend(read);
        }
        if certificates.is_empty() {
            return Err("the list is empty; write at least one certificate as PEM, or remove the key".into());
        }
        Ok(Self { pem, certificates })
    }
}

impl From<TrustAnchors> for Vec<String> {
    fn from(anchors: TrustAnchors) -> Self {
        anchors.pem
    }
}

/// How fresh the revocation information on the signer's certificate must be that goes into a signature. That on certificates of
/// authorities is published too seldom to be held to it: it must only be current, and not beyond its `nextUpdate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RevocationFreshness {
    /// Made after the time of the signature timestamp and this grace period (EN 319 102-1, clause 5.5.4): the service waits for
    /// it to pass, within the time a request has. Spelt `after-signature`, with a grace period `after-signature:5s`.
    AfterSignature(Duration),
    /// Not older than this at the time of signing; an answer is used again until then. Spelt `max-age:12h`.
    MaxAge(Duration),
}

impl Default for RevocationFreshness {
    fn default() -> Self {
        Self::AfterSignature(Duration::ZERO)
    }
}

impl TryFrom<String> for RevocationFreshness {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (policy, span) = text.split_once(':').map_or((text.as_str(), None), |(policy, span)| (policy, Some(span)));
        let span = span.map(duration::parse);
        match (policy, span) {
            ("after-signature", None) => Ok(Self::default()),
            ("after-signature", Some(Some(grace))) => Ok(Self::AfterSignature(grace)),
            ("max-age", Some(Some(age))) if !age.is_zero() => Ok(Self::MaxAge(age)),
            _ => Err(format!(
                "\"{text}\" is no freshness; write \"after-signature\", \"after-signature:5s\" or \"max-age:12h\""
            )),
        }
    }
}

impl From<RevocationFreshness> for String {
    fn from(freshness: RevocationFreshness) -> Self {
        match freshness {
            RevocationFreshness::AfterSignature(Duration::ZERO) => "after-signature".into(),
            RevocationFreshness::AfterSignature(grace) => format!("after-signature:{}", duration::text(grace)),
            RevocationFreshness::MaxAge(age) => format!("max-age:{}", duration::text(age)),
        }
    }
}

/// How long the status of the credential's own certificate may be known before it is asked for again; `off`: never asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct StatusMaxAge(pub(super) Option<Duration>);

impl StatusMaxAge {
    /// Where there are anchors to judge answers by.
    pub(super) const DEFAULT: Duration = Duration::from_secs(12 * 3600);
}

impl TryFrom<String> for StatusMaxAge {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match (text.as_str(), duration::parse(&text)) {
            ("off", _) => Ok(Self(None)),
            (_, Some(age)) if !age.is_zero() => Ok(Self(Some(age))),
            _ => Err(format!("\"{text}\" is no time span; write one such as \"12h\" or \"30m\", or \"off\"")),
        }
    }
}

impl From<StatusMaxAge> for String {
    fn from(StatusMaxAge(age): StatusMaxAge) -> Self {
        age.map_or_else(|| "off".into(), duration::text)
    }
}
