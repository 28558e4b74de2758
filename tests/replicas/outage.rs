//! One of two devices dies and comes back under load: callers do not notice.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tests::{RemoteDevice, TestService};

use crate::{LABEL, SECOND, add, attempts, is_right, metric, public_key, readiness, signatures};

const CLIENTS: usize = 8;
const OUTAGES: usize = 6;

fn until(what: &str, limit: Duration, service: &TestService, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}\n{}", service.server().log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Lets the callers end, also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn while_one_device_dies_and_comes_back_the_other_signs_and_afterwards_both_do() {
    let mut device = RemoteDevice::new();
    let builder =
        TestService::builder().server("request_timeout = \"10s\"\nconcurrency = 32\n").token("sessions = 2\n");
    let mut service = device.beside(builder, SECOND, LABEL).create();
    service.key("seal", "ec-p256", "blind");
    let copy = service.token().copy(&service.folder().join("second"), LABEL);
    device.start(&copy);
    let added = add(&service);
    assert_eq!(added["replicas"].as_array().unwrap().len(), 2);
    service.worker("plain", "plain", "seal", "");
    let key = service.api_key("caller", &["plain"]);
    service.start();
    let client = service.client().key(&key);
    let public = public_key(&service);
    assert_eq!(readiness(&client), (200, "ready".into(), "ready".into()));

    let (stop, signed) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _ends = Ends(&stop);
        let crowd = |number: usize| {
            let (client, public, stop, signed) = (client.clone(), &public, &stop, &signed);
            scope.spawn(move || {
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let document = format!("{number} {round}");
                    let signature = client.sign("plain", document.as_bytes()).success();
                    assert!(is_right(public, document.as_bytes(), &signature), "a wrong signature");
                    signed.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let callers: Vec<_> = (0..CLIENTS).map(crowd).collect();
        for outage in 0..OUTAGES {
            let before = signatures(&client, SECOND);
            until("both sign", Duration::from_secs(5), &service, || signatures(&client, SECOND) > before + 5.0);
            device.kill();
            until("it is seen", Duration::from_secs(5), &service, || readiness(&client).1 == "degraded");
            let (status, _, second) = readiness(&client);
            assert_eq!(status, 200, "one replica is enough");
            assert_ne!(second, "ready");
            until("the gauge", Duration::from_secs(3), &service, || {
                metric(&client, "sigillo_replica_usable{credential=\"seal\",token=\"second\"}") == 0.0
            });
            std::thread::sleep(Duration::from_millis([1, 700, 2500][outage % 3]));
            device.start(&copy);
            until("it is back", Duration::from_secs(5), &service, || {
                readiness(&client) == (200, "ready".into(), "ready".into())
            });
            assert!(!callers.iter().any(|caller| caller.is_finished()), "a caller got no signature");
        }
    });
    let [first, second] = ["hsm", SECOND].map(|token| signatures(&client, token));
    let failovers = metric(&client, "sigillo_failovers_total{token=\"second\"}");
    tests::report(&format!(
        "{OUTAGES} outages of one of two devices: {signed:?} signatures, none refused; {first} on the one that stayed, {second} on the \
         other, {failovers} requests changed over"
    ));
    assert!(failovers >= 1.0, "the device was in use when it died");

    service.take_server().stop();
    let verified = service.sigillo(&["audit", "verify"]);
    assert_eq!(verified["openIntents"].as_array().unwrap().len(), 0);
    let events = service.audit_events();
    let attempts = attempts(&events);
    assert!(attempts.len() >= signed.load(Ordering::Relaxed));
    assert!(attempts.values().all(|tokens| tokens.len() <= 3), "one attempt at each replica, and one more");
    assert!(attempts.values().any(|tokens| tokens.len() > 1 && tokens[0] == SECOND && tokens[1] == "hsm"));
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    let outcomes = count("signature-created") + count("signing-failed") + count("outcome-unknown");
    assert_eq!(count("signing-intended"), outcomes);
    assert!(count("signature-created") >= signed.load(Ordering::Relaxed));
    // Every attempt at either device is a use of the one key.
    let uses = service.sigillo(&["credential", "show", "seal"])["uses"].as_u64().unwrap();
    let of_credential = events.iter().filter(|event| event["event"] == "signing-intended").count();
    // The first self-test came before there was a credential to count it.
    assert_eq!(uses, of_credential as u64 - 1);
}
