//! XAdES (ETSI EN 319 132-1): XML documents with an enveloped signature.

pub(crate) mod canonicalization;
pub(crate) mod document;
pub(crate) mod reader;
pub(crate) mod xml_error;
