//! Refusals that do not depend on the document, before the key is used (promise 2).

use cryptotoken_api::{CredentialState, Purpose};
use time::OffsetDateTime;
use x509_cert::ext::pkix::KeyUsages;

use crate::error::WorkerError;
use crate::kind::WorkerKind;

/// Whether this credential may make a signature of this kind now.
///
/// # Errors
/// The first thing that stands in the way: purpose, state, dates, key usage.
pub fn check(
    kind: WorkerKind,
    credential: &cryptotoken_api::Credential,
    now: OffsetDateTime,
) -> Result<(), WorkerError> {
    let name = || credential.name.clone();
    check_purpose(kind, &credential.name, credential.purpose)?;
    if credential.state != CredentialState::Active {
        return Err(WorkerError::CredentialNotActive { name: name(), state: credential.state });
    }
    let leaf = credential.chain.leaf();
    if now > leaf.not_after() {
        return Err(WorkerError::CertificateExpired { name: name(), not_after: leaf.not_after() });
    }
    if now < leaf.not_before() {
        return Err(WorkerError::CertificateNotYetValid { name: name(), not_before: leaf.not_before() });
    }
    // RFC 5280, section 4.2.1.3: an absent extension restricts nothing.
    let may_sign = leaf.key_usage().is_none_or(|usage| {
        usage.0.contains(KeyUsages::NonRepudiation) || usage.0.contains(KeyUsages::DigitalSignature)
    });
    if may_sign { Ok(()) } else { Err(WorkerError::KeyUsage { name: name() }) }
}

/// Whether a worker of this kind may use credentials of this purpose at all.
///
/// # Errors
/// [`WorkerError::Purpose`].
pub fn check_purpose(kind: WorkerKind, name: &str, purpose: Purpose) -> Result<(), WorkerError> {
    let needed = kind.purpose();
    if purpose == needed { Ok(()) } else { Err(WorkerError::Purpose { kind, name: name.to_owned(), purpose, needed }) }
}
