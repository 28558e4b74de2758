//! Keys whose token requires a backup: no seal before a copy is on record, and no destruction in ignorance of the copies.

use std::process::Output;

use serde_json::{Value, json};
use tests::TestService;
use tests::pki::Profile;
use tests::service::TOKEN;

fn service() -> TestService {
    TestService::builder().token("require_backup = true").create()
}

fn confirm(service: &TestService, place: &str, date: &str) -> Output {
    let key = ["key", "backup-confirm", "--token", TOKEN, "--key", "seal"];
    service.try_sigillo(&[&key[..], &["--place", place, "--date", date, "--by", "A. Officer"]].concat())
}

fn state(service: &TestService) -> Value {
    service.sigillo(&["credential", "show", "seal"])["state"].clone()
}

fn refused(output: &Output, parts: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

#[test]
fn a_key_does_not_become_active_before_a_backup_is_on_record() {
    let mut service = service();
    let made = service.sigillo(&["key", "generate", "--token", TOKEN, "--alias", "seal", "--spec", "ec-p256"]);
    assert!(made["warnings"][0].as_str().unwrap().contains("sigillo key backup-confirm"), "{made}");

    service.certify("seal", &Profile::default());
    let shown = service.sigillo(&["credential", "show", "seal"]);
    assert_eq!(shown["state"], "suspended");
    let missing = shown["backupMissing"].as_str().unwrap();
    for part in ["backup-confirm --token hsm --key seal", "sigillo credential activate seal"] {
        assert!(missing.contains(part), "{missing}");
    }
    let status = service.sigillo(&["status"]);
    assert_eq!(status["backupsMissing"], json!(["seal"]));
    refused(&service.try_sigillo(&["credential", "activate", "seal"]), &["no backup", "backup-confirm --token hsm"]);

    service.worker("cms", "cades", "seal", "");
    let key = service.api_key("caller", &["cms"]);
    service.start();
    let answer = service.client().key(&key).sign("cms", b"document");
    assert_eq!((answer.status, answer.problem().as_str()), (409, "credential-not-active"));

    assert!(confirm(&service, "safe in Tallinn", "2026-01-31").status.success());
    assert_eq!(state(&service), "suspended", "an operator activates it, as an operator may have suspended it");
    assert_eq!(service.sigillo(&["credential", "activate", "seal"])["state"], "active");
    assert_eq!(service.sigillo(&["status"])["backupsMissing"], json!([]));
    let _ = service.client().key(&key).sign("cms", b"document").success();
}

#[test]
fn what_an_import_says_names_the_missing_backup_and_the_next_command() {
    let service = service();
    service.key_only("seal", "ec-p256", "document");
    service.certify("seal", &Profile::default());
    let chain = service.folder().join("pki").join("seal.chain.pem").display().to_string();
    let import = ["certificate", "import", "--token", TOKEN, "--key", "seal", "--chain", &chain];
    let imported = service.sigillo(&import);
    assert_eq!(imported["state"], "suspended");
    let warnings = imported["warnings"].to_string();
    assert!(warnings.contains("no backup") && warnings.contains("sigillo key backup-confirm"), "{warnings}");
}

#[test]
fn a_backup_confirmed_before_the_certificate_comes_lets_it_become_active() {
    let service = service();
    service.key_only("seal", "ec-p256", "document");
    assert!(confirm(&service, "safe in Tallinn", "2026-01-31").status.success());
    service.certify("seal", &Profile::default());
    assert_eq!(state(&service), "active");
    assert_eq!(service.sigillo(&["credential", "show", "seal"])["backupMissing"], Value::Null);
}

#[test]
fn a_credential_in_service_stays_so_when_backups_become_required_and_its_certificate_is_renewed() {
    let service = TestService::builder().create();
    service.key("seal", "ec-p256", "document");
    let file = service.folder().join("sigillo.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("pin = {", "require_backup = true\npin = {")).unwrap();
    service.certify("seal", &Profile::default());
    assert_eq!(state(&service), "active");
    assert_eq!(service.sigillo(&["status"])["backupsMissing"], json!(["seal"]), "and is told apart");
    service.sigillo(&["credential", "suspend", "seal"]);
    refused(&service.try_sigillo(&["credential", "activate", "seal"]), &["no backup"]);
}

#[test]
fn several_copies_are_kept_each_with_its_record_and_none_twice() {
    let service = service();
    service.key_only("seal", "ec-p256", "document");
    for (place, date) in [("safe in Tallinn", "2026-01-31"), ("safe in Tartu", "2026-02-01")] {
        assert!(confirm(&service, place, date).status.success());
    }
    refused(&confirm(&service, "safe in Tartu", "2026-02-01"), &["exists already"]);
    let shown = service.sigillo(&["credential", "show", "seal"]);
    let expected = json!([
        { "token": TOKEN, "place": "safe in Tallinn", "date": "2026-01-31", "by": "A. Officer" },
        { "token": TOKEN, "place": "safe in Tartu", "date": "2026-02-01", "by": "A. Officer" },
    ]);
    assert_eq!(shown["backups"], expected);
    let events = service.audit_events();
    let records: Vec<&Value> = events.iter().filter(|event| event["action"] == "key backup-confirm").collect();
    assert_eq!(records.len(), 2);
    assert_eq!(records[1]["detail"], expected[1], "{}", records[1]);
}

#[test]
fn a_backup_of_tomorrows_tomorrow_of_nowhere_or_of_an_unknown_key_is_refused() {
    let service = service();
    service.key_only("seal", "ec-p256", "document");
    refused(&confirm(&service, "safe", "2199-01-01"), &["2199-01-01", "future"]);
    refused(&confirm(&service, " ", "2026-01-31"), &["place"]);
    refused(&confirm(&service, "a\nb", "2026-01-31"), &["place"]);
    assert_eq!(confirm(&service, "safe", "31.1.2026").status.code(), Some(2));
    let other = ["key", "backup-confirm", "--token", TOKEN, "--key", "none", "--place", "safe", "--by", "B"];
    refused(&service.try_sigillo(&[&other[..], &["--date", "2026-01-31"]].concat()), &["none"]);
}

#[test]
fn the_copies_that_remain_are_named_before_and_after_a_key_is_destroyed() {
    let service = service();
    service.key_only("seal", "ec-p256", "document");
    let destroy = ["key", "destroy", "--token", TOKEN, "--alias", "seal"];
    let asked = service.try_sigillo(&destroy);
    let asked = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(asked.contains("no copy of it is on record"), "{asked}");

    assert!(confirm(&service, "safe in Tallinn", "2026-01-31").status.success());
    let asked = service.try_sigillo(&destroy);
    assert_eq!(asked.status.code(), Some(2), "nobody can be asked");
    let asked = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(asked.contains("safe in Tallinn (2026-01-31, by A. Officer)"), "{asked}");
    let destroyed = service.sigillo(&[&destroy[..], &["--yes"]].concat());
    let copy = json!({ "token": TOKEN, "place": "safe in Tallinn", "date": "2026-01-31", "by": "A. Officer" });
    assert_eq!(destroyed["remaining"], json!({ "backups": [copy], "replicas": [] }));
    let events = service.audit_events();
    let begun = events.iter().find(|event| event["action"] == "key destroy" && event["detail"]["phase"] == "begin");
    assert_eq!(begun.unwrap()["detail"]["remaining"]["backups"][0]["place"], "safe in Tallinn");
}
