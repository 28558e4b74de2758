use super::*;

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
    let error = WorkerConfig::parse("name = \"a\"\nkind = \"cades\"\ncredential = \"c\"\npackging = \"detached\"\n");
    assert_eq!(error.unwrap_err().to_string(), "unknown key \"packging\" in line 4; did you mean \"packaging\"?");
}

#[test]
fn what_the_database_keeps_is_the_same_definition() {
    let text = "name = \"a\"\nkind = \"plain\"\ncredential = \"c\"\necdsa_encoding = \"fixed\"\ndigest = \"SHA-512\"";
    let config = WorkerConfig::parse(text).unwrap();
    let stored = serde_json::to_string(&config.to_json().unwrap()).unwrap();
    assert_eq!(WorkerConfig::parse(&stored).unwrap(), config);
}

#[test]
fn a_level_that_cannot_be_made_is_refused_and_not_lowered() {
    let text = "name = \"a\"\nkind = \"plain\"\ncredential = \"c\"\nlevel = \"B-T\"";
    assert!(matches!(WorkerConfig::parse(text), Err(ConfigError::Value { key: "level", .. })));
}

fn cades(lines: &str) -> Result<WorkerConfig, ConfigError> {
    WorkerConfig::parse(&format!("name = \"a\"\nkind = \"cades\"\ncredential = \"c\"\n{lines}"))
}

fn anchors() -> String {
    let chain = crate::software_key::SoftwareKey::generate().context().credential.chain.clone();
    let base64 = openssl::base64::encode_block(chain.leaf().der());
    format!("trust_anchors = [\"\"\"\n-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n\"\"\"]\n")
}

const TSA: &str = "timestamp = { url = \"https://tsa.example.com/tsp\" }\n";

#[test]
fn the_keys_of_a_level_are_kept_as_they_were_applied() {
    let anchors = anchors();
    let texts = [
        format!("level = \"B-T\"\n{TSA}"),
        format!("level = \"B-LT\"\n{TSA}{anchors}"),
        format!(
            "level = \"B-LTA\"\n{anchors}revocation_freshness = \"max-age:36h\"\nstatus_max_age = \"off\"\ndegrade = \"on-outage\"\n\
             minimum_level = \"B-T\"\ntimestamp = {{ urls = [\"http://a.example\", \"https://b.example:8443/x?y\"], \
             account = \"acme\", policy = \"0.4.0.2023.1.1\", digest = \"SHA-512\" }}"
        ),
        format!(
            "level = \"B-LT\"\n{anchors}timestamp = {{ worker = \"tsa\" }}\nrevocation_freshness = \"after-signature:5s\""
        ),
    ];
    for text in texts {
        let config = cades(&text).unwrap();
        let stored = serde_json::to_string(&config.to_json().unwrap()).unwrap();
        assert_eq!(WorkerConfig::parse(&stored).unwrap(), config, "{stored}");
    }
}

#[test]
fn what_a_level_does_not_go_with_is_refused_with_the_key_that_is_wrong() {
    let anchors = anchors();
    let lt = format!("level = \"B-LT\"\n{TSA}{anchors}");
    let cases = [
        ("timestamp", TSA.to_owned()),
        ("timestamp", "level = \"B-T\"".to_owned()),
        ("timestamp", "level = \"B-T\"\ntimestamp = {}".to_owned()),
        ("timestamp", "level = \"B-T\"\ntimestamp = { url = \"https://a\", worker = \"b\" }".to_owned()),
        ("timestamp", "level = \"B-T\"\ntimestamp = { urls = [] }".to_owned()),
        ("timestamp", "level = \"B-T\"\ntimestamp = { url = \"ldap://a\" }".to_owned()),
        ("timestamp", "level = \"B-T\"\ntimestamp = { url = \"https://\" }".to_owned()),
        ("timestamp", "level = \"B-T\"\ntimestamp = { url = \"https://me:secret@a/\" }".to_owned()),
        ("timestamp", "level = \"B-T\"\ntimestamp = { url = \"https://a\", policy = \"best\" }".to_owned()),
        ("timestamp", "level = \"B-T\"\ntimestamp = { url = \"https://a\", polcy = \"1.2.3\" }".to_owned()),
        ("trust_anchors", format!("level = \"B-LT\"\n{TSA}")),
        ("trust_anchors", format!("level = \"B-LT\"\n{TSA}trust_anchors = []")),
        ("trust_anchors", format!("level = \"B-LT\"\n{TSA}trust_anchors = [\"root.pem\"]")),
        ("revocation_freshness", "revocation_freshness = \"after-signature\"".to_owned()),
        ("revocation_freshness", format!("{lt}revocation_freshness = \"max-age\"")),
        ("revocation_freshness", format!("{lt}revocation_freshness = \"max-age:0s\"")),
        ("status_max_age", "status_max_age = \"1h\"".to_owned()),
        ("status_max_age", format!("{lt}status_max_age = \"0h\"")),
        ("minimum_level", format!("{lt}minimum_level = \"B-T\"")),
        ("minimum_level", format!("{lt}degrade = \"on-outage\"")),
        ("minimum_level", format!("{lt}degrade = \"on-outage\"\nminimum_level = \"B-LT\"")),
        ("degrade", format!("{lt}degrade = \"always\"")),
    ];
    for (wrong, text) in cases {
        match cades(&text) {
            Err(ConfigError::Value { key, reason }) => {
                assert_eq!(key, wrong, "{text}");
                assert!(!reason.contains("secret"), "{reason}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn the_defaults_of_a_level_are_strict() {
    let config = cades(&format!("level = \"B-LT\"\n{TSA}{}", anchors())).unwrap();
    assert_eq!((config.degrade(), config.minimum_level()), (Degrade::Never, SignatureLevel::BaselineLt));
    assert_eq!(config.revocation_freshness(), RevocationFreshness::AfterSignature(Duration::ZERO));
    assert_eq!(config.status_max_age(), Some(Duration::from_secs(12 * 3600)));
    assert_eq!(cades("").unwrap().status_max_age(), None);
}

#[test]
fn a_key_whose_signatures_the_format_does_not_have_is_refused() {
    for (kind, fits) in [("plain", true), ("cades", true), ("pades", false), ("xades", false), ("timestamp", false)] {
        let policy = if kind == "timestamp" { "policy = \"1.2.3\"" } else { "" };
        let text = format!("name = \"a\"\nkind = \"{kind}\"\ncredential = \"c\"\n{policy}");
        for key in [KeySpec::Ed25519, KeySpec::MlDsa65] {
            let algorithm = WorkerConfig::parse(&text).unwrap().algorithm(key);
            assert_eq!(algorithm.is_ok(), fits, "{kind} {key}");
        }
    }
}

#[test]
fn a_value_of_the_wrong_form_names_its_key() {
    let text = "name = \"a\"\nkind = \"cades\"\ncredential = \"c\"\ndigest = \"MD5\"";
    assert!(WorkerConfig::parse(text).unwrap_err().to_string().starts_with("key \"digest\": unknown variant"));
}
