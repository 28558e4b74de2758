//! What is remembered, and that it stays within its bounds.

use super::*;

fn client() -> RevocationClient {
    let config = FetchConfig::default();
    RevocationClient::new(Arc::new(Fetcher::new(&config).unwrap()), &config)
}

fn id(number: usize) -> CertificateId {
    (number.to_string(), "issuer".into())
}

fn of_list(list: &Bytes) -> RevocationInfo {
    let now = OffsetDateTime::now_utc();
    RevocationInfo {
        evidence: RevocationEvidence::Crl(list.clone()),
        status: RevocationStatus::Good,
        this_update: now,
        produced_at: now,
        next_update: None,
        signers: Vec::new(),
    }
}

#[test]
fn a_list_is_held_once_and_no_longer_than_there_is_room_for_it() {
    let client = client();
    let url = |number: usize| format!("http://ca.example/{number}.crl");
    let fetched = |number: usize, list: &Bytes| {
        let since = Instant::now();
        client.crls.put_since(url(number), list.clone(), list.len(), since);
        client.remember(id(number), of_list(list), since, &url(number));
        // One more certificate of the same list.
        client.remember(id(number + 100), of_list(list), since, &url(number));
    };
    // The third one takes the place of the first.
    let lists: Vec<Bytes> = (0..3).map(|_| Bytes::from(vec![0; MEMORY / 2])).collect();
    lists.iter().enumerate().for_each(|(number, list)| fetched(number, list));
    for number in [0, 100] {
        assert!(client.remembered(&id(number)).is_none(), "{number}");
    }
    for number in [1, 2, 101, 102] {
        let (info, _) = client.remembered(&id(number)).unwrap();
        let RevocationEvidence::Crl(list) = info.evidence else { panic!("{:?}", info.evidence) };
        assert_eq!(list.as_ptr(), lists[number % 100].as_ptr(), "{number}: not a copy");
    }
    // What the first one held is free: nothing but this test has it.
    assert!(lists.into_iter().next().unwrap().is_unique());
}

#[test]
fn what_was_read_in_a_list_is_forgotten_with_it() {
    let client = client();
    let since = Instant::now();
    let url = "http://ca.example/list.crl";
    let list = Bytes::from_static(b"a list");
    client.crls.put_since(url.into(), list.clone(), list.len(), since);
    client.remember(id(1), of_list(&list), since, url);
    assert!(client.remembered(&id(1)).is_some());
    // A newer one may say something else.
    client.crls.put(url.into(), Bytes::from_static(b"a newer list"), 12);
    assert!(client.remembered(&id(1)).is_none());
}

/// A certificate with an OCSP address of its own, and these extensions.
#[expect(deprecated, reason = "the shortest way to extensions from text")]
fn certificate(extensions: &[(openssl::nid::Nid, &str)]) -> Certificate {
    use openssl::x509::{X509Builder, X509Extension};
    let key = openssl::pkey::PKey::from_ec_key(
        openssl::ec::EcKey::generate(
            &openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap(),
        )
        .unwrap(),
    )
    .unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&openssl::asn1::Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&openssl::asn1::Asn1Time::days_from_now(9).unwrap()).unwrap();
    let own = (openssl::nid::Nid::INFO_ACCESS, "OCSP;URI:http://ca.example/ocsp");
    for (nid, value) in extensions.iter().copied().chain([own]) {
        builder.append_extension(X509Extension::new_nid(None, None, nid, value).unwrap()).unwrap();
    }
    builder.sign(&key, openssl::hash::MessageDigest::sha256()).unwrap();
    Certificate::from_der(&builder.build().to_der().unwrap()).unwrap()
}

#[test]
fn the_crl_of_a_responder_comes_before_what_it_says_of_itself() {
    use openssl::nid::Nid;
    let responder = (Nid::EXT_KEY_USAGE, "OCSPSigning");
    let list = (Nid::CRL_DISTRIBUTION_POINTS, "URI:http://ca.example/crl");
    let client = client();
    for (extensions, ocsp_first, may_vouch) in
        [(&[responder, list][..], false, false), (&[list], true, false), (&[responder], true, true)]
    {
        let certificate = certificate(extensions);
        assert_eq!(places(&certificate).first().map(|(_, is_ocsp)| *is_ocsp), Some(ocsp_first));
        let info = RevocationInfo { signers: vec![certificate.clone()], ..of_list(&Bytes::new()) };
        let question = client.question(&certificate, &certificate, Instant::now());
        assert_eq!(question.check_responders(&info).is_ok(), may_vouch);
    }
}
