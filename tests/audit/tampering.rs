//! What `sigillo audit verify` says of a database that somebody has changed behind the service's back.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tests::TestService;

struct Evidence {
    service: TestService,
    database: PathBuf,
    pristine: Vec<u8>,
    /// The record in the middle that is attacked.
    target: i64,
    last: i64,
    /// Text that only the event of that record has.
    text: String,
}

const TRIGGERS: [&str; 3] =
    ["audit_record_is_never_changed", "audit_record_is_never_removed", "audit_head_only_advances"];

impl Evidence {
    fn create() -> Self {
        let mut service = TestService::builder().start();
        service.key("seal", "ec-p256", "document");
        service.worker("cms", "cades", "seal", "");
        let key = service.api_key("caller", &["cms"]);
        let client = service.client().key(&key);
        let request_id = client.sign("cms", b"the one that is attacked").request_id;
        let _ = client.sign("cms", b"and one after it").success();
        service.take_server().stop();

        let exported = service.try_sigillo(&["audit", "export"]);
        let exported = String::from_utf8(exported.stdout).unwrap();
        let records: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let text = "\"event\":\"signing-intended\",";
        let attacked = |record: &&Value| {
            let event = record["event"].as_str().unwrap();
            event.contains(text) && event.contains(&request_id)
        };
        let record = records.iter().find(attacked).unwrap();
        let (target, last) = (record["seq"].as_i64().unwrap(), records.last().unwrap()["seq"].as_i64().unwrap());
        assert!(1 < target && target < last);
        let event: Value = serde_json::from_str(record["event"].as_str().unwrap()).unwrap();
        let text = event["dtbsr"].as_str().unwrap().to_owned();
        let database = service.folder().join("sigillo.db");
        // A process that ends quickly leaves its last writes in the write-ahead log; what is attacked here is the file.
        let checkpoint = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)')";
        tests::programs::run(Command::new("python3").args(["-c", checkpoint]).arg(&database));
        let pristine = std::fs::read(&database).unwrap();
        Self { service, database, pristine, target, last, text }
    }

    fn restore(&self) {
        std::fs::write(&self.database, &self.pristine).unwrap();
        assert!(!self.database.with_extension("db-wal").exists(), "who stops, leaves a whole file");
        assert!(self.service.try_sigillo(&["audit", "verify"]).status.success());
    }

    /// Changes one row, past the triggers.
    fn sql(&self, statement: &str) {
        let triggers = TRIGGERS.map(|trigger| format!("DROP TRIGGER {trigger}"));
        let statements: Vec<&str> = triggers.iter().map(String::as_str).chain([statement]).collect();
        self.service.sql(&statements);
    }

    /// Verification fails and names this record.
    fn named(&self, seq: i64, words: &str) {
        let output = self.service.try_sigillo(&["audit", "verify"]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        let expected = words.replace("{}", &format!("record {seq}"));
        assert!(stderr.contains(&expected), "wanted: {expected}; got: {stderr}");
    }
}

#[test]
fn a_changed_database_fails_verification_and_the_record_is_named() {
    let evidence = Evidence::create();
    let (target, last) = (evidence.target, evidence.last);
    evidence.restore();

    // One byte in the file, whatever the program that wrote it.
    let mut file = evidence.pristine.clone();
    let places: Vec<usize> = file
        .windows(evidence.text.len())
        .enumerate()
        .filter(|(_, window)| *window == evidence.text.as_bytes())
        .map(|(at, _)| at)
        .collect();
    assert_eq!(places.len(), 1, "the digest stands once in the file");
    file[places[0] + 7] ^= 1;
    std::fs::write(&evidence.database, file).unwrap();
    evidence.named(target, "{} was changed");

    let statements = [
        (
            "UPDATE audit_record SET event = replace(event, '\"worker\":\"cms\"', '\"worker\":\"cma\"') WHERE seq = TARGET",
            target,
            "{} was changed",
        ),
        ("UPDATE audit_record SET at = at + 1 WHERE seq = TARGET", target, "{} was changed"),
        ("UPDATE audit_record SET instance = upper(instance) WHERE seq = TARGET", target, "{} was changed"),
        ("UPDATE audit_record SET hash = zeroblob(32) WHERE seq = TARGET", target, "{} was changed"),
        ("UPDATE audit_record SET previous = zeroblob(32) WHERE seq = TARGET", target, "{} was changed"),
        ("DELETE FROM audit_record WHERE seq = TARGET", target, "{} is missing"),
        ("DELETE FROM audit_record WHERE seq = LAST", last, "{} is missing"),
        ("UPDATE audit_head SET seq = seq - 1", last, "the head of the chain does not name {}"),
        ("UPDATE audit_head SET hash = zeroblob(32)", last, "the head of the chain does not name {}"),
    ];
    for (statement, seq, words) in statements {
        evidence.restore();
        evidence.sql(&statement.replace("TARGET", &target.to_string()).replace("LAST", &last.to_string()));
        evidence.named(seq, words);
    }
}

#[test]
fn the_program_of_the_auditors_page_verifies_an_export_without_sigillo() {
    let service = TestService::builder().create();
    service.key("seal", "ec-p256", "document");
    let page = std::fs::read_to_string(tests::programs::repository().join("docs/audit.md")).unwrap();
    let program = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let exported = service.try_sigillo(&["audit", "export"]).stdout;
    let audit = |exported: &[u8]| {
        let file = service.folder().join("export.jsonl");
        std::fs::write(&file, exported).unwrap();
        let input = std::fs::File::open(&file).unwrap();
        tests::programs::output(Command::new("python3").args(["-c", program]).stdin(input))
    };
    let head = &service.sigillo(&["audit", "verify"])["head"];
    let expected = format!("{} {}\n", head["seq"], head["hash"].as_str().unwrap());
    assert_eq!(String::from_utf8(audit(&exported).stdout).unwrap(), expected);
    let changed = String::from_utf8(exported).unwrap().replacen("key generate", "key generatf", 1);
    let said = audit(changed.as_bytes());
    assert!(!said.status.success() && String::from_utf8_lossy(&said.stderr).contains("is not as it was written"));
}

#[test]
fn a_copy_of_the_database_file_is_whole_when_nothing_runs() {
    let mut service = TestService::builder().start();
    service.key("seal", "ec-p256", "document");
    service.worker("cms", "cades", "seal", "");
    let key = service.api_key("caller", &["cms"]);
    let whole = |service: &TestService, step: &str| {
        let log = service.folder().join("sigillo.db-wal");
        assert!(!log.exists(), "{step} left a write-ahead log of {} octets", log.metadata().unwrap().len());
    };
    let client = service.client().key(&key);
    for _ in 0..20 {
        let _ = client.sign("cms", b"document").success();
    }
    service.take_server().stop();
    whole(&service, "the server");
    service.sigillo(&["client", "add", "another"]);
    whole(&service, "a command");
    service.sigillo(&["token", "check", "hsm"]);
    whole(&service, "a command with a token");
    service.sigillo(&["key", "test", "--token", "hsm", "--alias", "seal"]);
    whole(&service, "a command that signs");
}
