//! Revocation information that a signature holds already, judged as of the time at which it was made.
//!
//! It proves as much when its authority is silent, or is no more: what was known after the time of a timestamp is known for good.

use std::time::Instant;

use cryptotoken_api::Certificate;

use super::Collection;
use crate::revocation::{RevocationEvidence, RevocationInfo, crl, ocsp};

/// The newest information on this certificate. What cannot be believed is not looked at: it is as if it were not there.
pub(super) fn newest(
    collection: &Collection<'_>,
    certificate: &Certificate,
    issuer: &Certificate,
) -> Option<RevocationInfo> {
    // A signature may hold very many.
    let evidence = collection.evidence.iter().take_while(|_| Instant::now() < collection.deadline);
    let believed = evidence.filter_map(|each| match each {
        RevocationEvidence::Ocsp(der) => ocsp::at_its_time(der.clone(), certificate, issuer, collection.now).ok(),
        RevocationEvidence::Crl(der) => crl::at_its_time(der, certificate, issuer, collection.now).ok(),
    });
    believed.max_by_key(|info| info.this_update)
}
