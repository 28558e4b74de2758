//! Credentials, workers, clients, grants and locks: what is kept, what is refused, and that every change has its record.

use std::time::{Duration, Instant};

use cryptotoken_api::CredentialState::{Active, AwaitingCertificate, Disabled, Suspended};
use store::{AuditEvent, DEFAULT_OWNER, Grant, KeyEvidence, NewClient, NewWorker, Role, StoreError, WorkerRecord};
use time::OffsetDateTime;

use crate::fixture::{Fixture, act, credential};

fn worker(definition: &str) -> NewWorker {
    NewWorker { name: "invoices".to_owned(), owner: DEFAULT_OWNER.to_owned(), definition: definition.to_owned() }
}

fn client(name: &str) -> NewClient {
    NewClient {
        name: name.to_owned(),
        owner: DEFAULT_OWNER.to_owned(),
        api_key_sha256: Some(openssl::sha::sha256(name.as_bytes())),
        certificate_sha256: None,
        oidc_subject: None,
    }
}

impl Fixture {
    async fn apply(&self, definition: &str) -> WorkerRecord {
        let act = |version: i64| act("worker apply", "invoices").with(serde_json::json!({ "version": version }));
        self.store.apply_worker(&worker(definition), act).await.unwrap()
    }

    /// Actions on record, oldest first.
    async fn actions(&self) -> Vec<String> {
        let actions = self.events().await.into_iter().filter_map(|event| match event {
            AuditEvent::Administration(act) => Some(format!("{} {}", act.action, act.subject)),
            _ => None,
        });
        actions.collect()
    }
}

#[tokio::test]
async fn a_credential_comes_back_as_it_was_put_in() {
    let fixture = Fixture::new().await;
    let mut new = credential("seal", Some(7));
    new.state = AwaitingCertificate;
    new.owner = "acme".to_owned();
    new.evidence = Some(KeyEvidence {
        record_sha256: "ab".repeat(32),
        device_serial: "4711".to_owned(),
        device_firmware: "2.1".to_owned(),
        profile: "trident".to_owned(),
        approved_by: "bob".to_owned(),
        assigned_key: Some(true),
        kak_source: None,
        recorded_at: OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap(),
    });
    fixture.store.insert_credential(&new, act("key generate", "seal")).await.unwrap();
    let chain = vec![vec![0x30, 1], vec![0x30, 2], vec![0x30, 3]];
    fixture
        .store
        .set_certificate_chain("seal", &chain, AwaitingCertificate, Active, act("certificate import", "seal"))
        .await
        .unwrap();
    // A second import replaces the first.
    fixture
        .store
        .set_certificate_chain("seal", &chain[..2], Active, Active, act("certificate import", "seal"))
        .await
        .unwrap();
    let found = fixture.store.credential("seal").await.unwrap().unwrap();
    assert_eq!(found.chain, chain[..2]);
    assert_eq!((found.name.as_str(), found.owner.as_str(), found.state), ("seal", "acme", Active));
    assert_eq!((found.purpose, found.spec, found.locations), (new.purpose, new.spec, new.locations));
    assert_eq!((found.public_key, found.attributes, found.evidence), (new.public_key, new.attributes, new.evidence));
    assert_eq!((found.uses, found.use_limit), (0, Some(7)));
    assert!(found.created_at <= found.updated_at && found.updated_at <= OffsetDateTime::now_utc());
    assert_eq!(fixture.actions().await, ["key generate seal", "certificate import seal", "certificate import seal"]);
    assert!(fixture.store.credential("other").await.unwrap().is_none());
}

/// With one that is `blind`, whoever may have digests signed could forge the signatures of the one for documents.
#[tokio::test]
async fn a_key_has_one_credential_whatever_its_label() {
    let fixture = Fixture::with_credential(None).await;
    let mut second = credential("renamed", None);
    second.public_key = credential("seal", None).public_key;
    second.purpose = cryptotoken_api::Purpose::Blind;
    let refused = fixture.store.insert_credential(&second, act("key adopt", "renamed")).await;
    assert!(matches!(refused, Err(StoreError::KeyInUse { credential }) if credential == "seal"));
    assert!(fixture.store.credential("renamed").await.unwrap().is_none());
}

#[tokio::test]
async fn a_state_that_changed_meanwhile_is_not_overwritten() {
    let fixture = Fixture::with_credential(None).await;
    fixture.store.set_credential_state("seal", Active, Suspended, act("credential suspend", "seal")).await.unwrap();
    let import = act("certificate import", "seal");
    let late = fixture.store.set_certificate_chain("seal", &[vec![1]], Active, Active, import).await;
    assert!(matches!(late, Err(StoreError::StateChanged { actual: Suspended, .. })), "{late:?}");
    let unknown =
        fixture.store.set_credential_state("other", Active, Disabled, act("credential disable", "other")).await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
    let seal = fixture.store.credential("seal").await.unwrap().unwrap();
    assert_eq!((seal.state, seal.chain.len()), (Suspended, 0));
    // What was refused left no record.
    assert_eq!(fixture.actions().await, ["key generate seal", "credential suspend seal"]);
}

#[tokio::test]
async fn a_taken_name_is_refused_and_a_removed_one_is_free_again() {
    let fixture = Fixture::with_credential(None).await;
    let again = fixture.store.insert_credential(&credential("seal", None), act("key generate", "seal")).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { noun: "credential", .. })), "{again:?}");
    fixture
        .store
        .set_certificate_chain("seal", &[vec![1]], Active, Active, act("certificate import", "seal"))
        .await
        .unwrap();
    fixture.store.remove_credential("seal", act("credential remove", "seal")).await.unwrap();
    let gone = fixture.store.remove_credential("seal", act("credential remove", "seal")).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
    fixture.store.insert_credential(&credential("seal", None), act("key adopt", "seal")).await.unwrap();
    assert!(fixture.store.credential("seal").await.unwrap().unwrap().chain.is_empty());
}

/// Without a record no change: the record is made impossible, and every kind of change must fail and leave nothing.
#[tokio::test]
async fn no_change_is_made_whose_record_cannot_be_written() {
    let fixture = Fixture::with_credential(None).await;
    let store = &fixture.store;
    fixture.apply("{}").await;
    store.add_client(&client("erp"), act("client add", "erp")).await.unwrap();
    let state = async || {
        let (credentials, workers) = (store.credentials().await.unwrap(), store.workers().await.unwrap());
        let (clients, grants) = (store.clients().await.unwrap(), store.grants(None).await.unwrap());
        let locked = store.token_locked("hsm").await.unwrap() || store.pin_rejected("1", "pin").await.unwrap();
        (credentials, workers, clients, grants, locked)
    };
    let before = state().await;
    sqlx::raw_sql("CREATE TRIGGER full BEFORE INSERT ON audit_record BEGIN SELECT RAISE(ABORT, 'no space'); END")
        .execute(&mut fixture.raw().await)
        .await
        .unwrap();
    let a = || act("some", "thing");
    let role = Grant::Role(Role::Auditor);
    let results = [
        store.insert_credential(&credential("new", None), a()).await,
        store.set_credential_state("seal", Active, Suspended, a()).await,
        store.set_certificate_chain("seal", &[vec![1]], Active, Suspended, a()).await,
        store.remove_credential("seal", a()).await,
        store.apply_worker(&worker("{\"new\":1}"), |_| a()).await.map(drop),
        store.remove_worker("invoices", a()).await,
        store.add_client(&client("new"), a()).await,
        store.revoke_client("erp", a()).await,
        store.add_grant("erp", &role, a()).await,
        store.lock_token("hsm", a()).await,
        store.remember_pin_rejection("1", "pin", &[AuditEvent::Administration(a())]).await,
    ];
    for (i, result) in results.into_iter().enumerate() {
        assert!(matches!(result, Err(StoreError::Database(_))), "{i}: {result:?}");
    }
    assert_eq!(state().await, before);
}

#[tokio::test]
async fn a_changed_definition_makes_a_version_and_the_same_one_makes_nothing() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.apply("{\"kind\":\"pades\"}").await.version, 1);
    assert_eq!(fixture.apply("{\"kind\":\"pades\"}").await.version, 1);
    assert_eq!(fixture.apply("{\"kind\":\"cades\"}").await.version, 2);
    assert_eq!(fixture.actions().await.len(), 2);
    let found = fixture.store.worker("invoices").await.unwrap().unwrap();
    assert_eq!((found.version, found.definition.as_str()), (2, "{\"kind\":\"cades\"}"));
    assert_eq!(fixture.store.workers().await.unwrap(), [found]);
    let kept: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM worker_version").fetch_one(&mut fixture.raw().await).await.unwrap();
    assert_eq!(kept, 2);
}

#[tokio::test]
async fn a_removed_worker_is_gone_with_its_grants_and_its_numbers_go_on() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    fixture.apply("{}").await;
    store.add_client(&client("erp"), act("client add", "erp")).await.unwrap();
    let grant = Grant::Worker("invoices".to_owned());
    store.add_grant("erp", &grant, act("grant add", "erp")).await.unwrap();
    assert!(store.may_sign("erp", "invoices").await.unwrap());
    store.remove_worker("invoices", act("worker remove", "invoices")).await.unwrap();
    assert!(store.worker("invoices").await.unwrap().is_none() && store.workers().await.unwrap().is_empty());
    let orphan = store.add_grant("erp", &grant, act("grant add", "erp")).await;
    assert!(matches!(orphan, Err(StoreError::NotFound { noun: "worker", .. })), "{orphan:?}");
    let again = store.remove_worker("invoices", act("worker remove", "invoices")).await;
    assert!(matches!(again, Err(StoreError::NotFound { .. })), "{again:?}");
    assert_eq!(fixture.apply("{}").await.version, 2);
    assert!(!store.may_sign("erp", "invoices").await.unwrap());
}

#[tokio::test]
async fn clients_are_recognised_by_key_certificate_and_subject_until_they_are_revoked() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let mut new = client("erp");
    new.certificate_sha256 = Some("AB".repeat(32));
    new.oidc_subject = Some("erp@acme".to_owned());
    store.add_client(&new, act("client add", "erp")).await.unwrap();
    let key = new.api_key_sha256.unwrap();
    let found = store.client_by_api_key(&key).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.has_api_key, found.revoked_at), ("erp", true, None));
    assert_eq!(store.client_by_certificate(&"ab".repeat(32)).await.unwrap().as_ref(), Some(&found));
    assert_eq!(store.client_by_oidc_subject("erp@acme").await.unwrap().as_ref(), Some(&found));
    assert!(store.client_by_api_key(&[0; 32]).await.unwrap().is_none());

    store.add_grant("erp", &Grant::Role(Role::Auditor), act("grant add", "erp")).await.unwrap();
    store.revoke_client("erp", act("client revoke", "erp")).await.unwrap();
    assert!(store.client_by_api_key(&key).await.unwrap().is_none());
    assert!(store.client_by_certificate(&"ab".repeat(32)).await.unwrap().is_none());
    assert!(store.client_by_oidc_subject("erp@acme").await.unwrap().is_none());
    assert_eq!(store.roles("erp").await.unwrap(), []);
    assert!(store.clients().await.unwrap()[0].revoked_at.is_some());

    // Neither name nor key come into other hands.
    for taken in [new.clone(), NewClient { name: "other".to_owned(), ..new }] {
        let error = store.add_client(&taken, act("client add", &taken.name)).await;
        assert!(matches!(error, Err(StoreError::AlreadyExists { .. })), "{error:?}");
    }
    let again = store.revoke_client("erp", act("client revoke", "erp")).await;
    assert!(matches!(again, Err(StoreError::NotFound { .. })), "{again:?}");
    let grant = store.add_grant("erp", &Grant::Role(Role::Auditor), act("grant add", "erp")).await;
    assert!(matches!(grant, Err(StoreError::NotFound { noun: "client", .. })), "{grant:?}");
}

#[tokio::test]
async fn the_api_key_hash_is_all_that_is_kept_of_a_key() {
    let fixture = Fixture::new().await;
    fixture.store.add_client(&client("erp"), act("client add", "erp")).await.unwrap();
    let stored: Vec<u8> =
        sqlx::query_scalar("SELECT api_key_sha256 FROM client").fetch_one(&mut fixture.raw().await).await.unwrap();
    assert_eq!(stored, openssl::sha::sha256(b"erp"));
}

#[tokio::test]
async fn no_client_is_both_signer_and_administrator_whichever_comes_second() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    fixture.apply("{}").await;
    let (sign, administer) = (Grant::Worker("invoices".to_owned()), Grant::Role(Role::Administrator));
    for (name, first, second) in [("one", &sign, &administer), ("two", &administer, &sign)] {
        store.add_client(&client(name), act("client add", name)).await.unwrap();
        store.add_grant(name, first, act("grant add", name)).await.unwrap();
        let both = store.add_grant(name, second, act("grant add", name)).await;
        assert!(matches!(both, Err(StoreError::SeparationOfDuties { .. })), "{both:?}");
        assert_eq!(store.grants(Some(name)).await.unwrap().len(), 1);
        // The first taken back, the second is possible.
        store.remove_grant(name, first, act("grant remove", name)).await.unwrap();
        store.add_grant(name, second, act("grant add", name)).await.unwrap();
    }
    assert_eq!(store.roles("one").await.unwrap(), [Role::Administrator]);
    assert!(!store.may_sign("one", "invoices").await.unwrap());
    assert!(store.may_sign("two", "invoices").await.unwrap());
    assert_eq!(store.grants(None).await.unwrap().len(), 2);
    let missing = store.remove_grant("two", &administer, act("grant remove", "two")).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    let twice = store.add_grant("two", &sign, act("grant add", "two")).await;
    assert!(matches!(twice, Err(StoreError::AlreadyExists { .. })), "{twice:?}");
}

#[tokio::test]
async fn rejected_pins_and_locks_are_remembered_over_restarts_until_they_are_cleared() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let login = AuditEvent::TokenLogin {
        token: "hsm".to_owned(),
        serial: "0123".to_owned(),
        outcome: store::audit::LoginOutcome::PinRejected,
    };
    for _ in 0..2 {
        store.remember_pin_rejection("0123", "credential:pin", std::slice::from_ref(&login)).await.unwrap();
    }
    store.lock_token("hsm", act("token lock", "hsm")).await.unwrap();
    let restarted = fixture.open_again().await;
    assert!(restarted.pin_rejected("0123", "credential:pin").await.unwrap());
    assert!(!restarted.pin_rejected("0123", "file:other").await.unwrap());
    assert!(!restarted.pin_rejected("9999", "credential:pin").await.unwrap());
    assert!(restarted.token_locked("hsm").await.unwrap() && !restarted.token_locked("other").await.unwrap());
    assert_eq!(fixture.events().await[..2], [login.clone(), login]);

    store.unlock_token("hsm", None, act("token unlock", "hsm")).await.unwrap();
    assert!(!restarted.token_locked("hsm").await.unwrap());
    assert!(restarted.pin_rejected("0123", "credential:pin").await.unwrap());
    store.unlock_token("hsm", Some("0123"), act("token unlock", "hsm")).await.unwrap();
    assert!(!restarted.pin_rejected("0123", "credential:pin").await.unwrap());
    assert_eq!(fixture.verified().await.records, 5);
}

#[tokio::test]
async fn one_at_a_time_tries_a_pin_and_whoever_waits_too_long_is_told_to_come_again() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let other = fixture.open_again().await;
    let soon = || Instant::now() + Duration::from_millis(100);
    let turn = store.login_turn("0123", "file:../pin", soon()).await.unwrap();
    let refused = other.login_turn("0123", "file:../pin", soon()).await.unwrap_err();
    assert!(matches!(refused, StoreError::LoginUnderWay) && refused.may_pass());
    // Another PIN, and the same letters of another token.
    other.login_turn("0123", "file:pin", soon()).await.unwrap();
    other.login_turn("0123file", ":../pin", soon()).await.unwrap();
    let waits = other.login_turn("0123", "file:../pin", Instant::now() + Duration::from_secs(10));
    let ends = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(turn);
    };
    let (next, ()) = tokio::join!(waits, ends);
    let _next = next.unwrap();
    assert!(matches!(store.login_turn("0123", "file:../pin", soon()).await, Err(StoreError::LoginUnderWay)));
}
