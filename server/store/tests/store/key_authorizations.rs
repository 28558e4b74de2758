//! Keys that were authorised for a number of uses: counted with the intents, exactly, and used up on record.

use cryptotoken_api::{AuthorizationProtocol, CredentialState};
use store::{AuditEvent, AuditLog, Kak, KakSource, KeyAuthorizationRecord, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, act, created, credential, intent};

/// The key of credential "seal", initialised and not authorised.
async fn initialized() -> (Fixture, KeyAuthorizationRecord) {
    let fixture = Fixture::with_credential(None).await;
    let record = KeyAuthorizationRecord {
        credential: "seal".to_owned(),
        location: credential("seal", None).locations.remove(0),
        assigned: true,
        kak: Kak {
            public_key: b"a KAK".to_vec(),
            protocol: AuthorizationProtocol::RsaPssSha256,
            source: KakSource::Offline,
        },
        authorized: None,
    };
    fixture.store.insert_key_authorization(&record, None, act("key authorize", "seal")).await.unwrap();
    (fixture, record)
}

async fn authorize(fixture: &Fixture, record: &KeyAuthorizationRecord, count: Option<u64>, uses_before: u64) {
    let done = act("key authorize", "seal");
    let active = CredentialState::Active;
    fixture.store.set_key_authorized(record, count, KakSource::Token, uses_before, active, done).await.unwrap();
}

async fn state(fixture: &Fixture) -> CredentialState {
    fixture.store.credential("seal").await.unwrap().unwrap().state
}

async fn remaining(fixture: &Fixture) -> Option<u64> {
    fixture.store.key_authorizations(Some("seal")).await.unwrap()[0].authorized.unwrap().remaining()
}

async fn use_key(log: &AuditLog) -> Result<(), StoreError> {
    let attempt = Uuid::now_v7();
    log.submit(vec![intent(attempt)]).await?;
    log.submit(vec![created(attempt)]).await
}

#[tokio::test]
async fn a_key_is_used_as_often_as_it_was_authorised_and_then_waits_for_a_person() {
    let (fixture, record) = initialized().await;
    let log = fixture.store.audit_log().await.unwrap();
    let refused = use_key(&log).await.unwrap_err();
    assert!(matches!(refused, StoreError::KeyNotAuthorized { used_up: None, .. }), "{refused}");
    authorize(&fixture, &record, Some(3), 0).await;
    for left in [2, 1, 0] {
        use_key(&log).await.unwrap();
        assert_eq!(remaining(&fixture).await, Some(left));
    }
    assert_eq!(state(&fixture).await, CredentialState::AwaitingAuthorization);
    let refused = use_key(&log).await.unwrap_err().to_string();
    for part in ["made the 3 signatures", "sigillo key authorize --token seal-hsm --alias seal --count N"] {
        assert!(refused.contains(part), "{refused}");
    }
    assert_eq!(fixture.store.credential("seal").await.unwrap().unwrap().uses, 3, "a refused use is no use");
    authorize(&fixture, &record, None, 3).await;
    assert_eq!(state(&fixture).await, CredentialState::Active);
    for _ in 0..5 {
        use_key(&log).await.unwrap();
    }
    assert_eq!(remaining(&fixture).await, None);
    let waits = fixture.events().await.into_iter().filter(|event| {
        matches!(event, AuditEvent::Administration(act) if act.action == "credential await-authorization" && act.actor == "service")
    });
    assert_eq!(waits.count(), 1);
    fixture.verified().await;
}

#[tokio::test]
async fn uses_of_many_at_once_are_counted_one_by_one() {
    let (fixture, record) = initialized().await;
    authorize(&fixture, &record, Some(20), 0).await;
    let log = fixture.store.audit_log().await.unwrap();
    let receipts: Vec<_> = (0..60).map(|_| log.submit(vec![intent(Uuid::now_v7())])).collect();
    let mut used = 0;
    for receipt in receipts {
        used += u32::from(receipt.await.is_ok());
    }
    assert_eq!((used, remaining(&fixture).await), (20, Some(0)));
    fixture.verified().await;
}

#[tokio::test]
async fn what_is_used_while_the_device_is_asked_counts_against_the_new_authorisation() {
    let (fixture, record) = initialized().await;
    let log = fixture.store.audit_log().await.unwrap();
    authorize(&fixture, &record, Some(10), 0).await;
    for _ in 0..6 {
        use_key(&log).await.unwrap();
    }
    // Four uses were on record when the device was asked.
    authorize(&fixture, &record, Some(5), 4).await;
    assert_eq!(remaining(&fixture).await, Some(3));
    // More than the new count allows leave nothing, and no negative number.
    authorize(&fixture, &record, Some(1), 0).await;
    assert_eq!(remaining(&fixture).await, Some(0));
}

#[tokio::test]
async fn a_key_whose_authorisation_is_withdrawn_does_not_sign_and_goes_with_its_credential() {
    let (fixture, record) = initialized().await;
    authorize(&fixture, &record, None, 0).await;
    let again = fixture.store.insert_key_authorization(&record, None, act("key authorize", "seal")).await.unwrap_err();
    assert!(matches!(again, StoreError::AlreadyExists { .. }), "{again}");
    let kak =
        Kak { public_key: b"another".to_vec(), protocol: AuthorizationProtocol::RsaPkcs1Sha256, ..record.kak.clone() };
    let changed = act("key authorize", "seal");
    fixture.store.withdraw_key_authorization("seal", &record.location, Some(&kak), changed).await.unwrap();
    let found = fixture.store.key_authorization(&record.location).await.unwrap().unwrap();
    assert_eq!((found.kak, found.authorized), (kak, None));
    assert_eq!(state(&fixture).await, CredentialState::AwaitingAuthorization);
    fixture.store.remove_credential("seal", act("credential remove", "seal")).await.unwrap();
    assert!(fixture.store.key_authorizations(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn each_replica_is_used_as_often_as_it_was_authorised_and_the_credential_waits_when_all_are_used_up() {
    let (fixture, first) = initialized().await;
    let log = fixture.store.audit_log().await.unwrap();
    let before = fixture.store.credential("seal").await.unwrap().unwrap();
    let mut second = first.clone();
    second.location.token = "second".to_owned();
    let locations = [first.location.clone(), second.location.clone()];
    fixture.store.set_locations(&before, &locations, &[], act("credential replica add", "seal")).await.unwrap();
    fixture.store.insert_key_authorization(&second, None, act("key authorize", "seal")).await.unwrap();
    authorize(&fixture, &first, Some(1), 0).await;
    authorize(&fixture, &second, Some(2), 0).await;
    let use_at = async |record: &KeyAuthorizationRecord| {
        let attempt = Uuid::now_v7();
        let AuditEvent::SigningIntended(mut intended) = intent(attempt) else { panic!("no intent") };
        intended.location = Some(record.location.clone());
        log.submit(vec![AuditEvent::SigningIntended(intended)]).await?;
        log.submit(vec![created(attempt)]).await
    };
    use_at(&first).await.unwrap();
    assert_eq!(state(&fixture).await, CredentialState::Active, "the second one may still sign");
    let refused = use_at(&first).await.unwrap_err();
    assert!(matches!(refused, StoreError::KeyNotAuthorized { used_up: Some(1), .. }), "{refused}");
    use_at(&second).await.unwrap();
    use_at(&second).await.unwrap();
    assert_eq!(state(&fixture).await, CredentialState::AwaitingAuthorization);
    assert_eq!(fixture.store.credential("seal").await.unwrap().unwrap().uses, 3);
}
