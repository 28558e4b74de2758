//! Prove that a key signs and that its public half is the one we believe, before any certificate exists.

use std::time::Instant;

use cryptotoken_api::verification::{VerificationError, verify};
use cryptotoken_api::{DataToBeSigned, PublicKey, SignatureValue, Signer, SignerError, ToBeSigned};

/// Why a key is not fit for use.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestFailure {
    /// It does not sign; see the source for whether waiting helps.
    #[error("the key does not sign")]
    Signer(#[from] SignerError),
    /// It signs and the signature is wrong. The key must not be used.
    #[error("the key's signature is wrong: public and private half do not belong together, or the token is faulty")]
    Wrong(#[from] VerificationError),
    /// No random data.
    #[error("there is no randomness")]
    Random(#[from] openssl::error::ErrorStack),
}

/// What [`specimen`] signed, and the signature, for whoever wants to verify it, too.
pub struct Specimen {
    /// What was signed.
    pub data: DataToBeSigned,
    /// The signature.
    pub value: SignatureValue,
}

/// Signs random data and verifies the signature in software.
///
/// # Errors
/// [`SelfTestFailure`].
pub fn self_test(signer: &dyn Signer, key: &PublicKey, deadline: Instant) -> Result<(), SelfTestFailure> {
    specimen(signer, key, deadline).map(drop)
}

/// The same, and hands out what was signed.
///
/// # Errors
/// [`SelfTestFailure`].
pub fn specimen(signer: &dyn Signer, key: &PublicKey, deadline: Instant) -> Result<Specimen, SelfTestFailure> {
    // Marked and random, so that this signature can never be passed off as one of a document.
    let mut octets = b"Sigillo key self-test ".to_vec();
    let mut random = [0; 32];
    openssl::rand::rand_bytes(&mut random)?;
    octets.extend(random);
    let data = DataToBeSigned::new(octets);
    let value = signer.sign(ToBeSigned::Data(&data), deadline)?;
    verify(key, signer.algorithm(), ToBeSigned::Data(&data), &value)?;
    Ok(Specimen { data, value })
}
