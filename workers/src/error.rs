//! Why a worker produced no signed document, grouped by who must act.

use cryptotoken_api::verification::VerificationError;
use cryptotoken_api::{CredentialState, Purpose, SignerError, rfc3339};
use time::OffsetDateTime;

use crate::augmentation::AugmentationFault;
use crate::files::FilesFault;
use crate::kind::WorkerKind;
use crate::level::SignatureLevel;
use crate::pades::refusal::PdfRefusal;
use crate::revocation::RevocationError;
use crate::timestamp::TimestampError;
use crate::tsa::refusal::TimestampRefusal;
use crate::validation_data::{SubjectRole, ValidationDataError};
use crate::xades::XmlError;

/// Why a worker produced no signed document. All but [`Self::Signer`], [`Self::Withheld`],
/// [`Self::Timestamp`] and [`Self::ValidationData`] come before the key is used.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    // The caller must send something else.
    /// A digest was sent to a worker that needs the document.
    #[error("this worker needs the document, not its digest; send it to …/sign")]
    DigestOnly,
    /// A document too big for memory was given to a format that needs it there.
    #[error("this worker cannot sign a document of this size; send a smaller one")]
    NotInMemory,
    /// A digest of the wrong algorithm was sent.
    #[error("this worker signs {expected} digests, a {given} digest was sent")]
    DigestAlgorithm {
        /// What was sent.
        given: cryptotoken_api::DigestAlgorithm,
        /// What the worker signs.
        expected: cryptotoken_api::DigestAlgorithm,
    },
    /// The worker does not take digests.
    #[error("this worker does not sign digests: {reason}")]
    DigestNotAllowed {
        /// What in its definition says so.
        reason: &'static str,
    },
    /// The document is of another kind than the worker signs.
    #[error("this worker signs {expected}, the document is declared as {declared}")]
    MediaType {
        /// What the caller declared.
        declared: String,
        /// What is signed here.
        expected: &'static str,
    },
    /// There is nothing to see of such a signature.
    #[error("a {kind} worker makes nothing that could be shown; only the seals of pades workers can be seen")]
    NoPreview {
        /// Kind of the worker.
        kind: WorkerKind,
    },
    /// The document is no PDF that can be sealed.
    #[error(transparent)]
    Pdf(#[from] PdfRefusal),
    /// The document is not XML that can be signed; the source says what is wrong and where.
    #[error("the XML document cannot be signed: {0}")]
    Xml(#[from] XmlError),
    /// Several files that cannot be signed together, or by this worker.
    #[error(transparent)]
    Files(#[from] FilesFault),
    /// The signature cannot be brought to a higher level.
    #[error(transparent)]
    Augmentation(#[from] AugmentationFault),
    /// A parameter is not open to callers, unknown, or of the wrong form.
    #[error("parameter \"{name}\" is not acceptable: {reason}")]
    Parameter {
        /// Its name.
        name: String,
        /// Why, and what to do.
        reason: String,
    },

    /// The request for a timestamp is not acceptable, or no timestamps are made now.
    #[error(transparent)]
    NoTimestamp(#[from] TimestampRefusal),

    // The operator must act.
    /// The credential is not active.
    #[error("credential \"{name}\" is {state}")]
    CredentialNotActive {
        /// Its name.
        name: String,
        /// Its state.
        state: CredentialState,
    },
    /// The certificate is past its end; renew it.
    #[error("the certificate of credential \"{name}\" expired on {}", rfc3339(*not_after))]
    CertificateExpired {
        /// Name of the credential.
        name: String,
        /// The last moment of validity.
        not_after: OffsetDateTime,
    },
    /// The certificate is not valid yet; wait or correct the clock.
    #[error("the certificate of credential \"{name}\" is not valid before {}", rfc3339(*not_before))]
    CertificateNotYetValid {
        /// Name of the credential.
        name: String,
        /// The first moment of validity.
        not_before: OffsetDateTime,
    },
    /// The certificate does not allow this kind of signature.
    #[error("the key usage of credential \"{name}\" allows neither nonRepudiation nor digitalSignature")]
    KeyUsage {
        /// Name of the credential.
        name: String,
    },
    /// The certificate is none of a time-stamping unit.
    #[error("the certificate of credential \"{name}\" is none of a time-stamping authority: {reason}")]
    NotTimestamping {
        /// Name of the credential.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The certificate is valid, and its key may not be used any more, or not yet.
    #[error("the key of credential \"{name}\" may not be used now: its certificate's privateKeyUsagePeriod says so")]
    KeyUsagePeriod {
        /// Name of the credential.
        name: String,
    },
    /// The worker's kind does not fit the credential's purpose.
    #[error("a {kind} worker cannot use credential \"{name}\" of purpose {purpose}; it needs purpose {needed}")]
    Purpose {
        /// Kind of the worker.
        kind: WorkerKind,
        /// Name of the credential.
        name: String,
        /// Its purpose.
        purpose: Purpose,
        /// What the kind needs.
        needed: Purpose,
    },
    /// The format has no signatures of this algorithm; use a credential with another key.
    #[error("a {kind} worker cannot sign with {algorithm}")]
    Algorithm {
        /// Kind of the worker.
        kind: WorkerKind,
        /// What the credential's key signs with.
        algorithm: cryptotoken_api::SignatureAlgorithm,
    },

    /// There is no network here, or no source is set up, and the level needs one.
    #[error("level {level} needs timestamps and revocation information, and there is no source of them here")]
    NoServices {
        /// The level.
        level: SignatureLevel,
    },

    // The token failed.
    /// The crypto token made no signature; the source says whether waiting helps.
    #[error("the crypto token did not sign")]
    Signer(#[from] SignerError),

    // A service of others failed.
    /// There is no timestamp; the source says whether waiting helps.
    #[error(transparent)]
    Timestamp(#[from] TimestampError),
    /// What a verifier needs in the long term is not complete; the source says whether waiting helps.
    #[error(transparent)]
    ValidationData(#[from] ValidationDataError),

    // We are at fault, or the device is.
    /// A signature was made and is not released, because a check of it failed.
    #[error("the signature was made and withheld: {0}")]
    Withheld(#[source] Discrepancy),
    /// The random number generator failed.
    #[error("there are no random numbers")]
    Randomness(#[from] openssl::error::ErrorStack),
    /// A document that is not in memory could not be read back; the disk is at fault.
    #[error("the document cannot be read from the spool folder")]
    Spool(#[from] std::io::Error),
    /// The structure to be signed could not be encoded: a bug.
    #[error("the signature structure could not be encoded")]
    Encoding(#[from] der::Error),
}

/// What was found wrong with a signature after it was made.
#[derive(Debug, thiserror::Error)]
pub enum Discrepancy {
    /// The value does not verify with the certificate's key.
    #[error("the signature value does not verify")]
    Signature(#[from] VerificationError),
    /// The value is in no known encoding.
    #[error("the signature value is malformed")]
    Malformed(#[from] cryptotoken_api::signature_value::MalformedSignature),
    /// A digest over the final bytes is not the one that was signed.
    #[error("the digest of {0} over the final bytes is not the one signed")]
    Digest(&'static str),
    /// Our own output cannot be read back.
    #[error("the final bytes cannot be read back: {0}")]
    Unreadable(String),
    /// What was added for the long term cannot be read back, or does not cover the signature.
    #[error("the augmented signature is not right: {0}")]
    Augmentation(#[source] AugmentationFault),
    /// The value does not fit the room reserved for it.
    #[error("the signature needs {needed} octets, {reserved} were reserved")]
    Room {
        /// Octets needed.
        needed: usize,
        /// Octets reserved.
        reserved: usize,
    },
}

/// Who must act on a [`WorkerError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller: the document cannot be signed this way.
    Document,
    /// The caller: the media type is not one this worker signs.
    MediaType,
    /// The caller: a parameter is not acceptable.
    Parameters,
    /// The operator: state, certificate or purpose of the credential.
    Credential,
    /// The operator: the system clock is not known to be right.
    Clock,
    /// The token: see the [`SignerError`].
    Token,
    /// A time-stamping authority: see the [`TimestampError`].
    TimestampAuthority,
    /// An authority that tells of revocation, or what it tells: see the [`ValidationDataError`].
    Revocation,
    /// The service: a signature was made and withheld.
    Withheld,
    /// The service: a bug, no signature was made.
    Service,
}

impl WorkerError {
    /// Who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::DigestOnly
            | Self::NotInMemory
            | Self::DigestAlgorithm { .. }
            | Self::DigestNotAllowed { .. }
            | Self::NoPreview { .. }
            | Self::Files(_)
            | Self::Pdf(_)
            | Self::Xml(_) => Fault::Document,
            Self::Augmentation(AugmentationFault::Spool(_)) => Fault::Service,
            Self::Augmentation(_) => Fault::Document,
            Self::NoTimestamp(TimestampRefusal::Clock(_) | TimestampRefusal::ClockError { .. }) => Fault::Clock,
            Self::NoTimestamp(_) => Fault::Document,
            Self::MediaType { .. } => Fault::MediaType,
            Self::Parameter { .. } => Fault::Parameters,
            Self::CredentialNotActive { .. }
            | Self::CertificateExpired { .. }
            | Self::CertificateNotYetValid { .. }
            | Self::KeyUsage { .. }
            | Self::NotTimestamping { .. }
            | Self::KeyUsagePeriod { .. }
            | Self::Purpose { .. }
            | Self::Algorithm { .. } => Fault::Credential,
            Self::Signer(_) => Fault::Token,
            Self::Timestamp(_) => Fault::TimestampAuthority,
            Self::ValidationData(error) => match (error, error.role()) {
                // The operator trusts other authorities than those that issued these certificates.
                (ValidationDataError::Path { .. }, SubjectRole::Signer) => Fault::Credential,
                (ValidationDataError::Revoked { .. } | ValidationDataError::OnHold { .. }, SubjectRole::Signer) => {
                    Fault::Credential
                }
                (
                    ValidationDataError::Revocation { source: RevocationError::Unknown { .. }, .. },
                    SubjectRole::Signer,
                ) => Fault::Credential,
                (_, SubjectRole::TimestampAuthority) if !error.is_outage() => Fault::TimestampAuthority,
                _ => Fault::Revocation,
            },
            Self::Withheld(_) => Fault::Withheld,
            Self::Encoding(_) | Self::Spool(_) | Self::Randomness(_) | Self::NoServices { .. } => Fault::Service,
        }
    }
    /// Whether it is an outage of a service of others: only that lets a level degrade (promise 7).
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::Timestamp(error) => matches!(error, TimestampError::Unavailable { .. }),
            Self::ValidationData(error) => error.is_outage(),
            _ => false,
        }
    }
}
