//! The limits of requests: size, time, and what all of them together hold in memory and on the disk.

use std::sync::Arc;
use std::time::Duration;

use administration::Configuration;
use administration::configuration::ByteSize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::spool::Spool;
use crate::error::ApiError;

/// How much, for how long, and how much of all requests together.
#[derive(Clone, Debug)]
pub(crate) struct BodyLimits {
    timeout: Duration,
    /// What of a document can be in memory.
    memory: ByteSize,
    pending: Arc<Semaphore>,
    spool: Option<Spool>,
    places: Arc<Semaphore>,
    /// The largest document that can be in the spool folder.
    on_disk: ByteSize,
    /// The largest document as base64, which is in memory twice: so, and decoded.
    in_json: ByteSize,
}

/// The part of the memory for pending requests, or of the place in the spool folder, that one of them holds. Gone with the request.
#[derive(Debug)]
pub(crate) struct Pending {
    all: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    octets: u64,
}

/// Memory is counted in pieces of this size.
const PIECE: u64 = 64 * KIB;

const KIB: u64 = 1024;

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

    /// All of it; nothing is held from here on.
    pub(crate) fn take(&mut self) -> Self {
        let nothing = Self { all: Arc::clone(&self.all), held: None, octets: 0 };
        std::mem::replace(self, nothing)
    }

    /// Gives back what was counted for octets that are no longer held.
    pub(crate) fn shrink(&mut self, octets: usize) {
        let before = self.octets.div_ceil(PIECE);
        self.octets = self.octets.saturating_sub(octets as u64);
        let less = usize::try_from(before - self.octets.div_ceil(PIECE)).unwrap_or(usize::MAX);
        drop(self.held.as_mut().and_then(|held| held.split(less)));
    }
}

/// What a body may hold beside the document: names and parameters, or digests. Parsed, a few octets of JSON become many.
pub(crate) const ENVELOPE: ByteSize = ByteSize(64 * 1024);

/// How large a body may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Octets of the body.
    pub(crate) body: u64,
    /// What the caller is told: a limit of what the body is there for.
    pub(crate) said: ByteSize,
}

impl Limit {
    /// A body that is that by itself.
    pub(crate) const fn of(size: ByteSize) -> Self {
        Self { body: size.0, said: size }
    }

    /// A body in which a document of this size is as base64.
    pub(crate) const fn around(document: ByteSize) -> Self {
        Self { body: document.0.saturating_mul(4) / 3 + ENVELOPE.0, said: document }
    }
}

impl BodyLimits {
    pub(crate) fn new(configuration: &Configuration) -> Self {
        let server = &configuration.server;
        let pieces = |size: ByteSize| {
            let pieces = usize::try_from(size.0.div_ceil(PIECE)).unwrap_or(Semaphore::MAX_PERMITS);
            Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS)))
        };
        let document = server.max_document_bytes;
        // A third more as base64, and once more decoded, beside what else is in the body.
        let twice = server.max_pending_bytes.0.saturating_sub(2 * ENVELOPE.0) / 7 * 3;
        Self {
            memory: ByteSize(document.0.min(server.max_pending_bytes.0)),
            timeout: server.request_timeout.0,
            pending: pieces(server.max_pending_bytes),
            spool: Spool::new(configuration),
            places: pieces(server.max_spool_bytes),
            on_disk: ByteSize(document.0.min(server.max_spool_bytes.0)),
            in_json: ByteSize(document.0.min(twice / KIB * KIB)),
        }
    }

    /// A request that holds nothing yet.
    pub(crate) fn pending(&self) -> Pending {
        Pending { all: Arc::clone(&self.pending), held: None, octets: 0 }
    }

    /// The place in the spool folder of a document of which nothing is there yet.
    pub(crate) fn place(&self) -> Pending {
        Pending { all: Arc::clone(&self.places), held: None, octets: 0 }
    }

    /// The spool folder, where there is one.
    pub(crate) const fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    /// The largest document in the spool folder.
    pub(crate) const fn on_disk(&self) -> ByteSize {
        self.on_disk
    }

    /// The largest document in memory.
    pub(crate) const fn in_memory(&self) -> ByteSize {
        self.memory
    }

    /// The largest document in a JSON body.
    pub(crate) const fn in_json(&self) -> ByteSize {
        self.in_json
    }

    /// How long a request may take from its head on.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }
}
