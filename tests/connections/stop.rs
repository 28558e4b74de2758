//! A server that is told to stop while it works: what it took on it finishes and answers.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::{Broken, RawConnection, TestService};

const CALLERS: usize = 16;
/// Of each long request; so many that it takes longer than a server takes that does not wait for it.
const DIGESTS: usize = 150;

/// What callers send: every fourth of them a long request.
fn request(key: &str, number: usize) -> Vec<u8> {
    let (path, media_type, body) = if number.is_multiple_of(4) {
        let digests = vec![STANDARD.encode([7; 32]); DIGESTS];
        let body = json!({ "digests": digests, "digestAlgorithm": "SHA-256" });
        ("/v1/workers/raw/sign-digest", "application/json", body.to_string().into_bytes())
    } else {
        ("/v1/workers/cms/sign/raw", "application/octet-stream", b"signed while the server stops".to_vec())
    };
    [RawConnection::head(path, key, media_type, body.len()), body].concat()
}

/// How the requests of one caller ended.
#[derive(Default)]
struct Calls {
    signed: BTreeSet<String>,
    cut: Vec<String>,
}

#[test]
fn every_request_that_was_taken_on_is_answered_whole_before_the_server_ends() {
    let _alone = crate::alone();
    let mut service = TestService::builder().start();
    service.key("seal", "rsa-3072", "document");
    service.key("blind", "rsa-3072", "blind");
    service.worker("cms", "cades", "seal", "");
    service.worker("raw", "plain", "blind", "allow_client_hash = true");
    let key = service.api_key("caller", &["cms", "raw"]);
    let url = service.server().url().to_owned();
    let answers = AtomicUsize::new(0);
    let (url, key, answers) = (&url, &key, &answers);

    let (calls, took) = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|number| scope.spawn(move || call(url, &request(key, number), number.is_multiple_of(2), answers)))
            .collect();
        // In the middle of work.
        while answers.load(Ordering::Relaxed) < 100 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let started = Instant::now();
        service.take_server().stop();
        let took = started.elapsed();
        (callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<Calls>>(), took)
    });

    let cut: Vec<&String> = calls.iter().flat_map(|calls| &calls.cut).collect();
    assert!(cut.is_empty(), "answers that broke off: {cut:?}");
    let received: BTreeSet<&str> = calls.iter().flat_map(|calls| calls.signed.iter().map(String::as_str)).collect();
    let events = service.audit_events();
    let released: BTreeSet<&str> = events
        .iter()
        .filter(|event| event["event"] == "request-completed")
        .map(|event| event["requestId"].as_str().unwrap())
        .collect();
    tests::report(&format!("{} signed, stopped in {took:?}", received.len()));
    assert_eq!(received, released, "whatever was signed reached its caller");
    assert_eq!(events.last().unwrap()["event"], "service-stopped");
    assert_eq!(service.sigillo(&["audit", "verify"])["openIntents"], Value::Array(Vec::new()));
    assert!(took < Duration::from_secs(30), "callers that go on calling must not hold the server up: {took:?}");
}

/// Signs in a loop until nobody listens any more, on one connection or on a new one for each request.
fn call(url: &str, request: &[u8], reuse: bool, answers: &AtomicUsize) -> Calls {
    let mut calls = Calls::default();
    while let Ok(mut connection) = RawConnection::open(url) {
        loop {
            if connection.send(request).is_err() {
                break;
            }
            match connection.answer() {
                Ok(answer) => {
                    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
                    let id = answer.head.lines().find_map(|line| line.strip_prefix("sigillo-request-id: "));
                    calls.signed.insert(id.unwrap().to_owned());
                    answers.fetch_add(1, Ordering::Relaxed);
                }
                Err(Broken::Closed) => break,
                Err(broken) => {
                    calls.cut.push(format!("{broken:?}"));
                    break;
                }
            }
            if !reuse {
                break;
            }
        }
    }
    calls
}

#[test]
fn idle_connections_do_not_hold_the_server_up_for_long() {
    let _alone = crate::alone();
    let mut service = TestService::builder().start();
    let idle: Vec<RawConnection> = (0..50).map(|_| RawConnection::open(service.server().url()).unwrap()).collect();
    let client = service.client();
    assert_eq!(client.get("/health/live").status, 200, "and one that is kept for more requests");
    let started = Instant::now();
    service.take_server().stop();
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    drop((idle, client));
}
