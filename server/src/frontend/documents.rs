//! The bodies of the native API: what callers send and get.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use workers::SigningParameters;

use super::limits::ENVELOPE;
use crate::error::ApiError;

/// A document to sign, in JSON. Not to be printed: a password may be in it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SignRequest<'a> {
    /// The document in padded standard base64.
    #[schema(content_encoding = "base64")]
    #[serde(borrow)]
    pub(crate) document: Cow<'a, str>,
    /// A detached signature over the document in padded standard base64, for workers that join signatures.
    #[schema(content_encoding = "base64", value_type = Option<String>)]
    #[serde(borrow)]
    pub(crate) signature: Option<Cow<'a, str>>,
    /// What it is; checked against the worker's kind where given.
    #[schema(example = "application/pdf")]
    pub(crate) media_type: Option<String>,
    /// Its name; no format of this version puts it into the signature.
    #[schema(example = "contract.pdf")]
    #[expect(dead_code, reason = "part of the request's form, and not used by B-B formats")]
    pub(crate) file_name: Option<String>,
    /// What the worker lets callers choose, such as `reason` and `location` of a PDF signature; and the `password` of a PDF that opens
    /// with one only, which goes no further.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    pub(crate) parameters: Option<&'a RawValue>,
}

/// A signed document, in JSON.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignResponse {
    /// The request, as in the header `Sigillo-Request-Id`, in logs and audit records.
    pub(crate) request_id: String,
    /// The signed document in padded standard base64.
    #[schema(content_encoding = "base64")]
    pub(crate) signed_document: String,
    /// What it is.
    #[schema(example = "application/pdf")]
    pub(crate) media_type: String,
    /// The level reached; absent for plain signatures, which have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "B-B")]
    pub(crate) level: Option<String>,
    /// The credential that signed.
    #[schema(example = "seal-2026")]
    pub(crate) credential: String,
    /// Certificates in base64 DER, the signer's first.
    pub(crate) certificate_chain: Vec<String>,
}

/// A multipart form with a document.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the form for OpenAPI; the parts are read as a stream")]
pub(crate) struct SignForm {
    /// The document; its part's media type is checked where it is not `application/octet-stream`.
    #[schema(value_type = String, format = Binary)]
    document: Vec<u8>,
    /// A detached signature over the document, for workers that join signatures.
    #[schema(value_type = Option<String>, format = Binary)]
    signature: Option<Vec<u8>>,
    /// Parameters as JSON, the `password` of a PDF among them.
    #[schema(value_type = Option<Object>)]
    parameters: Option<String>,
}

/// A multipart form with a signature to augment.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the form for OpenAPI; the parts are read as a stream")]
pub(crate) struct AugmentForm {
    /// The signature.
    #[schema(value_type = String, format = Binary)]
    signature: Vec<u8>,
    /// The document of a detached signature.
    #[schema(value_type = Option<String>, format = Binary)]
    document: Option<Vec<u8>>,
    /// The `password` of a PDF that opens with one only, as JSON.
    #[schema(value_type = Option<Object>)]
    parameters: Option<String>,
}

/// Digests to sign.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SignDigestRequest {
    /// One to 256 digests in padded standard base64.
    #[schema(min_items = 1, max_items = 256)]
    pub(crate) digests: Vec<String>,
    /// `SHA-256`, `SHA-384` or `SHA-512`; the one the worker signs with.
    #[schema(example = "SHA-256")]
    pub(crate) digest_algorithm: String,
}

/// Signatures over digests, in their order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignDigestResponse {
    /// The request, as in the header `Sigillo-Request-Id`, in logs and audit records.
    pub(crate) request_id: String,
    /// Raw values (plain) or detached CMS (cades), in padded standard base64.
    pub(crate) signatures: Vec<String>,
}

/// A worker that the caller may use.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkerInfo {
    /// Its name.
    #[schema(example = "invoices")]
    pub(crate) name: String,
    /// `plain`, `cades`, `pades`, `xades` or `timestamp`.
    #[schema(example = "pades")]
    pub(crate) kind: String,
    /// Version of its definition.
    pub(crate) version: i64,
    /// The level of its signatures; absent for plain ones and timestamps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "B-B")]
    pub(crate) level: Option<String>,
    /// The algorithm it signs with; absent while its credential is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "rsa-pkcs1 SHA-256")]
    pub(crate) algorithm: Option<String>,
    /// Its credential.
    pub(crate) credential: String,
    /// What a request may choose.
    pub(crate) caller_may_set: Vec<String>,
}

/// The workers that the caller may use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkerList {
    /// One each.
    pub(crate) items: Vec<WorkerInfo>,
}

/// The certificates of a worker.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateList {
    /// Certificates in base64 DER, the signer's first.
    pub(crate) certificate_chain: Vec<String>,
}

/// Parses parameters, after looking at their size: parsed, they take many times as much.
pub(crate) fn parameters(json: &[u8]) -> Result<SigningParameters, ApiError> {
    if json.len() as u64 > ENVELOPE.0 {
        return Err(ApiError::TooLarge { limit: ENVELOPE });
    }
    // The parser's own words would repeat a text that stands in the wrong place, which may be a password.
    let map = serde_json::from_slice(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ApiError::Malformed(format!("\"parameters\" is no JSON object: see its line {line}, column {column}"))
    })?;
    Ok(SigningParameters::new(map))
}

/// Decodes padded standard base64, naming the field in the error.
pub(crate) fn base64(field: &str, text: &str) -> Result<Vec<u8>, ApiError> {
    STANDARD
        .decode(text)
        .map_err(|error| ApiError::Malformed(format!("\"{field}\" is no padded standard base64: {error}")))
}
