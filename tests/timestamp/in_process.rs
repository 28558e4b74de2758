//! Timestamps for other workers of the same service: `timestamp = { worker = "tsa" }`.

use serde_json::Value;
use tests::programs::fixture;
use tests::verifiers::ask;
use tests::{Question, Verdict};

use crate::authority::{Authority, POLICY, trusted};

/// An authority, and a worker that makes B-T with its timestamps for a client that has no grant for the authority.
fn authority() -> (Authority, tests::Client) {
    let authority = Authority::new(&[("tsa", "ec-p256", trusted(&format!("accepted_policies = [\"{POLICY}.7\"]")))]);
    let service = &authority.service;
    service.key("seal", "ec-p256", "document");
    let timestamp = |policy: &str| format!("level = \"B-T\"\ntimestamp = {{ worker = \"tsa\"{policy} }}");
    service.worker("archive", "cades", "seal", &timestamp(""));
    service.worker("policy", "cades", "seal", &timestamp(&format!(", policy = \"{POLICY}.7\"")));
    service.worker("foreign", "cades", "seal", &timestamp(", policy = \"1.2.3\""));
    let client = service.client().key(&service.api_key("sealer", &["archive", "policy", "foreign"]));
    (authority, client)
}

#[test]
fn a_signature_with_a_timestamp_of_our_own_authority_is_of_level_t_for_eu_dss() {
    let (authority, client) = authority();
    let service = &authority.service;
    let data = std::fs::read(fixture("binary/crlf.txt")).unwrap();
    let list = authority.revocation_list("tsu-ec-p256");
    let question = |worker: &str| {
        let answer = client.sign(worker, &data);
        assert_eq!(answer.level.as_deref(), Some("B-T"));
        let signed = authority.file("p7m");
        std::fs::write(&signed, answer.success()).unwrap();
        let question = Question::new("cades", &signed).with("--root", service.pki().root());
        question.with("--expect", "CAdES-BASELINE-T").with("--crl", &list)
    };
    let questions = [question("archive"), question("policy")];
    assert_eq!(ask("dss", &questions), [Verdict::Valid, Verdict::Valid]);

    // The use of the authority's key is on record as the sealing key's is, and complete before the end of the request.
    let events = service.audit_events();
    let intents: Vec<&Value> = events.iter().filter(|event| event["event"] == "signing-intended").collect();
    let of_request =
        intents.iter().find(|intent| intent["worker"] == "archive").expect("an intent")["requestId"].clone();
    let told: Vec<(&str, &str)> = events
        .iter()
        .filter(|event| event["requestId"] == of_request)
        .map(|event| (event["event"].as_str().unwrap(), event["worker"].as_str().unwrap_or_default()))
        .collect();
    let expected = [
        ("signing-intended", "archive"),
        ("signature-created", ""),
        ("signing-intended", "tsa"),
        ("signature-created", ""),
        ("request-completed", "archive"),
    ];
    assert_eq!(told, expected);
    assert!(intents.iter().all(|intent| intent["client"] == "sealer" || intent["keyUse"] != "request"), "{intents:?}");
}

#[test]
fn an_authority_that_refuses_is_named_and_the_signature_is_withheld() {
    let (authority, client) = authority();
    let service = &authority.service;
    let data = std::fs::read(fixture("binary/crlf.txt")).unwrap();
    let refused = |worker: &str| {
        let answer = client.sign(worker, &data);
        assert_eq!((answer.status, answer.problem().as_str()), (503, "timestamp-unavailable"));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("worker \"tsa\""), "{detail}");
        let events = service.audit_events();
        let last = events.iter().rfind(|event| event["requestId"] == answer.request_id).expect("its last record");
        assert_eq!((&last["event"], &last["outcome"]), (&Value::from("request-completed"), &Value::from("withheld")));
        assert!(last["reason"].as_str().unwrap().contains("worker \"tsa\""), "{last}");
        detail
    };
    assert!(refused("foreign").contains("1.2.3"));
    service.sigillo(&["credential", "suspend", "tsu-ec-p256"]);
    assert!(refused("archive").contains("suspended"));
    service.sigillo(&["credential", "activate", "tsu-ec-p256"]);
    service.sigillo(&["worker", "remove", "tsa"]);
    assert!(refused("archive").contains("there is no worker"));
}

#[test]
fn an_augmentation_that_fails_after_our_own_authority_has_signed_is_no_refusal_on_record() {
    let (authority, _) = authority();
    let service = &authority.service;
    // What they issued names no place where its status can be learnt, which is found out after the timestamp is made.
    let root = std::fs::read_to_string(service.pki().root()).unwrap();
    let definition =
        format!("level = \"B-LT\"\ntimestamp = {{ worker = \"tsa\" }}\ntrust_anchors = [\"\"\"\n{root}\"\"\"]\n");
    service.worker("long", "cades", "seal", &definition);
    service.worker("base", "cades", "seal", "");
    let client = service.client().key(&service.api_key("augmenter", &["long", "base"]));
    let signed = client.sign("base", b"document").success();
    let recorded = |signature: &[u8]| {
        let answer = client.post("/v1/workers/long/augment", "application/pkcs7-mime", signature);
        assert!(answer.status >= 400, "{answer:?}");
        let events = service.audit_events();
        events.into_iter().filter(|event| event["requestId"] == answer.request_id).collect::<Vec<Value>>()
    };
    let names = |events: &[Value]| -> Vec<String> {
        events.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    };
    let events = recorded(&signed);
    assert_eq!(names(&events), ["signing-intended", "signature-created", "request-completed"]);
    assert_eq!((&events[0]["worker"], &events[0]["client"]), (&Value::from("tsa"), &Value::from("augmenter")));
    assert_eq!((&events[2]["worker"], &events[2]["outcome"]), (&Value::from("long"), &Value::from("withheld")));
    assert!(events[2]["reason"].as_str().unwrap().contains("status"), "{}", events[2]);
    // Without a use of that key it is one.
    assert_eq!(names(&recorded(b"no signature")), ["request-refused"]);
}
