//! Who gets no token, and how the answer says why: in the protocol where it has words for it, else as a problem document.

use serde_json::json;
use tests::pki::Profile;
use tests::programs::fixture;
use tests::service::TOKEN;

use crate::authority::{Authority, POLICY, trusted};
use crate::hostile::{bool_true, integer, octets, oid, sequence, tlv};

/// What openssl prints for `PKIFailureInfo`.
pub(crate) const BAD_ALGORITHM: &str = "unrecognized or unsupported algorithm identifier";
pub(crate) const BAD_REQUEST: &str = "transaction not permitted or supported";
pub(crate) const BAD_DATA_FORMAT: &str = "the data submitted has the wrong format";
pub(crate) const TIME_NOT_AVAILABLE: &str = "the TSA's time source is not available";
const UNACCEPTED_POLICY: &str = "the requested TSA policy is not supported by the TSA";
const UNACCEPTED_EXTENSION: &str = "the requested extension is not supported by the TSA";
pub(crate) const SYSTEM_FAILURE: &str = "the request cannot be handled due to system failure";

const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];

fn imprint(algorithm: &[u8], parameters: &[u8], digest: &[u8]) -> Vec<u8> {
    sequence(&[&sequence(&[&oid(algorithm), parameters]), &octets(digest)])
}

#[test]
fn each_reason_for_a_rejection_has_its_failure_information_and_uses_no_key() {
    let authority = Authority::new(&[("tsa", "ec-p256", trusted("accepted_digests = [\"SHA-256\"]"))]);
    let (one, good) = (integer(&[1]), imprint(SHA256, &[], &[7; 32]));
    let null: &[u8] = &[0x05, 0x00];
    let other_policy = oid(&[0x2a, 0x03, 0x04]);
    let extension = sequence(&[&oid(&[0x2a, 0x03]), &octets(&[0x05, 0x00])]);
    let granted: &[(&str, Vec<u8>)] = &[
        ("the least", sequence(&[&one, &good])),
        ("NULL for parameters", sequence(&[&one, &imprint(SHA256, null, &[7; 32])])),
        ("a negative nonce", sequence(&[&one, &good, &integer(&[0x80])])),
        ("a nonce of 64 octets", sequence(&[&one, &good, &integer(&[0x11; 64])])),
    ];
    let rejected: &[(&str, Vec<u8>, &str)] = &[
        ("nothing", Vec::new(), BAD_DATA_FORMAT),
        ("no sequence", integer(&[1]), BAD_DATA_FORMAT),
        ("a text", b"time, please".to_vec(), BAD_DATA_FORMAT),
        ("version 0", sequence(&[&integer(&[0]), &good]), BAD_REQUEST),
        ("version 2", sequence(&[&integer(&[2]), &good]), BAD_REQUEST),
        ("a version beyond any", sequence(&[&integer(&[0x7f; 40]), &good]), BAD_REQUEST),
        ("no imprint", sequence(&[&one]), BAD_DATA_FORMAT),
        ("SHA-1", sequence(&[&one, &imprint(SHA1, null, &[7; 20])]), BAD_ALGORITHM),
        ("SHA-384, which is not accepted here", sequence(&[&one, &imprint(SHA384, &[], &[7; 48])]), BAD_ALGORITHM),
        ("a digest nobody knows", sequence(&[&one, &imprint(&[0x2a, 0x03], &[], &[7; 32])]), BAD_ALGORITHM),
        ("parameters", sequence(&[&one, &imprint(SHA256, &integer(&[1]), &[7; 32])]), BAD_ALGORITHM),
        ("31 octets", sequence(&[&one, &imprint(SHA256, &[], &[7; 31])]), BAD_DATA_FORMAT),
        ("33 octets", sequence(&[&one, &imprint(SHA256, &[], &[7; 33])]), BAD_DATA_FORMAT),
        ("no octets", sequence(&[&one, &imprint(SHA256, &[], &[])]), BAD_DATA_FORMAT),
        ("another policy", sequence(&[&one, &good, &other_policy]), UNACCEPTED_POLICY),
        ("a message for a nonce", sequence(&[&one, &good, &integer(&[0x11; 65])]), BAD_REQUEST),
        ("an extension", sequence(&[&one, &good, &tlv(0xa0, &[&extension])]), UNACCEPTED_EXTENSION),
        ("no extension in the list", sequence(&[&one, &good, &tlv(0xa0, &[])]), BAD_DATA_FORMAT),
        ("a default written out", sequence(&[&one, &good, &[0x01, 0x01, 0x00]]), BAD_DATA_FORMAT),
        ("a boolean of BER", sequence(&[&one, &good, &[0x01, 0x01, 0x01]]), BAD_DATA_FORMAT),
        ("an indefinite length", [&[0x30, 0x80][..], &one, &good, &[0, 0]].concat(), BAD_DATA_FORMAT),
        ("a length of two octets for one", [&[0x30, 0x81, 0x36][..], &one, &good].concat(), BAD_DATA_FORMAT),
        ("a nonce with a zero before it", sequence(&[&one, &good, &integer(&[0, 1])]), BAD_DATA_FORMAT),
        ("more after the end", [sequence(&[&one, &good]), vec![0]].concat(), BAD_DATA_FORMAT),
        ("more inside", sequence(&[&one, &good, &bool_true(), &one]), BAD_DATA_FORMAT),
    ];
    for (what, query) in granted {
        let reply = authority.reply("tsa", query);
        assert!(reply.is_granted(), "{what}: {}", reply.text);
    }
    for (what, query, failure) in rejected {
        let reply = authority.reply("tsa", query);
        assert_eq!(reply.failure(), *failure, "{what}: {}", reply.text);
        assert!(reply.text.contains("Status description: ") && !reply.text.contains("unspecified\nFailure"), "{what}");
    }
    let events = authority.service.audit_events();
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind && event["worker"] == "tsa").count();
    assert_eq!((count("signing-intended"), count("request-refused")), (granted.len(), rejected.len()));
}

#[test]
fn who_may_not_or_asks_for_something_else_gets_a_problem_document() {
    let authority = Authority::simple();
    let service = &authority.service;
    service.key("seal", "ec-p256", "document");
    service.worker("cms", "cades", "seal", "");
    service.sigillo(&["grant", "add", "stamper", "--worker", "cms"]);
    let query = std::fs::read(authority.query(&fixture("binary/crlf.txt"), &["-sha256"])).unwrap();
    let media_type = "application/timestamp-query";
    let stranger = service.client().key(&service.api_key("stranger", &["cms"]));
    let client = &authority.client;
    let problems = [
        (service.client().post("/tsa/tsa", media_type, &query), 401, "unauthenticated"),
        (stranger.post("/tsa/tsa", media_type, &query), 403, "no-grant"),
        (client.post("/tsa/nowhere", media_type, &query), 403, "no-grant"),
        (client.post("/tsa/cms", media_type, &query), 415, "media-type"),
        (client.post("/tsa/tsa", "application/octet-stream", &query), 415, "media-type"),
        (client.post("/tsa/tsa", media_type, &vec![0; 70_000]), 413, "too-large"),
        (client.get("/tsa/tsa"), 405, "method-not-allowed"),
        // The bytes to be stamped are for the requester to digest.
        (
            client.post_json(
                "/v1/workers/tsa/sign-digest",
                &json!({ "digests": ["AAAA"], "digestAlgorithm": "SHA-256" }),
            ),
            422,
            "parameters-unacceptable",
        ),
        (client.sign("tsa", b"a document"), 422, "document-unacceptable"),
    ];
    for (number, (answer, status, problem)) in problems.iter().enumerate() {
        assert_eq!((answer.status, answer.problem().as_str()), (*status, *problem), "case {number}");
    }
    let intents = service
        .audit_events()
        .iter()
        .filter(|event| event["event"] == "signing-intended" && event["keyUse"] == "request")
        .count();
    assert_eq!(intents, 0);
    // Media types have parameters, and capitals.
    let answer = client.post("/tsa/tsa", "Application/Timestamp-Query; charset=binary", &query);
    assert!(authority.read(answer).is_granted());
}

#[test]
fn a_unit_that_may_not_stamp_says_so_in_the_protocol_and_a_device_that_is_away_in_http() {
    let authority = Authority::simple();
    let service = &authority.service;
    let query = std::fs::read(authority.query(&fixture("binary/crlf.txt"), &["-sha256"])).unwrap();
    service.sigillo(&["credential", "suspend", "tsu-ec-p256"]);
    let reply = authority.reply("tsa", &query);
    assert_eq!(reply.failure(), SYSTEM_FAILURE);
    assert!(reply.text.contains("suspended"), "{}", reply.text);
    service.sigillo(&["credential", "activate", "tsu-ec-p256"]);
    assert!(authority.reply("tsa", &query).is_granted());

    service.sigillo(&["token", "lock", TOKEN]);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let answer = loop {
        let answer = authority.ask("tsa", &query);
        if answer.status != 200 || std::time::Instant::now() > until {
            break answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    assert_eq!((answer.status, answer.problem().as_str()), (503, "token-unavailable"));
    assert!(answer.retry_after.is_some(), "clients with another authority ask that one meanwhile");
}

#[test]
fn an_administrator_tries_a_worker_as_any_other() {
    let authority = Authority::simple();
    let tried = authority.service.sigillo(&["worker", "test", "tsa"]);
    assert_eq!(tried["kind"], "timestamp");
}

#[test]
fn definitions_that_promise_too_much_are_refused() {
    let authority = Authority::simple();
    let service = &authority.service;
    service.key("seal", "ec-p256", "document");
    service.key_with("ed", "ed25519", "timestamp", &Profile::timestamping());
    for (credential, definition, word) in [
        ("tsu-ec-p256", String::new(), "policy"),
        ("tsu-ec-p256", "policy = \"one\"".into(), "object identifier"),
        ("tsu-ec-p256", format!("policy = \"{POLICY}\"\nordering = true"), "ordering"),
        ("tsu-ec-p256", format!("policy = \"{POLICY}\"\naccuracy = \"2s\""), "accuracy"),
        ("tsu-ec-p256", format!("policy = \"{POLICY}\"\naccuracy = \"1us\""), "accuracy"),
        ("tsu-ec-p256", format!("policy = \"{POLICY}\"\naccepted_digests = [\"SHA-1\"]"), "accepted_digests"),
        ("tsu-ec-p256", format!("policy = \"{POLICY}\"\naccepted_digests = []"), "accepted_digests"),
        ("tsu-ec-p256", format!("policy = \"{POLICY}\"\nclock = \"mine\""), "clock"),
        ("tsu-ec-p256", format!("policy = \"{POLICY}\"\nqualified = \"eseal\""), "qualified_timestamp"),
        ("tsu-ec-p256", format!("policy = \"{POLICY}\"\nlevel = \"B-T\""), "level"),
        ("tsu-ec-p256", format!("policy = \"{POLICY}\"\nacuracy = \"1s\""), "did you mean"),
        ("seal", format!("policy = \"{POLICY}\""), "purpose"),
        ("ed", format!("policy = \"{POLICY}\""), "signature_scheme"),
    ] {
        let refused = service.try_worker("refused", "timestamp", credential, &definition);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(3), "{definition}: {said}");
        assert!(said.contains(word), "{definition}: {said}");
    }
}
