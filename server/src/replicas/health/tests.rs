//! Choice by load, and what readiness says.

use std::time::Duration;

use cryptotoken_api::CredentialState;

use super::*;

fn candidates<'a>(tokens: &[(&'a str, usize)]) -> Vec<Candidate<'a>> {
    tokens
        .iter()
        .enumerate()
        .map(|(index, (token, sessions))| Candidate { index, token, sessions: *sessions })
        .collect()
}

fn choose(health: &Arc<ReplicaHealth>, tokens: &[(&str, usize)]) -> (usize, Lease) {
    health.choose("seal", true, &candidates(tokens), Instant::now()).unwrap()
}

fn signed() -> Result<SignatureValue, SignerError> {
    Ok(SignatureValue::new(vec![1]))
}

fn failed() -> Result<SignatureValue, SignerError> {
    Err(SignerError::Unavailable { token: "a".into(), reason: String::new() })
}

#[test]
fn the_token_with_the_fewest_requests_for_its_sessions_is_chosen() {
    let health = Arc::<ReplicaHealth>::default();
    let tokens = [("big", 6), ("small", 2)];
    let leases: Vec<_> = (0..16).map(|_| choose(&health, &tokens)).collect();
    let of_small = leases.iter().filter(|(index, _)| *index == 1).count();
    assert_eq!(of_small, 4, "a quarter of the sessions gets a quarter of the requests");
    drop(leases);
    assert!(health.lock().in_flight.values().all(|requests| *requests == 0));
}

#[test]
fn requests_of_other_credentials_on_the_same_token_are_load_too() {
    let health = Arc::<ReplicaHealth>::default();
    let _other = health.choose("other", false, &candidates(&[("a", 1)]), Instant::now()).unwrap();
    for _ in 0..4 {
        let (index, lease) = choose(&health, &[("a", 1), ("b", 1)]);
        assert_eq!(index, 1);
        lease.end(&signed());
    }
}

#[test]
fn a_credential_with_one_place_has_no_breaker() {
    let health = Arc::<ReplicaHealth>::default();
    for _ in 0..10 {
        let chosen = health.choose("single", false, &candidates(&[("a", 1)]), Instant::now());
        chosen.unwrap().1.end(&failed());
    }
    assert!(health.lock().credentials.is_empty());
}

#[test]
fn calls_that_hang_open_the_breaker_although_they_never_end() {
    let health = Arc::<ReplicaHealth>::default();
    let tokens = [("a", 1), ("b", 1)];
    let hanging: Vec<_> = (0..6).map(|_| choose(&health, &tokens)).collect();
    (0..3).for_each(|_| health.hung("seal", "a"));
    assert_eq!(health.lock().verdict("seal", "a"), Verdict::Open);
    assert_eq!(health.lock().verdict("seal", "b"), Verdict::Closed);
    health.hung("unknown", "a");
    drop(hanging);
}

#[test]
fn after_its_pause_a_replica_is_tried_by_one_request_and_used_again() {
    let health = Arc::<ReplicaHealth>::default();
    let tokens = [("a", 1), ("b", 1)];
    for _ in 0..6 {
        let (index, lease) = choose(&health, &tokens);
        lease.end(&if index == 0 { failed() } else { signed() });
    }
    assert_eq!(health.lock().verdict("seal", "a"), Verdict::Open);
    assert_eq!(choose(&health, &tokens).0, 1);
    let later = Instant::now() + Duration::from_secs(2);
    let later = |tokens: &[(&str, usize)]| health.choose("seal", true, &candidates(tokens), later).unwrap();
    let trials: Vec<_> = (0..4).map(|_| later(&tokens)).collect();
    assert_eq!(trials.iter().filter(|(index, _)| *index == 0).count(), 1, "one trial at a time");
    assert_eq!(health.lock().verdict("seal", "a"), Verdict::HalfOpen);
    for (_, lease) in trials {
        lease.end(&signed());
    }
    assert_eq!(health.lock().verdict("seal", "a"), Verdict::Closed);
}

fn status(name: &str, state: TokenState) -> TokenStatus {
    TokenStatus {
        name: name.into(),
        profile: "softhsm".into(),
        state,
        reason: String::new(),
        label: None,
        serial: None,
        device: None,
        qscd: false,
        device_confirmed: None,
        overridden: false,
        sessions: (0, 1),
        hung_calls: 0,
    }
}

/// Credential "seal" on "a" and "b"; tokens of `alone` hold the only key of another one.
fn health(alone: &[&str]) -> ReplicaHealth {
    let tokens = vec!["a".to_owned(), "b".to_owned()];
    let place = KeyPlaces { credential: "seal".into(), state: CredentialState::Active, tokens };
    ReplicaHealth(Mutex::new(Known {
        replicated: vec![place],
        alone: alone.iter().map(|token| (*token).to_owned()).collect(),
        ..Known::default()
    }))
}

#[test]
fn a_token_that_is_away_is_borne_while_each_of_its_credentials_has_another_replica() {
    let (up, away) = (TokenState::Ready, TokenState::Unavailable);
    for (alone, a, b, ready, state) in [
        (&[][..], up, up, true, "ready"),
        (&[], up, away, true, "degraded"),
        (&[], away, up, true, "degraded"),
        (&[], away, away, false, "unavailable"),
        (&["b"], up, away, false, "degraded"),
        (&["a"], up, away, true, "degraded"),
    ] {
        let (credentials, all) = health(alone).readiness(&[status("a", a), status("b", b)]);
        assert_eq!((all, credentials[0].state.as_str()), (ready, state), "{alone:?} {a:?} {b:?}");
    }
    // A token without any key is no replica's.
    let statuses = [status("a", up), status("b", up), status("empty", away)];
    assert!(!health(&[]).readiness(&statuses).1);
}

#[test]
fn an_open_breaker_degrades_and_two_make_a_credential_unavailable() {
    let health = Arc::new(health(&[]));
    let statuses = [status("a", TokenState::Ready), status("b", TokenState::Ready)];
    let break_one = |token: &str| {
        for _ in 0..3 {
            let chosen = health.choose("seal", true, &candidates(&[(token, 1)]), Instant::now());
            chosen.unwrap().1.end(&failed());
        }
    };
    break_one("a");
    let (credentials, ready) = health.readiness(&statuses);
    assert!(ready);
    assert_eq!(credentials[0].state, "degraded");
    assert_eq!(
        (credentials[0].replicas[0].state.as_str(), credentials[0].replicas[1].state.as_str()),
        ("failing", "ready")
    );
    break_one("b");
    assert!(!health.readiness(&statuses).1);
}
