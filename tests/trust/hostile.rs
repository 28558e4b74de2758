//! Responses and CRLs with an octet changed or cut off, and CRLs as long as they come: nothing wrong is believed, nothing panics or stalls.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cryptotoken_api::Certificate;
use openssl::asn1::Asn1Time;
use openssl::pkey::PKey;
use tests::{LivePki, report};
use time::OffsetDateTime;
use workers::revocation::ocsp::{IdentifierDigest, OcspRequest};
use workers::revocation::{crl, issuers};
use workers::{RevocationError, RevocationInfo, RevocationStatus};

use crate::clients::certificate;

/// Every octet changed in three ways, and every beginning: an error, or what the whole says.
fn try_all(whole: &[u8], judge: &dyn Fn(Bytes) -> Result<RevocationInfo, RevocationError>) -> (usize, usize) {
    let truth = judge(Bytes::copy_from_slice(whole)).unwrap();
    let (mut believed, mut refused) = (0, 0);
    let mut try_one = |octets: Vec<u8>| match judge(octets.into()) {
        // Outside of what is signed, in what nobody reads.
        Ok(info) => {
            assert_eq!(
                (info.status, info.this_update, info.next_update),
                (truth.status, truth.this_update, truth.next_update)
            );
            believed += 1;
        }
        Err(_) => refused += 1,
    };
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut octets = whole.to_vec();
            octets[at] ^= change;
            try_one(octets);
        }
        try_one(whole[..at].to_vec());
    }
    (believed, refused)
}

#[test]
fn nothing_changed_is_believed_to_say_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let (seal, issuer) = (certificate(&live.seal("seal").0), certificate(&live.issuing()));
    let now = OffsetDateTime::now_utc();

    let request = OcspRequest::new(&seal, &issuer, IdentifierDigest::Sha1, Some(&[7; 16])).unwrap();
    let sent = ureq::post(format!("{}/ocsp", live.url())).content_type("application/ocsp-request").send(request.der());
    let response = sent.unwrap().body_mut().read_to_vec().unwrap();
    let (believed, refused) = try_all(&response, &|octets| request.verify(octets, &seal, &issuer, now));
    report(&format!("changed OCSP responses: {refused} refused, {believed} say the same as before"));
    assert!(refused > 100 * believed, "{refused} {believed}");

    let list = ureq::get(format!("{}/issuing.crl", live.url())).call().unwrap().body_mut().read_to_vec().unwrap();
    let (believed, refused) = try_all(&list, &|octets| crl::verify(&octets, &seal, &issuer, now));
    report(&format!("changed CRLs: {refused} refused, {believed} say the same as before"));
    assert_eq!(believed, 0);

    live.issuer(tests::live_pki::Issuer::Pkcs7);
    let bundle = ureq::get(format!("{}/issuing.crt", live.url())).call().unwrap().body_mut().read_to_vec().unwrap();
    assert_eq!(issuers::read(&bundle).len(), 3);
    for at in 0..bundle.len() {
        let mut octets = bundle.clone();
        octets[at] ^= 0xff;
        // Found or not: who issued a certificate is decided by its signature.
        let _ = (issuers::read(&octets), issuers::read(&bundle[..at]));
    }
}

/// A CRL of the issuing CA with so many entries before that of the seal, by hand: no program makes one in reasonable time.
fn long_crl(live: &LivePki, seal: &Certificate, entries: u32) -> Vec<u8> {
    crl_with(live, seal, entries, seal.fields().serial_number().as_bytes())
}

/// A CRL of the issuing CA with so many entries before one of this serial number.
fn crl_with(live: &LivePki, seal: &Certificate, entries: u32, serial: &[u8]) -> Vec<u8> {
    let tlv = |tag: u8, contents: &[u8]| {
        let length = contents.len();
        let mut all = vec![tag];
        match length {
            0..0x80 => all.push(u8::try_from(length).unwrap()),
            _ => {
                let octets: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
                all.push(0x80 | u8::try_from(octets.len()).unwrap());
                all.extend(octets);
            }
        }
        all.extend_from_slice(contents);
        all
    };
    let date = |days| {
        let time = Asn1Time::days_from_now(days).unwrap();
        let unix = Asn1Time::from_unix(0).unwrap().diff(&time).unwrap();
        let at = OffsetDateTime::UNIX_EPOCH + time::Duration::days(unix.days.into());
        tlv(0x17, format!("{:02}{:02}{:02}000000Z", at.year() % 100, u8::from(at.month()), at.day()).as_bytes())
    };
    let entry = |serial: &[u8]| tlv(0x30, &[tlv(0x02, serial), date(0)].concat());
    let (revoked_at, mut list) = (date(0), Vec::new());
    for number in 0..entries {
        list.extend(tlv(
            0x30,
            &[tlv(0x02, &[&[0x40; 12][..], &number.to_be_bytes()].concat()), revoked_at.clone()].concat(),
        ));
    }
    list.extend(entry(serial));
    let algorithm = tlv(0x30, &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
    let issuer = openssl::x509::X509::from_der(seal.der()).unwrap().issuer_name().to_der().unwrap();
    let version = tlv(0x02, &[1]);
    let signed = tlv(0x30, &[version, algorithm.clone(), issuer, date(0), date(1), tlv(0x30, &list)].concat());
    let key = PKey::private_key_from_pem(&std::fs::read(live.issuing().with_extension("key")).unwrap()).unwrap();
    let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &key).unwrap();
    let signature = signer.sign_oneshot_to_vec(&signed).unwrap();
    tlv(0x30, &[signed, algorithm, tlv(0x03, &[&[0][..], &signature].concat())].concat())
}

#[test]
fn a_crl_with_a_million_entries_is_gone_through_once() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let (seal, issuer) = (certificate(&live.seal("seal").0), certificate(&live.issuing()));
    let list = Bytes::from(long_crl(&live, &seal, 1_000_000));
    let started = Instant::now();
    let info = crl::verify(&list, &seal, &issuer, OffsetDateTime::now_utc()).unwrap();
    let taken = started.elapsed();
    assert!(matches!(info.status, RevocationStatus::Revoked(_)));
    report(&format!("a CRL of {} MiB and 1,000,000 entries is judged in {taken:.1?}", list.len() >> 20));
    // Debug builds are slow; what grew with the square of the entries would take hours.
    assert!(taken < Duration::from_secs(20), "{taken:?}");
}

#[test]
fn a_crl_whose_numbers_are_longer_than_they_need_be_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let (seal, issuer) = (certificate(&live.seal("seal").0), certificate(&live.issuing()));
    let serial = seal.fields().serial_number().as_bytes();
    let sign = if serial[0] < 0x80 { 0 } else { 0xff };
    let judge = |serial: &[u8]| {
        let list = Bytes::from(crl_with(&live, &seal, 3, serial));
        let ours = crl::verify(&list, &seal, &issuer, OffsetDateTime::now_utc());
        assert_eq!(openssl::x509::X509Crl::from_der(&list).is_ok(), ours.is_ok(), "OpenSSL thinks otherwise");
        ours
    };
    assert!(matches!(judge(serial).unwrap().status, RevocationStatus::Revoked(_)));
    for padded in [[&[sign], serial].concat(), [&[sign; 4], serial].concat(), Vec::new()] {
        let error = judge(&padded).unwrap_err().to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }
}
