//! What must be so before a key is used: the gate of qualified seals, the purpose of a key, the dates of a certificate.

#[path = "qualified/gate.rs"]
mod gate;
#[path = "qualified/purpose.rs"]
mod purpose;
#[path = "qualified/validity.rs"]
mod validity;

use serde_json::Value;
use tests::{Answer, TestService};

/// The answer is `credential-not-active`, and there is no intent to use a key for it on record. Returns what the caller was told.
fn refused_without_intent(service: &TestService, answer: &Answer) -> String {
    assert_eq!((answer.status, answer.problem().as_str()), (409, "credential-not-active"));
    let events = service.audit_events();
    let of_request: Vec<&Value> = events.iter().filter(|event| event["requestId"] == answer.request_id).collect();
    assert_eq!(of_request.len(), 1, "{of_request:?}");
    assert_eq!(of_request[0]["event"], "request-refused");
    answer.json()["detail"].as_str().unwrap().to_owned()
}
