//! XAdES signatures (EN 319 132-1): XML documents with the signature as last child of the root element.
//!
//! Reading XML strictly and writing its canonical forms is here too (`document`, `reader`, `canonicalization`): what is
//! signed is octets that every verifier must compute alike, so nothing ambiguous gets past the reader.
//!
//! Decided 2026-11-20: exclusive canonicalization everywhere, stated as a transform of every reference, so that nothing around
//! an element changes its digest; and the document less all signatures (XPath Filter 2.0), not only less this one
//! (enveloped-signature alone), so that signatures stand side by side and none breaks another.

mod algorithm;
mod assemble;
mod attributes;
mod canonicalization;
mod check;
mod document;
mod earlier;
mod element;
mod prepare;
mod reader;
mod signature;
mod xml_error;

pub use xml_error::{Position, XmlError, XmlFault};

use serde::Serialize;

use crate::config::{ConfigError, Fields, WorkerConfig};
use crate::create::create;
use crate::error::WorkerError;
use crate::level::SignaturePackaging;
use crate::worker::{SignedDocument, SigningEnvironment, SigningRequest, Worker};

/// Options of `xades`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct XadesConfig {
    /// `enveloped` (default); the others are not part of this version.
    pub packaging: SignaturePackaging,
}

impl XadesConfig {
    pub(crate) const KEYS: &'static [&'static str] = &["packaging"];

    pub(crate) fn parse(fields: &mut Fields) -> Result<Self, ConfigError> {
        match fields.take("packaging")?.unwrap_or(SignaturePackaging::Enveloped) {
            packaging @ SignaturePackaging::Enveloped => Ok(Self { packaging }),
            _ => Err(ConfigError::Value {
                key: "packaging",
                reason: "a xades worker of this version packages \"enveloped\"".into(),
            }),
        }
    }
}

/// A worker of kind `xades`.
#[derive(Debug)]
pub struct XadesWorker {
    config: WorkerConfig,
    options: XadesConfig,
}

impl XadesWorker {
    /// The worker of this definition.
    #[must_use]
    pub const fn new(config: WorkerConfig, options: XadesConfig) -> Self {
        Self { config, options }
    }
}

impl Worker for XadesWorker {
    fn config(&self) -> &WorkerConfig {
        &self.config
    }

    fn process(
        &self,
        request: &SigningRequest,
        environment: &SigningEnvironment<'_>,
    ) -> Result<SignedDocument, WorkerError> {
        create(&self.options, &self.config, request, environment)
    }
}
