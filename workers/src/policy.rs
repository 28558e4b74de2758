//! Refusals that do not depend on the document, before the key is used (promise 2).

use cryptotoken_api::{Certificate, CredentialState, Purpose};
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
    if !may_sign {
        return Err(WorkerError::KeyUsage { name: name() });
    }
    if kind == WorkerKind::Timestamp { check_timestamping(&credential.name, leaf, now) } else { Ok(()) }
}

fn check_timestamping(name: &str, leaf: &Certificate, now: OffsetDateTime) -> Result<(), WorkerError> {
    if let Some(reason) = leaf.objection_to_timestamping() {
        return Err(WorkerError::NotTimestamping { name: name.to_owned(), reason });
    }
    // EN 319 421, clause 7.6.2: a time-stamping unit's key has an end of its own, before that of its certificate.
    if leaf.key_may_be_used_at(now) { Ok(()) } else { Err(WorkerError::KeyUsagePeriod { name: name.to_owned() }) }
}

/// Whether a worker of this kind may use credentials of this purpose at all.
///
/// # Errors
/// [`WorkerError::Purpose`].
pub fn check_purpose(kind: WorkerKind, name: &str, purpose: Purpose) -> Result<(), WorkerError> {
    let needed = kind.purpose();
    if purpose == needed { Ok(()) } else { Err(WorkerError::Purpose { kind, name: name.to_owned(), purpose, needed }) }
}
