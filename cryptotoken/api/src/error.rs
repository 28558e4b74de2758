//! Why a key was not used and why a token did not do what was asked, grouped by who must act.

/// Why a [`crate::Signer`] made no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// Every session was in use until the deadline. Retry later.
    #[error("every session of token \"{token}\" is busy")]
    Busy {
        /// Name of the token.
        token: String,
    },
    /// The token is away or not logged in. Retry later; the operator is told by the log and `token list`.
    #[error("token \"{token}\" is not available: {reason}")]
    Unavailable {
        /// Name of the token.
        token: String,
        /// What the operator needs to know.
        reason: String,
    },
    /// The token failed in the middle of the operation. A retry may help; a signature may have been made.
    #[error("token \"{token}\" failed: {reason}")]
    TokenFailed {
        /// Name of the token.
        token: String,
        /// What the token said.
        reason: String,
    },
    /// The key is not on the token. The operator must restore it or correct the credential.
    #[error("token \"{token}\" has no key {key}{hint}")]
    KeyNotFound {
        /// Name of the token.
        token: String,
        /// Alias and identifier.
        key: String,
        /// Why it may not be seen although it is there, as the end of the sentence; empty where there is no such reason.
        hint: &'static str,
    },
    /// Neither the device nor the profile offers this algorithm for this key. The operator must change the worker.
    #[error("token \"{token}\" does not sign with {algorithm}")]
    UnsupportedAlgorithm {
        /// Name of the token.
        token: String,
        /// The algorithm.
        algorithm: String,
    },
    /// Only a digest was given and this key needs the data. Retrying cannot help.
    #[error("this key signs data, not digests")]
    DataRequired,
    /// The digest given is of another algorithm than the signer's. Retrying cannot help.
    #[error("a {given} digest was given to a signer of {expected}")]
    DigestMismatch {
        /// Algorithm of the digest.
        given: crate::DigestAlgorithm,
        /// Algorithm of the signer.
        expected: crate::DigestAlgorithm,
    },
    /// The credential may not be used (any more): state, or its limit is used up. The operator must act.
    #[error("{reason}")]
    NotPermitted {
        /// What stands in the way and the next step.
        reason: String,
    },
    /// The device wants the key authorised before it signs (EN 419 221-5); no signature was made. An authorised person must act.
    #[error("key \"{key}\" on token \"{token}\" is not authorised: {next}")]
    NotAuthorized {
        /// Name of the token.
        token: String,
        /// Its alias.
        key: String,
        /// The next step.
        next: String,
    },
    /// The attempt could not be recorded, so the key was not used. Retry later.
    #[error("the attempt could not be recorded")]
    NotRecorded(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing came back in time; the signature may still be made. Retry later.
    #[error("token \"{token}\" did not answer in time")]
    DeadlineExceeded {
        /// Name of the token.
        token: String,
    },
}

impl SignerError {
    /// Whether another token with the same key may sign where this one did not: what failed is the device or its key, not the request.
    #[must_use]
    pub const fn is_of_the_device(&self) -> bool {
        match self {
            Self::Busy { .. }
            | Self::Unavailable { .. }
            | Self::TokenFailed { .. }
            | Self::KeyNotFound { .. }
            | Self::NotAuthorized { .. }
            | Self::DeadlineExceeded { .. } => true,
            Self::UnsupportedAlgorithm { .. }
            | Self::DataRequired
            | Self::DigestMismatch { .. }
            | Self::NotPermitted { .. }
            | Self::NotRecorded(_) => false,
        }
    }
}

/// Why an operation on a token (other than signing) failed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// `sigillo.toml` or the device must be changed.
    #[error("{0}")]
    Configuration(String),
    /// The token is away, busy or not logged in. Retry later.
    #[error("token \"{token}\" is not available: {reason}")]
    Unavailable {
        /// Name of the token.
        token: String,
        /// What the operator needs to know.
        reason: String,
    },
    /// The PIN was rejected once and is not tried again until `sigillo token unlock`.
    #[error("the PIN of token \"{token}\" was rejected; correct it, then run: sigillo token unlock {token}")]
    PinRejected {
        /// Name of the token.
        token: String,
    },
    /// The request contradicts what is on the token: a taken alias, a missing key, wrong attributes.
    #[error("{0}")]
    Refused(String),
    /// The device answered with an error.
    #[error("{operation} failed on token \"{token}\": {code}")]
    Device {
        /// Name of the token.
        token: String,
        /// What was tried.
        operation: &'static str,
        /// The `CKR_…` name.
        code: String,
    },
}
