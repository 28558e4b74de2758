//! Every request gets an id: in the answer's header, in problem documents, in the log and in the audit records.

use std::fmt;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use uuid::Uuid;

use crate::error::{ApiError, legible};

/// Identifier of one request, ordered by time (UUID version 7), and when its head had arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId {
    uuid: Uuid,
    received: Instant,
}

impl RequestId {
    fn now() -> Self {
        Self { uuid: Uuid::now_v7(), received: Instant::now() }
    }

    /// As the audit records have it.
    pub(crate) const fn uuid(self) -> Uuid {
        self.uuid
    }

    /// From when on its time counts.
    pub(crate) const fn received(self) -> Instant {
        self.received
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)
    }
}

impl FromRequest for RequestId {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.extensions().get::<Self>().copied();
        std::future::ready(id.ok_or_else(|| ApiError::Internal("a request without id".into()).into()))
    }
}

/// Gives the request its id, turns errors into problem documents that carry it, and logs the outcome once.
pub(crate) async fn identify<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = RequestId::now();
    request.extensions_mut().insert(id);
    let (method, path) = (request.method().clone(), legible(request.path(), 200));

    // A task of its own, which goes on when the connection breaks off and this future is dropped: what is refused after
    // authentication then is on record too, and what was taken on is finished.
    let handled = match actix_web::rt::spawn(next.call(request)).await {
        Ok(handled) => handled?,
        Err(fault) => return Err(broken_off(id, &fault.to_string())),
    };
    let mut response = handled.map_into_boxed_body();

    let error = response.response().error().map(|error| match error.as_error::<ApiError>() {
        Some(error) => (error.response(id), error.causes()),
        // What actix refuses before a handler sees it, such as a path that is no UTF-8.
        None => {
            let error = ApiError::Malformed(error.to_string());
            (error.response(id), error.causes())
        }
    });
    if let Some((problem, causes)) = error {
        if problem.status().is_server_error() {
            tracing::error!(request.id = %id, %method, %path, status = problem.status().as_u16(), "request {id} failed: {causes}");
        } else {
            tracing::info!(request.id = %id, %method, %path, status = problem.status().as_u16(), "request {id} refused: {causes}");
        }
        let (request, _) = response.into_parts();
        response = ServiceResponse::new(request, problem);
    } else {
        let status = response.status().as_u16();
        tracing::debug!(request.id = %id, %method, %path, status, millis = id.received.elapsed().as_millis(), "request {id} answered");
    }
    mark(response.headers_mut(), id);
    Ok(response)
}

/// The answer when a handler panicked: a bug, and the caller still gets its problem document.
fn broken_off(id: RequestId, fault: &str) -> Error {
    tracing::error!(request.id = %id, "request {id} broke off: {fault}");
    let error = ApiError::Internal(fault.to_owned());
    let mut problem = error.response(id);
    mark(problem.headers_mut(), id);
    InternalError::from_response(error, problem).into()
}

fn mark(headers: &mut HeaderMap, id: RequestId) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(HeaderName::from_static("sigillo-request-id"), value);
    }
}
