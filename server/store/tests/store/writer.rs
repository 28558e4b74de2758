//! The audit writer: groups, refusals inside groups, limits, several writers on one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cryptotoken_api::CredentialState;
use store::audit::SigningIntended;
use store::{AuditEvent, AuditLog, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, NO_ATTEMPTS, act, created, failed, intent};

/// Intent and outcome, each waited for, `rounds` times.
fn sign(log: &AuditLog, rounds: usize) {
    for _ in 0..rounds {
        let attempt = Uuid::now_v7();
        log.submit(vec![intent(attempt)]).wait().unwrap();
        log.submit(vec![created(attempt)]).wait().unwrap();
    }
}

fn in_threads(threads: usize, work: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
}

#[tokio::test]
async fn sixteen_threads_share_commits_and_the_chain_holds_every_record() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    in_threads(16, |_| sign(&log, 25));
    let statistics = log.statistics();
    assert_eq!((statistics.submissions, statistics.records), (800, 800));
    assert!(statistics.commits < 400, "{statistics:?}");
    let chain = fixture.verified().await;
    // One more is the act that made the credential.
    assert_eq!((chain.records, chain.open_intents.len()), (801, 0));
    assert_eq!(fixture.store.credential("seal").await.unwrap().unwrap().uses, 400);
}

#[tokio::test]
async fn a_limit_of_uses_is_exact_under_concurrency_and_the_refused_leave_no_record() {
    let fixture = Fixture::with_credential(Some(50)).await;
    let log = fixture.store.audit_log().await.unwrap();
    let (accepted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    in_threads(16, |_| {
        for _ in 0..10 {
            match log.submit(vec![intent(Uuid::now_v7())]).wait() {
                Ok(()) => accepted.fetch_add(1, Ordering::Relaxed),
                Err(StoreError::UseLimitReached { limit: 50, .. }) => refused.fetch_add(1, Ordering::Relaxed),
                Err(error) => panic!("{error:?}"),
            };
        }
    });
    assert_eq!((accepted.into_inner(), refused.into_inner()), (50, 110));
    let chain = fixture.verified().await;
    assert_eq!((chain.records, chain.open_intents.len()), (51, 50));
    assert_eq!(fixture.store.credential("seal").await.unwrap().unwrap().uses, 50);
}

#[tokio::test]
async fn only_an_active_credential_signs_and_a_refusal_does_not_fail_its_neighbours() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    let attempt = Uuid::now_v7();
    log.submit(vec![intent(attempt)]).await.unwrap();
    let (active, suspended) = (CredentialState::Active, CredentialState::Suspended);
    fixture.store.set_credential_state("seal", active, suspended, act("credential suspend", "seal")).await.unwrap();

    // Several at once, so that refused and accepted ones come into the same group.
    let receipts: Vec<_> = (0..20)
        .map(|i| log.submit(vec![if i % 2 == 0 { intent(Uuid::now_v7()) } else { failed(Uuid::now_v7()) }]))
        .collect();
    for (i, receipt) in receipts.into_iter().enumerate() {
        match receipt.await {
            Err(StoreError::CredentialNotActive { credential, state }) if i % 2 == 0 => {
                assert_eq!((credential.as_str(), state), ("seal", suspended));
            }
            Ok(()) if i % 2 == 1 => {}
            answer => panic!("{i}: {answer:?}"),
        }
    }
    // The outcome of what was begun before is still recorded.
    log.submit(vec![created(attempt)]).await.unwrap();
    assert_eq!(fixture.verified().await.open_intents, NO_ATTEMPTS);
    let kinds = fixture.events().await;
    assert_eq!(kinds.iter().filter(|event| matches!(event, AuditEvent::SigningIntended(_))).count(), 1);
}

#[tokio::test]
async fn an_intent_for_a_credential_that_does_not_exist_is_refused() {
    let fixture = Fixture::new().await;
    let log = fixture.store.audit_log().await.unwrap();
    let answer = log.submit(vec![intent(Uuid::now_v7())]).await;
    assert!(matches!(answer, Err(StoreError::NotFound { noun: "credential", .. })), "{answer:?}");
    assert_eq!(fixture.verified().await.records, 0);
}

#[tokio::test]
async fn of_several_events_with_a_refused_intent_none_is_recorded_or_counted() {
    let fixture = Fixture::with_credential(Some(1)).await;
    let log = fixture.store.audit_log().await.unwrap();
    let answer = log.submit(vec![intent(Uuid::now_v7()), intent(Uuid::now_v7())]).await;
    assert!(matches!(answer, Err(StoreError::UseLimitReached { .. })), "{answer:?}");
    assert_eq!(fixture.store.credential("seal").await.unwrap().unwrap().uses, 0);
    log.submit(vec![intent(Uuid::now_v7())]).await.unwrap();
    let chain = fixture.verified().await;
    assert_eq!((chain.records, chain.open_intents.len()), (2, 1));
}

#[tokio::test]
async fn a_submission_that_the_database_rejects_does_not_fail_its_group() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    let attempt = Uuid::now_v7();
    log.submit(vec![intent(attempt)]).await.unwrap();
    let mut receipts = Vec::new();
    for _ in 0..10 {
        // An attempt that is open already.
        receipts.push((false, log.submit(vec![intent(attempt)])));
        receipts.push((true, log.submit(vec![intent(Uuid::now_v7())])));
    }
    for (good, receipt) in receipts {
        assert_eq!(receipt.await.is_ok(), good);
    }
    let chain = fixture.verified().await;
    assert_eq!((chain.records, chain.open_intents.len()), (12, 11));
    assert_eq!(fixture.store.credential("seal").await.unwrap().unwrap().uses, 11);
}

#[tokio::test]
async fn self_tests_and_certification_requests_need_no_active_credential_but_count_as_uses() {
    let fixture = Fixture::new().await;
    let log = fixture.store.audit_log().await.unwrap();
    let by = |key_use, credential: &str| {
        let AuditEvent::SigningIntended(intended) = intent(Uuid::now_v7()) else { unreachable!() };
        vec![AuditEvent::SigningIntended(SigningIntended { key_use, credential: credential.to_owned(), ..intended })]
    };
    log.submit(by(store::KeyUse::SelfTest, "not-yet-made")).await.unwrap();
    let mut new = crate::fixture::credential("seal", Some(1));
    new.state = CredentialState::AwaitingCertificate;
    fixture.store.insert_credential(&new, act("key generate", "seal")).await.unwrap();
    log.submit(by(store::KeyUse::CertificationRequest, "seal")).await.unwrap();
    assert_eq!(fixture.store.credential("seal").await.unwrap().unwrap().uses, 1);
    let answer = log.submit(by(store::KeyUse::SelfTest, "seal")).await;
    assert!(matches!(answer, Err(StoreError::UseLimitReached { limit: 1, .. })), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_writers_and_administrators_on_one_database_never_fork_the_chain() {
    let fixture = Fixture::with_credential(None).await;
    let (one, other) = (fixture.open_again().await, fixture.open_again().await);
    let logs = [one.audit_log().await.unwrap(), other.audit_log().await.unwrap()];
    let administration = tokio::spawn({
        let store = fixture.store.clone();
        async move {
            for i in 0..20 {
                store.lock_token("seal-hsm", act("token lock", &i.to_string())).await.unwrap();
            }
        }
    });
    let logs = Arc::new(logs);
    let signing = tokio::task::spawn_blocking({
        let logs = Arc::clone(&logs);
        move || in_threads(8, |thread| sign(&logs[thread % 2], 20))
    });
    administration.await.unwrap();
    signing.await.unwrap();
    let chain = fixture.verified().await;
    assert_eq!((chain.records, chain.open_intents.len()), (1 + 20 + 8 * 20 * 2, 0));
}

#[tokio::test]
async fn what_was_submitted_before_the_log_goes_is_written_and_the_process_leaves_the_list() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    let second = fixture.store.audit_log().await;
    assert!(matches!(second, Err(StoreError::AlreadyExists { .. })), "{second:?}");
    let receipts: Vec<_> = (0..100).map(|_| log.submit(vec![failed(Uuid::now_v7())])).collect();
    drop(log);
    for receipt in receipts {
        receipt.await.unwrap();
    }
    assert_eq!(fixture.verified().await.records, 101);
    let instances: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM instance").fetch_one(&mut fixture.raw().await).await.unwrap();
    assert_eq!(instances, 0);
    fixture.store.audit_log().await.unwrap();
}

#[tokio::test]
async fn when_records_cannot_be_written_everybody_who_waits_is_told() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    let mut raw = fixture.raw().await;
    sqlx::query("CREATE TRIGGER full BEFORE INSERT ON audit_record BEGIN SELECT RAISE(ABORT, 'no space'); END")
        .execute(&mut raw)
        .await
        .unwrap();
    let receipts: Vec<_> = (0..10).map(|_| log.submit(vec![intent(Uuid::now_v7())])).collect();
    for receipt in receipts {
        let answer = receipt.await;
        assert!(matches!(answer, Err(StoreError::NotCommitted(_))), "{answer:?}");
    }
    assert_eq!(fixture.store.credential("seal").await.unwrap().unwrap().uses, 0);
    // It heals without a restart.
    sqlx::query("DROP TRIGGER full").execute(&mut raw).await.unwrap();
    log.submit(vec![intent(Uuid::now_v7())]).await.unwrap();
    assert_eq!(fixture.verified().await.records, 2);
}

#[tokio::test]
async fn a_probe_tells_whether_records_can_be_written_and_leaves_none() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    log.probe().await.unwrap();
    let before = fixture.verified().await.records;
    let mut raw = fixture.raw().await;
    // As on a full disk, where nothing can be written and all can be read.
    for table in ["INSERT ON audit_record", "UPDATE ON instance"] {
        let name = table.replace(' ', "_");
        let trigger = format!("CREATE TRIGGER {name} BEFORE {table} BEGIN SELECT RAISE(ABORT, 'no space'); END");
        sqlx::query(sqlx::AssertSqlSafe(trigger)).execute(&mut raw).await.unwrap();
    }
    log.submit(vec![intent(Uuid::now_v7())]).await.unwrap_err();
    for _ in 0..3 {
        log.probe().await.unwrap_err();
    }
    for name in ["INSERT_ON_audit_record", "UPDATE_ON_instance"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("DROP TRIGGER {name}"))).execute(&mut raw).await.unwrap();
    }
    log.probe().await.unwrap();
    assert_eq!(fixture.verified().await.records, before);
}

#[tokio::test]
#[ignore = "a measurement: prints records per second with 1 and 16 threads"]
async fn measure() {
    for threads in [1, 16] {
        let fixture = Fixture::with_credential(None).await;
        let log = fixture.store.audit_log().await.unwrap();
        let start = Instant::now();
        in_threads(threads, |_| sign(&log, 1600 / threads));
        let seconds = start.elapsed().as_secs_f64();
        let statistics = log.statistics();
        println!("{threads} threads: {:.0} records/s, {statistics:?}", 3200.0 / seconds);
    }
}
