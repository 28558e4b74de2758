//! A thousand requests that nobody should send: each gets an answer of the protocol, and no key is used but for those that are
//! still requests.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tests::programs::fixture;

use crate::authority::{Authority, trusted};
use crate::refusals::SYSTEM_FAILURE;

pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let mut encoded = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(length @ ..0x80) => encoded.push(length),
        Ok(length) => encoded.extend([0x81, length]),
        Err(_) => encoded.extend([&[0x82][..], &u16::try_from(contents.len()).unwrap().to_be_bytes()].concat()),
    }
    [encoded, contents].concat()
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

pub(crate) fn integer(contents: &[u8]) -> Vec<u8> {
    tlv(0x02, &[contents])
}

pub(crate) fn octets(contents: &[u8]) -> Vec<u8> {
    tlv(0x04, &[contents])
}

pub(crate) fn oid(contents: &[u8]) -> Vec<u8> {
    tlv(0x06, &[contents])
}

pub(crate) fn bool_true() -> Vec<u8> {
    vec![0x01, 0x01, 0xff]
}

/// A small generator (xorshift), so that a failing request can be made again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }

    fn octet(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// A genuine request with something done to it.
fn mutated(genuine: &[u8], random: &mut Random) -> Vec<u8> {
    let mut query = genuine.to_vec();
    // Every second one differs by an octet only, so that it gets past the first look.
    if random.below(2) == 0 {
        let at = random.below(query.len());
        query[at] = random.octet();
        return query;
    }
    for _ in 0..=random.below(3) {
        let at = random.below(query.len().max(1)).min(query.len().saturating_sub(1));
        match random.below(7) {
            0 if !query.is_empty() => query[at] ^= 1 << random.below(8),
            1 if !query.is_empty() => query[at] = random.octet(),
            2 => query.truncate(at),
            3 => query.insert(at, random.octet()),
            4 if !query.is_empty() => drop(query.remove(at)),
            5 => query.extend_from_within(at..),
            // Lengths that promise more than there is.
            6 if !query.is_empty() => drop(query.splice(at..=at, [0x84, 0xff, 0xff, 0xff, random.octet()])),
            _ => query.push(random.octet()),
        }
    }
    query
}

/// Elements nested, long, or simply random.
fn generated(random: &mut Random) -> Vec<u8> {
    match random.below(5) {
        0 => (0..random.below(200)).map(|_| random.octet()).collect(),
        1 => (0..random.below(2000))
            .fold(Vec::new(), |inner, _| if inner.len() > 60_000 { inner } else { sequence(&[&inner]) }),
        2 => [0x30, 0x80].repeat(random.below(5000)),
        3 => sequence(&[&integer(&[1]), &vec![random.octet(); random.below(60_000)]]),
        _ => {
            let tags: Vec<Vec<u8>> = (0..random.below(12)).map(|_| tlv(random.octet(), &[&[random.octet()]])).collect();
            sequence(&tags.iter().map(Vec::as_slice).collect::<Vec<_>>())
        }
    }
}

#[test]
fn a_thousand_hostile_requests_are_rejected_in_the_protocol_and_use_no_key() {
    let authority = Authority::new(&[("tsa", "ec-p256", trusted(""))]);
    let data = fixture("binary/crlf.txt");
    let genuine: Vec<Vec<u8>> = [
        &["-sha256", "-cert"][..],
        &["-sha512", "-no_nonce"],
        &["-sha384", "-tspolicy", crate::authority::POLICY, "-cert"],
    ]
    .iter()
    .map(|arguments| std::fs::read(authority.query(&data, arguments)).unwrap())
    .collect();
    let mut random = Random(0x5161_6c6c_6f21);
    let mut queries: Vec<Vec<u8>> = (0..1400).map(|number| mutated(&genuine[number % 3], &mut random)).collect();
    queries.extend((0..300).map(|_| generated(&mut random)));
    queries.retain(|query| !genuine.contains(query));

    let reasons: Mutex<BTreeMap<String, usize>> = Mutex::default();
    std::thread::scope(|scope| {
        for part in queries.chunks(queries.len().div_ceil(4)) {
            let (authority, reasons) = (&authority, &reasons);
            scope.spawn(move || {
                for query in part {
                    let reply = authority.reply("tsa", query);
                    let reason = if reply.is_granted() {
                        // Still a request, of another digest or nonce: then openssl takes the token for an answer to it.
                        let file = authority.file("tsq");
                        std::fs::write(&file, query).unwrap();
                        let certificate = authority.service.leaf("tsu-ec-p256");
                        if let Err(said) = authority.verifies(&file, &reply, Some(&certificate)) {
                            panic!("{}: {said}", hex::encode(query));
                        }
                        "granted".to_owned()
                    } else {
                        reply.failure().to_owned()
                    };
                    *reasons.lock().unwrap().entry(reason).or_default() += 1;
                }
            });
        }
    });
    let reasons = reasons.into_inner().unwrap();
    tests::report(&format!("{} hostile requests: {reasons:?}", queries.len()));
    assert!(!reasons.contains_key(SYSTEM_FAILURE), "{reasons:?}");
    assert!(reasons.len() >= 5, "the requests reach every check: {reasons:?}");
    let granted = reasons.get("granted").copied().unwrap_or_default();
    assert!(queries.len() - granted >= 1000, "{reasons:?}");

    let events = authority.service.audit_events();
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind && event["worker"] == "tsa").count();
    assert_eq!((count("signing-intended"), count("signature-created").max(granted)), (granted, granted));
    assert_eq!(count("request-refused"), queries.len() - granted);
    assert!(!authority.service.server().log().contains("panicked"), "{}", authority.service.server().log());
}
