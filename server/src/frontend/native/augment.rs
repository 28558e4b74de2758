//! Augment a signature that is there: bytes in, the same signature at a higher level out.

use actix_web::{HttpRequest, HttpResponse, web};
use workers::AugmentationRequest;

use super::{document_response, essence, multipart, takes_spooled};
use crate::error::ApiError;
use crate::frontend::body::{Limit, Pending};
use crate::frontend::documents::AugmentForm;
use crate::frontend::problems::SigningProblems;
use crate::request_id::RequestId;
use crate::service::Service;

/// Bring a signature to a higher level.
///
/// The body is a signature of the worker's format, made here or by others; the answer is the same signature with the timestamps
/// and the validation data that the worker's level needs. One of level B-LTA gets one more archive timestamp. A detached
/// signature comes in a form with its document.
#[utoipa::path(
    post,
    path = "/v1/workers/{worker}/augment",
    operation_id = "augment",
    tag = "signing",
    params(("worker" = String, Path, description = "Name of the worker")),
    request_body(description = "The signature", content((Vec<u8> = "application/pkcs7-mime"), (AugmentForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "The augmented signature", content_type = "application/pkcs7-mime", body = Vec<u8>,
         headers(("Sigillo-Request-Id" = String, description = "The request, as in logs and audit records"),
                 ("Sigillo-Signature-Level" = String, description = "The level reached"))),
        SigningProblems,
    )
)]
pub(crate) async fn augment(
    request: HttpRequest,
    worker: web::Path<String>,
    payload: web::Payload,
    id: RequestId,
    service: web::Data<Service>,
) -> Result<HttpResponse, ApiError> {
    let grant = service.admit(&request, &worker, id).await?;
    let mut pending = service.limits().pending();
    let signature = read(&request, id, payload, &service, takes_spooled(&grant), &mut pending).await;
    let signature = service.recorded(&grant, id, signature).await?;
    let completed = service.dispatcher().augment(grant, id, signature, pending).await?;
    let document = completed.documents.into_iter().next();
    document_response(
        document.ok_or_else(|| ApiError::Internal("a request completed without a document".into()))?,
        service.sending(),
    )
}

async fn read(
    request: &HttpRequest,
    id: RequestId,
    payload: web::Payload,
    service: &Service,
    spooled: bool,
    pending: &mut Pending,
) -> Result<AugmentationRequest, ApiError> {
    let limits = service.limits();
    if essence(request) != "multipart/form-data" {
        let signature = limits.read(request, id, payload, Limit::of(limits.in_memory()), pending).await?;
        return Ok(AugmentationRequest { signature, document: None });
    }
    let (signature, document) =
        limits.in_time(id, multipart::read_signature(request, payload, limits, spooled, pending)).await?;
    Ok(AugmentationRequest { signature, document })
}
