//! What the records of released, refused, failed and withheld requests say (promise 1).

use std::process::Command;

use openssl::hash::MessageDigest;
use openssl::sha::sha256;
use openssl::x509::X509;
use serde_json::{Value, json};
use tests::programs::run;
use tests::{Client, TestService};

use crate::records::{kind, kinds, of_request};

fn service_with(kind: &str, purpose: &str) -> (TestService, Client) {
    let service = TestService::builder().start();
    service.key("key", "ec-p256", purpose);
    service.worker("worker", kind, "key", "");
    let key = service.api_key("caller", &["worker"]);
    let client = service.client().key(&key);
    (service, client)
}

/// Runs `pkcs11-tool` on the token of a service, as somebody beside it would.
fn pkcs11_tool(service: &TestService, arguments: &[&str]) -> String {
    let mut tool = Command::new("pkcs11-tool");
    tool.arg("--module").arg(service.token().library());
    tool.args(["--token-label", tests::token::LABEL, "--login", "--pin", tests::token::PIN]).args(arguments);
    String::from_utf8_lossy(&run(tool.env("SOFTHSM2_CONF", service.token().configuration())).stdout).into_owned()
}

#[test]
fn a_released_signature_has_an_intent_with_all_that_was_decided_then_its_outcome_then_its_end() {
    let (service, client) = service_with("plain", "blind");
    service.worker("worker", "plain", "key", "ecdsa_encoding = \"fixed\"");
    let answer = client.sign("worker", b"what is signed");
    let events = service.audit_events();
    let records = of_request(&events, &answer.request_id);
    assert_eq!(kinds(&records), ["signing-intended", "signature-created", "request-completed"]);

    let leaf = X509::from_pem(&std::fs::read(service.leaf("key")).unwrap()).unwrap();
    let document = hex::encode(sha256(b"what is signed"));
    let attempt = &records[0]["attempt"];
    let intent = json!({
        "event": "signing-intended",
        "attempt": attempt,
        "requestId": answer.request_id,
        "keyUse": "request",
        "client": "caller",
        "worker": "worker",
        "workerVersion": 2,
        "credential": "key",
        "certificateSha256": hex::encode(leaf.digest(MessageDigest::sha256()).unwrap()),
        "algorithm": "ecdsa SHA-256",
        "documentSha256": document,
        "dtbsrDigestAlgorithm": "SHA-256",
        // A plain signature covers the document itself.
        "dtbsr": document,
        "location": service.sigillo(&["credential", "show", "key"])["locations"][0],
    });
    assert_eq!(intent["location"]["token"], "hsm");
    assert_eq!(*records[0], intent);
    assert_eq!(records[1]["attempt"], *attempt);
    assert_eq!(records[1]["signatureSha256"], hex::encode(sha256(&answer.body)));
    let completed = json!({
        "event": "request-completed",
        "requestId": answer.request_id,
        "client": "caller",
        "worker": "worker",
        "outcome": "released",
    });
    assert_eq!(*records[2], completed);
}

#[test]
fn a_refused_request_has_one_record_with_the_problem_and_its_cause() {
    let (service, client) = service_with("pades", "document");
    let answer = client.sign("worker", b"no PDF");
    assert_eq!(answer.status, 422);
    let events = service.audit_events();
    let records = of_request(&events, &answer.request_id);
    assert_eq!(kinds(&records), ["request-refused"]);
    let record = records[0];
    assert_eq!((&record["client"], &record["worker"]), (&json!("caller"), &json!("worker")));
    assert_eq!(record["problem"], "document-unacceptable");
    assert!(record["detail"].as_str().unwrap().len() > 10, "{record}");

    let answer = client.sign("not-granted", b"x");
    let events = service.audit_events();
    let records = of_request(&events, &answer.request_id);
    assert_eq!(kinds(&records), ["request-refused"]);
    assert_eq!((&records[0]["worker"], &records[0]["problem"]), (&json!("not-granted"), &json!("no-grant")));

    let before = service.audit_events().len();
    assert_eq!(service.client().key("sigillo_wrong").sign("worker", b"x").status, 401);
    assert_eq!(service.audit_events().len(), before, "who is not known is logged, not recorded");
}

#[test]
fn a_request_whose_key_is_gone_fails_and_the_failed_attempt_is_on_record() {
    let (service, client) = service_with("cades", "document");
    let _ = client.sign("worker", b"works").success();
    pkcs11_tool(&service, &["--delete-object", "--type", "privkey", "--label", "key"]);
    let answer = client.sign("worker", b"does not");
    assert_eq!((answer.status, answer.problem().as_str()), (409, "credential-not-active"));
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("key") && !detail.contains("try again"), "waiting does not bring it back: {detail}");
    let events = service.audit_events();
    let records = of_request(&events, &answer.request_id);
    assert_eq!(kinds(&records), ["signing-intended", "signing-failed", "request-completed"]);
    assert_eq!(records[0]["attempt"], records[1]["attempt"]);
    assert!(records[1]["reason"].as_str().unwrap().contains("key"), "{}", records[1]);
    assert_eq!(records[2]["outcome"], "failed");
    assert!(records[2]["reason"].as_str().unwrap().contains("key"), "{}", records[2]);
}

#[test]
fn a_signature_of_the_wrong_key_is_made_recorded_and_withheld() {
    let (mut service, _) = service_with("cades", "document");
    let key = service.api_key("other-caller", &["worker"]);
    let keys = service.sigillo(&["key", "list", "--token", "hsm"]);
    let id = keys["items"][0]["id"].as_str().unwrap().to_owned();
    // Another key takes the place of the one that the certificate is for.
    for half in ["privkey", "pubkey"] {
        pkcs11_tool(&service, &["--delete-object", "--type", half, "--label", "key"]);
    }
    pkcs11_tool(&service, &["--keypairgen", "--key-type", "EC:prime256v1", "--label", "key", "--id", &id]);
    service.take_server().stop();
    service.start();

    let answer = service.client().key(&key).sign("worker", b"signed by another key");
    assert_eq!((answer.status, answer.problem().as_str()), (500, "signature-withheld"));
    let events = service.audit_events();
    let records = of_request(&events, &answer.request_id);
    assert_eq!(kinds(&records), ["signing-intended", "signature-created", "request-completed"]);
    assert_eq!(records[2]["outcome"], "withheld");
    assert!(records[2]["reason"].as_str().is_some_and(|reason| reason.len() > 10), "{}", records[2]);
}

#[test]
fn start_login_and_stop_of_the_service_are_on_record() {
    let mut service = TestService::builder().create();
    assert!(service.audit_events().is_empty(), "nothing has happened yet");
    service.start();
    let instance = |events: &[Value], name: &str| {
        let found: Vec<&Value> = events.iter().filter(|event| kind(event) == name).collect();
        assert_eq!(found.len(), 1, "{name}: {events:?}");
        assert_eq!(found[0]["version"], env!("CARGO_PKG_VERSION"));
        found[0]["instance"].clone()
    };
    let events = service.audit_events();
    let started = instance(&events, "service-started");
    let logins: Vec<&Value> = events.iter().filter(|event| kind(event) == "token-login").collect();
    assert_eq!(logins.len(), 1);
    assert_eq!((&logins[0]["token"], &logins[0]["outcome"]), (&json!("hsm"), &json!("succeeded")));
    assert!(logins[0]["serial"].as_str().is_some_and(|serial| serial.len() > 4));
    service.take_server().stop();
    let events = service.audit_events();
    assert_eq!(instance(&events, "service-stopped"), started);
    assert_eq!(kind(events.last().unwrap()), "service-stopped");
}
