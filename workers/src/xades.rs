//! XAdES signatures (EN 319 132-1): in an XML document as last child of its root element, around any file, or beside it.
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
mod augment;
mod canonicalization;
mod check;
mod document;
mod earlier;
mod element;
mod prepare;
mod reader;
mod received;
mod references;
mod signature;
mod statements;
mod unsigned;
mod xml_error;

pub use xml_error::{Position, XmlError, XmlFault};

use serde::Serialize;

use crate::cades::properties::SignedProperties;
use crate::config::{ConfigError, Fields};
use crate::level::SignaturePackaging;

/// Options of `xades`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct XadesConfig {
    /// `enveloped` (default), `enveloping`, `detached` or `internally-detached`.
    pub packaging: SignaturePackaging,
    /// What a detached signature calls the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_uri: Option<String>,
    /// What the signer says beside the signature.
    #[serde(flatten)]
    pub properties: SignedProperties,
}

impl XadesConfig {
    pub(crate) const KEYS: &'static [&'static str] = &[
        "packaging",
        "document_uri",
        "commitment_type",
        "signer_location",
        "claimed_roles",
        "signature_policy",
        "mime_type",
    ];

    /// What `caller_may_set` may name.
    pub(crate) const SETTABLE: &'static [&'static str] =
        &["commitment_type", "signer_location", "claimed_roles", "signature_policy", "mime_type"];

    pub(crate) fn parse(fields: &mut Fields) -> Result<Self, ConfigError> {
        let packaging = fields.take("packaging")?.unwrap_or(SignaturePackaging::Enveloped);
        let document_uri: Option<String> = fields.take("document_uri")?;
        let refuse = |key, reason: &str| Err(ConfigError::Value { key, reason: reason.to_owned() });
        if packaging == SignaturePackaging::Encapsulated {
            return refuse(
                "packaging",
                "a xades worker packages \"enveloped\", \"enveloping\", \"detached\" or \"internally-detached\"",
            );
        }
        if document_uri.is_some() && packaging != SignaturePackaging::Detached {
            return refuse("document_uri", "only a detached signature names its document; remove the key");
        }
        // RFC 3986, section 2: what is in no URI could not be written as it is.
        let fits = |each: char| each.is_ascii_alphanumeric() || "-._~:/?[]@!$()*+,;=%".contains(each);
        if document_uri.as_ref().is_some_and(|uri| uri.is_empty() || !uri.chars().all(fits)) {
            return refuse("document_uri", "it is no URI without fragment, such as \"invoice.xml\"");
        }
        Ok(Self { packaging, document_uri, properties: SignedProperties::parse(fields)? })
    }

    /// What a detached signature calls the document; default `document`.
    fn uri(&self) -> &str {
        self.document_uri.as_deref().unwrap_or("document")
    }
}
