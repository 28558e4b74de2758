//! The closed list of kinds, and the one `match` from a definition to a worker.

use std::fmt;

use cryptotoken_api::Purpose;
use serde::{Deserialize, Serialize};

use crate::cades::CadesWorker;
use crate::config::{FormatConfig, WorkerConfig};
use crate::plain::PlainWorker;
use crate::worker::Worker;
use crate::xades::XadesWorker;

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
        }
    }

    /// The only purpose of credentials that such a worker may use.
    #[must_use]
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Plain => Purpose::Blind,
            Self::Cades | Self::Pades | Self::Xades => Purpose::Document,
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
        FormatConfig::Plain(options) => Box::new(PlainWorker::new(config, options)),
        FormatConfig::Cades(options) => Box::new(CadesWorker::new(config, options)),
        FormatConfig::Xades(options) => Box::new(XadesWorker::new(config, options)),
    }
}
