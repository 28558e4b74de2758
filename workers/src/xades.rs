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

use crate::config::{ConfigError, Fields};
use crate::level::SignaturePackaging;

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
