//! What authorities serve as certificates of issuers (RFC 5280, section 4.2.2.1), and what they serve instead.

use cryptotoken_api::Certificate;
use cryptotoken_api::certificate::read_bundle;

use super::armour::unarmoured;
use crate::cades::received::ReceivedSignedData;

/// The certificates in what was received: one in DER, some in PEM, or a CMS that only carries some, in either. Those of kinds that
/// are not known here are left out; nothing readable is an empty list.
#[must_use]
pub fn read(received: &[u8]) -> Vec<Certificate> {
    if let Ok(certificates) = read_bundle(received) {
        return certificates;
    }
    let Some(der) = unarmoured(received, &["PKCS7", "CMS"]) else { return Vec::new() };
    ReceivedSignedData::read(&der).map(|cms| cms.readable_certificates()).unwrap_or_default()
}
