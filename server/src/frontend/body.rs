//! Read a request body within the limits of size, time and memory.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, web};
use administration::configuration::{ByteSize, ServerConfig};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::request_id::RequestId;

/// How much, for how long, and how much of all requests together.
#[derive(Clone, Debug)]
pub(crate) struct BodyLimits {
    document: ByteSize,
    timeout: Duration,
    pending: Arc<Semaphore>,
}

/// The part of the memory for pending requests that one of them holds. Gone with the request.
#[derive(Debug)]
pub(crate) struct Pending {
    all: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    octets: u64,
}

/// Memory is counted in pieces of this size.
const PIECE: u64 = 64 * 1024;

impl Pending {
    /// Counts octets that have arrived.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`] when all requests together would hold too much.
    pub(crate) fn grow(&mut self, octets: usize) -> Result<(), ApiError> {
        let before = self.octets.div_ceil(PIECE);
        self.octets = self.octets.saturating_add(octets as u64);
        let more = u32::try_from(self.octets.div_ceil(PIECE) - before).map_err(|_| ApiError::Overloaded)?;
        if more > 0 {
            let permit = Arc::clone(&self.all).try_acquire_many_owned(more).map_err(|_| ApiError::Overloaded)?;
            match &mut self.held {
                Some(held) => held.merge(permit),
                None => self.held = Some(permit),
            }
        }
        Ok(())
    }
}

/// What a body may hold beside the document: names and parameters, or digests. Parsed, a few octets of JSON become many.
pub(crate) const ENVELOPE: ByteSize = ByteSize(64 * 1024);

impl BodyLimits {
    pub(crate) fn new(server: &ServerConfig) -> Self {
        let pieces = usize::try_from(server.max_pending_bytes.0.div_ceil(PIECE)).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            document: server.max_document_bytes,
            timeout: server.request_timeout.0,
            pending: Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// A request that holds nothing yet.
    pub(crate) fn pending(&self) -> Pending {
        Pending { all: Arc::clone(&self.pending), held: None, octets: 0 }
    }

    /// The largest document.
    pub(crate) const fn document(&self) -> u64 {
        self.document.0
    }

    /// The largest body in which such a document comes as base64 or as a part.
    pub(crate) const fn envelope(&self) -> u64 {
        self.document.0.saturating_mul(4) / 3 + ENVELOPE.0
    }

    pub(crate) const fn too_large(&self) -> ApiError {
        ApiError::TooLarge { limit: self.document }
    }

    /// Reads the whole body, of at most `limit` octets.
    pub(crate) async fn read(
        &self,
        request: &HttpRequest,
        id: RequestId,
        mut payload: web::Payload,
        limit: u64,
        pending: &mut Pending,
    ) -> Result<Bytes, ApiError> {
        let declared = declared_length(request);
        let too_large = || if limit <= ENVELOPE.0 { ApiError::TooLarge { limit: ENVELOPE } } else { self.too_large() };
        if declared.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        self.in_time(id, async move {
            // Not more than a caller has sent: a declared length alone reserves nothing big.
            let mut body = BytesMut::with_capacity(declared.map_or(0, |length| length.min(1 << 20) as usize));
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|error| ApiError::Malformed(format!("the body broke off: {error}")))?;
                if (body.len() as u64).saturating_add(chunk.len() as u64) > limit {
                    return Err(too_large());
                }
                pending.grow(chunk.len())?;
                body.extend_from_slice(&chunk);
            }
            Ok(body.freeze())
        })
        .await
    }

    /// Runs what reads the body, for no longer than a request may take.
    pub(crate) async fn in_time<T>(
        &self,
        id: RequestId,
        read: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let deadline = id.received() + self.timeout;
        tokio::time::timeout_at(deadline.into(), read).await.map_err(|_| ApiError::Slow(self.timeout.as_secs()))?
    }
}

fn declared_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
