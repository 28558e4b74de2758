//! A document on its way in: in memory while it is small, in the spool folder from then on.

use administration::configuration::ByteSize;
use bytes::BytesMut;
use cryptotoken_api::DigestAlgorithm;
use openssl::hash::Hasher;
use workers::{DocumentContent, MemoryDocument};

use super::limits::{BodyLimits, Pending};
use super::spool::{Incoming, Spool};
use crate::error::ApiError;

/// What has arrived of a document.
pub(crate) struct Receiving<'a> {
    limits: &'a BodyLimits,
    /// Where it may go; `None` where it must stay in memory.
    spool: Option<&'a Spool>,
    memory: BytesMut,
    /// Has taken what is in memory: the audit log wants the digest, and most signatures begin with the same.
    sha256: Option<Hasher>,
    incoming: Option<Incoming>,
    length: u64,
}

impl<'a> Receiving<'a> {
    /// Nothing yet. `spooled` says that it may go to the spool folder, where there is one.
    pub(crate) fn new(limits: &'a BodyLimits, spooled: bool) -> Self {
        let spool = limits.spool().filter(|_| spooled);
        let sha256 = Hasher::new(DigestAlgorithm::Sha256.message_digest()).ok();
        Self { limits, spool, memory: BytesMut::new(), sha256, incoming: None, length: 0 }
    }

    /// Looks at a length before that many octets have come. It reserves nothing: anybody can say any.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`], as [`Self::take`] would say later.
    pub(crate) fn expect(&self, length: u64) -> Result<(), ApiError> {
        let limit = self.largest();
        if length > limit.0 { Err(ApiError::TooLarge { limit }) } else { Ok(()) }
    }

    /// Takes what has arrived. `pending` counts what of it is in memory.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`], [`ApiError::Overloaded`] and those of the spool folder.
    pub(crate) async fn take(&mut self, octets: &[u8], pending: &mut Pending) -> Result<(), ApiError> {
        self.length = self.length.saturating_add(octets.len() as u64);
        self.expect(self.length)?;
        self.incoming = match (self.incoming.take(), self.spool) {
            (Some(incoming), _) => Some(incoming.take(octets).await?),
            (None, Some(spool)) if self.length > spool.above() => {
                let beginning = std::mem::take(&mut self.memory);
                let incoming = spool.begin(self.limits.place()).await?.take(&beginning).await?.take(octets).await?;
                // Memory is held for blocks on their way to the disk only.
                pending.shrink(beginning.len());
                Some(incoming)
            }
            (None, _) => {
                pending.grow(octets.len())?;
                self.memory.extend_from_slice(octets);
                self.sha256 = self.sha256.take().and_then(|mut hasher| hasher.update(octets).ok().map(|()| hasher));
                None
            }
        };
        Ok(())
    }

    /// The whole document.
    ///
    /// # Errors
    /// Those of the spool folder.
    pub(crate) async fn finish(self) -> Result<DocumentContent, ApiError> {
        let memory = self.memory.freeze();
        match (self.incoming, self.sha256) {
            (Some(incoming), _) => Ok(DocumentContent::Spooled(incoming.finish().await?)),
            (None, Some(sha256)) => {
                Ok(DocumentContent::Memory(MemoryDocument::hashed(memory, DigestAlgorithm::Sha256, sha256)))
            }
            (None, None) => Ok(DocumentContent::Memory(memory.into())),
        }
    }

    const fn largest(&self) -> ByteSize {
        if self.spool.is_some() { self.limits.on_disk() } else { self.limits.in_memory() }
    }
}
