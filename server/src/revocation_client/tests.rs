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
