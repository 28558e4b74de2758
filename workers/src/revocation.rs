//! The port to revocation information (RFC 6960 OCSP, RFC 5280 CRL); no network code is here.

pub mod armour;
pub mod crl;
pub mod issuers;
pub mod ocsp;
mod signature;
mod validity;

use std::time::Instant;

use bytes::Bytes;
use cryptotoken_api::Certificate;
use time::OffsetDateTime;
use x509_cert::ext::pkix::CrlReason;

/// Where revocation information and missing issuers come from. Safe to share between threads; every call blocks.
pub trait RevocationSource: Send + Sync {
    /// The certificate that issued this one, by its authority information access; verified to be the issuer.
    ///
    /// # Errors
    /// [`RevocationError`].
    fn issuer(&self, certificate: &Certificate, deadline: Instant) -> Result<Certificate, RevocationError>;

    /// What is known of this certificate's status: signature, responder, freshness of the information are verified.
    ///
    /// `not_before` is the earliest time at which the information may have been made (the time of a timestamp that it must be
    /// younger than); `None`: it need only be current.
    ///
    /// # Errors
    /// [`RevocationError`]. A certificate that is revoked is no error here.
    fn revocation(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        not_before: Option<OffsetDateTime>,
        deadline: Instant,
    ) -> Result<RevocationInfo, RevocationError>;
}

/// Verified revocation information on one certificate.
#[derive(Clone, Debug)]
pub struct RevocationInfo {
    /// What to embed.
    pub evidence: RevocationEvidence,
    /// What it says.
    pub status: RevocationStatus,
    /// When the status was known to be this (`thisUpdate`): what freshness counts from.
    pub this_update: OffsetDateTime,
    /// When it was signed, by its own word: not before `this_update`.
    pub produced_at: OffsetDateTime,
    /// When newer information will be there at the latest (`nextUpdate`); after it, this is stale.
    pub next_update: Option<OffsetDateTime>,
    /// Certificates that sign it and are not above the certificate itself: a delegated responder, an indirect CRL's issuer.
    pub signers: Vec<Certificate>,
}

/// The bytes as received, never encoded anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationEvidence {
    /// An `OCSPResponse`, DER.
    Ocsp(Bytes),
    /// A `CertificateList`, DER.
    Crl(Bytes),
}

/// What the issuer says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationStatus {
    /// Not revoked.
    Good,
    /// Revoked at this time.
    Revoked(OffsetDateTime),
    /// On hold since this time: not to be relied on, and perhaps released later (RFC 5280, section 5.3.1, `certificateHold`).
    OnHold(OffsetDateTime),
}

impl RevocationStatus {
    /// What an entry says. `removeFromCRL` is for delta CRLs, which are not read here; elsewhere it says at most that there was a hold.
    pub(crate) fn of(reason: Option<CrlReason>, since: OffsetDateTime) -> Self {
        match reason {
            Some(CrlReason::CertificateHold | CrlReason::RemoveFromCRL) => Self::OnHold(since),
            _ => Self::Revoked(since),
        }
    }
}

/// Why there is no revocation information that can be relied on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RevocationError {
    /// No source answered. Waiting may help, and only this lets a level degrade.
    #[error("no revocation information on \"{subject}\": {reason}")]
    Unavailable {
        /// Whose certificate.
        subject: String,
        /// What was tried and what happened.
        reason: String,
    },
    /// The responder does not know the certificate, or the certificate names no source.
    #[error("the status of \"{subject}\" is unknown: {reason}")]
    Unknown {
        /// Whose certificate.
        subject: String,
        /// Who says so.
        reason: String,
    },
    /// An answer came and cannot be relied on: wrong signature, wrong responder, stale.
    #[error("the revocation information on \"{subject}\" is not acceptable: {reason}")]
    Invalid {
        /// Whose certificate.
        subject: String,
        /// What is wrong with it.
        reason: String,
    },
}
