//! A document on its way in: in memory while it is small, in the spool folder from then on.

use administration::configuration::ByteSize;
use cryptotoken_api::DigestAlgorithm;
use openssl::hash::Hasher;
use workers::{DocumentContent, MemoryDocument};

use super::buffer::Buffer;
use super::limits::{BodyLimits, Pending};
use super::spool::{Incoming, Spool};
use crate::error::ApiError;

/// What has arrived of a document.
pub(crate) struct Receiving<'a> {
    limits: &'a BodyLimits,
    /// Where it may go; `None` where it must stay in memory.
    spool: Option<&'a Spool>,
    memory: Buffer,
    /// Has taken what is in memory: the audit log wants the digest, and most signatures begin with the same.
    sha256: Option<Hasher>,
    incoming: Option<Incoming>,
    /// Octets so far, those of documents before it included.
    length: u64,
}

impl<'a> Receiving<'a> {
    /// Nothing yet. `spooled` says that it may go to the spool folder, where there is one.
    pub(crate) fn new(limits: &'a BodyLimits, spooled: bool) -> Self {
        Self::following(limits, spooled, 0)
    }

    /// The same after other documents of the request, with so many octets: the limits are for them all together.
    pub(crate) fn following(limits: &'a BodyLimits, spooled: bool, before: u64) -> Self {
        let spool = limits.spool().filter(|_| spooled);
        let sha256 = Hasher::new(DigestAlgorithm::Sha256.message_digest()).ok();
        Self { limits, spool, memory: Buffer::default(), sha256, incoming: None, length: before }
    }

    /// Octets so far, those of documents before it included.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// Looks at a length before that many octets have come.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`], as [`Self::take`] would say later.
    pub(crate) fn expect(&mut self, length: u64) -> Result<(), ApiError> {
        self.refuse_more_than(length)?;
        self.announce(length);
        Ok(())
    }

    /// Says that at most so many octets will come; what is beyond the limits is refused only when it comes.
    pub(crate) fn announce(&mut self, length: u64) {
        self.memory.announce(length.min(self.limits.in_memory().0));
    }

    fn refuse_more_than(&self, length: u64) -> Result<(), ApiError> {
        let limit = self.largest();
        if length > limit.0 { Err(ApiError::TooLarge { limit }) } else { Ok(()) }
    }

    /// Takes what has arrived. `pending` counts what of it is in memory.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`], [`ApiError::Overloaded`] and those of the spool folder.
    pub(crate) async fn take(&mut self, octets: &[u8], pending: &mut Pending) -> Result<(), ApiError> {
        self.length = self.length.saturating_add(octets.len() as u64);
        self.refuse_more_than(self.length)?;
        self.incoming = match (self.incoming.take(), self.spool) {
            (Some(incoming), _) => Some(incoming.take(octets).await?),
            (None, Some(spool)) if self.length > spool.above() => {
                let beginning = std::mem::take(&mut self.memory);
                let incoming =
                    spool.begin(self.limits.place()).await?.take(beginning.as_ref()).await?.take(octets).await?;
                // Memory is held for blocks on their way to the disk only.
                pending.shrink(beginning.as_ref().len());
                Some(incoming)
            }
            (None, _) => {
                pending.grow(octets.len())?;
                self.memory.extend(octets);
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
