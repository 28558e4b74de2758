//! Augment a signature that is there: bytes in, the same signature at a higher level out.

use actix_web::HttpResponse;
use workers::{AugmentationRequest, SigningParameters};

use super::{document_response, multipart};
use crate::dispatch::Work;
use crate::error::ApiError;
use crate::frontend::admitted::Admitted;
use crate::frontend::body::Body;
use crate::frontend::documents::AugmentForm;
use crate::frontend::limits::Limit;
use crate::frontend::problems::SigningProblems;

/// Bring a signature to a higher level.
///
/// The body is a signature of the worker's format, made here or by others; the answer is the same signature with the timestamps
/// and the validation data that the worker's level needs. One of level B-LTA gets one more archive timestamp. A detached
/// signature comes in a form with its document, and so does a PDF that opens with a password only, with that among the parameters,
/// and XML of several signatures of which one is to grow, with its `Id` as `signature_id`.
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
pub(crate) async fn augment(mut admitted: Admitted) -> Result<HttpResponse, ApiError> {
    let signature = admitted.read(read).await?;
    let completed = admitted.work(Work::Augment(signature)).await?;
    Ok(document_response(admitted, completed.document()?))
}

async fn read(body: &mut Body<'_>) -> Result<AugmentationRequest, ApiError> {
    if body.media_type() == "multipart/form-data" {
        return multipart::read_signature(body).await;
    }
    let signature = body.read(Limit::of(body.limits.in_memory())).await?;
    Ok(AugmentationRequest { signature, document: None, parameters: SigningParameters::default() })
}
