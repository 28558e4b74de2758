//! A document in memory, hashed once for each algorithm whatever comes behind it.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cryptotoken_api::DigestAlgorithm;
use openssl::error::ErrorStack;
use openssl::hash::Hasher;

/// The octets of a document, which cannot change, with what hashing them came to. Cheap to clone.
#[derive(Clone, Default)]
pub struct MemoryDocument {
    octets: Bytes,
    hashed: Arc<Mutex<Vec<(DigestAlgorithm, Hasher)>>>,
}

impl MemoryDocument {
    /// These octets, which the hasher has taken while they came.
    pub fn hashed(octets: impl Into<Bytes>, algorithm: DigestAlgorithm, hasher: Hasher) -> Self {
        Self { octets: octets.into(), hashed: Arc::new(Mutex::new(vec![(algorithm, hasher)])) }
    }

    /// The digest of the document.
    ///
    /// # Errors
    /// Only when the cryptographic library fails.
    pub fn digest(&self, algorithm: DigestAlgorithm) -> Result<Vec<u8>, ErrorStack> {
        Ok(self.hasher(algorithm)?.finish()?.to_vec())
    }

    /// A hasher that has taken the document, for what comes behind it.
    ///
    /// # Errors
    /// As [`Self::digest`].
    pub fn hasher(&self, algorithm: DigestAlgorithm) -> Result<Hasher, ErrorStack> {
        // Held while it is computed: nobody computes the same beside.
        let mut hashed = self.hashed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, hasher)) = hashed.iter().find(|(each, _)| *each == algorithm) {
            return Ok(hasher.clone());
        }
        let mut hasher = Hasher::new(algorithm.message_digest())?;
        hasher.update(&self.octets)?;
        hashed.push((algorithm, hasher.clone()));
        Ok(hasher)
    }

    /// Whether these are the document's own octets in memory, not only equal ones.
    #[must_use]
    pub fn is(&self, octets: &Bytes) -> bool {
        std::ptr::eq(self.octets.as_ref(), octets.as_ref())
    }
}

impl Deref for MemoryDocument {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.octets
    }
}

impl<B: Into<Bytes>> From<B> for MemoryDocument {
    fn from(octets: B) -> Self {
        Self { octets: octets.into(), ..Self::default() }
    }
}

impl std::fmt::Debug for MemoryDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryDocument").field("length", &self.octets.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hasher_goes_on_from_the_document_and_leaves_its_digest_as_it_is() {
        let document = MemoryDocument::from("the document");
        for algorithm in DigestAlgorithm::ALL {
            for _ in 0..2 {
                let mut hasher = document.hasher(algorithm).unwrap();
                hasher.update(b" and more").unwrap();
                assert_eq!(hasher.finish().unwrap().to_vec(), algorithm.digest(b"the document and more"));
                assert_eq!(document.digest(algorithm).unwrap(), algorithm.digest(b"the document"));
            }
        }
    }

    #[test]
    fn what_was_hashed_while_it_came_is_not_hashed_again() {
        let algorithm = DigestAlgorithm::Sha256;
        let mut hasher = Hasher::new(algorithm.message_digest()).unwrap();
        hasher.update(b"another document").unwrap();
        let document = MemoryDocument::hashed("the document", algorithm, hasher);
        assert_eq!(document.digest(algorithm).unwrap(), algorithm.digest(b"another document"));
        assert_eq!(document.digest(DigestAlgorithm::Sha512).unwrap(), DigestAlgorithm::Sha512.digest(b"the document"));
    }

    #[test]
    fn equal_octets_elsewhere_are_others() {
        let octets = Bytes::from(b"document".to_vec());
        let document = MemoryDocument::from(octets.clone());
        assert!(document.is(&octets) && !document.is(&Bytes::from(b"document".to_vec())));
    }
}
