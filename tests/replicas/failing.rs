//! Devices that are there and fail: simulators before two tokens, which fail, vanish and come back when the test says so.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use openssl::pkey::{PKey, Public};
use serde_json::Value;
use tests::{Client, TestService, token};

use crate::{LABEL, SECOND, add, attempts, is_right, metric, public_key, readiness, signatures};

/// A service with a simulator before each of two tokens that hold the same key.
struct Simulated {
    service: TestService,
    client: Client,
    public: PKey<Public>,
    folder: tempfile::TempDir,
}

const FAILS: &str = "[[fault]]\nfunction = \"C_Sign\"\ncode = \"CKR_DEVICE_ERROR\"\n";
const AWAY: &str = "[device]\npresent = false\n";

impl Simulated {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A copy of a library is a library of its own, so that each device can be started anew without the other.
        let simulator = |name: &str| -> PathBuf {
            std::fs::copy(token::softhsm(), folder.path().join(format!("{name}-softhsm.so"))).unwrap();
            let copy = folder.path().join(format!("{name}.so"));
            std::fs::copy(token_simulator::library().unwrap(), &copy).unwrap();
            configure(&folder, name, "");
            copy
        };
        let (first, second) = (simulator("hsm"), simulator(SECOND));
        let recovery = "override = { \"recovery.depth\" = \"module\", \"recovery.call_timeout\" = \"1s\" }\n";
        let second = format!(
            "{recovery}[[token]]\nname = \"{SECOND}\"\nprofile = \"softhsm\"\nlibrary = \"{}\"\nslot = {{ label = \"{LABEL}\" }}\n\
             pin = {{ file = \"pin\" }}\n{recovery}",
            second.display()
        );
        let builder = TestService::builder().server("request_timeout = \"10s\"\n");
        let mut service = builder.library(&first).token(&second).create();
        service.key("seal", "ec-p256", "blind");
        let _copy = service.token().copy(service.folder(), LABEL);
        add(&service);
        service.worker("plain", "plain", "seal", "");
        let key = service.api_key("caller", &["plain"]);
        service.start();
        let (client, public) = (service.client().key(&key), public_key(&service));
        Self { service, client, public, folder }
    }

    /// What the simulator before a token does from now on.
    fn device(&self, token: &str, more: &str) {
        configure(&self.folder, token, more);
    }

    /// Signs, and whether it was a right signature or else the 503 of a token that is away.
    fn sign(&self) -> bool {
        let answer = self.client.sign("plain", b"document");
        if answer.status == 200 {
            assert!(is_right(&self.public, b"document", &answer.body), "a wrong signature");
            return true;
        }
        assert_eq!((answer.status, answer.problem().as_str()), (503, "token-unavailable"));
        false
    }

    fn until(&self, what: &str, done: impl Fn() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(10), "{what}\n{}", self.service.server().log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn events(&mut self) -> Vec<Value> {
        self.service.take_server().stop();
        assert_eq!(self.service.sigillo(&["audit", "verify"])["openIntents"].as_array().unwrap().len(), 0);
        self.service.audit_events()
    }
}

fn configure(folder: &tempfile::TempDir, name: &str, more: &str) {
    let text = format!("module = \"{name}-softhsm.so\"\n{more}");
    token_simulator::configure(&folder.path().join(format!("{name}.toml")), &text).unwrap();
}

#[test]
fn requests_take_turns_over_both_devices() {
    let simulated = Simulated::new();
    for _ in 0..20 {
        assert!(simulated.sign());
    }
    let spread = ["hsm", SECOND].map(|token| signatures(&simulated.client, token));
    assert_eq!(spread, [10.0, 10.0]);
}

#[test]
fn a_device_that_is_there_and_fails_every_signature_is_left_alone_until_a_trial_succeeds() {
    let mut simulated = Simulated::new();
    simulated.device(SECOND, FAILS);
    simulated.until("the breaker opens", || {
        assert!(simulated.sign(), "the other device signs");
        readiness(&simulated.client).2 == "failing"
    });
    assert_eq!(readiness(&simulated.client).0, 200);
    assert_eq!(readiness(&simulated.client).1, "degraded");
    simulated.until("the gauge", || {
        metric(&simulated.client, "sigillo_replica_usable{credential=\"seal\",token=\"second\"}") == 0.0
    });
    for _ in 0..50 {
        assert!(simulated.sign());
    }
    simulated.device(SECOND, "");
    simulated.until("it is used again", || {
        assert!(simulated.sign());
        readiness(&simulated.client) == (200, "ready".into(), "ready".into())
    });
    let before = signatures(&simulated.client, SECOND);
    for _ in 0..20 {
        assert!(simulated.sign());
    }
    assert_eq!(signatures(&simulated.client, SECOND), before + 10.0, "the load spreads again");

    let events = simulated.events();
    let attempts = attempts(&events);
    let failed = attempts.values().filter(|tokens| tokens.len() > 1).count();
    assert!((3..12).contains(&failed), "three failures and some trials, not one for each request: {failed}");
    assert!(attempts.values().filter(|tokens| tokens.len() > 1).all(|tokens| tokens[..] == [SECOND, "hsm"]));
    let log = simulated.service.folder().join("sigillo.log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("is left alone for a while") && log.contains("is used again"), "{log}");
}

#[test]
fn with_both_devices_away_callers_get_503_and_with_one_back_signatures() {
    let mut simulated = Simulated::new();
    for token in ["hsm", SECOND] {
        simulated.device(token, AWAY);
    }
    simulated.until("both are seen to be away", || {
        assert!(!simulated.sign(), "no device signs");
        readiness(&simulated.client) == (503, "unavailable".into(), "unavailable".into())
    });
    let start = Instant::now();
    assert!(!simulated.sign());
    assert!(start.elapsed() < Duration::from_secs(1), "a token that is away says so at once: {:?}", start.elapsed());
    simulated.device(SECOND, "");
    let back = Instant::now();
    simulated.until("one is back", || simulated.sign());
    assert!(back.elapsed() < Duration::from_secs(2), "used again after {:?}", back.elapsed());
    assert_eq!(readiness(&simulated.client), (200, "degraded".into(), "ready".into()));
    simulated.device("hsm", "");
    simulated.until("both are back", || readiness(&simulated.client) == (200, "ready".into(), "ready".into()));

    let attempts = attempts(&simulated.events());
    assert!(attempts.values().all(|tokens| tokens.len() <= 3), "one attempt at each replica, and one more");
}

#[test]
fn a_device_whose_calls_hang_costs_a_few_callers_their_patience_and_then_is_left_alone() {
    let simulated = Simulated::new();
    simulated.device(SECOND, "[[fault]]\nfunction = \"C_Sign\"\nhang = true\n");
    let (signed, hung) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while start.elapsed() < Duration::from_secs(6) {
                    let called = Instant::now();
                    let count = if simulated.sign() { &signed } else { &hung };
                    count.fetch_add(1, Ordering::Relaxed);
                    assert!(called.elapsed() < Duration::from_secs(4), "kept for {:?}", called.elapsed());
                }
            });
        }
    });
    let (signed, hung) = (signed.into_inner(), hung.into_inner());
    tests::report(&format!("a device that hangs: {signed} signatures on the other one, {hung} answers 503"));
    // Each call that hangs is load, and after three of them the breaker is open but for trials.
    assert!((1..=8).contains(&hung), "{hung}");
    assert!(signed > 100, "{signed}");
    assert_eq!(readiness(&simulated.client).0, 200);
    simulated.device(SECOND, "");
    simulated.until("a trial shows that it works", || {
        assert!(simulated.sign());
        readiness(&simulated.client) == (200, "ready".into(), "ready".into())
    });
    assert!(simulated.sign());
}

#[test]
fn an_error_of_the_request_uses_no_second_device() {
    let mut simulated = Simulated::new();
    simulated.service.sigillo(&["credential", "suspend", "seal"]);
    let refused = simulated.client.sign("plain", b"document");
    assert_eq!((refused.status, refused.problem().as_str()), (409, "credential-not-active"));
    assert!(attempts(&simulated.events()).is_empty());
}
