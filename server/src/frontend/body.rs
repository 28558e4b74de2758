//! Read a request body within the limits of size and time.

use std::future::Future;
use std::time::Duration;

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, web};
use administration::configuration::ServerConfig;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::error::ApiError;

/// How much, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    document: administration::configuration::ByteSize,
    timeout: Duration,
}

/// What a body holds beside the document when it is base64 in JSON, or multipart: names and parameters.
const ENVELOPE: u64 = 64 * 1024;

impl BodyLimits {
    pub(crate) const fn new(server: &ServerConfig) -> Self {
        Self { document: server.max_document_bytes, timeout: server.request_timeout.0 }
    }

    /// The largest document.
    pub(crate) const fn document(self) -> u64 {
        self.document.0
    }

    /// The largest body in which such a document comes as base64 or as a part.
    pub(crate) const fn envelope(self) -> u64 {
        self.document.0.saturating_mul(4) / 3 + ENVELOPE
    }

    pub(crate) const fn too_large(self) -> ApiError {
        ApiError::TooLarge { limit: self.document }
    }

    /// Reads the whole body, of at most `limit` octets.
    pub(crate) async fn read(
        self,
        request: &HttpRequest,
        mut payload: web::Payload,
        limit: u64,
    ) -> Result<Bytes, ApiError> {
        let declared = declared_length(request);
        if declared.is_some_and(|length| length > limit) {
            return Err(self.too_large());
        }
        self.in_time(async move {
            // Not more than a caller has sent: a declared length alone reserves nothing big.
            let mut body = BytesMut::with_capacity(declared.map_or(0, |length| length.min(1 << 20) as usize));
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|error| ApiError::Malformed(format!("the body broke off: {error}")))?;
                if (body.len() as u64).saturating_add(chunk.len() as u64) > limit {
                    return Err(self.too_large());
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body.freeze())
        })
        .await
    }

    /// Runs what reads the body, for no longer than a request may take.
    pub(crate) async fn in_time<T>(self, read: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
        tokio::time::timeout(self.timeout, read).await.map_err(|_| ApiError::Slow(self.timeout.as_secs()))?
    }
}

fn declared_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
