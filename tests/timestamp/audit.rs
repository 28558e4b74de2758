//! What is on record of a timestamp.

use std::process::Command;

use openssl::sha::sha256;
use serde_json::Value;
use tests::programs::{fixture, run};

use crate::authority::Authority;

#[test]
fn a_token_has_its_intent_and_outcome_on_record_by_which_it_can_be_found_again() {
    let authority = Authority::simple();
    let query = std::fs::read(authority.query(&fixture("binary/crlf.txt"), &["-sha256", "-cert"])).unwrap();
    let answer = authority.ask("tsa", &query);
    let request_id = answer.request_id.clone();
    let reply = authority.read(answer);
    let events = authority.service.audit_events();
    let of_request: Vec<&Value> = events.iter().filter(|event| event["requestId"] == request_id).collect();
    let kinds: Vec<&str> = of_request.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["signing-intended", "signature-created", "request-completed"]);
    let intent = of_request[0];
    assert_eq!(
        (intent["client"].as_str(), intent["worker"].as_str(), intent["credential"].as_str()),
        (Some("stamper"), Some("tsa"), Some("tsu-ec-p256"))
    );
    assert_eq!(intent["documentSha256"], hex::encode(sha256(&query)), "the request as it came");
    assert_eq!(of_request[2]["outcome"], "released");

    // What was signed is the digest of the signed attributes, which whoever has the token can compute.
    let token = std::fs::read(reply.token()).unwrap();
    assert_eq!(intent["dtbsr"], hex::encode(sha256(&signed_attributes(&reply.token(), &token))));
}

/// The signed attributes of the only signer, as they are signed: with the tag of a SET.
fn signed_attributes(file: &std::path::Path, token: &[u8]) -> Vec<u8> {
    let parsed = run(Command::new("openssl").args(["asn1parse", "-inform", "DER", "-in"]).arg(file));
    let parsed = String::from_utf8_lossy(&parsed.stdout).into_owned();
    // The last [0] at the depth of the parts of a SignerInfo: "  123:d=5  hl=2 l= 146 cons: cont [ 0 ]".
    let line =
        parsed.lines().rfind(|line| line.contains(":d=5 ") && line.contains("cont [ 0 ]")).expect("signed attributes");
    let number = |name: &str| -> usize {
        let rest = line.split_once(name).expect("a number").1.trim_start();
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let start: usize = line.trim_start().split(':').next().unwrap().parse().unwrap();
    let mut attributes = token[start..start + number("hl=") + number(" l=")].to_vec();
    attributes[0] = 0x31;
    attributes
}
