//! The native API: documents and digests in, signed documents and signatures out.

mod augment;
mod multipart;
mod preview;
mod reading;

use actix_web::http::header::{ACCEPT, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cryptotoken_api::{CertificateChain, Credential};
use workers::{SignatureLevel, SignedDocument};

use super::admitted::Admitted;
use super::documents::{SignDigestRequest, SignDigestResponse, SignForm, SignRequest, SignResponse};
use super::problems::SigningProblems;
use crate::dispatch::Work;
use crate::error::{ApiError, Problem};

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
pub(crate) async fn sign_raw(mut admitted: Admitted) -> Result<HttpResponse, ApiError> {
    let signing = admitted.read(reading::bare_document).await?;
    let completed = admitted.work(Work::Sign(vec![signing])).await?;
    Ok(document_response(admitted, completed.document()?))
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
pub(crate) async fn sign_document(mut admitted: Admitted) -> Result<HttpResponse, ApiError> {
    let (signing, form) = admitted.read(reading::document_with_parameters).await?;
    let completed = admitted.work(Work::Sign(vec![signing])).await?;
    if form && !accepts_json(admitted.request()) {
        return Ok(document_response(admitted, completed.document()?));
    }
    let Credential { name: credential, chain, .. } = completed.credential()?.clone();
    let document = completed.document()?;
    let mut response = HttpResponse::Ok();
    say_level(&mut response, document.level);
    let answer = SignResponse {
        request_id: admitted.id().to_string(),
        signed_document: STANDARD.encode(document.contiguous()),
        media_type: document.media_type,
        level: document.level.map(|level| level.name().to_owned()),
        credential,
        certificate_chain: encode_chain(&chain),
    };
    admitted.answer_json(&mut response, &answer)
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
pub(crate) async fn sign_digest(mut admitted: Admitted) -> Result<HttpResponse, ApiError> {
    let requests = admitted.read(reading::digests).await?;
    let completed = admitted.work(Work::Sign(requests)).await?;
    let signatures = completed.documents.iter().map(|document| STANDARD.encode(document.contiguous())).collect();
    let mut response = HttpResponse::Ok();
    say_level(&mut response, completed.level());
    let answer = SignDigestResponse { request_id: admitted.id().to_string(), signatures };
    admitted.answer_json(&mut response, &answer)
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

fn document_response(admitted: Admitted, document: SignedDocument) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, document.media_type.clone()));
    say_level(&mut response, document.level);
    admitted.answer(&mut response, document)
}

/// Certificates as the JSON answers have them.
pub(crate) fn encode_chain(chain: &CertificateChain) -> Vec<String> {
    chain.certificates().iter().map(|certificate| STANDARD.encode(certificate.der())).collect()
}
