//! What operators do to the tokens of a running server, which follows without a restart.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::TestService;

use crate::spied::{Spied, readiness};

#[test]
fn a_token_locked_by_an_operator_does_not_sign_until_it_is_unlocked_also_after_a_restart() {
    let mut spied = Spied::create();
    spied.service.start();
    let _ = spied.sign().success();
    assert_eq!(spied.service.sigillo(&["token", "lock", "hsm"])["state"], "locked");
    let until = Instant::now() + Duration::from_secs(5);
    while spied.readiness().1 != "locked" {
        assert!(Instant::now() < until, "the server does not follow");
        std::thread::sleep(Duration::from_millis(100));
    }
    spied.is_away("locked");
    spied.service.take_server().stop();
    spied.forget_calls();
    spied.service.start();
    spied.is_away("locked");
    assert_eq!(spied.calls("C_Login"), 0, "a locked token is not logged in to");
    spied.service.sigillo(&["token", "unlock", "hsm"]);
    spied.heals();
}

#[test]
fn a_key_made_while_the_server_runs_signs_without_a_restart() {
    let service = TestService::builder().start();
    assert_eq!(readiness(&service), (200, "ready".to_owned()), "a token without keys is healthy");
    let check = service.sigillo(&["token", "check", "hsm"]);
    assert_eq!((&check["state"], &check["keys"]), (&json!("ready"), &json!(0)));
    for (alias, spec, worker) in [("first", "ec-p256", "cms"), ("second", "rsa-2048", "pdf")] {
        service.key(alias, spec, "document");
        service.worker(worker, if worker == "pdf" { "pades" } else { "cades" }, alias, "");
    }
    let key = service.api_key("caller", &["cms", "pdf"]);
    let client = service.client().key(&key);
    let _ = client.sign("cms", b"document").success();
    let pdf = std::fs::read(tests::programs::fixture("pdf/report.pdf")).unwrap();
    let _ = client.sign("pdf", &pdf).success();
}
