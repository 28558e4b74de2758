//! Baseline levels and packagings of AdES signatures (EN 319 102-1, clause 4.3; EN 319 122-1, 132-1, 142-1).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Baseline level of a signature, spelt `B-B` … `B-LTA` outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SignatureLevel {
    /// Signature with the signing certificate.
    #[default]
    #[serde(rename = "B-B")]
    BaselineB,
    /// With a timestamp on the signature.
    #[serde(rename = "B-T")]
    BaselineT,
    /// With the material to validate it in the long term.
    #[serde(rename = "B-LT")]
    BaselineLt,
    /// With an archive timestamp over that material.
    #[serde(rename = "B-LTA")]
    BaselineLta,
}

impl SignatureLevel {
    /// The name in definitions, answers and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BaselineB => "B-B",
            Self::BaselineT => "B-T",
            Self::BaselineLt => "B-LT",
            Self::BaselineLta => "B-LTA",
        }
    }
}

impl fmt::Display for SignatureLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the signature is in relation to the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignaturePackaging {
    /// CMS: the document is inside the signature.
    Encapsulated,
    /// The signature is a document of its own.
    Detached,
    /// XML: the signature is inside the document.
    Enveloped,
    /// XML: the document is inside the signature.
    Enveloping,
    /// XML: both are beside each other in one file.
    InternallyDetached,
}
