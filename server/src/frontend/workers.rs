//! What the caller may use, and the certificates it signs with. The key is not touched.

use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use store::WorkerRecord;
use workers::{WorkerConfig, WorkerKind};

use super::documents::{CertificateList, WorkerInfo, WorkerList};
use super::native::encode_chain;
use super::problems::WorkerProblems;
use crate::dispatch::{active_credential, worker_config};
use crate::error::{ApiError, Problem};
use crate::request_id::RequestId;
use crate::service::Service;

/// List the workers that the caller may use.
///
/// One whose definition cannot be read is left out, and logged.
#[utoipa::path(
    get,
    path = "/v1/workers",
    operation_id = "listWorkers",
    tag = "workers",
    responses(
        (status = 200, description = "The workers", body = WorkerList),
        (status = 401, description = "No valid API key or client certificate", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is away; try again later", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(request: HttpRequest, service: web::Data<Service>) -> Result<HttpResponse, ApiError> {
    let principal = service.authenticate(&request).await?;
    let store = service.store();
    let sees_all = !store.roles(&principal.client).await?.is_empty();
    let mut items = Vec::new();
    for record in store.workers().await? {
        if sees_all || store.may_sign(&principal.client, &record.name).await? {
            match describe(&record, &service).await {
                Ok(info) => items.push(info),
                // One that cannot be read must not hide the others.
                Err(error @ ApiError::Misconfigured(_)) => {
                    tracing::error!(worker.name = record.name, "a worker is left out of the list: {}", error.causes());
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(HttpResponse::Ok().json(WorkerList { items }))
}

/// Show one worker.
#[utoipa::path(
    get,
    path = "/v1/workers/{worker}",
    operation_id = "showWorker",
    tag = "workers",
    params(("worker" = String, Path, description = "Name of the worker")),
    responses(
        (status = 200, description = "The worker", body = WorkerInfo),
        WorkerProblems,
    )
)]
pub(crate) async fn show(
    request: HttpRequest,
    worker: web::Path<String>,
    id: RequestId,
    service: web::Data<Service>,
) -> Result<HttpResponse, ApiError> {
    let grant = service.admit(&request, &worker, id).await?;
    Ok(HttpResponse::Ok().json(describe(grant.worker(), &service).await?))
}

/// Get the certificates that a worker signs with.
///
/// As PEM, or as JSON where `Accept` asks for `application/json`. The key is not used.
#[utoipa::path(
    get,
    path = "/v1/workers/{worker}/certificates",
    operation_id = "getCertificates",
    tag = "workers",
    params(("worker" = String, Path, description = "Name of the worker")),
    responses(
        (status = 200, description = "The chain, the signer's certificate first", content((CertificateList = "application/json"), (String = "application/x-pem-file"))),
        (status = 409, description = "There is no certificate yet", body = Problem, content_type = "application/problem+json"),
        WorkerProblems,
    )
)]
pub(crate) async fn certificates(
    request: HttpRequest,
    worker: web::Path<String>,
    id: RequestId,
    service: web::Data<Service>,
) -> Result<HttpResponse, ApiError> {
    let grant = service.admit(&request, &worker, id).await?;
    let name = worker_config(&grant)?.credential().to_owned();
    let record = service.store().credential(&name).await?;
    let record = record.ok_or_else(|| ApiError::Misconfigured(format!("there is no credential \"{name}\"")))?;
    let chain = active_credential(&record)?.chain;
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("application/json") {
        return Ok(HttpResponse::Ok().json(CertificateList { certificate_chain: encode_chain(&chain) }));
    }
    let pem: String = chain.certificates().iter().map(|certificate| pem(certificate.der())).collect();
    Ok(HttpResponse::Ok().content_type("application/x-pem-file").body(pem))
}

// RFC 7468, section 2: lines of 64 characters.
fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for (position, character) in STANDARD.encode(der).chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
    text
}

async fn describe(record: &WorkerRecord, service: &Service) -> Result<WorkerInfo, ApiError> {
    let config = WorkerConfig::parse(&record.definition)
        .map_err(|error| ApiError::Misconfigured(format!("worker \"{}\": {error}", record.name)))?;
    let credential = service.store().credential(config.credential()).await?;
    let algorithm = credential.and_then(|credential| config.algorithm(credential.spec).ok());
    Ok(WorkerInfo {
        name: record.name.clone(),
        kind: config.kind().name().to_owned(),
        version: record.version,
        level: (!matches!(config.kind(), WorkerKind::Plain | WorkerKind::Timestamp))
            .then(|| config.level().name().to_owned()),
        algorithm: algorithm.map(|algorithm| algorithm.to_string()),
        credential: config.credential().to_owned(),
        caller_may_set: config.caller_may_set().to_vec(),
    })
}
