//! The body of a request to a worker, read within the limits of size and memory.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use workers::DocumentContent;

use super::limits::{BodyLimits, Limit, Pending};
use super::receiving::Receiving;
use crate::authorization::Grant;
use crate::dispatch::worker_config;
use crate::error::ApiError;

/// A body on its way in, of a caller who may use the worker.
pub(crate) struct Body<'a> {
    /// What it came with.
    pub(crate) request: &'a HttpRequest,
    /// Its octets.
    pub(crate) payload: &'a mut Payload,
    /// For whom it is.
    pub(crate) grant: &'a Grant,
    /// What it may hold.
    pub(crate) limits: &'a BodyLimits,
    /// What the request holds of that.
    pub(crate) pending: &'a mut Pending,
}

impl Body<'_> {
    /// Its media type without parameters, in small letters; empty where none is said.
    pub(crate) fn media_type(&self) -> String {
        let header = self.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Whether a document for this worker may be in the spool folder.
    pub(crate) fn takes_spooled(&self) -> bool {
        worker_config(self.grant).is_ok_and(|config| config.takes_spooled())
    }

    /// A document that is the body. What is too big for memory goes to the spool folder, where there is one and the worker takes it.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`], [`ApiError::Overloaded`], [`ApiError::Malformed`] when it breaks off, and those of the spool folder.
    pub(crate) async fn receive(&mut self) -> Result<DocumentContent, ApiError> {
        let mut document = Receiving::new(self.limits, self.takes_spooled());
        document.expect(self.declared_length().unwrap_or(0))?;
        while let Some(chunk) = self.payload.next().await {
            document.take(&chunk.map_err(broken_off)?, self.pending).await?;
        }
        document.finish().await
    }

    /// The whole body in memory.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`], [`ApiError::Overloaded`], [`ApiError::Malformed`] when it breaks off.
    pub(crate) async fn read(&mut self, limit: Limit) -> Result<Bytes, ApiError> {
        let declared = self.declared_length();
        let too_large = || ApiError::TooLarge { limit: limit.said };
        if declared.is_some_and(|length| length > limit.body) {
            return Err(too_large());
        }
        // Not more than a caller has sent: a declared length alone reserves nothing big.
        let mut body = BytesMut::with_capacity(declared.map_or(0, |length| length.min(1 << 20) as usize));
        while let Some(chunk) = self.payload.next().await {
            let chunk = chunk.map_err(broken_off)?;
            if (body.len() as u64).saturating_add(chunk.len() as u64) > limit.body {
                return Err(too_large());
            }
            self.pending.grow(chunk.len())?;
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// How long it says to be.
    pub(crate) fn declared_length(&self) -> Option<u64> {
        self.request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }
}

fn broken_off(error: PayloadError) -> ApiError {
    ApiError::Malformed(format!("the body broke off: {error}"))
}
