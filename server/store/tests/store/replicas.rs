//! Replicas of a key: who added which and why, and that all of them count as one key.

use std::time::{Duration, Instant};

use cryptotoken_api::{
    CredentialState, DataToBeSigned, KeyAttributes, KeyId, KeyLocation, SignatureValue, Signer as _, SignerError,
    ToBeSigned,
};
use store::{AuditEvent, KeyPlaces, KeyReplica, StoreError};
use time::OffsetDateTime;

use crate::fixture::{FakeSigner, Fixture, act, context, credential};

fn location(token: &str) -> KeyLocation {
    KeyLocation { token: token.to_owned(), alias: "seal".parse().unwrap(), id: KeyId::new([9]) }
}

fn replica(token: &str) -> KeyReplica {
    KeyReplica {
        token: token.to_owned(),
        justification: "second site".to_owned(),
        added_by: "alice".to_owned(),
        added_at: OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap(),
        attributes: KeyAttributes { sensitive: Some(true), ..KeyAttributes::default() },
        evidence: None,
    }
}

#[tokio::test]
async fn a_replica_is_kept_with_its_justification_and_its_act_is_on_record() {
    let fixture = Fixture::with_credential(None).await;
    let before = fixture.store.credential("seal").await.unwrap().unwrap();
    assert_eq!(before.replicas, []);
    let locations = [before.locations.clone(), vec![location("second")]].concat();
    let added = act("credential replica add", "seal").with(serde_json::json!({ "replicas": 2 }));
    fixture.store.set_locations(&before, &locations, &[replica("second")], added.clone()).await.unwrap();

    let after = fixture.store.credential("seal").await.unwrap().unwrap();
    assert_eq!((&after.locations, after.replicas.as_slice()), (&locations, &[replica("second")][..]));
    assert_eq!(after.attributes_on("second"), &replica("second").attributes);
    assert_eq!(after.attributes_on("seal-hsm"), &before.attributes);
    assert_eq!(fixture.events().await.last(), Some(&AuditEvent::Administration(added)));
    let places = KeyPlaces {
        credential: "seal".to_owned(),
        state: CredentialState::Active,
        tokens: vec!["seal-hsm".to_owned(), "second".to_owned()],
    };
    assert_eq!(fixture.store.key_places().await.unwrap(), [places]);
}

#[tokio::test]
async fn of_two_changes_at_the_same_time_the_second_is_refused() {
    let fixture = Fixture::with_credential(None).await;
    let before = fixture.store.credential("seal").await.unwrap().unwrap();
    let with = |token| [before.locations.clone(), vec![location(token)]].concat();
    let set = |token: &'static str| {
        let (store, before, locations) = (&fixture.store, &before, with(token));
        async move { store.set_locations(before, &locations, &[replica(token)], act("x", "seal")).await }
    };
    set("second").await.unwrap();
    assert!(matches!(set("third").await, Err(StoreError::LocationsChanged { credential }) if credential == "seal"));
    let mut other = before.clone();
    other.name = "other".to_owned();
    let refused = fixture.store.set_locations(&other, &with("third"), &[], act("x", "other")).await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })));
    assert_eq!(fixture.store.credential("seal").await.unwrap().unwrap().locations, with("second"));
}

#[tokio::test]
async fn a_retired_credential_has_no_places() {
    let fixture = Fixture::new().await;
    let mut retired = credential("old", None);
    retired.state = CredentialState::Retired;
    fixture.store.insert_credential(&retired, act("key adopt", "old")).await.unwrap();
    assert_eq!(fixture.store.key_places().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_of_all_replicas_count_together_and_the_limit_holds_for_their_sum() {
    let fixture = Fixture::with_credential(Some(5)).await;
    let log = fixture.store.audit_log().await.unwrap();
    let sign = |token: &str| {
        let mut context = context();
        context.location = Some(location(token));
        let signer = log.signer(Box::new(FakeSigner(|| Ok(SignatureValue::new(vec![1])))), context).without_retry();
        let data = DataToBeSigned::new(b"abc".to_vec());
        let result = signer.sign(ToBeSigned::Data(&data), Instant::now() + Duration::from_secs(5));
        signer.settle().unwrap();
        result
    };
    for token in ["first", "second", "second", "first", "second"] {
        sign(token).unwrap();
    }
    for token in ["first", "second"] {
        assert!(matches!(sign(token), Err(SignerError::NotPermitted { reason }) if reason.contains("limit")));
    }
    assert_eq!(fixture.store.credential("seal").await.unwrap().unwrap().uses, 5);

    let events = fixture.events().await;
    let tokens: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            AuditEvent::SigningIntended(intent) => intent.location.as_ref().map(|location| location.token.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(tokens, ["first", "second", "second", "first", "second"], "each intent names the location");
}

#[tokio::test]
async fn a_signer_without_retry_asks_a_token_that_failed_once() {
    let fixture = Fixture::with_credential(None).await;
    let log = fixture.store.audit_log().await.unwrap();
    let fails = || Err(SignerError::TokenFailed { token: "first".to_owned(), reason: "CKR_DEVICE_ERROR".to_owned() });
    let signer = log.signer(Box::new(FakeSigner(fails)), context()).without_retry();
    let data = DataToBeSigned::new(b"abc".to_vec());
    let result = signer.sign(ToBeSigned::Data(&data), Instant::now() + Duration::from_secs(5));
    assert!(matches!(result, Err(SignerError::TokenFailed { .. })));
    signer.settle().unwrap();
    let events = fixture.events().await;
    let intents = events.iter().filter(|event| matches!(event, AuditEvent::SigningIntended(_))).count();
    assert_eq!(intents, 1);
}
