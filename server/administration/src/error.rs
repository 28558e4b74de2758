//! Why an administrative verb did not do what was asked. Messages leave their causes to [`causes`], so that each is said once.

use cryptotoken::lifecycle::{ImportRefusal, RequestError, SelfTestFailure};
use cryptotoken_api::certificate::CertificateError;
use cryptotoken_api::{SignerError, TokenError};
use store::StoreError;

use crate::configuration::ConfigurationError;

/// Why an administrative verb did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// `sigillo.toml` must be corrected.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// What was asked contradicts what there is; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// The database refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token refused or failed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The key did not sign.
    #[error("the key did not sign")]
    Signer(#[from] SignerError),
    /// The key's self-test failed.
    #[error(transparent)]
    SelfTest(#[from] SelfTestFailure),
    /// There is no certification request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The certificate was not imported.
    #[error("the certificate was not imported")]
    Import(#[from] ImportRefusal),
    /// A certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A worker's definition is not accepted.
    #[error(transparent)]
    Definition(#[from] workers::ConfigError),
    /// A worker refused or failed.
    #[error(transparent)]
    Worker(#[from] workers::WorkerError),
    /// A file cannot be read or written.
    #[error("{path} cannot be read or written")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// What follows from an error, for exit codes and statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Failed; the cause must be found.
    Failed,
    /// Refused; something else must be asked for.
    Refused,
    /// Away; the same may work later.
    Unavailable,
}

impl AdministrationError {
    /// Name of the problem type, as in problem documents: `urn:sigillo:problem:NAME`.
    #[must_use]
    pub fn problem(&self) -> &'static str {
        match (self, self.consequence()) {
            (Self::Configuration(_), _) => "configuration",
            (Self::Definition(_), _) => "definition",
            (Self::Certificate(_) | Self::Import(_), _) => "certificate",
            (Self::Store(StoreError::NotFound { .. }), _) => "not-found",
            (Self::Store(StoreError::AlreadyExists { .. } | StoreError::KeyInUse { .. }), _) => "already-exists",
            (Self::Store(_), Consequence::Unavailable) => "database-unavailable",
            (_, Consequence::Unavailable) => "token-unavailable",
            (_, Consequence::Refused) => "refused",
            (_, Consequence::Failed) => "failed",
        }
    }

    /// What follows.
    #[must_use]
    pub fn consequence(&self) -> Consequence {
        match self {
            Self::Configuration(_) | Self::File { .. } => Consequence::Failed,
            Self::Refused(_) | Self::Import(_) | Self::Certificate(_) | Self::Definition(_) => Consequence::Refused,
            Self::Store(error) => match error {
                StoreError::NotFound { .. }
                | StoreError::AlreadyExists { .. }
                | StoreError::KeyInUse { .. }
                | StoreError::StateChanged { .. }
                | StoreError::LocationsChanged { .. }
                | StoreError::SeparationOfDuties { .. }
                | StoreError::CredentialNotActive { .. }
                | StoreError::UseLimitReached { .. }
                | StoreError::KeyNotAuthorized { .. } => Consequence::Refused,
                error if error.may_pass() => Consequence::Unavailable,
                _ => Consequence::Failed,
            },
            Self::Token(error) => match error {
                TokenError::Unavailable { .. } | TokenError::PinRejected { .. } => Consequence::Unavailable,
                TokenError::Refused(_) => Consequence::Refused,
                TokenError::Configuration(_) | TokenError::Device { .. } => Consequence::Failed,
            },
            Self::Signer(error)
            | Self::SelfTest(SelfTestFailure::Signer(error))
            | Self::Request(RequestError::Signer(error))
            | Self::Worker(workers::WorkerError::Signer(error)) => signer_consequence(error),
            Self::Worker(error) => match error.fault() {
                workers::Fault::Withheld | workers::Fault::Service => Consequence::Failed,
                _ => Consequence::Refused,
            },
            Self::SelfTest(_) | Self::Request(_) => Consequence::Failed,
        }
    }
}

const fn signer_consequence(error: &SignerError) -> Consequence {
    match error {
        SignerError::NotPermitted { .. } | SignerError::NotAuthorized { .. } => Consequence::Refused,
        SignerError::Busy { .. }
        | SignerError::Unavailable { .. }
        | SignerError::NotRecorded(_)
        | SignerError::DeadlineExceeded { .. } => Consequence::Unavailable,
        _ => Consequence::Failed,
    }
}

/// An error with all its causes, for people.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source()).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        // Foreign errors often repeat their cause in their own message.
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}
