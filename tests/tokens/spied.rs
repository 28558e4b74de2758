//! A service whose token is reached through OpenSC's PKCS#11 spy, which writes down every call.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempPath;
use tests::{Answer, TestService, TestToken};

/// A service with a worker `cms`, seen through the spy.
pub(crate) struct Spied {
    pub(crate) service: TestService,
    calls: TempPath,
    key: String,
}

const SPIES: [&str; 3] =
    ["/usr/lib/x86_64-linux-gnu/pkcs11-spy.so", "/usr/lib/aarch64-linux-gnu/pkcs11-spy.so", "/usr/lib64/pkcs11-spy.so"];

impl Spied {
    /// With a key, a worker and a client; the server is not started.
    pub(crate) fn create() -> Self {
        let spy = SPIES.iter().map(Path::new).find(|path| path.exists());
        let spy = spy.expect("the PKCS#11 spy is missing; install it with: scripts/install-tools");
        // Beside the service, because its folder is made together with it.
        let calls = tempfile::Builder::new().prefix("sigillo-spy-").tempfile().unwrap().into_temp_path();
        let service = TestService::builder()
            .library(spy)
            .environment("PKCS11SPY", &TestToken::installed_library().display().to_string())
            .environment("PKCS11SPY_OUTPUT", &calls.display().to_string())
            .create();
        service.key("seal", "ec-p256", "document");
        service.worker("cms", "cades", "seal", "");
        let key = service.api_key("caller", &["cms"]);
        let spied = Self { service, calls, key };
        assert!(spied.calls("C_Login") > 0, "the spy sees logins");
        assert!(spied.calls("C_Sign") > 0, "the spy sees uses of keys");
        spied.forget_calls();
        spied
    }

    /// How often a function was called, by all processes, since the last [`Self::forget_calls`].
    pub(crate) fn calls(&self, function: &str) -> usize {
        let log = std::fs::read(&self.calls).unwrap_or_default();
        // The spy writes "12: C_Login".
        let called = |line: &&str| line.split_once(": ").is_some_and(|(_, name)| name.trim() == function);
        String::from_utf8_lossy(&log).lines().filter(called).count()
    }

    /// Starts counting at nothing.
    pub(crate) fn forget_calls(&self) {
        std::fs::write(&self.calls, "").unwrap();
    }

    pub(crate) fn write_pin(&self, pin: &str) {
        std::fs::write(self.service.folder().join("pin"), pin).unwrap();
    }

    pub(crate) fn sign(&self) -> Answer {
        self.service.client().key(&self.key).sign("cms", b"document")
    }

    /// What readiness says: the status, and the state of the token.
    pub(crate) fn readiness(&self) -> (u16, String) {
        readiness(&self.service)
    }

    /// The service is up, its token away: nothing is signed, no key used, and the caller told to try again later.
    pub(crate) fn is_away(&self, state: &str) {
        let client = self.service.client();
        assert_eq!(client.get("/health/live").status, 200);
        assert_eq!(self.readiness(), (503, state.to_owned()));
        let uses = self.calls("C_SignInit");
        let answer = self.sign();
        assert_eq!((answer.status, answer.problem().as_str()), (503, "token-unavailable"));
        assert!(answer.retry_after.is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
        assert_eq!(self.calls("C_SignInit"), uses);
        let events = self.service.audit_events();
        let made = |event: &&Value| event["requestId"] == answer.request_id && event["event"] == "signature-created";
        assert_eq!(events.iter().filter(made).count(), 0);
    }

    /// The service heals by itself within seconds, and signs.
    pub(crate) fn heals(&self) {
        heals(&self.service);
        let _ = self.sign().success();
    }

    /// A command that fails because the token is away.
    pub(crate) fn unavailable(&self, arguments: &[&str]) {
        unavailable(&self.service.try_sigillo(arguments));
    }
}

pub(crate) fn readiness(service: &TestService) -> (u16, String) {
    let ready = service.client().get("/health/ready");
    let json = ready.json();
    assert_eq!((&json["tokens"][0]["name"], &json["database"]), (&json!("hsm"), &json!("ready")));
    (ready.status, json["tokens"][0]["state"].as_str().unwrap().to_owned())
}

pub(crate) fn heals(service: &TestService) {
    let until = Instant::now() + Duration::from_secs(5);
    while readiness(service) != (200, "ready".to_owned()) {
        assert!(Instant::now() < until, "the token is {:?} after 5 seconds", readiness(service));
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub(crate) fn unavailable(output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
}
