//! Why a command did not do what was asked, and the exit code that says so.

use std::path::Path;
use std::process::ExitCode;

use administration::{AdministrationError, Consequence};

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments, or what is missing of them.
    #[error("{0}")]
    Usage(String),
    /// What administration says.
    #[error(transparent)]
    Administration(#[from] AdministrationError),
    /// What administration says of one definition among others.
    #[error("{path}")]
    Definition {
        /// Where it was read from.
        path: String,
        /// What it says.
        source: AdministrationError,
    },
    /// The audit chain is not as it was written.
    #[error("the audit chain is faulty: {0}")]
    AuditChain(String),
    /// A client of a server cannot be set up.
    #[error("the server cannot be called: {0}")]
    Client(String),
    /// Standard output is gone.
    #[error("the output cannot be written")]
    Output(#[from] std::io::Error),
}

impl Failure {
    /// A refusal by the command line itself.
    pub(crate) fn refused(sentence: impl Into<String>) -> Self {
        AdministrationError::Refused(sentence.into()).into()
    }

    /// For the errors of a file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.display().to_string();
        move |source| AdministrationError::File { path, source }.into()
    }

    /// Name of the problem type.
    pub(crate) fn problem(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::Administration(error) | Self::Definition { source: error, .. } => error.problem(),
            Self::AuditChain(_) => "audit-chain-faulty",
            Self::Client(_) | Self::Output(_) => "failed",
        }
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Administration(error) | Self::Definition { source: error, .. } => match error.consequence() {
                Consequence::Failed => 1,
                Consequence::Refused => 3,
                Consequence::Unavailable => 4,
            },
            Self::Usage(_) => 2,
            Self::AuditChain(_) | Self::Client(_) | Self::Output(_) => 1,
        })
    }
}
