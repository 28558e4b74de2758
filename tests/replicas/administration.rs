//! Replicas are added and taken away by administrators, with a reason and on record; what is no copy of the key is refused.

use serde_json::Value;
use tests::TestService;

use crate::{LABEL, SECOND, add};

/// A service with two tokens and key "seal", certified, on the first.
fn service() -> TestService {
    let second = format!(
        "[[token]]\nname = \"{SECOND}\"\nprofile = \"softhsm\"\nslot = {{ label = \"{LABEL}\" }}\npin = {{ file = \"pin\" }}\n"
    );
    let service = TestService::builder().token(&second).create();
    service.key("seal", "ec-p256", "blind");
    service
}

/// The same with the copy of the token.
fn with_copy() -> TestService {
    let service = service();
    let _copy = service.token().copy(service.folder(), LABEL);
    service
}

/// Runs `sigillo`, which must refuse, and returns what it says. Nothing may have been changed.
fn refused(service: &TestService, arguments: &[&str]) -> String {
    let seal = || service.sigillo(&["credential", "list"])["items"][0].clone();
    let (before, acts) = (seal(), acts(service, "credential replica add").len());
    let output = service.try_sigillo(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{arguments:?}: {said}");
    assert_eq!(seal()["locations"], before["locations"]);
    assert_eq!(self::acts(service, "credential replica add").len(), acts);
    let problem: Value = serde_json::from_str(&said).unwrap();
    problem["detail"].as_str().unwrap().to_owned()
}

fn adding<'a>(token: &'a str, alias: &'a str, justification: &'a str) -> [&'a str; 10] {
    ["credential", "replica", "add", "seal", "--token", token, "--alias", alias, "--justification", justification]
}

fn acts(service: &TestService, action: &str) -> Vec<Value> {
    service.audit_events().into_iter().filter(|event| event["action"] == action).collect()
}

#[test]
fn a_replica_is_added_with_its_reason_and_both_count_as_one_key() {
    let service = with_copy();
    let before = service.sigillo(&["credential", "show", "seal"]);
    assert_eq!(before["replicas"], Value::Null);
    let added = add(&service);
    assert_eq!(added["locations"].as_array().unwrap().len(), 2);
    // The second key has proved itself, which is a use.
    assert_eq!(added["uses"].as_u64().unwrap(), before["uses"].as_u64().unwrap() + 1);

    let shown = service.sigillo(&["credential", "show", "seal"]);
    let replicas = shown["replicas"].as_array().unwrap();
    assert_eq!((&replicas[0]["token"], &replicas[0]["justification"]), (&"hsm".into(), &Value::Null));
    assert_eq!((&replicas[1]["token"], &replicas[1]["justification"]), (&SECOND.into(), &"the second site".into()));
    assert!(replicas.iter().all(|replica| replica["tokenState"] == "ready"), "{shown}");
    assert!(replicas[1]["addedBy"].is_string() && replicas[1]["addedAt"].is_string());
    let [act] = acts(&service, "credential replica add").try_into().unwrap();
    assert_eq!((&act["subject"], &act["detail"]["replicas"]), (&"seal".into(), &2.into()));
    assert_eq!((&act["detail"]["token"], &act["detail"]["justification"]), (&SECOND.into(), &"the second site".into()));
    let status = service.sigillo(&["status"]);
    assert_eq!(
        (&status["replicated"][0]["credential"], &status["replicated"][0]["state"]),
        (&"seal".into(), &"ready".into())
    );
    let keys = service.sigillo(&["key", "list", "--token", SECOND]);
    assert_eq!(
        (&keys["items"][0]["place"], &keys["items"][0]["credential"]),
        (&"token and store".into(), &"seal".into())
    );
    service.sigillo(&["key", "test", "--token", SECOND, "--alias", "seal"]);
    service.sigillo(&["audit", "verify"]);
}

#[test]
fn what_is_no_good_copy_of_the_key_is_refused_with_the_reason() {
    let service = with_copy();
    let generate = ["key", "generate", "--token", SECOND, "--alias", "other", "--spec", "ec-p256"];
    service.sigillo(&generate);
    assert!(refused(&service, &adding(SECOND, "other", "why")).contains("is another key"));
    assert!(refused(&service, &adding(SECOND, "none", "why")).contains("there is no key"));
    assert!(refused(&service, &adding("hsm", "seal", "why")).contains("on token \"hsm\" already"));
    assert!(refused(&service, &adding(SECOND, "seal", "  ")).contains("justification"));
    add(&service);
    assert!(refused(&service, &adding(SECOND, "seal", "twice")).contains("on token \"second\" already"));
    let adopt = ["key", "adopt", "--token", SECOND, "--alias", "seal"];
    assert!(refused(&service, &adopt).contains("already"));
}

#[test]
fn a_copy_that_may_leave_its_device_or_was_not_made_in_one_is_refused() {
    // CKA_EXTRACTABLE and CKA_LOCAL, PKCS#11 2.40, section 4.9.
    for (attribute, value, name) in [(0x162, true, "CKA_EXTRACTABLE is true"), (0x163, false, "CKA_LOCAL is false")] {
        let service = service();
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = service.token().copy(elsewhere.path(), LABEL);
        copy.set_attribute(attribute, value);
        copy.join(service.token());
        let said = refused(&service, &adding(SECOND, "seal", "why"));
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn a_replica_is_taken_away_and_its_key_destroyed_and_the_credential_goes_on() {
    let service = with_copy();
    let remove = |token| ["credential", "replica", "remove", "seal", "--token", token, "--alias", "seal"];
    assert!(refused(&service, &remove("hsm")).contains("only key"));
    add(&service);
    let left = service.sigillo(&remove(SECOND));
    assert_eq!((left["locations"].as_array().unwrap().len(), &left["replicas"]), (1, &Value::Null));
    assert!(refused(&service, &remove(SECOND)).contains("no key \"seal\" on token \"second\""));
    let [act] = acts(&service, "credential replica remove").try_into().unwrap();
    assert_eq!(act["detail"]["replicas"], 1);

    add(&service);
    service.worker("plain", "plain", "seal", "");
    // The first one, which a worker uses: it goes on with the second.
    service.sigillo(&["key", "destroy", "--token", "hsm", "--alias", "seal", "--yes"]);
    let shown = service.sigillo(&["credential", "show", "seal"]);
    assert_eq!((&shown["state"], &shown["locations"][0]["token"]), (&"active".into(), &SECOND.into()));
    assert_eq!(service.sigillo(&["key", "list", "--token", "hsm"])["items"].as_array().unwrap().len(), 0);
    service.sigillo(&["worker", "test", "plain"]);
    let refused = refused(&service, &["key", "destroy", "--token", SECOND, "--alias", "seal", "--yes"]);
    assert!(refused.contains("worker \"plain\" uses"), "{refused}");
}

#[test]
fn the_worst_replica_decides_over_qualified_seals() {
    let service = with_copy();
    service.worker("seals", "plain", "seal", "");
    let qualify = "UPDATE worker_version SET definition = json_set(definition, '$.qualified', 'eseal')";
    service.sql(&[qualify]);
    // It would stop the worker that makes them.
    let said = refused(&service, &adding(SECOND, "seal", "why"));
    assert!(said.contains("token \"second\" wears profile softhsm") && said.contains("worker \"seals\""), "{said}");
    assert!(said.contains("for the replica on token \"second\" evidence"), "{said}");
}
