//! The port through which a worker uses a key: one credential, one algorithm.

use std::time::{Duration, Instant};

use crate::algorithm::SignatureAlgorithm;
use crate::error::SignerError;
use crate::signature_value::SignatureValue;
use crate::to_be_signed::ToBeSigned;

/// One key with one algorithm, lent for one request.
pub trait Signer: Send + Sync {
    /// The algorithm it signs with.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// Signs with this credential's key and algorithm.
    ///
    /// With [`ToBeSigned::Data`] the token or its library hashes, never the caller. Blocks until the token answers
    /// or `deadline` passes; the signature may still be made then, and is recorded as withheld.
    ///
    /// # Errors
    /// [`SignerError::Busy`] when no session was free in time (retry later); [`SignerError::DataRequired`] when only
    /// a digest was given and the token hashes by itself (retrying cannot help); the others as they say.
    fn sign(&self, to_be_signed: ToBeSigned<'_>, deadline: Instant) -> Result<SignatureValue, SignerError>;

    /// How long a call into the device's library may take, where the one under way has taken longer: it hangs, and whoever waits for it
    /// may be told. Asked from another thread than the one that signs.
    fn overdue(&self) -> Option<Duration> {
        None
    }

    /// Waits until the outcome of every signature so far is on record, where a record is kept. What rests on a signature and
    /// leaves the service, such as a timestamp over it, comes after. Blocks.
    ///
    /// # Errors
    /// [`SignerError::NotRecorded`]: the signature must not leave the service.
    fn settle(&self) -> Result<(), SignerError> {
        Ok(())
    }
}
