//! Keys that another process makes while the server runs, on a device whose library does not see them: said beforehand by the command,
//! and afterwards by the server.

use serde_json::json;
use tempfile::TempPath;
use tests::TestService;
use tests::service::TOKEN;

use crate::spied::readiness;

/// A service whose token is the simulator; its library does what `simulated` says, and the profile says of it what `profile` does.
fn service(simulated: &str, profile: &str) -> (TestService, TempPath) {
    // Beside the service, because its folder is made together with it.
    let file = tempfile::Builder::new().prefix("sigillo-simulator-").suffix(".toml").tempfile().unwrap();
    let path = file.into_temp_path();
    let text = format!("module = {:?}\n{simulated}", tests::token::softhsm());
    token_simulator::configure(&path, &text).unwrap();
    let service = TestService::builder()
        .library(&token_simulator::library().unwrap())
        .token(&format!("[token.override]\n\"session.sees_later_keys\" = \"{profile}\""))
        .environment(token_simulator::VARIABLE, &path.display().to_string())
        .start();
    (service, path)
}

#[test]
fn a_key_that_the_servers_library_does_not_see_is_told_of_by_command_and_server_and_signs_after_a_restart() {
    let (mut service, _simulated) = service("[visibility]\nhides_later = true", "no");
    assert_eq!(readiness(&service), (200, "ready".to_owned()));
    let made = service.sigillo(&["key", "generate", "--token", TOKEN, "--alias", "seal", "--spec", "ec-p256"]);
    let told = "restart the service";
    assert!(made["warnings"].to_string().contains(told), "{made}");
    service.certify("seal", &tests::pki::Profile::default());
    let chain = service.folder().join("pki/seal.chain.pem").display().to_string();
    let imported = service.sigillo(&["certificate", "import", "--token", TOKEN, "--key", "seal", "--chain", &chain]);
    assert!(imported["warnings"].to_string().contains(told), "{imported}");
    service.worker("cms", "cades", "seal", "");
    let key = service.api_key("caller", &["cms"]);

    let answer = service.client().key(&key).sign("cms", b"document");
    assert_eq!((answer.status, answer.problem().as_str()), (409, "credential-not-active"));
    let log = service.server().log();
    for part in ["has no key seal", "made by other processes", told] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let events = service.audit_events();
    let refused =
        events.iter().find(|event| event["requestId"] == answer.request_id && event["event"] == "signing-failed");
    assert!(refused.unwrap()["reason"].as_str().unwrap().contains(told), "{refused:?}");

    service.take_server().stop();
    service.start();
    let _ = service.client().key(&key).sign("cms", b"document").success();
}

#[test]
fn a_key_made_on_kryoptic_while_the_server_runs_signs_without_a_restart() {
    let service = TestService::builder().kryoptic().start();
    assert_eq!(readiness(&service), (200, "ready".to_owned()));
    service.key("seal", "ec-p256", "document");
    service.worker("cms", "cades", "seal", "");
    let key = service.api_key("caller", &["cms"]);
    let _ = service.client().key(&key).sign("cms", b"document").success();
}

#[test]
fn a_key_that_the_servers_library_sees_signs_at_once_and_nobody_speaks_of_a_restart() {
    let (service, _simulated) = service("", "yes");
    let made = service.sigillo(&["key", "generate", "--token", TOKEN, "--alias", "seal", "--spec", "ec-p256"]);
    assert_eq!(made["warnings"], json!(null));
    service.certify("seal", &tests::pki::Profile::default());
    service.worker("cms", "cades", "seal", "");
    let key = service.api_key("caller", &["cms"]);
    let _ = service.client().key(&key).sign("cms", b"document").success();
}
