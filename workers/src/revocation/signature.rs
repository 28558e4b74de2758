//! Signatures of authorities over OCSP responses and CRLs.

use cryptotoken_api::Certificate;
use cryptotoken_api::verification::{IdentifiedError, verify_identified};
use spki::AlgorithmIdentifierOwned;

/// Verifies `signature` over `signed`, octets as received, with the key of a certificate.
///
/// # Errors
/// What is wrong, as a sentence's end: an algorithm that is not acceptable (SHA-1 among them), or a signature that is not one.
pub(crate) fn verify(
    signer: &Certificate,
    algorithm: &AlgorithmIdentifierOwned,
    signed: &[u8],
    signature: &[u8],
) -> Result<(), String> {
    verify_identified(signer.key(), algorithm, None, signed, signature).map_err(|error| match error {
        IdentifiedError::Algorithm(oid) => format!("its signature algorithm {oid} is not acceptable"),
        IdentifiedError::Mismatch => format!("its signature is not one of \"{}\"", signer.subject()),
    })
}
