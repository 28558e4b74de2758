//! A token that hangs or fails in the middle: no caller waits for ever, and the record says what became of each signature.

use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::programs::{fixture, run};
use tests::{Client, TestService, token};

struct Faulty {
    service: TestService,
    client: Client,
    folder: TempDir,
}

/// A service before whose token the module of `fixtures/token` stands, with a worker `cms` and one for digests, `raw`.
fn faulty(server: &str) -> Faulty {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("faulty.so");
    run(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&module).arg(fixture("token/faulty.c")).arg("-ldl"));
    let mut service = TestService::builder()
        .server(server)
        .library(&module)
        .environment("FAULTY_TOKEN_LIBRARY", &token::softhsm().display().to_string())
        .environment("FAULTY_TOKEN_FOLDER", &folder.path().display().to_string())
        .create();
    service.key("seal", "ec-p256", "document");
    service.key("blind", "ec-p256", "blind");
    service.worker("cms", "cades", "seal", "");
    service.worker("raw", "plain", "blind", "allow_client_hash = true");
    let key = service.api_key("caller", &["cms", "raw"]);
    service.start();
    let client = service.client().key(&key);
    Faulty { service, client, folder }
}

impl Faulty {
    fn switch(&self, name: &str) {
        std::fs::write(self.folder.path().join(name), "").unwrap();
    }

    /// The events of a request, and the outcome of its end.
    fn events(&self, request_id: &str) -> (Vec<String>, Value) {
        let events = self.service.audit_events();
        let of_request: Vec<&Value> = events.iter().filter(|event| event["requestId"] == request_id).collect();
        let names = of_request.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect();
        (names, of_request.last().map(|event| event["outcome"].clone()).unwrap_or_default())
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        // Or the server could not end.
        self.switch("release");
    }
}

#[test]
fn a_token_that_hangs_costs_its_callers_their_time_and_nobody_else_a_place() {
    let faulty = faulty("request_timeout = \"2s\"\nconcurrency = 2");
    faulty.switch("hang");
    let started = Instant::now();
    let late: Vec<String> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..2).map(|_| scope.spawn(|| faulty.client.sign("cms", b"late"))).collect();
        let answers = calls.into_iter().map(|call| call.join().unwrap());
        answers
            .map(|answer| {
                assert_eq!((answer.status, answer.problem().as_str()), (503, "token-unavailable"));
                assert!(answer.retry_after.is_some());
                answer.request_id
            })
            .collect()
    });
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());

    // Both calls still hang, and were all that may sign at the same time.
    std::fs::remove_file(faulty.folder.path().join("hang")).unwrap();
    assert_eq!(faulty.client.sign("cms", b"in time").status, 200);

    faulty.switch("release");
    let until = Instant::now() + Duration::from_secs(20);
    for id in late {
        let expected = ["signing-intended", "outcome-unknown", "request-completed"];
        while faulty.events(&id).0.len() < expected.len() {
            assert!(Instant::now() < until, "{:?}", faulty.events(&id));
            std::thread::sleep(Duration::from_millis(200));
        }
        assert_eq!(faulty.events(&id), (expected.map(str::to_owned).to_vec(), "withheld".into()));
    }
}

#[test]
fn a_server_ends_although_a_call_hangs_in_the_token() {
    let mut faulty = faulty("request_timeout = \"2s\"");
    faulty.switch("hang");
    assert_eq!(faulty.client.sign("cms", b"late").status, 503);
    let started = Instant::now();
    faulty.service.take_server().stop();
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[test]
fn an_interrupted_server_answers_what_it_has_taken_on() {
    let faulty = faulty("");
    faulty.switch("hang");
    std::thread::scope(|scope| {
        let call = scope.spawn(|| faulty.client.sign("cms", b"document"));
        std::thread::sleep(Duration::from_secs(2));
        run(Command::new("kill").args(["-INT", &faulty.service.server().pid().to_string()]));
        std::thread::sleep(Duration::from_secs(1));
        faulty.switch("release");
        assert_eq!(call.join().unwrap().status, 200);
    });
}

#[test]
fn a_token_that_hangs_while_it_is_locked_does_not_keep_the_service_from_saying_so() {
    let faulty = faulty("");
    faulty.switch("hang-logout");
    std::thread::scope(|scope| {
        scope.spawn(|| faulty.service.try_sigillo(&["token", "lock", tests::service::TOKEN]));
        std::thread::sleep(Duration::from_secs(3));
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(10));
            faulty.switch("release");
        });
        let started = Instant::now();
        let answer = faulty.client.get("/health/ready");
        assert_eq!((answer.status, &answer.json()["tokens"][0]["state"]), (503, &json!("locked")));
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    });
}

#[test]
fn a_batch_that_fails_after_its_first_signature_is_withheld() {
    let faulty = faulty("");
    faulty.switch("refuse");
    let digest = STANDARD.encode([7; 32]);
    let body = json!({ "digests": [digest, digest, digest], "digestAlgorithm": "SHA-256" });
    let answer = faulty.client.post_json("/v1/workers/raw/sign-digest", &body);
    assert_eq!(answer.status, 500, "{}", answer.json());
    let expected = ["signing-intended", "signature-created", "signing-intended", "signing-failed", "request-completed"];
    assert_eq!(faulty.events(&answer.request_id), (expected.map(str::to_owned).to_vec(), "withheld".into()));
}
