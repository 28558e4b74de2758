//! `kill -9` under load: what was answered is on record, what was open is closed, the chain holds.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use openssl::ecdsa::EcdsaSig;
use openssl::sha::sha256;
use serde_json::Value;
use tests::programs::fixture;
use tests::{Client, TestService};

use crate::records::{attempts, kind, kinds, of_request};

const ROUNDS: usize = 20;
const CLIENTS: usize = 16;

/// What a client knows of an answer.
struct Answered {
    request_id: String,
    /// SHA-256 of what it sent.
    document: String,
    /// SHA-256 of the signature value, as the records have it; known of the detached CMS only.
    signature: Option<String>,
}

#[test]
fn after_kill_9_under_load_every_answer_is_on_record_and_every_open_intent_is_closed() {
    let mut service = TestService::builder().create();
    service.key("seal", "ec-p256", "document");
    service.worker("cms", "cades", "seal", "packaging = \"detached\"");
    service.worker("pdf", "pades", "seal", "");
    let key = service.api_key("caller", &["cms", "pdf"]);
    let pdf = &std::fs::read(fixture("pdf/report.pdf")).unwrap();

    let mut answered = Vec::new();
    let mut left_open: BTreeSet<String> = BTreeSet::new();
    for round in 0..ROUNDS {
        service.start();
        let load = Duration::from_millis(50 + RandomState::new().hash_one(round) % 351);
        let clients: Vec<Client> = (0..CLIENTS).map(|_| service.client().key(&key)).collect();
        std::thread::scope(|scope| {
            let callers: Vec<_> = clients
                .iter()
                .enumerate()
                .map(|(number, client)| scope.spawn(move || sign_until_it_dies(client, round, number, pdf)))
                .collect();
            std::thread::sleep(load);
            service.take_server().kill();
            answered.extend(callers.into_iter().flat_map(|caller| caller.join().unwrap()));
        });
        let verified = service.sigillo(&["audit", "verify"]);
        let open = verified["openIntents"].as_array().unwrap();
        left_open.extend(open.iter().map(|attempt| attempt.as_str().unwrap().to_owned()));
    }
    // The last start closes what the last kill left.
    service.start();
    service.take_server().stop();
    let verified = service.sigillo(&["audit", "verify"]);
    assert_eq!(verified["openIntents"], Value::Array(Vec::new()));
    let events = service.audit_events();

    tests::report(&format!(
        "{} answers, {} intents left open by {ROUNDS} kills, {} records",
        answered.len(),
        left_open.len(),
        events.len()
    ));
    assert!(answered.len() > ROUNDS, "{} answers are no load", answered.len());
    assert!(!left_open.is_empty(), "no kill came while a key was used, so this test has shown nothing");
    answers_are_on_record(&answered, &events);
    every_intent_has_one_outcome(&left_open, &events);
}

fn sign_until_it_dies(client: &Client, round: usize, number: usize, pdf: &[u8]) -> Vec<Answered> {
    let mut answered = Vec::new();
    for count in 0.. {
        // Documents of their own, so that records cannot be taken for those of others.
        let (worker, document) = match count % 2 {
            0 => ("cms", format!("document {count} of client {number} in round {round}").into_bytes()),
            _ => ("pdf", [pdf, format!("% {round}.{number}.{count}\n").as_bytes()].concat()),
        };
        let path = format!("/v1/workers/{worker}/sign/raw");
        let Ok(answer) = client.try_send("POST", &path, &[("Content-Type", "application/octet-stream")], &document)
        else {
            break;
        };
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        answered.push(Answered {
            request_id: answer.request_id,
            document: hex::encode(sha256(&document)),
            signature: (worker == "cms").then(|| hex::encode(sha256(&signature_value(&answer.body)))),
        });
    }
    answered
}

/// The signature value of a CMS without unsigned attributes, where it comes last, in fixed width.
fn signature_value(cms: &[u8]) -> Vec<u8> {
    let value = (cms.len() - 72..cms.len() - 60).find_map(|start| EcdsaSig::from_der(&cms[start..]).ok());
    let value = value.expect("an ECDSA signature at the end of the CMS");
    [value.r().to_vec_padded(32).unwrap(), value.s().to_vec_padded(32).unwrap()].concat()
}

fn answers_are_on_record(answered: &[Answered], events: &[Value]) {
    for answer in answered {
        let records = of_request(events, &answer.request_id);
        assert_eq!(kinds(&records), ["signing-intended", "signature-created", "request-completed"], "{records:?}");
        assert_eq!(records[0]["documentSha256"], answer.document);
        assert_eq!(records[0]["attempt"], records[1]["attempt"]);
        if let Some(signature) = &answer.signature {
            assert_eq!(records[1]["signatureSha256"], *signature);
        }
        assert_eq!(records[2]["outcome"], "released");
    }
}

fn every_intent_has_one_outcome(left_open: &BTreeSet<String>, events: &[Value]) {
    let attempts = attempts(events);
    let mut unknown = BTreeSet::new();
    for (attempt, (intents, outcomes)) in &attempts {
        assert_eq!((*intents, outcomes.len()), (1, 1), "attempt {attempt}: {outcomes:?}");
        if outcomes == &["outcome-unknown"] {
            unknown.insert(attempt.clone());
        }
    }
    assert_eq!(unknown, *left_open, "closed as unknown is what was open, and nothing else");
    let intents = events.iter().filter(|event| kind(event) == "signing-intended").count();
    assert_eq!(intents, attempts.len());
}
