//! From an empty folder to a client that may sign.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::installation::Installation;

#[test]
fn init_makes_the_first_administrator_once() {
    let installation = Installation::new();
    let before = std::fs::read(installation.path("sigillo.toml")).unwrap();
    let made = installation.sigillo("init --output json").json();
    assert_eq!(made["name"], "administrator");
    assert_eq!(made["configurationWritten"], false);
    assert!(made["apiKey"].as_str().unwrap().len() > 40);
    assert_eq!(std::fs::read(installation.path("sigillo.toml")).unwrap(), before, "an existing file is kept");

    let again = installation.sigillo("init");
    assert!(!again.stdout.contains("API key"));
    assert!(again.complaint(3).contains("initialised already"));
}

#[test]
fn init_writes_a_configuration_that_works() {
    let installation = Installation::new();
    let made = installation.sigillo("init --config new.toml --output json").json();
    assert_eq!(made["configurationWritten"], true);
    installation.sigillo("--config new.toml status").ok();
    installation.sigillo_with(&["status"], &[("SIGILLO_CONFIG", "new.toml")]).ok();
}

#[test]
fn a_key_is_requested_certified_imported_and_put_to_work() {
    let installation = Installation::initialized();
    let key = installation.sigillo("key generate --token hsm --alias seal --spec rsa-2048 --output json").json();
    assert_eq!(key["state"], "awaiting-certificate");

    installation.request("seal");
    let verified = installation.openssl("req -in seal.csr -noout -verify -subject -nameopt RFC2253");
    assert!(verified.stderr.contains("verify OK"), "{}", verified.stderr);
    // RFC 2253 shows the most specific part first; in the certificate the order is the one typed.
    assert_eq!(verified.ok().trim(), "subject=CN=Acme e-Seal,organizationIdentifier=NTREE-12345678,O=Acme AS,C=EE");

    installation.certify("seal");
    let imported =
        installation.sigillo("certificate import --credential seal --chain seal-chain.pem --output json").json();
    assert_eq!(imported["state"], "active");
    assert_eq!(imported["chain"].as_array().unwrap().len(), 2);

    installation.write("seals.toml", "name = \"seals\"\nkind = \"cades\"\ncredential = \"seal\"\n");
    let tried = installation.sigillo("worker apply -f seals.toml --dry-run --output json").json();
    assert_eq!(tried["version"], 0);
    assert_eq!(installation.sigillo("worker list").ok(), "none\n");
    assert_eq!(installation.sigillo("worker apply -f seals.toml --output json").json()["version"], 1);
    installation.sigillo("worker test seals").ok();

    let client = installation.sigillo("client add erp --output json").json();
    assert_eq!(client.as_object().unwrap().keys().collect::<Vec<_>>(), ["apiKey", "name"]);
    installation.sigillo("grant add erp --worker seals").ok();
    let grants = installation.sigillo("grant list erp --output json").json();
    assert_eq!(grants["items"][0]["worker"], "seals");

    let verified = installation.sigillo("audit verify --output json").json();
    assert!(verified["records"].as_i64().unwrap() > 10);
    assert_eq!(verified["openIntents"], serde_json::json!([]));
    let status = installation.sigillo("status --output json").json();
    assert_eq!(status["credentials"]["active"], 1);
    assert_eq!(status["tokens"]["items"][0]["state"], "ready");
}

#[test]
fn an_api_key_is_shown_once_and_kept_nowhere() {
    let installation = Installation::initialized();
    let added = installation.sigillo("client add erp --output json").json();
    let key = added["apiKey"].as_str().unwrap();
    let exported = installation.sigillo("audit export").ok();
    assert!(exported.contains("client add") && !exported.contains(key));
    assert!(!installation.sigillo("client list --output json").ok().contains(key));
    for file in ["sigillo.db", "sigillo.db-wal"] {
        let content = std::fs::read(installation.path(file)).unwrap_or_default();
        assert!(!content.windows(key.len()).any(|window| window == key.as_bytes()), "{file}");
    }
}

#[test]
fn a_suspended_credential_comes_back_and_a_destroyed_key_does_not() {
    let installation = Installation::certified();
    assert_eq!(installation.sigillo("credential suspend seal --output json").json()["state"], "suspended");
    assert_eq!(installation.sigillo("credential activate seal --output json").json()["state"], "active");
    assert!(installation.sigillo("credential remove seal --yes").complaint(3).contains("destroy its key first"));
    installation.sigillo("key destroy --token hsm --alias seal --yes").ok();
    assert_eq!(installation.sigillo("key list --token hsm --output json").json()["items"][0]["place"], "in store only");
    installation.sigillo("credential remove seal --yes").ok();
    assert_eq!(installation.sigillo("credential list").ok(), "none\n");
}

#[test]
fn a_locked_token_signs_again_after_unlock_only() {
    let installation = Installation::certified();
    installation.sigillo("token lock hsm").ok();
    assert!(installation.sigillo("key test --token hsm --alias seal").complaint(4).contains("token unlock hsm"));
    installation.sigillo("token unlock hsm").ok();
    installation.sigillo("key test --token hsm --alias seal").ok();
}

#[test]
fn an_export_holds_every_record_and_replaces_no_file() {
    let installation = Installation::initialized();
    installation.sigillo("audit export --out audit.jsonl").ok();
    let lines = std::fs::read_to_string(installation.path("audit.jsonl")).unwrap();
    let records = installation.sigillo("audit verify --output json").json()["records"].as_i64().unwrap();
    assert_eq!(i64::try_from(lines.lines().count()).unwrap(), records);
    assert!(installation.sigillo("audit export --out audit.jsonl").complaint(3).contains("--force"));
}

#[test]
fn openapi_and_completions_need_no_configuration() {
    let installation = Installation::new();
    std::fs::remove_file(installation.path("sigillo.toml")).unwrap();
    assert!(installation.sigillo("openapi").ok().contains("/v1/workers/{worker}/sign/raw"));
    assert!(installation.sigillo("completions bash").ok().contains("sigillo"));
}

#[test]
fn the_records_of_a_document_are_found_by_its_sha256_and_lead_to_those_of_its_request() {
    let installation = Installation::certified();
    installation.write("w.toml", "name = \"w\"\nkind = \"cades\"\ncredential = \"seal\"\n");
    installation.sigillo("worker apply -f w.toml").ok();
    installation.sigillo("worker test w").ok();
    let intents = installation.sigillo("audit list --kind signing-intended --worker w --output json").json();
    let event: serde_json::Value = serde_json::from_str(intents["items"][0]["event"].as_str().unwrap()).unwrap();
    let (digest, request) = (event["documentSha256"].as_str().unwrap(), event["requestId"].as_str().unwrap());

    let found = installation.sigillo(&format!("audit list --sha256 {}", digest.to_ascii_uppercase())).ok();
    assert_eq!(found.lines().count(), 2, "a heading and one record: {found}");
    assert!(found.contains("signing-intended") && found.contains(request), "{found}");
    let of_request = installation.sigillo(&format!("audit list --request {request}")).ok();
    assert!(of_request.contains("signature-created"), "{of_request}");
    assert_eq!(installation.sigillo(&format!("audit list --sha256 {}", "0".repeat(64))).ok(), "none\n");
}

#[test]
fn a_level_of_the_log_does_not_bring_what_a_library_says_of_unknown_mechanisms() {
    let installation = Installation::initialized();
    let listed = installation.sigillo_with(&["token", "check", "hsm"], &[("SIGILLO_LOG", "warn")]);
    assert!(!listed.stderr.contains("Mechanism type"), "{}", listed.stderr);
    listed.ok();
}

#[test]
fn a_picture_and_a_font_of_an_appearance_are_read_beside_the_definition() {
    let installation = Installation::certified();
    let fixture = |name: &str| std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let picture = fixture("../tests/fixtures/pictures/palette.png");
    let font = fixture("../workers/src/pades/appearance/fonts/DejaVuSansCondensed.ttf");
    std::fs::write(installation.path("seal.png"), &picture).unwrap();
    std::fs::write(installation.path("seal.ttf"), font).unwrap();
    let head = "name = \"seals\"\nkind = \"pades\"\ncredential = \"seal\"\n[appearance]\n";
    installation.write("seals.toml", &format!("{head}image_file = \"seal.png\"\nfont_file = \"seal.ttf\"\n"));
    installation.sigillo("worker apply -f seals.toml").ok();
    let shown = installation.sigillo("worker show seals --output json").json();
    let stored = &shown["definition"]["appearance"];
    assert_eq!(stored["image"], STANDARD.encode(&picture));
    assert!(stored["font"].as_str().unwrap().len() > 500_000 && stored.get("font_file").is_none());

    installation.write("none.toml", &format!("{head}image_file = \"none.png\"\n"));
    assert!(installation.sigillo("worker apply -f none.toml").complaint(1).contains("none.png"));
    installation.write("both.toml", &format!("{head}image_file = \"seal.png\"\nimage = \"AAAA\"\n"));
    assert!(installation.sigillo("worker apply -f both.toml").complaint(3).contains("leave one out"));
    installation.write("text.toml", &format!("{head}image_file = \"text.toml\"\n"));
    assert!(installation.sigillo("worker apply -f text.toml").complaint(3).contains("neither a PNG nor a JPEG"));
}
