//! Questions to the exported records.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::TestService;

/// The kind of an event.
pub(crate) fn kind(event: &Value) -> &str {
    event["event"].as_str().unwrap()
}

/// The events of one request, in their order.
pub(crate) fn of_request<'a>(events: &'a [Value], request_id: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["requestId"] == request_id).collect()
}

/// Kinds of events.
pub(crate) fn kinds<'a>(events: &[&'a Value]) -> Vec<&'a str> {
    events.iter().map(|event| kind(event)).collect()
}

/// Of each attempt at a key: how many intents and how many outcomes there are.
pub(crate) fn attempts(events: &[Value]) -> BTreeMap<String, (usize, Vec<&str>)> {
    let mut attempts: BTreeMap<String, (usize, Vec<&str>)> = BTreeMap::new();
    for event in events {
        let Some(attempt) = event["attempt"].as_str() else { continue };
        let (intents, outcomes) = attempts.entry(attempt.to_owned()).or_default();
        match kind(event) {
            "signing-intended" => *intents += 1,
            outcome => outcomes.push(outcome),
        }
    }
    attempts
}

/// Waits until the records are as wanted; panics with the last ones when that does not happen in time.
pub(crate) fn eventually(service: &TestService, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let events = service.audit_events();
        if wanted(&events) {
            return events;
        }
        let tail: Vec<String> = events.iter().rev().take(8).map(ToString::to_string).collect();
        assert!(Instant::now() < until, "{what}; the last records:\n{}", tail.join("\n"));
        std::thread::sleep(Duration::from_millis(200));
    }
}
