//! Timestamps over HTTP (RFC 3161, section 3.4).
//!
//! What the protocol has words for is answered in the protocol, with status 200. Who the caller is, whether it may, and that it should
//! come again, HTTP says: clients with several authorities then ask the next one.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use bytes::Bytes;
use workers::tsa::refusal::FailureInfo;
use workers::tsa::{QUERY_MEDIA_TYPE, REPLY_MEDIA_TYPE, response};
use workers::{DocumentContent, SignerDocument, SigningParameters, SigningRequest, WorkerKind};

use super::admitted::Admitted;
use super::body::Body;
use super::limits::{ENVELOPE, Limit};
use super::problems::TimestampProblems;
use crate::dispatch::{Work, worker_config};
use crate::error::ApiError;
use crate::request_id::RequestId;

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
pub(crate) async fn stamp(mut admitted: Admitted) -> Result<HttpResponse, ApiError> {
    match answer(&mut admitted).await {
        Ok(octets) => Ok(reply(octets)),
        Err(error) => match error.failure_info() {
            Some(failure) => rejection(admitted.worker(), admitted.id(), &error, failure),
            None => Err(error),
        },
    }
}

async fn answer(admitted: &mut Admitted) -> Result<Bytes, ApiError> {
    let query = admitted.read(read).await?;
    let document = SignerDocument { content: DocumentContent::Memory(query.into()), media_type: None, signature: None };
    let signing = SigningRequest { document, parameters: SigningParameters::default() };
    let document = admitted.work(Work::Sign(vec![signing])).await?.document()?;
    Ok(document.segments.concat().into())
}

async fn read(body: &mut Body<'_>) -> Result<Bytes, ApiError> {
    // Any other worker would sign the query.
    if worker_config(body.grant)?.kind() != WorkerKind::Timestamp {
        let worker = &body.grant.worker().name;
        return Err(ApiError::MediaType(format!(
            "worker \"{worker}\" makes no timestamps; send documents to /v1/workers/{worker}/sign/raw"
        )));
    }
    if body.media_type() != QUERY_MEDIA_TYPE {
        return Err(ApiError::MediaType(format!("send the request for a timestamp as {QUERY_MEDIA_TYPE}")));
    }
    body.read(Limit::of(ENVELOPE)).await
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
