//! What is refused, and how that is said: exit codes, sentences, problem documents.

use super::installation::Installation;

#[test]
fn wrong_usage_exits_2() {
    let installation = Installation::new();
    for line in
        ["nonsense", "key generate --token hsm", "grant add erp", "key generate --token hsm --alias a --spec rsa-1024"]
    {
        installation.sigillo(line).complaint(2);
        let problem = installation.sigillo(&format!("--output json {line}")).problem(2);
        assert_eq!(problem["type"], "urn:sigillo:problem:usage", "{line}");
    }
}

#[test]
fn a_worker_that_does_not_fit_the_purpose_of_its_credential_is_refused() {
    let installation = Installation::certified();
    installation.write("good.toml", "name = \"good\"\nkind = \"cades\"\ncredential = \"seal\"\n");
    installation.write("raw.toml", "name = \"raw\"\nkind = \"plain\"\ncredential = \"seal\"\n");
    let problem = installation.sigillo("worker apply -f good.toml -f raw.toml --output json").problem(3);
    assert!(problem["detail"].as_str().unwrap().contains("purpose"), "{problem}");
    assert_eq!(installation.sigillo("worker list").ok(), "none\n", "all are checked before any is made");
}

#[test]
fn a_missing_thing_is_refused_by_name() {
    let installation = Installation::initialized();
    for line in [
        "token show other",
        "credential show none",
        "worker show none",
        "key show --token hsm --alias none",
        "client revoke none",
    ] {
        let problem = installation.sigillo(&format!("{line} --output json")).problem(3);
        assert!(problem["detail"].as_str().unwrap().contains("there is no"), "{line}: {problem}");
        assert!(problem["type"].as_str().unwrap().starts_with("urn:sigillo:problem:"), "{problem}");
    }
}

#[test]
fn an_unknown_key_of_a_definition_is_refused_with_the_nearest_one() {
    let installation = Installation::certified();
    installation
        .write("worker.toml", "name = \"w\"\nkind = \"cades\"\ncredential = \"seal\"\npackagin = \"detached\"\n");
    assert!(installation.sigillo("worker apply -f worker.toml").complaint(3).contains("packaging"));
}

#[test]
fn a_missing_configuration_and_an_unreadable_file_fail_with_their_names() {
    let installation = Installation::initialized();
    assert!(installation.sigillo("--config nowhere.toml status").complaint(1).contains("nowhere.toml"));
    let said = installation.sigillo("certificate show nowhere.pem").complaint(1);
    assert!(said.contains("nowhere.pem") && said.contains("No such file"), "{said}");
}

#[test]
fn what_cannot_be_undone_needs_yes_where_nobody_can_be_asked() {
    let installation = Installation::certified();
    assert!(installation.sigillo("key destroy --token hsm --alias seal").complaint(2).contains("--yes"));
    installation.sigillo("key test --token hsm --alias seal").ok();
}

#[test]
fn pins_are_asked_for_on_a_terminal_only() {
    let installation = Installation::new();
    installation.sigillo("init").ok();
    assert!(installation.sigillo("token init hsm").complaint(2).contains("--so-pin-file"));
}

#[test]
fn a_token_is_never_initialised_twice() {
    let installation = Installation::certified();
    installation.sigillo("token init hsm --so-pin-file so-pin --pin-file pin").complaint(3);
    installation.sigillo("key test --token hsm --alias seal").ok();
}

#[test]
fn a_rejected_pin_is_tried_once_and_again_after_unlock_only() {
    let installation = Installation::initialized();
    installation.write("pin", "9999\n");
    installation.sigillo("key list --token hsm").complaint(4);
    let logins = |of: &Installation| of.sigillo("audit list --kind token-login --output json").json();
    let before = logins(&installation);
    installation.sigillo("key list --token hsm").complaint(4);
    assert_eq!(logins(&installation), before, "no second attempt");
    installation.write("pin", "2468\n");
    installation.sigillo("token unlock hsm").ok();
    installation.sigillo("key list --token hsm").ok();
}

#[test]
fn a_certification_request_replaces_no_file() {
    let installation = Installation::certified();
    let before = std::fs::read(installation.path("seal.csr")).unwrap();
    let arguments = ["csr", "create", "--token", "hsm", "--key", "seal", "--subject", "CN=Other", "--out", "seal.csr"];
    installation.sigillo_with(&arguments, &[]).complaint(3);
    assert_eq!(std::fs::read(installation.path("seal.csr")).unwrap(), before);
    installation.sigillo_with(&[&arguments[..], &["--force"]].concat(), &[]).ok();
    assert_ne!(std::fs::read(installation.path("seal.csr")).unwrap(), before);
    let printed = [&arguments[..8], &["--out", "-"]].concat();
    assert!(installation.sigillo_with(&printed, &[]).ok().starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
}

#[test]
fn the_certificate_of_another_key_is_refused() {
    let installation = Installation::certified();
    installation.sigillo("key generate --token hsm --alias other --spec ec-p256").ok();
    let problem =
        installation.sigillo("certificate import --token hsm --key other --chain seal-chain.pem --output json");
    assert_eq!(problem.problem(3)["type"], "urn:sigillo:problem:certificate");
}

#[test]
fn no_client_is_both_signer_and_administrator() {
    let installation = Installation::certified();
    installation.write("w.toml", "name = \"w\"\nkind = \"cades\"\ncredential = \"seal\"\n");
    installation.sigillo("worker apply -f w.toml").ok();
    assert!(
        installation
            .sigillo("grant add administrator --worker w")
            .complaint(3)
            .contains("both signer and administrator")
    );
}

#[test]
fn a_chain_that_was_tampered_with_does_not_verify_and_the_record_is_named() {
    let installation = Installation::initialized();
    installation.sigillo("audit verify").ok();
    installation.sql("DROP TRIGGER audit_record_is_never_changed");
    installation.sql("UPDATE audit_record SET event = replace(event, 'client add', 'client sad') WHERE seq = 1");
    let problem = installation.sigillo("audit verify --output json").problem(1);
    assert_eq!(problem["type"], "urn:sigillo:problem:audit-chain-faulty");
    assert!(problem["detail"].as_str().unwrap().contains("record 1 was changed"), "{problem}");
}

#[test]
fn a_client_is_refused_with_whose_the_name_or_certificate_is() {
    let installation = Installation::certified();
    installation.sigillo("client add first --certificate seal.pem").ok();
    let said = installation.sigillo("client add second --certificate seal.pem").complaint(3);
    assert!(said.contains("client \"first\" has this certificate"), "{said}");
    installation.sigillo("client revoke first").ok();
    for line in ["client add first", "client revoke first", "grant add first --role auditor", "grant list first"] {
        let said = installation.sigillo(line).complaint(3);
        assert!(said.contains("client \"first\" is revoked"), "{line}: {said}");
    }
    let said = installation.sigillo("client add second --certificate seal.pem").complaint(3);
    assert!(said.contains("the revoked client \"first\" has this certificate"), "{said}");
    assert!(installation.sigillo("grant list none").complaint(3).contains("there is no client \"none\""));
}

#[test]
fn a_worker_whose_credential_awaits_its_certificate_is_not_tested_and_the_next_step_is_named() {
    let installation = Installation::initialized();
    installation.sigillo("key generate --token hsm --alias early --spec ec-p256").ok();
    installation.write("w.toml", "name = \"w\"\nkind = \"cades\"\ncredential = \"early\"\n");
    installation.sigillo("worker apply -f w.toml").ok();
    let said = installation.sigillo("worker test w").complaint(3);
    assert!(said.contains("is awaiting-certificate"), "{said}");
    assert!(said.contains("sigillo certificate import --credential early --chain FILE"), "{said}");
}

#[test]
fn of_several_definitions_the_one_that_is_refused_is_named() {
    let installation = Installation::certified();
    installation.write("good.toml", "name = \"good\"\nkind = \"cades\"\ncredential = \"seal\"\n");
    installation.write("bad.toml", "name = \"bad\"\nkind = \"cades\"\n");
    let said = installation.sigillo("worker apply -f good.toml -f bad.toml").complaint(3);
    assert!(said.contains("bad.toml: key \"credential\" is missing"), "{said}");
}

#[test]
fn an_audit_filter_that_can_fit_no_record_is_wrong_usage() {
    let installation = Installation::new();
    for line in ["audit list --kind signing-intend", "audit list --sha256 0123", "audit list --since yesterday"] {
        installation.sigillo(line).complaint(2);
    }
}

#[test]
fn a_certificate_of_the_future_does_not_stop_a_credential_that_is_active() {
    let installation = Installation::certified();
    installation.write(
        "ca.conf",
        "[ca]\ndefault_ca = d\n[d]\ndatabase = index\nserial = serial\nnew_certs_dir = .\ndefault_md = sha256\npolicy = p\n[p]\n\
         commonName = supplied\n",
    );
    installation.write("index", "");
    installation.write("serial", "1000\n");
    let issue = "ca -batch -config ca.conf -in seal.csr -cert ca.pem -keyfile ca.key -extfile leaf.ext -notext -out next.pem \
                 -startdate 20490101000000Z -enddate 20491231000000Z";
    installation.openssl(issue).ok();
    let said = installation.sigillo("certificate import --token hsm --key seal --chain next.pem").complaint(3);
    assert!(said.contains("valid from 2049-01-01") && said.contains("import it when it is valid"), "{said}");
    assert_eq!(installation.sigillo("credential show seal --output json").json()["state"], "active");
}

#[test]
fn a_file_without_the_certificate_of_the_key_is_refused_with_whose_certificates_it_has() {
    let installation = Installation::certified();
    installation.sigillo("key generate --token hsm --alias other --spec ec-p256").ok();
    let said = installation.sigillo("certificate import --token hsm --key other --chain seal-chain.pem").complaint(3);
    assert!(said.contains("carries the key") && said.contains("CN=CA") && said.contains("CN=Acme e-Seal"), "{said}");
}
