//! What a signature covers: the data to be signed and its representation (EN 319 102-1, clause 4; EN 419 241).

use std::sync::OnceLock;

use bytes::Bytes;

use crate::algorithm::DigestAlgorithm;

/// The formatted data that the signature covers (DTBSF): CMS signed attributes, `ds:SignedInfo`, or a caller's bytes.
#[derive(Clone, Debug)]
pub struct DataToBeSigned {
    octets: Bytes,
    // The record, the token and the check ask for the same digest, and a caller's bytes may be many.
    representation: OnceLock<DtbsRepresentation>,
}

impl DataToBeSigned {
    /// Data of these octets.
    #[must_use]
    pub fn new(octets: impl Into<Bytes>) -> Self {
        Self { octets: octets.into(), representation: OnceLock::new() }
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// Its digest, the representation that devices without hashing sign and that the audit log records.
    #[must_use]
    pub fn representation(&self, algorithm: DigestAlgorithm) -> DtbsRepresentation {
        let compute = || DtbsRepresentation { algorithm, digest: algorithm.digest(&self.octets) };
        let known = self.representation.get_or_init(compute);
        if known.algorithm == algorithm { known.clone() } else { compute() }
    }
}

/// The digest of the data to be signed, with its algorithm (DTBS/R in EN 419 241).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtbsRepresentation {
    algorithm: DigestAlgorithm,
    digest: Vec<u8>,
}

/// A digest whose length is not that of its algorithm. The caller must send another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {algorithm} digest has {expected} octets, this one {actual}")]
pub struct DigestLength {
    /// The algorithm named.
    pub algorithm: DigestAlgorithm,
    /// Octets it should have.
    pub expected: usize,
    /// Octets it has.
    pub actual: usize,
}

impl DtbsRepresentation {
    /// A digest that a caller computed.
    ///
    /// # Errors
    /// [`DigestLength`] when it is not as long as the algorithm's digests are.
    pub fn new(algorithm: DigestAlgorithm, digest: Vec<u8>) -> Result<Self, DigestLength> {
        if digest.len() == algorithm.length() {
            Ok(Self { algorithm, digest })
        } else {
            Err(DigestLength { algorithm, expected: algorithm.length(), actual: digest.len() })
        }
    }

    /// The digest algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }
}

/// What is handed to a [`crate::Signer`].
#[derive(Clone, Copy, Debug)]
pub enum ToBeSigned<'a> {
    /// The data; the token or its library hashes. Every signer takes this.
    Data(&'a DataToBeSigned),
    /// Only its digest is known. Signers whose token hashes by itself refuse it, and so does Ed25519.
    Representation(&'a DtbsRepresentation),
}

impl ToBeSigned<'_> {
    /// The representation of what is signed, computed where only the data is at hand.
    #[must_use]
    pub fn representation(&self, algorithm: DigestAlgorithm) -> DtbsRepresentation {
        match self {
            Self::Data(data) => data.representation(algorithm),
            Self::Representation(representation) => (*representation).clone(),
        }
    }
}
