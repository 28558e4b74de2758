//! The documented example is accepted, and mistakes are named with their place.

use std::path::Path;
use std::time::Duration;

use super::*;

const DOCUMENTED: &str = r#"
[server]
listen = "127.0.0.1:8080"
max_document_bytes = "100MiB"
request_timeout = "60s"
[server.tls]
certificate = "server.pem"
private_key = "server.key"
client_ca = "clients.pem"
[database]
url = "sqlite://sigillo.db"
[[token]]
name = "seal-hsm"
profile = "softhsm"
library = "/usr/lib/softhsm/libsofthsm2.so"
slot = { label = "sigillo" }
pin = { credential = "pin" }
sessions = 8
"#;

fn parse(text: &str) -> Result<Configuration, String> {
    parse_with(text, &[])
}

fn parse_with(text: &str, overrides: &[(&str, &str)]) -> Result<Configuration, String> {
    let overrides = overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Configuration::parse(text, Path::new("sigillo.toml"), overrides).map_err(|error| error.to_string())
}

#[test]
fn the_documented_example_is_accepted() {
    let configuration = parse(DOCUMENTED).unwrap();
    assert_eq!(configuration.server.max_document_bytes, ByteSize(104_857_600));
    assert_eq!(configuration.server.request_timeout, Timeout(Duration::from_secs(60)));
    assert_eq!(configuration.tokens.len(), 1);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
    let error = parse("[server]\nlisten = \"127.0.0.1:1\"\nrequest_timout = \"1s\"\n").unwrap_err();
    assert_eq!(error, "sigillo.toml:3: unknown key \"request_timout\"; did you mean \"request_timeout\"?");
}

#[test]
fn a_value_of_the_wrong_form_is_refused_with_its_line() {
    let error = parse("[server]\nrequest_timeout = \"soon\"\n").unwrap_err();
    assert_eq!(error, "sigillo.toml:2: \"soon\" is not a time such as \"60s\"");
}

#[test]
fn plain_http_beyond_loopback_is_refused_unless_asked_for() {
    let error = parse("[server]\nlisten = \"0.0.0.0:8080\"\n").unwrap_err();
    assert!(error.contains("allow_plaintext"), "{error}");
    parse("[server]\nlisten = \"0.0.0.0:8080\"\nallow_plaintext = true\n").unwrap();
}

#[test]
fn the_environment_overrides_server_and_database_and_never_a_token() {
    let overrides = [("SIGILLO__SERVER__LISTEN", "127.0.0.1:9"), ("SIGILLO__DATABASE__URL", "sqlite:///x.db")];
    let configuration = parse_with(DOCUMENTED, &overrides).unwrap();
    assert_eq!(configuration.server.listen.port(), 9);
    assert_eq!(configuration.database.url, "sqlite:///x.db");
    let error = parse_with(DOCUMENTED, &[("SIGILLO__TOKEN__LIBRARY", "/tmp/evil.so")]).unwrap_err();
    assert!(error.contains("only keys of [server] and [database]"), "{error}");
    let error = parse_with(DOCUMENTED, &[("SIGILLO__SERVER__LISTN", "x")]).unwrap_err();
    assert!(error.contains("did you mean \"listen\""), "{error}");
}

#[test]
fn two_tokens_of_one_name_are_refused() {
    let token = DOCUMENTED.split_once("[[token]]").unwrap().1;
    let error = parse(&format!("{DOCUMENTED}[[token]]{token}")).unwrap_err();
    assert!(error.contains("two tokens named \"seal-hsm\""), "{error}");
}

#[test]
fn a_pin_in_the_place_of_its_name_is_refused_and_not_repeated() {
    let pins = [
        "\"20461357\"",
        "20461357",
        "[20461357]",
        "{ file = 20461357 }",
        "{ unlock = \"20461357\" }",
        "{ none = 20461357 }",
    ];
    for pin in pins {
        let error = parse(&DOCUMENTED.replace("{ credential = \"pin\" }", pin)).unwrap_err();
        assert!(!error.contains("20461357"), "{pin}: {error}");
        assert!(error.starts_with("sigillo.toml:17: "), "{pin}: {error}");
    }
    let error = parse(&DOCUMENTED.replace("{ credential = \"pin\" }", "\"20461357\"")).unwrap_err();
    assert!(error.contains("never is the PIN: write { file = "), "{error}");
}

#[test]
fn an_address_by_name_is_refused_with_an_example() {
    let error = parse("[server]\nlisten = \"localhost:8080\"\n").unwrap_err();
    assert_eq!(error, "sigillo.toml:2: write an IP address and a port, as in \"127.0.0.1:8080\"");
}

#[test]
fn two_tokens_whose_library_needs_two_environments_are_refused_at_start() {
    let text = |second: &str| {
        let mut text = String::new();
        for (name, value) in [("a", "/etc/sigillo/a.conf"), ("b", second)] {
            text += &format!(
                "[[token]]\nname = \"{name}\"\nprofile = \"softhsm\"\nslot = {{ label = \"{name}\" }}\npin = {{ credential = \"pin\" }}\n\
                 [token.override]\n\"module.env\" = {{ SOFTHSM2_CONF = \"{value}\" }}\n"
            );
        }
        text
    };
    parse(&text("/etc/sigillo/a.conf")).unwrap();
    let error = parse(&text("/etc/sigillo/b.conf")).unwrap_err();
    for part in
        ["token \"a\"", "token \"b\"", "SOFTHSM2_CONF=/etc/sigillo/b.conf", "which reads it once", "node of its own"]
    {
        assert!(error.contains(part), "{error}");
    }
}
