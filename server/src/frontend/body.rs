//! Read a request body within the limits of size, time and memory.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, web};
use administration::Configuration;
use administration::configuration::ByteSize;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use workers::DocumentContent;

use super::spool::{Incoming, Spool};
use crate::error::ApiError;
use crate::request_id::RequestId;

/// How much, for how long, and how much of all requests together.
#[derive(Clone, Debug)]
pub(crate) struct BodyLimits {
    timeout: Duration,
    /// What of a document can be in memory.
    memory: ByteSize,
    pending: Arc<Semaphore>,
    spool: Option<(Spool, Arc<Semaphore>)>,
    /// The largest document that can be in the spool folder.
    on_disk: ByteSize,
}

/// The part of the memory for pending requests, or of the place in the spool folder, that one of them holds. Gone with the request.
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
    pub(crate) fn new(configuration: &Configuration) -> Self {
        let server = &configuration.server;
        let pieces = |size: ByteSize| {
            let pieces = usize::try_from(size.0.div_ceil(PIECE)).unwrap_or(Semaphore::MAX_PERMITS);
            Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS)))
        };
        let document = server.max_document_bytes;
        Self {
            memory: ByteSize(document.0.min(server.max_pending_bytes.0)),
            timeout: server.request_timeout.0,
            pending: pieces(server.max_pending_bytes),
            spool: Spool::new(configuration).map(|spool| (spool, pieces(server.max_spool_bytes))),
            on_disk: ByteSize(document.0.min(server.max_spool_bytes.0)),
        }
    }

    /// A request that holds nothing yet.
    pub(crate) fn pending(&self) -> Pending {
        Pending { all: Arc::clone(&self.pending), held: None, octets: 0 }
    }

    /// The largest document in memory.
    pub(crate) const fn document(&self) -> u64 {
        self.memory.0
    }

    /// The largest body in which such a document comes as base64 or as a part.
    pub(crate) const fn envelope(&self) -> u64 {
        self.memory.0.saturating_mul(4) / 3 + ENVELOPE.0
    }

    pub(crate) const fn too_large(&self) -> ApiError {
        ApiError::TooLarge { limit: self.memory }
    }

    /// Receives a document that is the body. What is too big for memory goes to the spool folder, where there is one.
    pub(crate) async fn receive(
        &self,
        request: &HttpRequest,
        id: RequestId,
        mut payload: web::Payload,
        pending: &mut Pending,
    ) -> Result<DocumentContent, ApiError> {
        let Some((spool, places)) = &self.spool else {
            return self.read(request, id, payload, self.document(), pending).await.map(DocumentContent::Memory);
        };
        let too_large = || ApiError::TooLarge { limit: self.on_disk };
        if declared_length(request).is_some_and(|length| length > self.on_disk.0) {
            return Err(too_large());
        }
        self.in_time(id, async move {
            let (mut memory, mut incoming, mut length) = (BytesMut::new(), None::<Incoming>, 0_u64);
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(broken_off)?;
                length = length.saturating_add(chunk.len() as u64);
                if length > self.on_disk.0 {
                    return Err(too_large());
                }
                incoming = match incoming {
                    Some(incoming) => Some(incoming.take(&chunk).await?),
                    None if length > spool.above() => {
                        let place = Pending { all: Arc::clone(places), held: None, octets: 0 };
                        let beginning = std::mem::take(&mut memory);
                        let incoming = spool.begin(place).await?.take(&beginning).await?.take(&chunk).await?;
                        // Memory is held for blocks on their way to the disk only.
                        *pending = self.pending();
                        Some(incoming)
                    }
                    None => {
                        pending.grow(chunk.len())?;
                        memory.extend_from_slice(&chunk);
                        None
                    }
                };
            }
            match incoming {
                Some(incoming) => Ok(DocumentContent::Spooled(incoming.finish().await?)),
                None => Ok(DocumentContent::Memory(memory.freeze())),
            }
        })
        .await
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
                let chunk = chunk.map_err(broken_off)?;
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

fn broken_off(error: PayloadError) -> ApiError {
    ApiError::Malformed(format!("the body broke off: {error}"))
}

fn declared_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
