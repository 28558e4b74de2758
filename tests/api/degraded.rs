//! A service of which a part is broken: it says which one, and the rest works on.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::TestService;
use tests::programs::run;

fn service() -> TestService {
    let service = TestService::builder().create();
    service.key("seal", "ec-p256", "document");
    service.worker("good", "cades", "seal", "");
    service.worker("bad", "cades", "seal", "");
    service
}

/// Statements in the database of the service.
fn sql(service: &TestService, statements: &str) {
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
    run(Command::new("python3").args(["-c", script]).arg(service.folder().join("sigillo.db")).arg(statements));
}

#[test]
fn a_worker_whose_definition_cannot_be_read_hides_no_other_one() {
    let mut service = service();
    let key = service.api_key("caller", &["good", "bad"]);
    // As a newer version would have written it.
    service.sql(&["UPDATE worker_version SET definition = '{\"kind\":\"new\"}' WHERE worker = 'bad'"]);
    service.start();
    let client = service.client().key(&key);
    let listed = client.get("/v1/workers");
    assert_eq!(listed.status, 200, "{}", listed.json());
    let names: Vec<_> = listed.json()["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["good"]);
    let log = service.server().log();
    assert!(log.contains("left out of the list") && log.contains("\"worker.name\":\"bad\""), "{log}");
    assert_eq!(client.sign("bad", b"document").status, 500);
    let _ = client.sign("good", b"document").success();

    let listed = service.sigillo(&["worker", "list"]);
    assert_eq!(listed["items"][0]["name"], "bad");
    assert!(listed["items"][0]["warnings"][0].as_str().unwrap().contains("cannot be read"), "{listed}");
    assert_eq!(listed["items"][1]["name"], "good");
    service.sigillo(&["worker", "remove", "bad"]);
}

#[test]
fn a_service_that_can_put_nothing_on_record_is_not_ready_until_it_can() {
    let mut service = service();
    let key = service.api_key("caller", &["good"]);
    service.start();
    let ready = || {
        let ready = service.client().get("/health/ready");
        (ready.status, ready.json()["auditChain"].clone())
    };
    assert_eq!(ready(), (200, json!("ready")));
    let _ = service.client().key(&key).sign("good", b"document").success();
    sql(&service, "ALTER TABLE audit_head RENAME TO lost_head");
    assert_eq!(ready(), (503, json!("unavailable")));
    let answer = service.client().key(&key).sign("good", b"document");
    assert_eq!((answer.status, answer.problem().as_str()), (503, "database-unavailable"));
    sql(&service, "ALTER TABLE lost_head RENAME TO audit_head");
    let until = Instant::now() + Duration::from_secs(5);
    while ready() != (200, json!("ready")) {
        assert!(Instant::now() < until, "{:?}", ready());
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = service.client().key(&key).sign("good", b"document").success();
}
