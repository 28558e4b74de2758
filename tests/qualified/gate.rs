//! `qualified = "eseal"` (promise 9): what is missing is named, at `worker apply` and at every signature.

use std::process::Command;

use tests::pki::Profile;
use tests::programs::{our_program, output};
use tests::{TestService, token};

use crate::refused_without_intent;

const COMPLIANCE: &str = "0.4.0.1862.1.1";
const SSCD: &str = "0.4.0.1862.1.4";
const ESEAL: &str = "0.4.0.1862.1.6.2";
const ESIGN: &str = "0.4.0.1862.1.6.1";

/// A certificate with these of the statements of EN 319 412-5 (clause 4), types last.
fn with_statements(statements: &[&str], kind: Option<&str>) -> Profile {
    let mut sections = String::new();
    let mut list = String::from("[qc]\n");
    for (number, statement) in statements.iter().enumerate() {
        list += &format!("s{number} = SEQUENCE:qc{number}\n");
        sections += &format!("[qc{number}]\nid = OID:{statement}\n");
    }
    if let Some(kind) = kind {
        list += "type = SEQUENCE:qctype\n";
        sections +=
            &format!("[qctype]\nid = OID:0.4.0.1862.1.6\ninfo = SEQUENCE:qctypes\n[qctypes]\ntype = OID:{kind}\n");
    }
    let extension = format!("1.3.6.1.5.5.7.1.3 = ASN1:SEQUENCE:qc\n{list}{sections}");
    Profile { extensions: vec![extension], ..Profile::default() }
}

const DEVICE: &str = "a qualified device: token \"hsm\" wears profile softhsm";
const EVIDENCE: &str = "evidence of the key ceremony";
const REASONS: [&str; 5] = ["QcCompliance", "QcSSCD", "QcType eseal", DEVICE, EVIDENCE];

/// Which of the reasons a text names.
fn named(text: &str) -> Vec<&'static str> {
    REASONS.into_iter().filter(|reason| text.contains(reason)).collect()
}

fn qualified_worker(service: &TestService) -> Vec<&'static str> {
    let refused = service.try_worker("seals", "pades", "seal", "qualified = \"eseal\"");
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{stderr}");
    let problem: serde_json::Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!(service.sigillo(&["worker", "list"])["items"].as_array().unwrap().len(), 0);
    named(problem["detail"].as_str().unwrap())
}

#[test]
fn apply_names_each_statement_that_the_certificate_lacks_and_the_device_and_the_evidence() {
    let service = TestService::builder().create();
    service.key("seal", "ec-p256", "document");
    assert_eq!(qualified_worker(&service), REASONS);
    for (statements, kind, missing) in [
        (&[SSCD][..], Some(ESEAL), &["QcCompliance"][..]),
        (&[COMPLIANCE], Some(ESEAL), &["QcSSCD"]),
        (&[COMPLIANCE, SSCD], None, &["QcType eseal"]),
        (&[COMPLIANCE, SSCD], Some(ESIGN), &["QcType eseal"]),
        (&[COMPLIANCE, SSCD], Some(ESEAL), &[]),
    ] {
        service.certify("seal", &with_statements(statements, kind));
        assert_eq!(qualified_worker(&service), [missing, &[DEVICE, EVIDENCE]].concat());
    }
    // OpenSSL reads the statements that were meant.
    let text = output(Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(service.leaf("seal")));
    assert!(String::from_utf8_lossy(&text.stdout).contains("qcStatements"));
}

#[test]
fn evidence_alone_does_not_make_softhsm_a_qualified_device() {
    let service = TestService::builder().create();
    let ceremony = service.folder().join("ceremony.txt");
    std::fs::write(&ceremony, "who was there, and what they saw\n").unwrap();
    let generate = ["key", "generate", "--token", "hsm", "--alias", "seal", "--spec", "ec-p256"];
    let ceremony = ceremony.display().to_string();
    service.sigillo(&[&generate[..], &["--evidence", &ceremony, "--approved-by", "A. Officer"]].concat());
    service.certify("seal", &with_statements(&[COMPLIANCE, SSCD], Some(ESEAL)));
    assert_eq!(qualified_worker(&service), [DEVICE]);
    // A profile in the evidence that the token does not wear is no way in either.
    service.sql(&["UPDATE credential SET evidence = json_set(evidence, '$.profile', 'trident')"]);
    assert_eq!(qualified_worker(&service), [DEVICE]);
}

#[test]
fn a_definition_that_came_past_apply_is_refused_at_every_signature_before_the_key_is_used() {
    let service = TestService::builder().start();
    service.key_with("seal", "ec-p256", "document", &with_statements(&[COMPLIANCE, SSCD], Some(ESEAL)));
    service.worker("seals", "cades", "seal", "");
    let key = service.api_key("caller", &["seals"]);
    let client = service.client().key(&key);
    let _ = client.sign("seals", b"not qualified, and does not say so").success();
    service.sql(&["UPDATE worker_version SET definition = json_set(definition, '$.qualified', 'eseal')"]);
    let told = refused_without_intent(&service, &client.sign("seals", b"x"));
    assert_eq!(named(&told), [DEVICE, EVIDENCE]);
}

#[test]
fn what_a_device_is_worth_cannot_be_overridden_for_server_or_commands() {
    let service = TestService::builder().create();
    service.key("seal", "ec-p256", "document");
    let configuration = service.folder().join("sigillo.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    for path in ["assurance.qscd", "assurance.claims", "assurance.non_production"] {
        let value = if path.ends_with("claims") { "[\"EN 419221-5\"]" } else { "true" };
        std::fs::write(&configuration, format!("{text}\n[token.override]\n\"{path}\" = {value}\n")).unwrap();

        let mut server = Command::new(our_program("sigillo-server"));
        server.arg("--config").arg(&configuration);
        server.envs(service.environment().iter().map(|(name, value)| (name, value)));
        let server = output(&mut server);
        assert_eq!(server.status.code(), Some(1));
        refuses_override("sigillo-server", path, &server.stderr);

        for arguments in [&["key", "list", "--token", "hsm"][..], &["token", "check", "hsm"], &["token", "show", "hsm"]]
        {
            let command = service.try_sigillo(arguments);
            assert_eq!(command.status.code(), Some(1), "{arguments:?}");
            refuses_override(arguments[0], path, &command.stderr);
        }
        let refused = service.try_worker("seals", "pades", "seal", "qualified = \"eseal\"");
        assert_eq!(refused.status.code(), Some(3));
        refuses_override("worker apply", path, &refused.stderr);
    }
    let login = service.audit_events().iter().filter(|event| event["event"] == "token-login").count();
    std::fs::write(&configuration, text).unwrap();
    service.sigillo(&["token", "check", "hsm"]);
    let then = service.audit_events().iter().filter(|event| event["event"] == "token-login").count();
    assert_eq!(then, login + 1, "with its own profile the token is used again; its PIN is {}", token::PIN.len());
}

fn refuses_override(program: &str, path: &str, stderr: &[u8]) {
    let said = String::from_utf8_lossy(stderr).replace("\\\"", "\"");
    assert!(said.contains(&format!("\"{path}\"")) && said.contains("cannot be overridden"), "{program}: {said}");
}
