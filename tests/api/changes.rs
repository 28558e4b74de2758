//! What administrators decide while a request is being sent holds for that request.

use serde_json::Value;
use tests::{RawConnection, TestService};

#[test]
fn a_client_revoked_while_it_sends_its_document_gets_no_signature() {
    let (answer, events) = sent_during(|service| service.sigillo(&["client", "revoke", "caller"]));
    assert_eq!((answer.0, answer.1.as_str()), (403, "urn:sigillo:problem:no-grant"));
    assert_eq!(events, ["request-refused"]);
}

#[test]
fn a_worker_changed_while_a_document_is_sent_signs_as_it_is_now() {
    let change = |service: &TestService| {
        service.worker("cms", "cades", "other", "");
        Value::Null
    };
    let (answer, events) = sent_during(change);
    assert_eq!(answer.0, 200);
    assert_eq!(events, ["signing-intended 2 other", "signature-created", "request-completed"]);
}

/// Sends half a document, lets something happen, sends the other half: status, problem, and what is on record of it.
fn sent_during(change: impl FnOnce(&TestService) -> Value) -> ((u16, String), Vec<String>) {
    let service = TestService::builder().start();
    service.key("seal", "ec-p256", "document");
    service.key("other", "ec-p256", "document");
    service.worker("cms", "cades", "seal", "");
    let key = service.api_key("caller", &["cms"]);
    let mut connection = RawConnection::open(service.server().url()).unwrap();
    let head = RawConnection::head("/v1/workers/cms/sign/raw", &key, "application/octet-stream", 10);
    connection.send(&[&head[..], b"12345"].concat()).unwrap();
    // Time enough for the head to be judged.
    std::thread::sleep(std::time::Duration::from_millis(500));
    change(&service);
    connection.send(b"67890").unwrap();
    let answer = connection.answer().unwrap();
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let id = answer.head.lines().find_map(|line| line.strip_prefix("sigillo-request-id: ")).unwrap().to_owned();
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let mut events = Vec::new();
    for event in service.audit_events().iter().filter(|event| event["requestId"] == id) {
        let details = match event["workerVersion"].as_i64() {
            Some(version) => format!(" {version} {}", text(event, "credential")),
            None => String::new(),
        };
        events.push(text(event, "event") + &details);
    }
    ((answer.status, text(&problem, "type")), events)
}
