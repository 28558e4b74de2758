//! The native API: documents and digests in, signed documents and signatures out.

mod augment;
mod multipart;
mod preview;

use actix_web::http::header::{ACCEPT, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cryptotoken_api::{CertificateChain, DigestAlgorithm, DtbsRepresentation};
use workers::{
    DocumentContent, SignatureLevel, SignedDocument, SignerDocument, SigningParameters, SigningRequest, WorkerError,
};

use super::body::{ENVELOPE, Limit, Pending};
use super::documents::{
    SignDigestRequest, SignDigestResponse, SignForm, SignRequest, SignResponse, base64 as decode_base64,
    parameters as read_parameters,
};
use super::problems::SigningProblems;
use super::sending::{SendLimits, octets};
use crate::authorization::Grant;
use crate::dispatch::{Completed, worker_config};
use crate::error::{ApiError, Problem};
use crate::request_id::RequestId;
use crate::service::Service;

pub(crate) use augment::{__path_augment, augment};
pub(crate) use preview::{__path_preview, preview};

/// Sign the body.
///
/// The body is the document, of any media type; the answer is the signed document.
#[utoipa::path(
    post,
    path = "/v1/workers/{worker}/sign/raw",
    operation_id = "signRaw",
    tag = "signing",
    params(("worker" = String, Path, description = "Name of the worker")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The document"),
    responses(
        (status = 200, description = "The signed document", content_type = "application/octet-stream", body = Vec<u8>,
         headers(("Sigillo-Request-Id" = String, description = "The request, as in logs and audit records"),
                 ("Sigillo-Signature-Level" = String, description = "The level reached; absent for plain signatures"))),
        SigningProblems,
    )
)]
pub(crate) async fn sign_raw(
    request: HttpRequest,
    worker: web::Path<String>,
    payload: web::Payload,
    id: RequestId,
    service: web::Data<Service>,
) -> Result<HttpResponse, ApiError> {
    let grant = service.admit(&request, &worker, id).await?;
    let limits = service.limits();
    let mut pending = limits.pending();
    let content = limits.receive(&request, id, payload, takes_spooled(&grant), &mut pending).await;
    let content = service.recorded(&grant, id, content).await?;
    // The media type is not looked at: what a client sends by default says nothing of the document.
    let document = SignerDocument { content, media_type: None, signature: None };
    let signing = SigningRequest { document, parameters: SigningParameters::default() };
    let completed = service.dispatcher().sign(grant, id, vec![signing], pending).await?;
    document_response(only(completed)?.0, service.sending())
}

/// Sign a document sent in JSON or as a form.
///
/// JSON is answered by JSON. A form is answered by JSON too, or by the signed document itself when `Accept` does not
/// take `application/json`.
#[utoipa::path(
    post,
    path = "/v1/workers/{worker}/sign",
    operation_id = "signDocument",
    tag = "signing",
    params(("worker" = String, Path, description = "Name of the worker")),
    request_body(description = "The document with its parameters", content((SignRequest = "application/json"), (SignForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "The signed document with what was done", body = SignResponse,
         headers(("Sigillo-Request-Id" = String, description = "The request, as in logs and audit records"),
                 ("Sigillo-Signature-Level" = String, description = "The level reached, which an outage may have lowered where the worker allows it; absent for plain signatures"))),
        (status = 415, description = "Neither JSON nor a form, or a document of another kind than the worker signs", body = Problem, content_type = "application/problem+json"),
        SigningProblems,
    )
)]
pub(crate) async fn sign_document(
    request: HttpRequest,
    worker: web::Path<String>,
    payload: web::Payload,
    id: RequestId,
    service: web::Data<Service>,
) -> Result<HttpResponse, ApiError> {
    let grant = service.admit(&request, &worker, id).await?;
    let mut pending = service.limits().pending();
    let signing = read_signing_request(&request, id, payload, &service, &grant, &mut pending).await;
    let (signing, form) = service.recorded(&grant, id, signing).await?;
    let (document, chain, credential) = only(service.dispatcher().sign(grant, id, vec![signing], pending).await?)?;
    if form && !accepts_json(&request) {
        return document_response(document, service.sending());
    }
    let mut response = HttpResponse::Ok();
    say_level(&mut response, document.level);
    Ok(response.json(SignResponse {
        request_id: id.to_string(),
        signed_document: STANDARD.encode(document.contiguous()),
        media_type: document.media_type,
        level: document.level.map(|level| level.name().to_owned()),
        credential,
        certificate_chain: encode_chain(&chain),
    }))
}

/// Sign digests.
///
/// Raw signature values from plain workers that allow it, detached CMS from cades workers.
#[utoipa::path(
    post,
    path = "/v1/workers/{worker}/sign-digest",
    operation_id = "signDigest",
    tag = "signing",
    params(("worker" = String, Path, description = "Name of the worker")),
    request_body(content = SignDigestRequest, description = "The digests"),
    responses(
        (status = 200, description = "One signature for each digest", body = SignDigestResponse,
         headers(("Sigillo-Request-Id" = String, description = "The request, as in logs and audit records"),
                 ("Sigillo-Signature-Level" = String, description = "The level reached, which an outage may have lowered where the worker allows it; absent for plain signatures"))),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        SigningProblems,
    )
)]
pub(crate) async fn sign_digest(
    request: HttpRequest,
    worker: web::Path<String>,
    payload: web::Payload,
    id: RequestId,
    service: web::Data<Service>,
) -> Result<HttpResponse, ApiError> {
    let grant = service.admit(&request, &worker, id).await?;
    let mut pending = service.limits().pending();
    let requests = read_digests(&request, id, payload, &service, &mut pending).await;
    let requests = service.recorded(&grant, id, requests).await?;
    let completed = service.dispatcher().sign(grant, id, requests, pending).await?;
    let signatures = completed.documents.iter().map(|document| STANDARD.encode(document.contiguous())).collect();
    let mut response = HttpResponse::Ok();
    say_level(&mut response, completed.level());
    Ok(response.json(SignDigestResponse { request_id: id.to_string(), signatures }))
}

const DIGESTS: usize = 256;

async fn read_digests(
    request: &HttpRequest,
    id: RequestId,
    payload: web::Payload,
    service: &Service,
    pending: &mut Pending,
) -> Result<Vec<SigningRequest>, ApiError> {
    if essence(request) != "application/json" {
        return Err(ApiError::MediaType("send the digests as application/json".into()));
    }
    let limits = service.limits();
    let body = limits.read(request, id, payload, Limit::of(ENVELOPE), pending).await?;
    let SignDigestRequest { digests, digest_algorithm } = parse(&body)?;
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
            let octets = decode_base64(&format!("digests[{index}]"), digest)?;
            let digest = DtbsRepresentation::new(algorithm, octets)
                .map_err(|error| unacceptable(&format!("digests[{index}]"), error.to_string()))?;
            let document =
                SignerDocument { content: DocumentContent::Digest(digest), media_type: None, signature: None };
            Ok(SigningRequest { document, parameters: SigningParameters::default() })
        })
        .collect()
}

async fn read_signing_request(
    request: &HttpRequest,
    id: RequestId,
    payload: web::Payload,
    service: &Service,
    grant: &Grant,
    pending: &mut Pending,
) -> Result<(SigningRequest, bool), ApiError> {
    let limits = service.limits();
    let (content, signature, media_type, parameters, form) = match essence(request).as_str() {
        "application/json" => {
            let limit = limits.in_json();
            let body = limits.read(request, id, payload, Limit::around(limit), pending).await?;
            let SignRequest { document, signature, media_type, file_name: _, parameters } = parse(&body)?;
            let parameters =
                parameters.map(|json| read_parameters(json.get().as_bytes())).transpose()?.unwrap_or_default();
            let mut decode = |field: &str, text: &str| {
                let octets = decode_base64(field, text)?;
                if octets.len() as u64 > limit.0 {
                    return Err(ApiError::TooLarge { limit });
                }
                pending.grow(octets.len())?;
                Ok(Bytes::from(octets))
            };
            let document = DocumentContent::Memory(decode("document", &document)?);
            let signature = signature.map(|text| decode("signature", &text)).transpose()?;
            (document, signature, media_type, parameters, false)
        }
        "multipart/form-data" => {
            // In JSON, the answer is in memory too.
            let spooled = takes_spooled(grant) && !accepts_json(request);
            let form = limits.in_time(id, multipart::read(request, payload, limits, spooled, pending)).await?;
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
        worker_config(grant)?.kind().check_media_type(declared)?;
    }
    let document = SignerDocument { content, media_type, signature };
    Ok((SigningRequest { document, parameters }, form))
}

/// Whether a document for this worker may be in the spool folder.
fn takes_spooled(grant: &Grant) -> bool {
    worker_config(grant).is_ok_and(|config| config.takes_spooled())
}

fn parse<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::Malformed(format!("the JSON body cannot be read: {error}")))
}

pub(super) fn essence(request: &HttpRequest) -> String {
    let header = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn accepts_json(request: &HttpRequest) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let ranges = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    ranges.into_iter().any(|range| matches!(range, "*/*" | "application/*" | "application/json" | ""))
}

fn say_level(response: &mut HttpResponseBuilder, level: Option<SignatureLevel>) {
    if let Some(level) = level {
        response.insert_header(("Sigillo-Signature-Level", level.name()));
    }
}

pub(super) fn only(completed: Completed) -> Result<(SignedDocument, CertificateChain, String), ApiError> {
    let incomplete = || ApiError::Internal("a request completed without a document".into());
    let credential = completed.credential.ok_or_else(incomplete)?;
    let document = completed.documents.into_iter().next().ok_or_else(incomplete)?;
    Ok((document, credential.chain, credential.name))
}

fn document_response(document: SignedDocument, limits: SendLimits) -> Result<HttpResponse, ApiError> {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, document.media_type.clone()));
    say_level(&mut response, document.level);
    let length = document.length() as u64;
    Ok(response.no_chunking(length).streaming(Box::pin(octets(document, limits))))
}

/// Certificates as the JSON answers have them.
pub(crate) fn encode_chain(chain: &CertificateChain) -> Vec<String> {
    chain.certificates().iter().map(|certificate| STANDARD.encode(certificate.der())).collect()
}
