//! Why an administrative verb did not do what was asked.

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
    #[error("the key did not sign: {0}")]
    Signer(#[from] SignerError),
    /// The key's self-test failed.
    #[error("{error}{}", source_text(error))]
    SelfTest {
        /// What failed.
        #[from]
        error: SelfTestFailure,
    },
    /// There is no certification request.
    #[error("{error}{}", source_text(error))]
    Request {
        /// What failed.
        #[from]
        error: RequestError,
    },
    /// The certificate was not imported.
    #[error("the certificate was not imported: {0}")]
    Import(#[from] ImportRefusal),
    /// A certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A worker's definition is not accepted.
    #[error("{0}")]
    Definition(#[from] workers::ConfigError),
    /// A worker refused or failed.
    #[error("{error}{}", source_text(error))]
    Worker {
        /// What failed.
        #[from]
        error: workers::WorkerError,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
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
    /// What follows.
    #[must_use]
    pub fn consequence(&self) -> Consequence {
        match self {
            Self::Configuration(_) | Self::File { .. } => Consequence::Failed,
            Self::Refused(_) | Self::Import(_) | Self::Certificate(_) | Self::Definition(_) => Consequence::Refused,
            Self::Store(error) => match error {
                StoreError::NotFound { .. }
                | StoreError::AlreadyExists { .. }
                | StoreError::StateChanged { .. }
                | StoreError::SeparationOfDuties { .. }
                | StoreError::CredentialNotActive { .. }
                | StoreError::UseLimitReached { .. } => Consequence::Refused,
                error if error.may_pass() => Consequence::Unavailable,
                _ => Consequence::Failed,
            },
            Self::Token(error) => match error {
                TokenError::Unavailable { .. } | TokenError::PinRejected { .. } => Consequence::Unavailable,
                TokenError::Refused(_) => Consequence::Refused,
                TokenError::Configuration(_) | TokenError::Device { .. } => Consequence::Failed,
            },
            Self::Signer(error)
            | Self::SelfTest { error: SelfTestFailure::Signer(error) }
            | Self::Request { error: RequestError::Signer(error) }
            | Self::Worker { error: workers::WorkerError::Signer(error) } => signer_consequence(error),
            Self::Worker { error } => match error.fault() {
                workers::Fault::Withheld | workers::Fault::Service => Consequence::Failed,
                _ => Consequence::Refused,
            },
            Self::SelfTest { .. } | Self::Request { .. } => Consequence::Failed,
        }
    }
}

const fn signer_consequence(error: &SignerError) -> Consequence {
    match error {
        SignerError::NotPermitted { .. } => Consequence::Refused,
        SignerError::Busy { .. }
        | SignerError::Unavailable { .. }
        | SignerError::NotRecorded(_)
        | SignerError::DeadlineExceeded { .. } => Consequence::Unavailable,
        _ => Consequence::Failed,
    }
}

fn source_text(error: &impl std::error::Error) -> String {
    error.source().map(|source| format!(": {source}")).unwrap_or_default()
}
