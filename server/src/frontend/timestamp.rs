//! Timestamps over HTTP (RFC 3161, section 3.4).
//!
//! What the protocol has words for is answered in the protocol, with status 200. Who the caller is, whether it may, and that it should
//! come again, HTTP says: clients with several authorities then ask the next one.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use workers::tsa::refusal::FailureInfo;
use workers::tsa::{QUERY_MEDIA_TYPE, REPLY_MEDIA_TYPE, response};
use workers::{DocumentContent, SignerDocument, SigningParameters, SigningRequest, WorkerKind};

use super::body::{ENVELOPE, Limit, Pending};
use super::native::{essence, only};
use super::problems::TimestampProblems;
use crate::authorization::Grant;
use crate::dispatch::worker_config;
use crate::error::ApiError;
use crate::request_id::RequestId;
use crate::service::Service;

/// Make a timestamp.
///
/// The body is a `TimeStampReq`, the answer a `TimeStampResp`: with a token, or with the reason why there is none.
#[utoipa::path(
    post,
    path = "/tsa/{worker}",
    operation_id = "timestamp",
    tag = "timestamps",
    params(("worker" = String, Path, description = "Name of the worker")),
    request_body(content = Vec<u8>, content_type = "application/timestamp-query", description = "`TimeStampReq` in DER"),
    responses(
        (status = 200, description = "`TimeStampResp` in DER, also when it grants no token", content_type = "application/timestamp-reply", body = Vec<u8>,
         headers(("Sigillo-Request-Id" = String, description = "The request, as in logs and audit records"))),
        TimestampProblems,
    )
)]
pub(crate) async fn stamp(
    request: HttpRequest,
    worker: web::Path<String>,
    payload: web::Payload,
    id: RequestId,
    service: web::Data<Service>,
) -> Result<HttpResponse, ApiError> {
    let grant = service.admit(&request, &worker, id).await?;
    match answer(&request, grant, payload, id, &service).await {
        Ok(octets) => Ok(reply(octets)),
        Err(error) => match error.failure_info() {
            Some(failure) => rejection(&worker, id, &error, failure),
            None => Err(error),
        },
    }
}

async fn answer(
    request: &HttpRequest,
    grant: Grant,
    payload: web::Payload,
    id: RequestId,
    service: &Service,
) -> Result<Bytes, ApiError> {
    let mut pending = service.limits().pending();
    let query = read(request, &grant, payload, id, service, &mut pending).await;
    let query = service.recorded(&grant, id, query).await?;
    let document = SignerDocument { content: DocumentContent::Memory(query), media_type: None, signature: None };
    let signing = SigningRequest { document, parameters: SigningParameters::default() };
    let (document, _, _) = only(service.dispatcher().sign(grant, id, vec![signing], pending).await?)?;
    Ok(document.segments.concat().into())
}

async fn read(
    request: &HttpRequest,
    grant: &Grant,
    payload: web::Payload,
    id: RequestId,
    service: &Service,
    pending: &mut Pending,
) -> Result<Bytes, ApiError> {
    // Any other worker would sign the query.
    if worker_config(grant)?.kind() != WorkerKind::Timestamp {
        let worker = &grant.worker().name;
        return Err(ApiError::MediaType(format!(
            "worker \"{worker}\" makes no timestamps; send documents to /v1/workers/{worker}/sign/raw"
        )));
    }
    if essence(request) != QUERY_MEDIA_TYPE {
        return Err(ApiError::MediaType(format!("send the request for a timestamp as {QUERY_MEDIA_TYPE}")));
    }
    service.limits().read(request, id, payload, Limit::of(ENVELOPE), pending).await
}

fn rejection(worker: &str, id: RequestId, error: &ApiError, failure: FailureInfo) -> Result<HttpResponse, ApiError> {
    let causes = error.causes();
    if failure == FailureInfo::SystemFailure {
        tracing::error!(request.id = %id, worker.name = worker, "request {id} got no timestamp: {causes}");
    } else {
        tracing::info!(request.id = %id, worker.name = worker, "request {id} got no timestamp: {causes}");
    }
    let octets = response::rejection(failure, &error.detail())
        .map_err(|error| ApiError::Internal(format!("the rejection could not be encoded: {error}")))?;
    Ok(reply(octets.into()))
}

fn reply(octets: Bytes) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, REPLY_MEDIA_TYPE)).body(octets)
}
