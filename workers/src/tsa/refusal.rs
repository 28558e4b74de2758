//! Why a request gets no timestamp, with the failure information that RFC 3161, section 2.4.2 has for it.

use const_oid::ObjectIdentifier;
use cryptotoken_api::DigestAlgorithm;

use super::PolicyId;
use crate::clock::ClockError;

/// Why a request gets no timestamp. All come before the key is used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampRefusal {
    /// Not a `TimeStampReq`, or not in DER.
    #[error("the request is no TimeStampReq in DER: {0}")]
    Malformed(String),
    /// A version that does not exist.
    #[error("the version of the request is not 1, the only one there is")]
    Version,
    /// An imprint by an algorithm that is unknown, too weak, or not accepted by this worker.
    #[error("imprints by {found} are not accepted; send one by {}", names(accepted))]
    Algorithm {
        /// What was sent.
        found: ObjectIdentifier,
        /// What may be sent.
        accepted: Vec<DigestAlgorithm>,
    },
    /// The algorithm identifier of the imprint has parameters other than NULL.
    #[error("the digest algorithm of the imprint has parameters; send none, or NULL")]
    AlgorithmParameters,
    /// The imprint is no digest of its algorithm.
    #[error("the imprint has {found} octets, a digest by {algorithm} has {}", algorithm.length())]
    ImprintLength {
        /// Its algorithm.
        algorithm: DigestAlgorithm,
        /// Octets sent.
        found: usize,
    },
    /// A nonce that is no random number any more but a message.
    #[error("the nonce has {found} octets; send at most {most}")]
    Nonce {
        /// Octets sent.
        found: usize,
        /// Octets taken.
        most: usize,
    },
    /// A policy that tokens of this worker are not made under.
    #[error("policy {found} is not one of this authority; ask for {accepted}, or for none")]
    Policy {
        /// What was asked for.
        found: ObjectIdentifier,
        /// What may be asked for.
        accepted: String,
    },
    /// An extension. RFC 3161, section 2.4.1: one that is not known must be refused, critical or not.
    #[error("request extension {0} is not supported; send none")]
    Extension(ObjectIdentifier),
    /// Nothing vouches for the clock.
    #[error("no timestamps are made now: {0}")]
    Clock(#[from] ClockError),
    /// The clock may be further from UTC than tokens say.
    #[error(
        "no timestamps are made now: the system clock may be wrong by {micros} microseconds, more than the accuracy of {accuracy}"
    )]
    ClockError {
        /// How far it may be from UTC.
        micros: u128,
        /// What tokens say.
        accuracy: super::Accuracy,
    },
}

/// `PKIFailureInfo` (RFC 3161, section 2.4.2): the number is the bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FailureInfo {
    /// `badAlg`.
    BadAlgorithm = 0,
    /// `badRequest`.
    BadRequest = 2,
    /// `badDataFormat`.
    BadDataFormat = 5,
    /// `timeNotAvailable`.
    TimeNotAvailable = 14,
    /// `unacceptedPolicy`.
    UnacceptedPolicy = 15,
    /// `unacceptedExtension`.
    UnacceptedExtension = 16,
    /// `systemFailure`.
    SystemFailure = 25,
}

impl TimestampRefusal {
    /// What the reply says.
    #[must_use]
    pub const fn failure_info(&self) -> FailureInfo {
        match self {
            Self::Malformed(_) | Self::ImprintLength { .. } => FailureInfo::BadDataFormat,
            Self::Version | Self::Nonce { .. } => FailureInfo::BadRequest,
            Self::Algorithm { .. } | Self::AlgorithmParameters => FailureInfo::BadAlgorithm,
            Self::Policy { .. } => FailureInfo::UnacceptedPolicy,
            Self::Extension(_) => FailureInfo::UnacceptedExtension,
            Self::Clock(_) | Self::ClockError { .. } => FailureInfo::TimeNotAvailable,
        }
    }

    pub(super) fn policy(found: ObjectIdentifier, accepted: impl Iterator<Item = PolicyId>) -> Self {
        let accepted: Vec<String> = accepted.map(|policy| policy.to_string()).collect();
        Self::Policy { found, accepted: accepted.join(" or ") }
    }
}

fn names(algorithms: &[DigestAlgorithm]) -> String {
    algorithms.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(" or ")
}
