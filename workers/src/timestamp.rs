//! The port to time-stamping authorities (RFC 3161); no network code is here.
//!
//! [`TimestampRequest`] is what is sent and the judge of what comes back; [`TimestampToken`] reads tokens wherever they stand.

mod request;
mod token;
mod tst_info;

use std::time::Instant;

use cryptotoken_api::DtbsRepresentation;

pub use request::TimestampRequest;
pub use token::{TimestampToken, TokenFault};

/// Where timestamps come from. Safe to share between threads; every call blocks.
pub trait TimestampSource: Send + Sync {
    /// A timestamp over this digest, checked: status, imprint, nonce, policy, certificate, extended key usage and signature.
    ///
    /// # Errors
    /// [`TimestampError`]; only [`TimestampError::Unavailable`] may pass by waiting, and only it lets a level degrade.
    fn timestamp(&self, imprint: &DtbsRepresentation, deadline: Instant) -> Result<TimestampToken, TimestampError>;

    /// Octets of the longest token that is known to come from there, so that room is kept for the next; 0 when nothing is known.
    fn longest_token(&self) -> usize {
        0
    }
}

/// Why there is no timestamp.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TimestampError {
    /// No answer: not reachable, too late, or an HTTP error of the 5xx kind. Waiting may help.
    #[error("the time-stamping authority {authority} gave no timestamp: {reason}")]
    Unavailable {
        /// Its URL, or the name of the worker.
        authority: String,
        /// What happened.
        reason: String,
    },
    /// It answered and refused (`PKIStatus` other than granted, or an HTTP error of the 4xx kind).
    #[error("the time-stamping authority {authority} refused: {reason}")]
    Refused {
        /// Its URL, or the name of the worker.
        authority: String,
        /// Status, failure information and text, as it said.
        reason: String,
    },
    /// Its answer is no valid timestamp over what was asked for.
    #[error("the answer of the time-stamping authority {authority} is not acceptable: {reason}")]
    Invalid {
        /// Its URL, or the name of the worker.
        authority: String,
        /// What is wrong with it.
        reason: String,
    },
}
