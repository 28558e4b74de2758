//! A document too big for memory: a file without a name, read in blocks.

use std::any::Any;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cryptotoken_api::DigestAlgorithm;
use openssl::hash::Hasher;

use crate::tlv::{OCTET_STRING, header};

/// A document in a file that nobody else can open, and that is gone with the last clone of this.
#[derive(Clone)]
pub struct SpooledDocument(Arc<Spooled>);

struct Spooled {
    file: File,
    length: u64,
    digests: Mutex<Vec<(DigestAlgorithm, Vec<u8>)>>,
    /// The place on the disk that is given back with the file.
    _place: Box<dyn Any + Send + Sync>,
}

/// How much of the file is in memory at a time, in octets.
const BLOCK: usize = 256 * 1024;

/// The longest octet string, in octets, a number of blocks: more of them would be slow to put together, a longer one may be refused.
const STRING: u64 = 64 * BLOCK as u64;

impl SpooledDocument {
    /// The first `length` octets of a file that nobody writes any more. `sha256` is their digest, computed while they came. `place` is
    /// kept for as long as the file.
    #[must_use]
    pub fn new(file: File, length: u64, sha256: Vec<u8>, place: Box<dyn Any + Send + Sync>) -> Self {
        let digests = Mutex::new(vec![(DigestAlgorithm::Sha256, sha256)]);
        Self(Arc::new(Spooled { file, length, digests, _place: place }))
    }

    /// Octets in all.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0.length
    }

    /// The digest; the file is read once for each algorithm at most.
    ///
    /// # Errors
    /// When the file cannot be read; the disk is at fault.
    pub fn digest(&self, algorithm: DigestAlgorithm) -> io::Result<Vec<u8>> {
        // Held while it is computed: nobody computes the same beside.
        let mut digests = self.0.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = digests.iter().find(|(each, _)| *each == algorithm) {
            return Ok(known.clone());
        }
        let digest = self.digest_as_stored(algorithm)?;
        digests.push((algorithm, digest.clone()));
        Ok(digest)
    }

    /// The digest of what the file holds now, whatever was computed before.
    ///
    /// # Errors
    /// As [`Self::digest`].
    pub fn digest_as_stored(&self, algorithm: DigestAlgorithm) -> io::Result<Vec<u8>> {
        let mut hasher = Hasher::new(algorithm.message_digest())?;
        let mut offset = 0;
        loop {
            let block = self.block(offset)?;
            if block.is_empty() {
                return Ok(hasher.finish()?.to_vec());
            }
            hasher.update(&block)?;
            offset += block.len() as u64;
        }
    }

    /// The octets from this offset on, as many as are read at a time; none at the end.
    ///
    /// # Errors
    /// As [`Self::digest`].
    pub fn block(&self, offset: u64) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.length().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut block = vec![0; left.min(BLOCK)];
        self.0.file.read_exact_at(&mut block, offset)?;
        Ok(block)
    }

    /// Octets in all of the strings that [`Self::strings`] gives.
    #[must_use]
    pub fn length_in_strings(&self) -> u64 {
        let around = |length: u64| string_header(length).len() as u64;
        let (full, last) = (self.length() / STRING, self.length() % STRING);
        let last_header = if last == 0 { 0 } else { around(last) };
        self.length() + full * around(STRING) + last_header
    }

    /// The block at this offset, in octet strings of at most 16 MiB (X.690, section 8.7.3), and the offset of the next; `None` at the end.
    /// What reads a CMS can do that as a stream then.
    ///
    /// # Errors
    /// As [`Self::digest`].
    pub fn strings(&self, offset: u64) -> io::Result<Option<(Bytes, u64)>> {
        let block = self.block(offset)?;
        if block.is_empty() {
            return Ok(None);
        }
        let next = offset + block.len() as u64;
        let octets = if offset.is_multiple_of(STRING) {
            [string_header((self.length() - offset).min(STRING)), block].concat()
        } else {
            block
        };
        Ok(Some((octets.into(), next)))
    }
}

fn string_header(length: u64) -> Vec<u8> {
    // None is longer than a string.
    header(OCTET_STRING, length.min(STRING) as usize)
}

impl std::fmt::Debug for SpooledDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpooledDocument").field("length", &self.length()).finish_non_exhaustive()
    }
}
