//! Read what is to be signed: a bare document, one with its parameters, or digests.

use bytes::Bytes;
use cryptotoken_api::{DigestAlgorithm, DtbsRepresentation};
use workers::{DocumentContent, SignerDocument, SigningParameters, SigningRequest, WorkerError};

use super::{accepts_json, multipart};
use crate::dispatch::worker_config;
use crate::error::ApiError;
use crate::frontend::body::Body;
use crate::frontend::documents::{SignDigestRequest, SignRequest, base64, parameters as read_parameters};
use crate::frontend::limits::{ENVELOPE, Limit};

/// A document that is the body.
pub(super) async fn bare_document(body: &mut Body<'_>) -> Result<SigningRequest, ApiError> {
    let content = body.receive().await?;
    // The media type is not looked at: what a client sends by default says nothing of the document.
    let document = SignerDocument { content, media_type: None, signature: None };
    Ok(SigningRequest { document, parameters: SigningParameters::default() })
}

/// A document in JSON or a form, and whether it was a form.
pub(super) async fn document_with_parameters(body: &mut Body<'_>) -> Result<(SigningRequest, bool), ApiError> {
    let (content, signature, media_type, parameters, form) = match body.media_type().as_str() {
        "application/json" => {
            let limit = body.limits.in_json();
            let json = body.read(Limit::around(limit)).await?;
            let SignRequest { document, signature, media_type, file_name: _, parameters } = parse(&json)?;
            let parameters =
                parameters.map(|json| read_parameters(json.get().as_bytes())).transpose()?.unwrap_or_default();
            let mut decode = |field: &str, text: &str| {
                let octets = base64(field, text)?;
                if octets.len() as u64 > limit.0 {
                    return Err(ApiError::TooLarge { limit });
                }
                body.pending.grow(octets.len())?;
                Ok(Bytes::from(octets))
            };
            let document = DocumentContent::Memory(decode("document", &document)?.into());
            let signature = signature.map(|text| decode("signature", &text)).transpose()?;
            (document, signature, media_type, parameters, false)
        }
        "multipart/form-data" => {
            // In JSON, the answer is in memory too.
            let spooled = body.takes_spooled() && !accepts_json(body.request);
            let form = multipart::read(body, spooled).await?;
            (form.document, form.signature, form.media_type, form.parameters, true)
        }
        other => {
            let found = if other.is_empty() { "no media type" } else { other };
            return Err(ApiError::MediaType(format!(
                "send application/json or multipart/form-data here, not {found}; a bare document goes to …/sign/raw"
            )));
        }
    };
    if let Some(declared) = &media_type {
        worker_config(body.grant)?.kind().check_media_type(declared)?;
    }
    let document = SignerDocument { content, media_type, signature };
    Ok((SigningRequest { document, parameters }, form))
}

/// Digests in JSON.
pub(super) async fn digests(body: &mut Body<'_>) -> Result<Vec<SigningRequest>, ApiError> {
    if body.media_type() != "application/json" {
        return Err(ApiError::MediaType("send the digests as application/json".into()));
    }
    let json = body.read(Limit::of(ENVELOPE)).await?;
    let SignDigestRequest { digests, digest_algorithm } = parse(&json)?;
    if digests.is_empty() || digests.len() > DIGESTS {
        return Err(ApiError::Malformed(format!("\"digests\" has {} entries; send 1 to {DIGESTS}", digests.len())));
    }
    let unacceptable = |name: &str, reason: String| WorkerError::Parameter { name: name.to_owned(), reason };
    let algorithm: DigestAlgorithm = digest_algorithm
        .parse()
        .map_err(|error| unacceptable("digestAlgorithm", format!("{error}; send SHA-256, SHA-384 or SHA-512")))?;
    digests
        .iter()
        .enumerate()
        .map(|(index, digest)| {
            let octets = base64(&format!("digests[{index}]"), digest)?;
            let digest = DtbsRepresentation::new(algorithm, octets)
                .map_err(|error| unacceptable(&format!("digests[{index}]"), error.to_string()))?;
            let document =
                SignerDocument { content: DocumentContent::Digest(digest), media_type: None, signature: None };
            Ok(SigningRequest { document, parameters: SigningParameters::default() })
        })
        .collect()
}

const DIGESTS: usize = 256;

fn parse<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::Malformed(format!("the JSON body cannot be read: {error}")))
}
