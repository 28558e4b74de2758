//! What a caller is told when a request fails: RFC 9457 problem documents. The only place with status codes.
//!
//! Faults of the caller are explained to the caller. Faults of the operator or the service go to the log under the request
//! id, and the caller gets the id.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use cryptotoken_api::SignerError;
use serde::Serialize;
use utoipa::ToSchema;
use workers::tsa::refusal::FailureInfo;
use workers::{Fault, WorkerError};

use crate::renderer::NoPicture;
use crate::request_id::RequestId;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// No credentials of a client, or wrong ones.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The client may not use this worker, which may not even exist.
    #[error(
        "client \"{client}\" has no grant for worker \"{worker}\"; ask an administrator to run: sigillo grant add {client} --worker {worker}"
    )]
    NoGrant { client: String, worker: String },
    /// The worker does not exist, said only to those who may know.
    #[error("there is no worker \"{0}\"; list them with: sigillo worker list")]
    UnknownWorker(String),
    /// No such path.
    #[error("there is nothing at {0}; /openapi.json describes what there is")]
    UnknownPath(String),
    /// The path exists for other methods.
    #[error("{method} is not possible at {path}; /openapi.json describes what is")]
    Method { method: String, path: String },
    /// The body or a header cannot be read as what it should be.
    #[error("{0}")]
    Malformed(String),
    /// More octets than the service takes.
    #[error(
        "what was sent is larger than {limit}, the most that is taken here; send a smaller document or its digest, or fewer digests at a time"
    )]
    TooLarge { limit: administration::configuration::ByteSize },
    /// The body is of a kind that this path does not take.
    #[error("{0}")]
    MediaType(String),
    /// The body did not arrive in time.
    #[error("the request did not arrive within {0} seconds; send it faster or in smaller parts")]
    Slow(u64),
    /// Too many requests are waiting, or this one waited too long.
    #[error("the service is busy; try again later")]
    Overloaded,
    /// No place in the spool folder; it comes back as other requests end.
    #[error(
        "there is no room for a document of this size now, as others are under way (server.max_spool_bytes, or the disk); try again later"
    )]
    SpoolFull,
    /// The spool folder does not take documents; the operator must act.
    #[error("the spool folder (server.spool) does not take a document")]
    SpoolFailed(#[source] std::io::Error),
    /// The request was not finished in time; what is still made of it is withheld.
    #[error("{0}, and nothing of the request is released; try again later")]
    Late(Lateness),
    /// The worker refused or failed.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// There is no picture of the page.
    #[error(transparent)]
    Picture(NoPicture),
    /// The gate of qualified seals is closed; the operator must act.
    #[error("this worker makes qualified seals, and what they need is missing: {}", missing.join("; "))]
    NotQualified { missing: Vec<String> },
    /// The database does not answer.
    #[error("the database is not available")]
    Store(#[from] store::StoreError),
    /// Credential, token or worker are not as the definitions say; the operator must act.
    #[error("{0}")]
    Misconfigured(String),
    /// A bug.
    #[error("{0}")]
    Internal(String),
}

/// Which time was up, by its key in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lateness {
    /// That of the whole request.
    #[error("the request was not finished within {0:?} (server.request_timeout)")]
    Request(Duration),
    /// That of one call into the library of a token.
    #[error("the crypto token did not answer within {0:?} (recovery.call_timeout of its profile)")]
    Call(Duration),
}

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    /// `urn:sigillo:problem:NAME`; the name is stable.
    #[schema(example = "urn:sigillo:problem:document-unacceptable")]
    r#type: String,
    /// The name in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// A sentence with cause and next step.
    detail: String,
    /// The request, as in the header `Sigillo-Request-Id` and in the logs.
    request_id: String,
}

impl ApiError {
    /// Status and name. One exhaustive `match` over everything that can go wrong.
    pub(crate) fn problem(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::NoGrant { .. } => (StatusCode::FORBIDDEN, "no-grant"),
            Self::UnknownWorker(_) => (StatusCode::NOT_FOUND, "unknown-worker"),
            Self::UnknownPath(_) => (StatusCode::NOT_FOUND, "unknown-path"),
            Self::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed-request"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type"),
            Self::Slow(_) => (StatusCode::REQUEST_TIMEOUT, "too-slow"),
            Self::Overloaded | Self::SpoolFull => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            // What takes that long is the device.
            Self::Late(_) => (StatusCode::SERVICE_UNAVAILABLE, "token-unavailable"),
            Self::Picture(NoPicture::TooLarge { .. }) => (StatusCode::UNPROCESSABLE_ENTITY, "parameters-unacceptable"),
            Self::Picture(_) => (StatusCode::UNPROCESSABLE_ENTITY, "document-unacceptable"),
            Self::NotQualified { .. } => (StatusCode::CONFLICT, "credential-not-active"),
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "database-unavailable"),
            Self::Misconfigured(_) | Self::SpoolFailed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "misconfigured"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::Worker(error) => match (error.fault(), error) {
                (Fault::Document, _) => (StatusCode::UNPROCESSABLE_ENTITY, "document-unacceptable"),
                (Fault::MediaType, _) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type"),
                (Fault::Parameters, _) => (StatusCode::UNPROCESSABLE_ENTITY, "parameters-unacceptable"),
                (Fault::Credential, _) => (StatusCode::CONFLICT, "credential-not-active"),
                (Fault::Clock, _) => (StatusCode::SERVICE_UNAVAILABLE, "timestamp-unavailable"),
                (Fault::Token, WorkerError::Signer(error)) => signer_problem(error),
                (Fault::TimestampAuthority, _) => (StatusCode::SERVICE_UNAVAILABLE, "timestamp-unavailable"),
                (Fault::Revocation, _) => (StatusCode::SERVICE_UNAVAILABLE, "revocation-unavailable"),
                (Fault::Withheld, _) => (StatusCode::INTERNAL_SERVER_ERROR, "signature-withheld"),
                (Fault::Token | Fault::Service, _) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            },
        }
    }

    /// What the caller may read. Details of operator and service faults stay in the log.
    pub(crate) fn detail(&self) -> String {
        match self.problem() {
            _ if matches!(self, Self::Late(_) | Self::SpoolFull) => self.to_string(),
            (StatusCode::INTERNAL_SERVER_ERROR, "misconfigured") => {
                "the service is not set up for this request; tell its operator the request id".into()
            }
            (StatusCode::INTERNAL_SERVER_ERROR, "signature-withheld") => {
                "the signature did not pass the check before release and was withheld; tell the operator the request id"
                    .into()
            }
            (StatusCode::INTERNAL_SERVER_ERROR, _) => "the service failed; tell its operator the request id".into(),
            // The device answered, and too late.
            _ if matches!(self, Self::Worker(WorkerError::Signer(SignerError::DeadlineExceeded { .. }))) => {
                "the crypto token did not answer within the time of the request (server.request_timeout); try again later".into()
            }
            (StatusCode::SERVICE_UNAVAILABLE, "token-unavailable") => {
                "the crypto token is not available; try again later".into()
            }
            (StatusCode::SERVICE_UNAVAILABLE, "database-unavailable") => {
                "the service cannot record what it does and therefore does nothing; try again later".into()
            }
            // Our own clock, or another service: whose fault it is and what it did is what the caller needs to know.
            (StatusCode::SERVICE_UNAVAILABLE, "timestamp-unavailable" | "revocation-unavailable") => {
                format!("{self}; nothing is released, try again later")
            }
            (StatusCode::SERVICE_UNAVAILABLE, _) => "the service is busy; try again later".into(),
            _ => match self {
                Self::Worker(WorkerError::Signer(SignerError::KeyNotFound { .. })) => {
                    "the key of this worker's credential is not on its token; tell the operator the request id".into()
                }
                // The cause is the sentence for the caller, not that the signer did not sign.
                Self::Worker(WorkerError::Signer(cause)) => cause.to_string(),
                _ => self.to_string(),
            },
        }
    }

    /// What a time-stamping authority replies instead (RFC 3161, section 2.4.2); `None` where callers are not known, may not, or should
    /// come again, which HTTP says better.
    pub(crate) fn failure_info(&self) -> Option<FailureInfo> {
        match self {
            Self::Worker(WorkerError::NoTimestamp(refusal)) => Some(refusal.failure_info()),
            Self::Worker(_) | Self::NotQualified { .. } | Self::Misconfigured(_) | Self::Internal(_) => {
                let passes = self.problem().0 == StatusCode::SERVICE_UNAVAILABLE;
                (!passes).then_some(FailureInfo::SystemFailure)
            }
            _ => None,
        }
    }

    /// The error with all its causes, for log and records: text of callers comes back in it.
    pub(crate) fn causes(&self) -> String {
        legible(&administration::error::causes(self), 1000)
    }

    /// The whole answer.
    pub(crate) fn response(&self, request_id: RequestId) -> HttpResponse {
        let (status, name) = self.problem();
        let problem = Problem {
            r#type: format!("urn:sigillo:problem:{name}"),
            title: name.replace('-', " "),
            status: status.as_u16(),
            detail: self.detail(),
            request_id: request_id.to_string(),
        };
        let mut response = HttpResponse::build(status);
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, "2"));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"sigillo\", Basic realm=\"sigillo\""));
        }
        response.body(serde_json::to_string(&problem).unwrap_or_default())
    }
}

/// Text of callers as log and records keep it: of this many characters at most, and none that a terminal would obey.
pub(crate) fn legible(text: &str, limit: usize) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { c.to_string() };
    let mut kept: String = text.chars().take(limit).map(escaped).collect();
    if text.chars().nth(limit).is_some() {
        kept.push('…');
    }
    kept
}

const fn signer_problem(error: &SignerError) -> (StatusCode, &'static str) {
    match error {
        SignerError::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        SignerError::Unavailable { .. } | SignerError::TokenFailed { .. } | SignerError::DeadlineExceeded { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "token-unavailable")
        }
        SignerError::NotRecorded(_) => (StatusCode::SERVICE_UNAVAILABLE, "database-unavailable"),
        SignerError::NotPermitted { .. } | SignerError::NotAuthorized { .. } | SignerError::KeyNotFound { .. } => {
            (StatusCode::CONFLICT, "credential-not-active")
        }
        SignerError::UnsupportedAlgorithm { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "misconfigured"),
        SignerError::DataRequired | SignerError::DigestMismatch { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "document-unacceptable")
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.problem().0
    }

    // Replaced by `request_id::identify`, which knows the request.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}
