//! `unlock = "manual"`: a PIN that nobody wrote down reaches the running server by the hand of an operator, and serves until it is locked.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::{Duration, Instant};

use tests::TestService;
use tests::service::TOKEN;

use crate::spied::{heals, readiness, unavailable};

/// A service with a worker `cms` and the API key of its caller, whose token waits for its PIN.
fn service() -> (TestService, String) {
    let mut service = TestService::builder().create();
    service.key("seal", "ec-p256", "document");
    service.worker("cms", "cades", "seal", "");
    let key = service.api_key("caller", &["cms"]);
    let file = service.folder().join("sigillo.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("pin = { file = \"pin\" }", "pin = { unlock = \"manual\" }")).unwrap();
    // The operator's memory.
    std::fs::rename(service.folder().join("pin"), service.folder().join("typed")).unwrap();
    service.start();
    (service, key)
}

fn unlock(service: &TestService) -> Output {
    service.try_sigillo(&["token", "unlock", TOKEN, "--pin-file", "typed"])
}

fn becomes(service: &TestService, state: &str) {
    let until = Instant::now() + Duration::from_secs(5);
    while readiness(service).1 != state {
        assert!(Instant::now() < until, "{:?}", readiness(service));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_typed_pin_reaches_the_running_server() {
    let (mut service, key) = service();
    assert_eq!(readiness(&service), (503, "locked".to_owned()));
    assert_eq!(service.client().key(&key).sign("cms", b"document").status, 503);
    let socket = service.folder().join("sigillo.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

    let unlocked = unlock(&service);
    assert!(unlocked.status.success(), "{}", String::from_utf8_lossy(&unlocked.stderr));
    assert!(String::from_utf8_lossy(&unlocked.stdout).contains("\"state\": \"ready\""));
    assert_eq!(readiness(&service), (200, "ready".to_owned()), "at once");
    let _ = service.client().key(&key).sign("cms", b"document").success();
    let acts = service.audit_events().into_iter().filter(|event| event["action"] == "token unlock").count();
    assert_eq!(acts, 1);

    // Whether stopped or killed, a server that starts anew waits for its PIN, and gets it.
    service.take_server().kill();
    assert!(socket.exists(), "nobody was left to take it away");
    for _ in 0..2 {
        service.start();
        assert_eq!(readiness(&service).1, "locked");
        assert!(unlock(&service).status.success());
        let _ = service.client().key(&key).sign("cms", b"document").success();
        service.take_server().stop();
        assert!(!socket.exists());
    }
}

#[test]
fn a_lock_by_an_operator_ends_the_use_of_a_typed_pin_until_it_is_typed_again() {
    let (service, key) = service();
    assert!(unlock(&service).status.success());
    service.sigillo(&["token", "lock", TOKEN]);
    becomes(&service, "locked");
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(readiness(&service).1, "locked", "the server does not help itself");
    assert_eq!(service.client().key(&key).sign("cms", b"document").status, 503);
    assert!(unlock(&service).status.success());
    std::thread::sleep(Duration::from_millis(2500));
    heals(&service);
    let _ = service.client().key(&key).sign("cms", b"document").success();
}

#[test]
fn a_wrong_pin_is_said_to_be_rejected_and_the_right_one_is_taken_afterwards() {
    let (service, _) = service();
    let typed = service.folder().join("typed");
    let right = std::fs::read(&typed).unwrap();
    std::fs::write(&typed, "0000-wrong").unwrap();
    let refused = unlock(&service);
    unavailable(&refused);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("was rejected"));
    std::fs::write(&typed, right).unwrap();
    assert!(unlock(&service).status.success());
    assert_eq!(readiness(&service), (200, "ready".to_owned()));
}

#[test]
fn without_a_server_the_command_says_whom_the_pin_reached() {
    let (mut service, _) = service();
    service.take_server().stop();
    let unlocked = unlock(&service);
    let stderr = String::from_utf8_lossy(&unlocked.stderr);
    assert!(unlocked.status.success(), "{stderr}");
    assert!(stderr.contains("no server") && stderr.contains("sigillo.sock"), "{stderr}");
}
