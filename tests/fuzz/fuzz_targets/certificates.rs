//! Import certificates: PEM bundles, DER, PKCS#7 of an issuer's address, and everything that is asked of a certificate.
#![no_main]

use cryptotoken_api::{Certificate, CertificateChain, PublicKey};
use fuzz::authority::SEAL;
use libfuzzer_sys::fuzz_target;
use workers::{Clock, certificate_extensions, certification_path, revocation};

fuzz_target!(|received: &[u8]| {
    let mut certificates = cryptotoken_api::certificate::read_bundle(received).unwrap_or_default();
    certificates.extend(revocation::issuers::read(received));
    let _ = PublicKey::from_spki_der(received);
    let _ = CertificateChain::for_key(received, SEAL.chain.leaf_key());
    let ours = SEAL.chain.certificates();
    let now = fuzz::FixedClock.now();
    for certificate in &certificates {
        ask(certificate);
        for other in ours.iter().chain(&certificates) {
            let _ = certificate.is_issued_by(other);
        }
        let pool = [ours, certificates.as_slice()].concat();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let fetch = |_: &Certificate| Err(String::new());
        let _ = certification_path::CertificationPath::build(certificate, ours, &pool, now, deadline, fetch);
    }
});

fn ask(certificate: &Certificate) {
    let _ = (certificate.subject(), certificate.issuer(), certificate.serial_number(), certificate.fingerprint());
    let _ = (certificate.not_before(), certificate.not_after(), certificate.is_self_signed(), certificate.is_ca());
    let _ = (certificate.key_usage(), certificate.extended_key_usage(), certificate.objection_to_timestamping());
    let _ = (certificate.subject_key_identifier(), certificate.qualified_statements());
    let _ = certificate.key_may_be_used_at(fuzz::FixedClock.now());
    let _ = certificate_extensions::needs_no_revocation(certificate);
    let _ = certificate_extensions::may_sign_ocsp_responses(certificate);
    let _ = certificate_extensions::ocsp_urls(certificate);
    let _ = certificate_extensions::issuer_urls(certificate);
    let _ = certificate_extensions::crl_urls(certificate);
}
