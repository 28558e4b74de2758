//! Clients that hang up: whatever was begun has its end on record.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::{RawConnection, TestService};

use crate::records::{attempts, eventually, kind, kinds};

struct Bench {
    service: TestService,
}

/// A service that signs one request at a time, slowly: many digests with RSA.
fn bench() -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    BENCH.get_or_init(|| {
        let service = TestService::builder().server("concurrency = 1\nrequest_timeout = \"20s\"").start();
        service.key("blind", "rsa-3072", "blind");
        service.worker("raw", "plain", "blind", "allow_client_hash = true");
        Bench { service }
    })
}

const DIGESTS: usize = 200;

fn many_digests() -> Vec<u8> {
    let digests: Vec<String> =
        (0..DIGESTS).map(|number| STANDARD.encode([u8::try_from(number).unwrap(); 32])).collect();
    json!({ "digests": digests, "digestAlgorithm": "SHA-256" }).to_string().into_bytes()
}

fn digest_request(key: &str, body: &[u8]) -> Vec<u8> {
    [RawConnection::head("/v1/workers/raw/sign-digest", key, "application/json", body.len()), body.to_vec()].concat()
}

fn of_client<'a>(events: &'a [Value], client: &str) -> Vec<&'a Value> {
    // Administration names the client as its subject, not as the client.
    events.iter().filter(|event| event["client"] == client).collect()
}

fn ended(events: &[Value], client: &str) -> bool {
    of_client(events, client).iter().any(|event| matches!(kind(event), "request-completed" | "request-refused"))
}

/// A way to hang up, with a name for its client.
type Manner = (&'static str, fn(RawConnection));

const MANNERS: [Manner; 2] = [("closing", drop), ("resetting", RawConnection::reset)];

#[test]
fn a_client_that_hangs_up_while_its_request_is_signed_leaves_every_outcome_and_the_end_on_record() {
    let service = &bench().service;
    for (name, hang_up) in MANNERS {
        let key = service.api_key(name, &["raw"]);
        let mut connection = RawConnection::open(service.server().url()).unwrap();
        connection.send(&digest_request(&key, &many_digests())).unwrap();
        eventually(service, "the first intent", |events| !of_client(events, name).is_empty());
        hang_up(connection);

        let events = eventually(service, "the end of the request", |events| ended(events, name));
        let records = of_client(&events, name);
        let intents: Vec<&Value> = records.iter().copied().filter(|event| kind(event) == "signing-intended").collect();
        assert_eq!(intents.len(), DIGESTS);
        let attempts = attempts(&events);
        for intent in intents {
            assert_eq!(attempts[intent["attempt"].as_str().unwrap()], (1, vec!["signature-created"]));
        }
        let last = records.last().unwrap();
        assert_eq!((kind(last), &last["outcome"]), ("request-completed", &json!("released")));
    }
}

#[test]
fn a_client_that_hangs_up_while_its_request_waits_leaves_its_end_on_record() {
    let service = &bench().service;
    for (name, hang_up) in MANNERS {
        let (busy, waiting) = (format!("busy-{name}"), format!("waiting-{name}"));
        let (busy_key, waiting_key) = (service.api_key(&busy, &["raw"]), service.api_key(&waiting, &["raw"]));
        let mut first = RawConnection::open(service.server().url()).unwrap();
        first.send(&digest_request(&busy_key, &many_digests())).unwrap();
        eventually(service, "the first intent", |events| !of_client(events, &busy).is_empty());
        let mut second = RawConnection::open(service.server().url()).unwrap();
        let body = json!({ "digests": [STANDARD.encode([7; 32])], "digestAlgorithm": "SHA-256" }).to_string();
        second.send(&digest_request(&waiting_key, body.as_bytes())).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        hang_up(second);
        assert_eq!(first.answer().unwrap().status, 200);

        let events = eventually(service, "the end of the request that waited", |events| ended(events, &waiting));
        let records = of_client(&events, &waiting);
        let intents = records.iter().filter(|event| kind(event) == "signing-intended").count();
        let created = events.iter().filter(|event| kind(event) == "signature-created");
        let of_it = |event: &&Value| event["requestId"] == records[0]["requestId"];
        assert_eq!(created.filter(of_it).count(), intents, "every intent has its outcome: {records:?}");
    }
}

#[test]
fn a_client_that_hangs_up_in_the_middle_of_the_body_leaves_a_refusal_and_no_intent() {
    let service = &bench().service;
    let form = "multipart/form-data; boundary=b";
    let part = "--b\r\nContent-Disposition: form-data; name=\"document\"\r\n\r\nhalf of it";
    let bodies = [
        ("raw", "/v1/workers/raw/sign/raw", "application/octet-stream", "half of it"),
        ("json", "/v1/workers/raw/sign-digest", "application/json", "{\"digests\":["),
        ("form", "/v1/workers/raw/sign", form, part),
    ];
    for (manner, hang_up) in MANNERS {
        for (body, path, media_type, half) in bodies {
            let name = format!("{body}-{manner}");
            let key = service.api_key(&name, &["raw"]);
            let mut connection = RawConnection::open(service.server().url()).unwrap();
            connection.send(&RawConnection::head(path, &key, media_type, 1000)).unwrap();
            connection.send(half.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            hang_up(connection);
            let events = eventually(service, &format!("the refusal of {name}"), |events| ended(events, &name));
            let records = of_client(&events, &name);
            assert_eq!(kinds(&records), ["request-refused"]);
            assert_eq!(records[0]["problem"], "malformed-request");
        }
    }
}
