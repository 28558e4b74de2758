//! Every act of an administrator is on record, with who did it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::TestService;
use tests::pki::Profile;
use tests::programs::run;

use crate::records::kind;

/// The acts since a number of records, as `action subject`; those in two phases tell their end.
fn acts(events: &[Value]) -> Vec<String> {
    let acts = events.iter().filter(|event| kind(event) == "administration");
    let ended = acts.filter(|act| act["detail"]["phase"] != "begin");
    ended.map(|act| format!("{} {}", act["action"].as_str().unwrap(), act["subject"].as_str().unwrap())).collect()
}

#[test]
fn every_command_that_changes_something_records_exactly_one_act_and_reading_records_none() {
    let service = TestService::builder().create();
    let folder = service.folder().to_owned();
    let path = |name: &str| folder.join(name).display().to_string();
    let worker = "name = \"w\"\nkind = \"cades\"\ncredential = \"a\"\n";
    std::fs::write(folder.join("w.toml"), worker).unwrap();
    client_certificate(&folder);

    let (request, chain) = (path("a.csr"), folder.join("pki/a.chain.pem").display().to_string());
    let generate =
        |alias: &'static str| vec!["key", "generate", "--token", "hsm", "--alias", alias, "--spec", "ec-p256"];
    let subject = "C=EE, O=Acme AS, CN=Seal";
    let definition = path("w.toml");
    let certificate = path("client.pem");
    let commands: Vec<(Vec<&str>, &str)> = vec![
        (generate("a"), "key generate a"),
        (vec!["key", "test", "--token", "hsm", "--alias", "a"], ""),
        // Uses the key, which is on record as such, and changes nothing.
        (vec!["csr", "create", "--token", "hsm", "--key", "a", "--subject", subject, "--out", &request], ""),
        (vec!["certificate", "import", "--token", "hsm", "--key", "a", "--chain", &chain], "certificate import a"),
        (vec!["worker", "apply", "-f", &definition, "--dry-run"], ""),
        (vec!["worker", "apply", "-f", &definition], "worker apply w"),
        (vec!["client", "add", "c"], "client add c"),
        (vec!["client", "add", "d", "--certificate", &certificate], "client add d"),
        (vec!["grant", "add", "c", "--worker", "w"], "grant add c"),
        (vec!["grant", "add", "d", "--role", "auditor"], "grant add d"),
        (vec!["grant", "remove", "c", "--worker", "w"], "grant remove c"),
        (vec!["credential", "suspend", "a"], "credential suspend a"),
        (vec!["credential", "activate", "a"], "credential activate a"),
        (vec!["credential", "disable", "a"], "credential disable a"),
        (vec!["client", "revoke", "c"], "client revoke c"),
        (vec!["worker", "remove", "w"], "worker remove w"),
        (vec!["key", "destroy", "--token", "hsm", "--alias", "a", "--yes"], "key destroy a"),
        (vec!["credential", "remove", "a", "--yes"], "credential remove a"),
        (vec!["token", "lock", "hsm"], "token lock hsm"),
        (vec!["token", "unlock", "hsm"], "token unlock hsm"),
        (vec!["token", "list"], ""),
        (vec!["key", "list", "--token", "hsm"], ""),
        (vec!["credential", "list"], ""),
        (vec!["worker", "list"], ""),
        (vec!["client", "list"], ""),
        (vec!["grant", "list"], ""),
        (vec!["audit", "list"], ""),
        (vec!["audit", "verify"], ""),
        (vec!["status"], ""),
    ];
    let user = String::from_utf8(run(Command::new("id").arg("-un")).stdout).unwrap();
    for (arguments, act) in commands {
        let before = service.audit_events().len();
        service.sigillo(&arguments);
        if arguments.first() == Some(&"csr") {
            let _ = service.pki().certify(Path::new(&request), &Profile::default());
        }
        let events = service.audit_events();
        let new = &events[before..];
        let expected: Vec<&str> = if act.is_empty() { vec![] } else { vec![act] };
        assert_eq!(acts(new), expected, "sigillo {arguments:?} recorded {new:?}");
        for act in new.iter().filter(|event| kind(event) == "administration") {
            assert_eq!(act["actor"], json!(format!("os:{}", user.trim())));
        }
    }
}

#[test]
fn what_is_refused_changes_nothing_and_keys_used_by_administrators_are_on_record_like_others() {
    let service = TestService::builder().create();
    service.key("a", "ec-p256", "document");
    let events = service.audit_events();
    let uses: Vec<(&str, &str)> = events
        .iter()
        .filter(|event| kind(event) == "signing-intended")
        .map(|event| (event["keyUse"].as_str().unwrap(), event["credential"].as_str().unwrap()))
        .collect();
    assert_eq!(uses, [("self-test", "a"), ("certification-request", "a")]);

    let refused = service.try_worker("w", "plain", "a", "");
    assert_eq!(refused.status.code(), Some(3), "{}", String::from_utf8_lossy(&refused.stderr));
    let refused = service.try_sigillo(&["credential", "activate", "a"]);
    assert_eq!(refused.status.code(), Some(3));
    assert_eq!(acts(&service.audit_events()).len(), acts(&events).len());
}

fn client_certificate(folder: &Path) {
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=d"]);
    run(make.args(["-days", "9", "-keyout", "client.key", "-out", "client.pem"]).current_dir(folder));
}
