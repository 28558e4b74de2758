//! The device against its profile, as an operator sees it.

use serde_json::Value;

use crate::installation::Installation;

/// SoftHSM's library under the profile of another device.
fn disguise(installation: &Installation, profile: &str, more: &str) {
    let usual = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm.so", "/usr/lib64/libsofthsm2.so"];
    let library = usual.iter().find(|path| std::path::Path::new(path).exists()).expect("SoftHSM");
    installation.write(
        "sigillo.toml",
        &format!(
            "[[token]]\nname = \"hsm\"\nprofile = \"{profile}\"\nlibrary = \"{library}\"\nslot = {{ label = \"sigillo\" }}\n\
             pin = {{ file = \"pin\" }}\n[token.override]\n\"module.env_required\" = []\n{more}"
        ),
    );
}

fn verdict<'a>(check: &'a Value, field: &str) -> &'a str {
    let items = check["items"].as_array().expect("items");
    let item = items.iter().find(|item| item["field"] == field).expect("the field");
    item["verdict"].as_str().expect("a verdict")
}

#[test]
fn the_device_that_the_profile_describes_is_confirmed() {
    let installation = Installation::initialized();
    let check = installation.sigillo("token check hsm --output json").json();
    assert_eq!((&check["deviceConfirmed"], &check["keys"]), (&Value::Bool(true), &Value::from(0)));
    assert_eq!(verdict(&check, "identity.token_model"), "ok");
    assert_eq!(verdict(&check, "keygen.kinds.ec-p256"), "ok");
    let table = installation.sigillo("token check hsm").ok();
    for word in ["FIELD", "VERDICT", "identity.token_manufacturer", "SoftHSM project", "device confirmed"] {
        assert!(table.contains(word), "{table}");
    }
}

#[test]
fn a_wrong_library_behind_a_profile_is_refused_and_the_table_shown_all_the_same() {
    let installation = Installation::initialized();
    disguise(&installation, "luna", "");
    let run = installation.sigillo("token check hsm --keys --output json");
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    let check: Value = serde_json::from_str(&run.stdout).expect("the answer");
    assert_eq!(check["deviceConfirmed"], false);
    assert_eq!(check["measured"], false, "nothing is written to another device");
    assert_eq!(verdict(&check, "identity.library_manufacturer"), "differs");
    let problem: Value = serde_json::from_str(&run.stderr).expect("one problem document");
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(detail.contains("profile luna") && detail.contains("\"SoftHSM\""), "{detail}");
    let run = installation.sigillo("token check hsm");
    assert!(run.code == 3 && run.stdout.contains("DIFFERS"), "{}{}", run.stdout, run.stderr);
}

#[test]
fn a_qualified_worker_is_refused_on_a_wrong_library_behind_the_profile_of_a_qualified_device() {
    let installation = Installation::certified();
    let worker = "name = \"seals\"\nkind = \"cades\"\ncredential = \"seal\"\nqualified = \"eseal\"\n";
    installation.write("seals.toml", worker);
    for (profile, reason) in [
        ("utimaco-cp5", "libsofthsm2.so has no CP5_KeyAuthorizationInit"),
        // What a Trident says of itself is in no source, so that nothing is confirmed.
        ("trident", "what token \"hsm\" says of itself decides nothing"),
        ("softhsm", "wears profile softhsm, which is none"),
    ] {
        disguise(&installation, profile, "");
        let complaint = installation.sigillo("worker apply -f seals.toml").complaint(3);
        assert!(complaint.contains(reason), "{profile}: {complaint}");
    }
}

#[test]
fn a_measurement_is_on_record_and_leaves_no_key() {
    let installation = Installation::initialized();
    let check = installation.sigillo("token check hsm --keys --output json").json();
    assert_eq!((&check["measured"], &check["keys"]), (&Value::Bool(true), &Value::from(0)));
    assert_eq!(verdict(&check, "keygen.kinds.ed25519, generated"), "ok");
    assert_eq!(verdict(&check, "sign, rsa-3072 with rsa-pss SHA-384"), "ok");
    assert_eq!(installation.sigillo("key list --token hsm").ok(), "none\n");
    let audit = installation.sigillo("audit export").ok();
    assert_eq!(audit.matches("token check").count(), 2, "{audit}");
    // A check without keys writes nothing.
    installation.sigillo("token check hsm").ok();
    assert_eq!(installation.sigillo("audit export").ok().matches("token check").count(), 2);
}

#[test]
fn two_tokens_whose_library_needs_two_environments_are_refused_with_the_reason() {
    let installation = Installation::new();
    let token = |name: &str| {
        format!(
            "[[token]]\nname = \"{name}\"\nprofile = \"softhsm\"\nslot = {{ label = \"{name}\" }}\npin = {{ file = \"pin\" }}\n\
             [token.override]\n\"module.env\" = {{ SOFTHSM2_CONF = \"{name}.conf\" }}\n"
        )
    };
    installation.write("sigillo.toml", &(token("a") + &token("b")));
    let complaint = installation.sigillo("token list").complaint(1);
    for part in ["token \"a\" needs SOFTHSM2_CONF=a.conf", "SOFTHSM2_CONF=b.conf", "node of its own"] {
        assert!(complaint.contains(part), "{complaint}");
    }
}

#[test]
fn a_key_that_needs_authorisation_elsewhere_is_told_where() {
    let installation = Installation::certified();
    let needs_none = installation.sigillo("key authorize --token hsm --alias seal --unlimited").complaint(3);
    assert!(needs_none.contains("needs no authorisation"), "{needs_none}");
    disguise(&installation, "nshield-cc", "\"module.env\" = {}\n");
    let elsewhere = installation.sigillo("key authorize --token hsm --alias seal --unlimited").complaint(3);
    assert!(elsewhere.contains("nshield-cc") && elsewhere.contains("preload"), "{elsewhere}");
    disguise(&installation, "utimaco-cp5", "");
    let other = installation.sigillo("key authorize --token hsm --alias seal --unlimited").complaint(1);
    assert!(other.contains("libsofthsm2.so has no CP5_KeyAuthorizationInit"), "{other}");
}

#[test]
fn a_token_that_is_not_found_names_the_configuration_of_its_library() {
    let installation = Installation::initialized();
    std::fs::create_dir(installation.path("elsewhere")).expect("a folder");
    installation.write("other.conf", &format!("directories.tokendir = {}\n", installation.path("elsewhere").display()));
    let other = installation.path("other.conf").display().to_string();
    let run = |value: &str| {
        let arguments = ["token", "show", "hsm", "--output", "json"];
        installation.sigillo_with(&arguments, &[("SOFTHSM2_CONF", value)]).json()
    };
    let shown = run(&other);
    assert_eq!(shown["state"], "uninitialized");
    let reason = shown["reason"].as_str().expect("a reason");
    assert!(reason.contains(&format!("SOFTHSM2_CONF={other}")) && reason.contains("token init"), "{reason}");
    let reason = run("/nowhere/softhsm2.conf")["reason"].clone();
    assert!(reason.to_string().contains("SOFTHSM2_CONF=/nowhere/softhsm2.conf (no such file)"), "{reason}");
}
