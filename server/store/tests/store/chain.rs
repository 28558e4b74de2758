//! Verification of the chain: whatever is changed past the store is found, and the record is named.

use std::io::Write as _;
use std::process::{Command, Stdio};

use sqlx::AssertSqlSafe;
use store::audit::{AuditFilter, Fault, LoginOutcome, RecordHash, RequestOutcome};
use store::{AuditEvent, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, act, created, failed, intent};

/// Ten records of different kinds; the third names the client "marked-client".
async fn ten_records() -> Fixture {
    let fixture = Fixture::new().await;
    let request_id = Uuid::now_v7();
    let client = "marked-client".to_owned();
    let events = [
        AuditEvent::ServiceStarted { instance: fixture.store.instance(), version: "0.1.0".to_owned() },
        AuditEvent::TokenLogin {
            token: "seal-hsm".to_owned(),
            serial: "0123".to_owned(),
            outcome: LoginOutcome::Succeeded,
        },
        AuditEvent::RequestRefused {
            request_id,
            client: client.clone(),
            worker: "invoices".to_owned(),
            problem: "no-grant".to_owned(),
            detail: "client \"…\" has no grant for \"invoices\"".to_owned(),
        },
        AuditEvent::RequestCompleted {
            request_id: Uuid::now_v7(),
            client: "erp".to_owned(),
            worker: "invoices".to_owned(),
            outcome: RequestOutcome::Released,
            level: Some("B-B".to_owned()),
            reason: None,
        },
        AuditEvent::Administration(act("worker apply", "invoices").with(serde_json::json!({"version": 1}))),
        created(Uuid::now_v7()),
        failed(Uuid::now_v7()),
        AuditEvent::OutcomeUnknown { attempt: request_id, request_id, reason: "gone".to_owned() },
        failed(Uuid::now_v7()),
        AuditEvent::ServiceStopped { instance: fixture.store.instance(), version: "0.1.0".to_owned() },
    ];
    fixture.store.record(&events).await.unwrap();
    assert_eq!(fixture.events().await, events);
    assert_eq!(fixture.verified().await.records, 10);
    fixture
}

/// Runs `sql` as a forger on ten records and expects the fault.
async fn forged(sql: &str, expected: (i64, Fault)) {
    let fixture = ten_records().await;
    let mut forger = fixture.forger().await;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut forger).await.unwrap();
    assert_eq!(fixture.fault().await, expected, "{sql}");
}

#[tokio::test]
async fn an_empty_chain_and_a_whole_chain_verify() {
    let empty = Fixture::new().await.verified().await;
    assert_eq!((empty.records, empty.head.hash), (0, RecordHash::NONE));
    let fixture = ten_records().await;
    let last = fixture.store.audit_page(9, 10).await.unwrap().pop().unwrap();
    assert_eq!(fixture.verified().await.head.hash, last.hash);
}

#[tokio::test]
async fn a_change_in_any_column_is_found_and_the_record_named() {
    for change in [
        "at = at + 1",
        "instance = '00000000-0000-0000-0000-000000000000'",
        "instance = upper(instance)",
        "event = replace(event, 'invoices', 'invoicez')",
        "event = event || ' '",
        "previous = zeroblob(32)",
        "previous = x'00'",
        "hash = randomblob(32)",
        "hash = x''",
    ] {
        forged(&format!("UPDATE audit_record SET {change} WHERE seq = 5"), (5, Fault::Changed)).await;
    }
    let unreadable = "UPDATE audit_record SET instance = CAST(x'ff41' AS TEXT) WHERE seq = 5";
    forged(unreadable, (5, Fault::Unreadable)).await;
}

#[tokio::test]
async fn a_removed_record_is_found_in_the_middle_and_at_both_ends() {
    for seq in [1, 4, 10] {
        forged(&format!("DELETE FROM audit_record WHERE seq = {seq}"), (seq, Fault::Missing)).await;
    }
    forged("DELETE FROM audit_record", (1, Fault::Missing)).await;
    forged("UPDATE audit_record SET seq = 500 WHERE seq = 5", (5, Fault::Missing)).await;
    // Also when the numbers are closed up again.
    let close_up = "DELETE FROM audit_record WHERE seq = 10; UPDATE audit_record SET seq = 10 WHERE seq = 9;
        UPDATE audit_record SET seq = 9 WHERE seq = 8; DELETE FROM audit_record WHERE seq = 8;";
    forged(close_up, (8, Fault::Missing)).await;
}

#[tokio::test]
async fn exchanged_and_inserted_records_are_found() {
    let exchange = "UPDATE audit_record SET seq = -1 WHERE seq = 3; UPDATE audit_record SET seq = 3 WHERE seq = 4;
        UPDATE audit_record SET seq = 4 WHERE seq = -1;";
    forged(exchange, (3, Fault::Changed)).await;
    let insert = |seq: i64| {
        format!(
            "INSERT INTO audit_record (seq, at, instance, event, previous, hash) \
             SELECT {seq}, at, instance, event, previous, hash FROM audit_record WHERE seq = 10"
        )
    };
    forged(&insert(11), (11, Fault::Changed)).await;
    forged(&insert(0), (0, Fault::Changed)).await;
    forged(&insert(-7), (-7, Fault::Changed)).await;
}

/// A forger who computes the hash of the record he changed, but not of all that follow.
#[tokio::test]
async fn a_record_with_a_recomputed_hash_does_not_connect_with_the_next() {
    let fixture = ten_records().await;
    let record = fixture.store.audit_page(4, 1).await.unwrap().pop().unwrap();
    let event = record.event.replace("invoices", "forged");
    let hash = RecordHash::of(record.previous.as_bytes(), 5, record.at, &record.instance, &event);
    sqlx::query("UPDATE audit_record SET event = $1, hash = $2 WHERE seq = 5")
        .bind(event)
        .bind(hash.as_bytes().as_slice())
        .execute(&mut fixture.forger().await)
        .await
        .unwrap();
    assert_eq!(fixture.fault().await, (6, Fault::NotConnected));
}

#[tokio::test]
async fn a_head_that_is_moved_changed_or_gone_is_found() {
    forged("UPDATE audit_head SET hash = x'00'", (10, Fault::HeadMismatch)).await;
    forged("UPDATE audit_head SET seq = 9", (10, Fault::HeadMismatch)).await;
    forged("UPDATE audit_head SET seq = 12", (11, Fault::Missing)).await;
    forged("DELETE FROM audit_head", (0, Fault::HeadMismatch)).await;
    // The last record removed and the number put right, but not the hash.
    forged("DELETE FROM audit_record WHERE seq = 10; UPDATE audit_head SET seq = 9", (9, Fault::HeadMismatch)).await;
}

#[tokio::test]
async fn an_open_intent_that_is_struck_off_the_list_is_found() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    log.submit(vec![intent(Uuid::now_v7())]).await.unwrap();
    assert_eq!(fixture.verified().await.open_intents.len(), 1);
    sqlx::query("DELETE FROM open_intent").execute(&mut fixture.raw().await).await.unwrap();
    assert_eq!(fixture.fault().await, (2, Fault::OpenIntentsMismatch));
}

#[tokio::test]
async fn one_changed_byte_in_the_file_is_found_wherever_it_is_in_a_record() {
    let fixture = ten_records().await;
    let third = fixture.store.audit_page(2, 1).await.unwrap().pop().unwrap();
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut fixture.raw().await).await.unwrap();
    let original = std::fs::read(fixture.path()).unwrap();
    let marks: [&[u8]; 4] =
        [b"marked-client", third.instance.as_bytes(), third.hash.as_bytes(), third.previous.as_bytes()];
    let mut found = 0;
    for mark in marks {
        for position in original.windows(mark.len()).enumerate().filter(|(_, w)| *w == mark).map(|(i, _)| i) {
            // A fresh folder, so that no connection of the store has pages of the old file in memory.
            let copy = tempfile::tempdir().unwrap();
            let mut bytes = original.clone();
            bytes[position + mark.len() - 1] ^= 1;
            std::fs::write(copy.path().join("sigillo.db"), bytes).unwrap();
            let store = crate::fixture::open(copy.path()).await;
            let forged = Fixture { store, folder: copy };
            let (seq, fault) = forged.fault().await;
            assert!((1..=10).contains(&seq) && fault == Fault::Changed, "{seq} {fault:?}");
            found += usize::from(seq == 3);
        }
    }
    // Client, instance, own hash and previous hash of the third record at least.
    assert!(found >= 4, "{found}");
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_or_remove_records() {
    let fixture = ten_records().await;
    let mut raw = fixture.raw().await;
    for sql in [
        "UPDATE audit_record SET at = 0 WHERE seq = 5",
        "DELETE FROM audit_record WHERE seq = 10",
        "INSERT OR REPLACE INTO audit_record (seq, at, instance, event, previous, hash) VALUES (5, 0, '', '{}', x'', x'')",
        "UPDATE audit_head SET seq = 3",
        "DELETE FROM audit_head",
    ] {
        let error = sqlx::raw_sql(sql).execute(&mut raw).await.unwrap_err();
        assert!(error.to_string().contains("never") || error.to_string().contains("only"), "{sql}: {error}");
    }
    assert_eq!(fixture.verified().await.records, 10);
}

#[tokio::test]
async fn an_auditor_recomputes_an_export_with_the_program_in_the_documentation() {
    let fixture = ten_records().await;
    let mut export = Vec::new();
    assert_eq!(fixture.store.export_audit(0, &mut export).await.unwrap(), 10);
    let documentation = include_str!("../../../../docs/audit.md");
    let program = documentation.split("```python").nth(1).unwrap().split("```").next().unwrap();
    let run = |export: &[u8]| {
        let mut python = Command::new("python3")
            .args(["-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 is needed: apt-get install python3");
        python.stdin.take().unwrap().write_all(export).unwrap();
        let output = python.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let head = fixture.verified().await.head;
    assert_eq!(run(&export), (true, format!("10 {}\n", head.hash)));
    let forged = String::from_utf8(export).unwrap().replace("marked-client", "other-client");
    assert_eq!(run(forged.as_bytes()), (false, "record 3 is not as it was written\n".to_owned()));
}

#[tokio::test]
async fn records_are_listed_by_what_they_say() {
    let fixture = ten_records().await;
    let list = async |filter: AuditFilter, limit| {
        let records = fixture.store.audit_records(&filter, limit).await.unwrap();
        records.iter().map(|record| record.seq).collect::<Vec<_>>()
    };
    assert_eq!(list(AuditFilter::default(), 3).await, [8, 9, 10]);
    assert_eq!(list(AuditFilter { before: Some(8), ..AuditFilter::default() }, 2).await, [6, 7]);
    assert_eq!(list(AuditFilter { kind: Some("signing-failed".into()), ..AuditFilter::default() }, 9).await, [7, 9]);
    assert_eq!(list(AuditFilter { client: Some("marked-client".into()), ..AuditFilter::default() }, 9).await, [3]);
    assert_eq!(list(AuditFilter { subject: Some("invoices".into()), ..AuditFilter::default() }, 9).await, [5]);
    let AuditEvent::RequestRefused { request_id, .. } = fixture.events().await.swap_remove(2) else { panic!() };
    assert_eq!(list(AuditFilter { request_id: Some(request_id), ..AuditFilter::default() }, 9).await, [3, 8]);
    let now = time::OffsetDateTime::now_utc();
    assert!(
        list(AuditFilter { since: Some(now + time::Duration::HOUR), ..AuditFilter::default() }, 9).await.is_empty()
    );
    assert!(
        list(AuditFilter { until: Some(now - time::Duration::HOUR), ..AuditFilter::default() }, 9).await.is_empty()
    );
}

#[tokio::test]
async fn a_record_that_is_not_json_is_an_error_and_no_panic() {
    let fixture = ten_records().await;
    let mut record = fixture.store.audit_page(0, 1).await.unwrap().pop().unwrap();
    record.event.truncate(5);
    assert!(matches!(record.event(), Err(StoreError::Unreadable { .. })));
}
