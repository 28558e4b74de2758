//! Liveness, readiness and metrics, for machines that watch the service.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use cryptotoken_api::{CryptoToken, TokenState, TokenStatus};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use utoipa::ToSchema;

use crate::replicas::health::CredentialReadiness;
use crate::service::Service;

/// How long the audit writer may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Readiness in parts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Whether database and audit chain are ready, and so are all tokens but those whose every credential has another replica that is.
    ready: bool,
    /// `ready` or `unavailable`.
    database: String,
    /// `ready`, or `unavailable` where nothing can be put on record and therefore nothing is signed.
    #[serde(rename = "auditChain")]
    audit_chain: String,
    /// One each.
    tokens: Vec<TokenReadiness>,
    /// Credentials whose key is on several tokens.
    credentials: Vec<CredentialReadiness>,
}

/// Readiness of one token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenReadiness {
    /// Its name in the configuration.
    name: String,
    /// `ready`, `unavailable`, `pin-rejected`, `locked` or `uninitialized`.
    state: String,
    /// Sessions in use.
    #[serde(rename = "sessionsInUse")]
    sessions_in_use: usize,
    /// Sessions at most.
    #[serde(rename = "sessionsAtMost")]
    sessions_at_most: usize,
    /// Calls that hang in its library.
    #[serde(rename = "hungCalls")]
    hung_calls: usize,
}

/// Whether the process runs.
#[utoipa::path(get, path = "/health/live", operation_id = "live", tag = "health", security(()),
    responses((status = 200, description = "The process runs", body = String, content_type = "text/plain")))]
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("live\n")
}

/// Whether requests can be signed: database, audit chain and tokens, one by one.
#[utoipa::path(get, path = "/health/ready", operation_id = "ready", tag = "health", security(()),
    responses(
        (status = 200, description = "Database, audit chain and tokens are ready, or other replicas are where a token is away", body = Readiness),
        (status = 503, description = "Something is away; the answer says what", body = Readiness)))]
pub(crate) async fn ready(service: web::Data<Service>) -> HttpResponse {
    let database = match service.store().ping().await {
        Ok(()) => "ready".to_owned(),
        Err(error) => {
            tracing::warn!("the database is not ready: {error}");
            "unavailable".to_owned()
        }
    };
    let audit_chain = match tokio::time::timeout(PATIENCE, service.audit().probe()).await {
        Ok(Ok(())) => "ready".to_owned(),
        outcome => {
            let reason = outcome.map_or_else(
                |_| "no answer".to_owned(),
                |answer| answer.err().map(|e| e.to_string()).unwrap_or_default(),
            );
            tracing::warn!("the audit chain is not ready: {reason}");
            "unavailable".to_owned()
        }
    };
    let statuses: Vec<TokenStatus> = service.node().tokens().map(|token| token.status()).collect();
    let (credentials, tokens_ready) = service.replicas().readiness(&statuses);
    let ready = database == "ready" && audit_chain == "ready" && tokens_ready;
    let tokens = statuses
        .into_iter()
        .map(|status| TokenReadiness {
            state: status.state.name().to_owned(),
            name: status.name,
            sessions_in_use: status.sessions.0,
            sessions_at_most: status.sessions.1,
            hung_calls: status.hung_calls,
        })
        .collect();
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(Readiness { ready, database, audit_chain, tokens, credentials })
}

/// Counters and times, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "health", security(()),
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(handle: web::Data<PrometheusHandle>, service: web::Data<Service>) -> HttpResponse {
    for status in service.node().tokens().map(|token| token.status()) {
        let gauge = |name, value: usize| {
            // What is counted here stays far below what a double holds exactly.
            metrics::gauge!(name, "token" => status.name.clone()).set(value as f64);
        };
        gauge("sigillo_token_ready", usize::from(status.state == TokenState::Ready));
        gauge("sigillo_token_hung_calls", status.hung_calls);
        gauge("sigillo_token_sessions_in_use", status.sessions.0);
        gauge("sigillo_token_sessions_max", status.sessions.1);
    }
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(handle.render())
}
