//! The signer that records: nothing is signed without a durable intent, and every attempt gets an outcome.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cryptotoken_api::{CredentialState, DataToBeSigned, SignatureValue, Signer as _, SignerError, ToBeSigned};
use store::audit::RequestOutcome;
use store::{AuditEvent, AuditedSigner};

use crate::fixture::{FakeSigner, Fixture, NO_ATTEMPTS, act, context};

fn sign(signer: &AuditedSigner) -> Result<SignatureValue, SignerError> {
    let data = DataToBeSigned::new(b"abc".to_vec());
    signer.sign(ToBeSigned::Data(&data), Instant::now() + Duration::from_secs(5))
}

fn completed(signer_context: &store::SigningContext) -> AuditEvent {
    AuditEvent::RequestCompleted {
        request_id: signer_context.request_id,
        client: signer_context.client.clone(),
        worker: signer_context.worker.clone(),
        outcome: RequestOutcome::Released,
        level: None,
        reason: None,
    }
}

#[tokio::test]
async fn a_signature_leaves_intent_outcome_and_completion_in_this_order() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    let context = context();
    let signer = log.signer(Box::new(FakeSigner(|| Ok(SignatureValue::new(b"value".to_vec())))), context.clone());
    assert_eq!(sign(&signer).unwrap().as_bytes(), b"value");
    signer.complete(completed(&context)).unwrap();

    let events = fixture.events().await;
    let [
        _,
        AuditEvent::SigningIntended(intent),
        AuditEvent::SignatureCreated { attempt, request_id, signature_sha256 },
        last,
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!((*attempt, *request_id), (intent.attempt, intent.request_id));
    assert_eq!(intent.request_id, context.request_id);
    // SHA-256 of "abc", FIPS 180-2, appendix B.1.
    assert_eq!(intent.dtbsr, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!((intent.algorithm.as_str(), intent.dtbsr_digest_algorithm.as_str()), ("ecdsa SHA-256", "SHA-256"));
    assert_eq!(*signature_sha256, hex::encode(openssl::sha::sha256(b"value")));
    assert_eq!(*last, completed(&context));
    assert_eq!(fixture.verified().await.open_intents, NO_ATTEMPTS);
}

#[tokio::test]
async fn the_intent_is_on_record_before_the_key_is_used() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    let path = fixture.path();
    let seen = Arc::new(AtomicUsize::new(0));
    let inner = FakeSigner({
        let seen = Arc::clone(&seen);
        move || {
            // Another program's view, at the very moment of use.
            let sql = "SELECT COUNT(*) FROM audit_record WHERE kind = 'signing-intended'";
            let path = path.clone();
            let count = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut raw =
                        <sqlx::SqliteConnection as sqlx::Connection>::connect(&format!("sqlite://{}", path.display()))
                            .await
                            .unwrap();
                    sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut raw).await.unwrap()
                })
            });
            seen.store(count.join().unwrap().try_into().unwrap(), Ordering::Relaxed);
            Ok(SignatureValue::new(vec![1]))
        }
    });
    sign(&log.signer(Box::new(inner), context())).unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_key_that_may_not_be_used_or_cannot_be_recorded_is_not_used() {
    let fixture = Fixture::with_credential(Some(1)).await;
    let log = fixture.store.audit_log().await.unwrap();
    let uses = Arc::new(AtomicUsize::new(0));
    let signer = || {
        let uses = Arc::clone(&uses);
        let inner = FakeSigner(move || {
            uses.fetch_add(1, Ordering::Relaxed);
            Ok(SignatureValue::new(vec![1]))
        });
        log.signer(Box::new(inner), context())
    };
    sign(&signer()).unwrap();
    assert!(matches!(sign(&signer()), Err(SignerError::NotPermitted { reason }) if reason.contains("limit")));

    let (active, suspended) = (CredentialState::Active, CredentialState::Suspended);
    fixture.store.set_credential_state("seal", active, suspended, act("credential suspend", "seal")).await.unwrap();
    assert!(matches!(sign(&signer()), Err(SignerError::NotPermitted { reason }) if reason.contains("suspended")));

    sqlx::raw_sql(
        "CREATE TRIGGER full BEFORE INSERT ON audit_record BEGIN SELECT RAISE(ABORT, 'no space'); END;
        UPDATE credential SET state = 'active', use_limit = NULL",
    )
    .execute(&mut fixture.raw().await)
    .await
    .unwrap();
    assert!(matches!(sign(&signer()), Err(SignerError::NotRecorded(_))));
    assert_eq!(uses.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_recorded_is_told_before_anything_is_released() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    let context = context();
    let signer = log.signer(Box::new(FakeSigner(|| Ok(SignatureValue::new(vec![1])))), context.clone());
    sqlx::raw_sql(
        "CREATE TRIGGER full BEFORE INSERT ON audit_record WHEN NEW.event LIKE '%signature-created%'
        BEGIN SELECT RAISE(ABORT, 'no space'); END",
    )
    .execute(&mut fixture.raw().await)
    .await
    .unwrap();
    sign(&signer).unwrap();
    // The completion itself can be written; without the outcome that is not enough.
    assert!(signer.complete(completed(&context)).is_err());
    assert_eq!(fixture.verified().await.open_intents.len(), 1);
}

#[tokio::test]
async fn failures_say_whether_a_signature_may_exist() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    let token = || "seal-hsm".to_owned();
    let errors: [fn(String) -> SignerError; 3] = [
        |token| SignerError::Busy { token },
        |token| SignerError::TokenFailed { token, reason: "CKR_DEVICE_ERROR".to_owned() },
        |token| SignerError::DeadlineExceeded { token },
    ];
    for error in errors {
        let signer = log.signer(Box::new(FakeSigner(move || Err(error(token())))), context());
        assert!(sign(&signer).is_err());
        signer.settle().unwrap();
    }
    let events = fixture.events().await;
    let outcomes: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            AuditEvent::SigningFailed { .. } => Some("failed"),
            AuditEvent::OutcomeUnknown { .. } => Some("unknown"),
            _ => None,
        })
        .collect();
    // A token that failed is asked twice.
    assert_eq!(outcomes, ["failed", "unknown", "unknown", "unknown"]);
    assert_eq!(fixture.verified().await.open_intents, NO_ATTEMPTS);
}

#[tokio::test]
async fn a_signer_that_panics_still_leaves_an_outcome() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    let signer = Arc::new(log.signer(Box::new(FakeSigner(|| panic!("a fault on purpose"))), context()));
    let broken = std::thread::spawn({
        let signer = Arc::clone(&signer);
        move || sign(&signer).map(drop)
    });
    assert!(broken.join().is_err());
    signer.settle().unwrap();
    assert!(matches!(fixture.events().await.last(), Some(AuditEvent::OutcomeUnknown { .. })));
}

#[tokio::test]
async fn a_token_that_failed_is_asked_once_more_with_an_intent_and_a_use_of_its_own() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    let failures = Arc::new(AtomicUsize::new(0));
    let failing = |times: usize| {
        let failures = Arc::clone(&failures);
        failures.store(0, Ordering::SeqCst);
        FakeSigner(move || match failures.fetch_add(1, Ordering::SeqCst) {
            failed if failed < times => {
                Err(SignerError::TokenFailed { token: "hsm".to_owned(), reason: "CKR_DEVICE_ERROR".to_owned() })
            }
            _ => Ok(SignatureValue::new(b"value".to_vec())),
        })
    };
    let signer = log.signer(Box::new(failing(1)), context());
    assert_eq!(sign(&signer).unwrap().as_bytes(), b"value");
    signer.settle().unwrap();
    assert_eq!(failures.load(Ordering::SeqCst), 2);
    // Never a third time.
    let signer = log.signer(Box::new(failing(2)), context());
    assert!(matches!(sign(&signer), Err(SignerError::TokenFailed { .. })));
    signer.settle().unwrap();
    assert_eq!(failures.load(Ordering::SeqCst), 2);
    // Nor when the time is up.
    let signer = log.signer(Box::new(failing(1)), context());
    let data = DataToBeSigned::new(b"data".to_vec());
    assert!(matches!(signer.sign(ToBeSigned::Data(&data), Instant::now()), Err(SignerError::TokenFailed { .. })));
    signer.settle().unwrap();

    let events = fixture.events().await;
    let attempts: HashSet<_> = events
        .iter()
        .filter_map(|event| match event {
            AuditEvent::SigningIntended(intent) => Some(intent.attempt),
            _ => None,
        })
        .collect();
    assert_eq!(attempts.len(), 5);
    let credential = fixture.store.credential(&context().credential).await.unwrap().unwrap();
    assert_eq!(credential.uses, 5);
    assert_eq!(fixture.verified().await.open_intents, NO_ATTEMPTS);
}
