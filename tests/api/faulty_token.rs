//! A token that hangs or fails in the middle: no caller waits for ever, and the record says what became of each signature.

use std::path::Path;
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
    faulty_with(server, "")
}

/// The same with fields of the profile.
fn faulty_with(server: &str, profile: &str) -> Faulty {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("faulty.so");
    run(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&module).arg(fixture("token/faulty.c")).arg("-ldl"));
    let mut service = TestService::builder()
        .server(server)
        .token(&format!("[token.override]\n{profile}"))
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

/// What a caller gets whose call hangs, and after how long.
fn hangs(faulty: &Faulty) -> (String, Duration) {
    faulty.switch("hang");
    let started = Instant::now();
    let answer = faulty.client.sign("cms", b"late");
    assert_eq!((answer.status, answer.problem().as_str()), (503, "token-unavailable"), "{}", answer.json());
    assert!(answer.retry_after.is_some());
    (answer.json()["detail"].as_str().unwrap().to_owned(), started.elapsed())
}

#[test]
fn a_call_that_hangs_longer_than_the_profile_allows_is_answered_then_and_not_at_the_end_of_the_request() {
    let faulty = faulty_with("request_timeout = \"40s\"", "\"recovery.call_timeout\" = \"1s\"");
    let (detail, time) = hangs(&faulty);
    assert!(detail.contains("within 1s (recovery.call_timeout"), "{detail}");
    assert!((Duration::from_secs(1)..Duration::from_secs(5)).contains(&time), "{time:?}");

    // Counted, until it comes back.
    let hung = |faulty: &Faulty| {
        let metrics = String::from_utf8(faulty.client.get("/metrics").body).unwrap();
        let line = metrics.lines().find(|line| line.starts_with("sigillo_token_hung_calls{token=\"hsm\"}"));
        let line = line.unwrap_or_else(|| panic!("{metrics}")).to_owned();
        let of_health = faulty.client.get("/health/ready").json()["tokens"][0]["hungCalls"].clone();
        (line.rsplit_once(' ').unwrap().1.to_owned(), of_health)
    };
    assert_eq!(hung(&faulty), ("1".to_owned(), json!(1)));
    std::fs::remove_file(faulty.folder.path().join("hang")).unwrap();
    assert_eq!(faulty.client.sign("cms", b"in time").status, 200);
    faulty.switch("release");
    let until = Instant::now() + Duration::from_secs(5);
    while hung(&faulty) != ("0".to_owned(), json!(0)) {
        assert!(Instant::now() < until, "it is back");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_call_that_hangs_as_long_as_the_profile_allows_is_answered_at_the_end_of_the_request() {
    let faulty = faulty_with("request_timeout = \"2s\"", "\"recovery.call_timeout\" = \"40s\"");
    let (detail, time) = hangs(&faulty);
    assert!(detail.contains("within 2s (server.request_timeout)"), "{detail}");
    assert!((Duration::from_secs(2)..Duration::from_secs(6)).contains(&time), "{time:?}");
}

/// A service before whose token the simulator stands, with a worker `cms`, its caller, and how to say what is simulated.
struct Simulated {
    service: TestService,
    client: Client,
    folder: TempDir,
}

impl Simulated {
    fn start(server: &str, token: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("simulator.toml");
        configure(&file, "");
        let mut service = TestService::builder()
            .server(server)
            .library(&token_simulator::library().unwrap())
            .environment(token_simulator::VARIABLE, &file.display().to_string())
            .token(token)
            .create();
        service.key("seal", "ec-p256", "document");
        service.worker("cms", "cades", "seal", "");
        let key = service.api_key("caller", &["cms"]);
        service.start();
        let client = service.client().key(&key);
        Self { service, client, folder }
    }

    fn simulate(&self, more: &str) {
        configure(&self.folder.path().join("simulator.toml"), more);
    }
}

fn configure(file: &Path, more: &str) {
    token_simulator::configure(file, &format!("module = {:?}\n{more}", token::softhsm())).unwrap();
}

#[test]
fn waiting_for_a_session_is_no_hanging_call() {
    let simulated = Simulated::start("", "sessions = 1\n[token.override]\n\"recovery.call_timeout\" = \"1s\"");
    simulated.simulate("[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 600");
    let started = Instant::now();
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| simulated.client.sign("cms", b"document").status)).collect();
        assert_eq!(calls.into_iter().map(|call| call.join().unwrap()).collect::<Vec<_>>(), [200; 4]);
    });
    assert!(started.elapsed() > Duration::from_secs(2), "they waited for each other: {:?}", started.elapsed());
}

#[test]
fn a_key_is_not_used_again_for_a_caller_who_was_told_that_its_call_hangs() {
    let simulated =
        Simulated::start("request_timeout = \"30s\"", "[token.override]\n\"recovery.call_timeout\" = \"1s\"");
    simulated.simulate("[[fault]]\nfunction = \"C_Sign\"\ndelay_ms = 2500\ncode = \"CKR_DEVICE_ERROR\"\ntimes = 1");
    let answer = simulated.client.sign("cms", b"document");
    assert_eq!((answer.status, answer.problem().as_str()), (503, "token-unavailable"));
    let events = || -> Vec<String> {
        let events = simulated.service.audit_events().into_iter();
        let of_request = events.filter(|event| event["requestId"] == answer.request_id);
        of_request.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    };
    let until = Instant::now() + Duration::from_secs(10);
    while events().last().is_none_or(|last| last != "request-completed") {
        assert!(Instant::now() < until, "{:?}", events());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(events(), ["signing-intended", "outcome-unknown", "request-completed"]);
    let _ = simulated.client.sign("cms", b"document").success();
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
