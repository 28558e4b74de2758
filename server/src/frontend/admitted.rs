//! A request to a worker by a caller who may use it. Every handler of a worker starts from one: admitted before a byte of the body is
//! read, read within the limits, worked on; and what is refused after authentication is on record before it is answered.

use std::ops::AsyncFnOnce;

use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;

use super::body::Body;
use super::limits::Pending;
use super::sending::SendLimits;
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

    /// How long the answer may take.
    pub(crate) fn sending(&self) -> SendLimits {
        self.service.sending()
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
        let read = read.unwrap_or_else(|_| Err(ApiError::Slow(limits.timeout().as_secs())));
        if let Err(error) = &read {
            self.service.dispatcher().refused(self.grant.client(), self.worker(), self.id, error).await;
        }
        read
    }

    /// Has the work done. What the request holds is kept for as long as it is worked on.
    ///
    /// # Errors
    /// Those of the door; on record by then.
    pub(crate) async fn work(&mut self, work: Work) -> Result<Completed, ApiError> {
        self.service.dispatcher().work(&self.grant, self.id, work, self.pending.take()).await
    }
}
