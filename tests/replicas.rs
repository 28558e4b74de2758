//! One key on several tokens: who may be a replica, who signs, and what is seen of it.

#[path = "replicas/administration.rs"]
mod administration;
#[path = "replicas/failing.rs"]
mod failing;
#[path = "replicas/outage.rs"]
mod outage;

use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Public};
use openssl::sign::Verifier;
use openssl::x509::X509;
use serde_json::Value;
use tests::{Client, TestService};

/// Label of the copied token.
const LABEL: &str = "sigillo-second";
/// Its name in `sigillo.toml`.
const SECOND: &str = "second";

/// Adds the copy of key "seal" to its credential.
fn add(service: &TestService) -> Value {
    let add = ["credential", "replica", "add", "seal", "--token", SECOND, "--alias", "seal"];
    service.sigillo(&[&add[..], &["--justification", "the second site"]].concat())
}

/// The public key of the certificate of "seal".
fn public_key(service: &TestService) -> PKey<Public> {
    X509::from_pem(&std::fs::read(service.leaf("seal")).unwrap()).unwrap().public_key().unwrap()
}

/// Whether OpenSSL takes the signature.
fn is_right(key: &PKey<Public>, document: &[u8], signature: &[u8]) -> bool {
    Verifier::new(MessageDigest::sha256(), key).unwrap().verify_oneshot(signature, document).unwrap_or(false)
}

/// A counter or gauge of `/metrics`, 0 where it is not there yet.
fn metric(client: &Client, name: &str) -> f64 {
    let text = String::from_utf8(client.get("/metrics").success()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}

fn signatures(client: &Client, token: &str) -> f64 {
    metric(client, &format!("sigillo_signatures_total{{token=\"{token}\"}}"))
}

/// Status of `/health/ready`, state of credential "seal", state of its replica on the second token.
fn readiness(client: &Client) -> (u16, String, String) {
    let answer = client.get("/health/ready");
    let json = answer.json();
    let seal = json["credentials"].as_array().unwrap().iter().find(|credential| credential["name"] == "seal").unwrap();
    let replicas = seal["replicas"].as_array().unwrap();
    let second = replicas.iter().find(|replica| replica["token"] == SECOND).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (answer.status, text(&seal["state"]), text(&second["state"]))
}

/// The intents for requests: attempts at a device by request, each with the token it names.
fn attempts(events: &[Value]) -> std::collections::BTreeMap<String, Vec<String>> {
    let mut attempts = std::collections::BTreeMap::<String, Vec<String>>::new();
    for event in events.iter().filter(|event| event["event"] == "signing-intended" && event["keyUse"] == "request") {
        let token = event["location"]["token"].as_str().expect("an intent names the location").to_owned();
        attempts.entry(event["requestId"].as_str().unwrap().to_owned()).or_default().push(token);
    }
    attempts
}
