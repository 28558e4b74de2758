//! A device that dies and comes back under callers (promise 6).
//!
//! `SIGILLO_OUTAGES` says how often; the default keeps the test below a minute.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Public};
use openssl::sign::Verifier;
use openssl::x509::X509;
use serde_json::Value;
use tests::{RemoteDevice, TestService};

const CLIENTS: usize = 16;
const TIMEOUT: Duration = Duration::from_secs(5);

/// Lets the callers end, also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn public_key(leaf: &Path) -> PKey<Public> {
    X509::from_pem(&std::fs::read(leaf).unwrap()).unwrap().public_key().unwrap()
}

fn is_right(key: &PKey<Public>, document: &[u8], signature: &[u8]) -> bool {
    Verifier::new(MessageDigest::sha256(), key).unwrap().verify_oneshot(signature, document).unwrap_or(false)
}

#[test]
fn while_a_device_dies_and_comes_back_callers_get_right_signatures_or_503_and_it_is_used_again_within_two_seconds() {
    let outages: usize = std::env::var("SIGILLO_OUTAGES").map_or(10, |number| number.parse().unwrap());
    let mut device = RemoteDevice::new();
    let timeout = format!("request_timeout = \"{}s\"\nconcurrency = 32\n", TIMEOUT.as_secs());
    let mut service = device.behind(TestService::builder().server(&timeout)).create();
    device.start(service.token());
    service.key("seal", "ec-p256", "blind");
    service.worker("plain", "plain", "seal", "");
    let key = service.api_key("caller", &["plain"]);
    service.start();
    let client = service.client().key(&key);
    let public = public_key(&service.leaf("seal"));

    let (stop, signed, refused) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let call = |document: &str| {
        let start = Instant::now();
        let answer = client.sign("plain", document.as_bytes());
        assert!(start.elapsed() < TIMEOUT + Duration::from_secs(2), "unanswered for {:?}", start.elapsed());
        if answer.status == 200 {
            assert!(is_right(&public, document.as_bytes(), &answer.body), "a wrong signature");
            signed.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.body));
        assert!(["token-unavailable", "overloaded"].contains(&answer.problem().as_str()), "{}", answer.problem());
        assert!(answer.retry_after.is_some());
        refused.fetch_add(1, Ordering::Relaxed);
        false
    };
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        let _ends = Ends(&stop);
        let crowd = |number: usize| {
            let (stop, call) = (&stop, &call);
            scope.spawn(move || {
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    if !call(&format!("{number} {round}")) {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
            })
        };
        let callers: Vec<_> = (0..CLIENTS).map(crowd).collect();
        for outage in 0..outages {
            std::thread::sleep(Duration::from_millis(200 + 31 * (outage as u64 % 7)));
            device.kill();
            std::thread::sleep(Duration::from_millis([1, 700, 50, 2500, 300][outage % 5]));
            device.start(service.token());
            let back = Instant::now();
            while !call("after") {
                assert!(
                    back.elapsed() < Duration::from_secs(10),
                    "the service does not heal:\n{}",
                    service.server().log()
                );
                std::thread::sleep(Duration::from_millis(20));
            }
            slowest = slowest.max(back.elapsed());
            if callers.iter().any(|caller| caller.is_finished()) {
                break;
            }
        }
    });
    tests::report(&format!(
        "{outages} outages: {signed:?} signatures, {refused:?} answers 503, used again within {slowest:?}"
    ));
    assert!(slowest < Duration::from_secs(2), "used again after {slowest:?}");
    assert!(refused.load(Ordering::Relaxed) > 0, "the device was away");
    assert!(service.server().log().contains("lost the connection"), "the device was in use when it died");

    service.take_server().stop();
    let verified = service.sigillo(&["audit", "verify"]);
    assert_eq!(verified["openIntents"], Value::Array(Vec::new()));
    let events = service.audit_events();
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    // A signature that reached a caller has its record, and each attempt its own intent.
    assert!(count("signature-created") >= signed.load(Ordering::Relaxed));
    let outcomes = count("signature-created") + count("signing-failed") + count("outcome-unknown");
    assert_eq!(count("signing-intended"), outcomes);
}
