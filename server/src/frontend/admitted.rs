//! A request to a worker by a caller who may use it. Every handler of a worker starts from one: admitted before a byte of the body is
//! read, read within the limits, worked on; and what is refused after authentication is on record before it is answered.

use std::ops::AsyncFnOnce;

use actix_web::dev::Payload;
use actix_web::http::header::ContentType;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;

use super::body::Body;
use super::limits::Pending;
use super::sending::Answer;
use crate::authorization::Grant;
use crate::dispatch::{Completed, Work};
use crate::error::ApiError;
use crate::request_id::RequestId;
use crate::service::Service;

/// The request, its caller's grant, and what it holds.
pub(crate) struct Admitted {
    request: HttpRequest,
    payload: Payload,
    id: RequestId,
    service: web::Data<Service>,
    grant: Grant,
    pending: Pending,
}

impl FromRequest for Admitted {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let worker = web::Path::<String>::extract(&request).await?;
            let id = RequestId::extract(&request).await?;
            let service = web::Data::<Service>::extract(&request).await?;
            let grant = service.admit(&request, &worker, id).await?;
            let pending = service.limits().pending();
            Ok(Self { request, payload, id, service, grant, pending })
        })
    }
}

impl Admitted {
    /// The request's head.
    pub(crate) const fn request(&self) -> &HttpRequest {
        &self.request
    }

    /// Its id.
    pub(crate) const fn id(&self) -> RequestId {
        self.id
    }

    /// Name of the worker.
    pub(crate) fn worker(&self) -> &str {
        &self.grant.worker().name
    }

    /// Reads the body, for no longer than a request may take.
    ///
    /// # Errors
    /// What `read` refuses, and [`ApiError::Slow`]; on record by then.
    pub(crate) async fn read<T>(
        &mut self,
        read: impl AsyncFnOnce(&mut Body<'_>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let limits = self.service.limits();
        let mut body = Body {
            request: &self.request,
            payload: &mut self.payload,
            grant: &self.grant,
            limits,
            pending: &mut self.pending,
        };
        let deadline = self.id.received() + limits.timeout();
        let read = tokio::time::timeout_at(deadline.into(), read(&mut body)).await;
        self.recorded(read.unwrap_or_else(|_| Err(ApiError::Slow(limits.timeout().as_secs())))).await
    }

    /// Has the work done. What the request holds is kept for as long as it is worked on, and until the answer is sent.
    ///
    /// # Errors
    /// Those of the door; on record by then.
    pub(crate) async fn work(&mut self, work: Work) -> Result<Completed, ApiError> {
        let held = self.pending.take();
        let (completed, held) = self.service.dispatcher().work(&self.grant, self.id, work, held).await?;
        self.pending = held;
        Ok(completed)
    }

    /// Counts what an answer needs beside what has arrived. Not for signatures: what is made is not refused any more.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`], on record by then.
    pub(crate) async fn hold(&mut self, octets: usize) -> Result<(), ApiError> {
        let held = self.pending.grow(octets);
        self.recorded(held).await
    }

    /// The answer.
    pub(crate) fn answer(self, response: &mut HttpResponseBuilder, answer: impl Into<Answer>) -> HttpResponse {
        answer.into().send(response, self.pending, self.service.sending())
    }

    /// The answer in JSON.
    ///
    /// # Errors
    /// Only when the encoder fails: a bug.
    pub(crate) fn answer_json(
        self,
        response: &mut HttpResponseBuilder,
        answer: &impl Serialize,
    ) -> Result<HttpResponse, ApiError> {
        let json = serde_json::to_vec(answer);
        let json = json.map_err(|error| ApiError::Internal(format!("an answer could not be encoded: {error}")))?;
        response.insert_header(ContentType::json());
        Ok(self.answer(response, Bytes::from(json)))
    }

    async fn recorded<T>(&self, result: Result<T, ApiError>) -> Result<T, ApiError> {
        if let Err(error) = &result {
            self.service.dispatcher().refused(self.grant.client(), self.worker(), self.id, error).await;
        }
        result
    }
}
