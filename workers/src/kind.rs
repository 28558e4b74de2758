//! The closed list of kinds, and the one `match` from a definition to a worker.

use std::fmt;

use cryptotoken_api::Purpose;
use serde::{Deserialize, Serialize};

use crate::config::{FormatConfig, WorkerConfig};
use crate::create::{SignatureFormat, augment, create, preview};
use crate::error::WorkerError;
use crate::level::SignatureLevel;
use crate::tsa;
use crate::worker::{
    AugmentationEnvironment, AugmentationRequest, Preview, PreviewEnvironment, SignedDocument, SigningEnvironment,
    SigningRequest, Worker,
};

/// Kind of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerKind {
    /// Signature values over the caller's bytes or digests.
    Plain,
    /// CMS signatures (EN 319 122-1).
    Cades,
    /// PDF signatures (EN 319 142-1).
    Pades,
    /// XML signatures (EN 319 132-1).
    Xades,
    /// Timestamps (RFC 3161, EN 319 422).
    Timestamp,
}

impl WorkerKind {
    /// The name in definitions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Cades => "cades",
            Self::Pades => "pades",
            Self::Xades => "xades",
            Self::Timestamp => "timestamp",
        }
    }

    /// The only purpose of credentials that such a worker may use.
    #[must_use]
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Plain => Purpose::Blind,
            Self::Cades | Self::Pades | Self::Xades => Purpose::Document,
            Self::Timestamp => Purpose::Timestamp,
        }
    }

    /// The highest level that such a worker makes. A definition that asks for more is refused, never silently lowered.
    #[must_use]
    pub const fn highest_level(self) -> SignatureLevel {
        match self {
            Self::Plain | Self::Timestamp => SignatureLevel::BaselineB,
            Self::Cades | Self::Pades | Self::Xades => SignatureLevel::BaselineLta,
        }
    }
}

impl WorkerKind {
    /// Refuses a document that its sender declares to be of a kind this worker does not sign.
    ///
    /// # Errors
    /// [`WorkerError::MediaType`].
    pub fn check_media_type(self, declared: &str) -> Result<(), WorkerError> {
        let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let (fits, expected) = match self {
            // What a XAdES worker takes depends on its packaging, and its format judges it.
            Self::Plain | Self::Cades | Self::Xades => (true, ""),
            Self::Pades => (essence == "application/pdf", "application/pdf"),
            Self::Timestamp => (essence == tsa::QUERY_MEDIA_TYPE, tsa::QUERY_MEDIA_TYPE),
        };
        // What clients send when they know nothing better.
        if fits || essence == "application/octet-stream" {
            Ok(())
        } else {
            Err(WorkerError::MediaType { declared: declared.to_owned(), expected })
        }
    }
}

impl fmt::Display for WorkerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The worker of a definition.
#[must_use]
pub fn build(config: WorkerConfig) -> Box<dyn Worker> {
    match config.format().clone() {
        FormatConfig::Plain(options) => Box::new(FormatWorker { config, format: options }),
        FormatConfig::Cades(options) => Box::new(FormatWorker { config, format: options }),
        FormatConfig::Pades(options) => Box::new(FormatWorker { config, format: options }),
        FormatConfig::Xades(options) => Box::new(FormatWorker { config, format: options }),
        FormatConfig::Timestamp(options) => Box::new(FormatWorker { config, format: options }),
    }
}

/// A definition with the format that its kind has: what differs between kinds is the format alone.
struct FormatWorker<F> {
    config: WorkerConfig,
    format: F,
}

impl<F: SignatureFormat + Send + Sync> Worker for FormatWorker<F> {
    fn config(&self) -> &WorkerConfig {
        &self.config
    }

    fn process(
        &self,
        request: &SigningRequest,
        environment: &SigningEnvironment<'_>,
    ) -> Result<SignedDocument, WorkerError> {
        create(&self.format, &self.config, request, environment)
    }

    fn preview(&self, request: &SigningRequest, environment: &PreviewEnvironment<'_>) -> Result<Preview, WorkerError> {
        preview(&self.format, &self.config, request, environment)
    }

    fn augment(
        &self,
        request: &AugmentationRequest,
        environment: &AugmentationEnvironment<'_>,
    ) -> Result<SignedDocument, WorkerError> {
        augment(&self.format, &self.config, request, environment)
    }
}
