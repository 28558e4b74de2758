//! Who is asked, how often, and who is not.

use std::sync::Mutex;
use std::time::Duration;

use cryptotoken_api::{DataToBeSigned, KeySpec};

use super::*;

type Answer = fn(&str) -> Result<SignatureValue, SignerError>;

/// Answers one after the other; the last one again and again.
struct Scripted {
    token: String,
    answers: Mutex<Vec<Answer>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Signer for Scripted {
    fn algorithm(&self) -> SignatureAlgorithm {
        algorithm()
    }

    fn sign(&self, _: ToBeSigned<'_>, _: Instant) -> Result<SignatureValue, SignerError> {
        self.asked.lock().unwrap().push(self.token.clone());
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
        answer(&self.token)
    }

    fn settle(&self) -> Result<(), SignerError> {
        self.asked.lock().unwrap().push(self.token.to_uppercase());
        Ok(())
    }
}

fn algorithm() -> SignatureAlgorithm {
    SignatureAlgorithm::for_key(KeySpec::EcP256, None, None).unwrap()
}

fn signs(_: &str) -> Result<SignatureValue, SignerError> {
    Ok(SignatureValue::new(vec![1]))
}

fn fails(token: &str) -> Result<SignatureValue, SignerError> {
    Err(SignerError::TokenFailed { token: token.to_owned(), reason: "CKR_DEVICE_ERROR".to_owned() })
}

fn is_away(token: &str) -> Result<SignatureValue, SignerError> {
    Err(SignerError::Unavailable { token: token.to_owned(), reason: "away".to_owned() })
}

fn is_busy(token: &str) -> Result<SignatureValue, SignerError> {
    Err(SignerError::Busy { token: token.to_owned() })
}

fn lost_the_key(token: &str) -> Result<SignatureValue, SignerError> {
    Err(SignerError::KeyNotFound { token: token.to_owned(), key: "seal".to_owned(), hint: "" })
}

fn wants_data(_: &str) -> Result<SignatureValue, SignerError> {
    Err(SignerError::DataRequired)
}

fn is_suspended(_: &str) -> Result<SignatureValue, SignerError> {
    Err(SignerError::NotPermitted { reason: "suspended".to_owned() })
}

struct Bench {
    health: Arc<ReplicaHealth>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new() -> Self {
        Self { health: Arc::default(), asked: Arc::default() }
    }

    /// The signer of a request with replicas on tokens "a", "b", …
    fn signer(&self, scripts: &[&[Answer]]) -> ReplicatedSigner<Scripted> {
        let replica = |(token, answers): (char, &&[Answer])| Replica {
            token: token.to_string(),
            sessions: 1,
            signer: Scripted {
                token: token.to_string(),
                answers: Mutex::new(answers.to_vec()),
                asked: Arc::clone(&self.asked),
            },
        };
        ReplicatedSigner {
            credential: "seal".to_owned(),
            replicated: scripts.len() > 1,
            algorithm: algorithm(),
            replicas: ('a'..).zip(scripts).map(replica).collect(),
            health: Arc::clone(&self.health),
            given_up: AtomicBool::new(false),
        }
    }

    fn asked(&self) -> String {
        std::mem::take(&mut *self.asked.lock().unwrap()).concat()
    }
}

fn sign(signer: &ReplicatedSigner<Scripted>, time: Duration) -> Result<SignatureValue, SignerError> {
    let data = DataToBeSigned::new(b"abc".to_vec());
    signer.sign(ToBeSigned::Data(&data), Instant::now() + time)
}

fn sorted(asked: &str) -> String {
    let mut tokens: Vec<char> = asked.chars().collect();
    tokens.sort_unstable();
    tokens.into_iter().collect()
}

const TIME: Duration = Duration::from_secs(60);

#[test]
fn where_a_device_fails_the_next_one_is_asked_and_each_only_once() {
    for failure in [fails as Answer, is_away, is_busy, lost_the_key] {
        let bench = Bench::new();
        sign(&bench.signer(&[&[failure], &[signs]]), TIME).unwrap();
        assert_eq!(bench.asked(), "ab");
    }
    let bench = Bench::new();
    sign(&bench.signer(&[&[is_away], &[is_away], &[is_away]]), TIME).unwrap_err();
    assert_eq!(sorted(&bench.asked()), "abc");
}

#[test]
fn an_error_of_the_request_goes_back_at_once() {
    for failure in [wants_data as Answer, is_suspended] {
        let bench = Bench::new();
        sign(&bench.signer(&[&[failure], &[signs]]), TIME).unwrap_err();
        assert_eq!(bench.asked(), "a");
    }
}

#[test]
fn there_is_one_attempt_more_than_replicas_and_only_where_the_last_one_failed_in_the_middle() {
    for (scripts, asked) in [
        (&[&[fails as Answer][..]][..], "aa"),
        (&[&[fails], &[fails]], "abb"),
        (&[&[fails], &[is_away]], "ab"),
        (&[&[is_away]], "a"),
    ] {
        let bench = Bench::new();
        sign(&bench.signer(scripts), TIME).unwrap_err();
        assert_eq!(bench.asked(), asked);
    }
    let bench = Bench::new();
    sign(&bench.signer(&[&[fails], &[fails], &[fails]]), TIME).unwrap_err();
    let asked = bench.asked();
    assert_eq!((sorted(&asked[..3]).as_str(), asked.len(), &asked[2..3]), ("abc", 4, &asked[3..]));
    let bench = Bench::new();
    sign(&bench.signer(&[&[fails], &[fails, signs]]), TIME).unwrap();
    assert_eq!(bench.asked(), "abb");
}

#[test]
fn after_the_deadline_nobody_else_is_asked() {
    for scripts in [&[&[fails as Answer][..], &[signs]][..], &[&[fails, signs]]] {
        let bench = Bench::new();
        sign(&bench.signer(scripts), Duration::ZERO).unwrap_err();
        assert_eq!(bench.asked(), "a");
    }
}

#[test]
fn after_the_caller_was_told_that_a_call_hangs_nobody_else_is_asked() {
    for scripts in [&[&[fails as Answer][..], &[signs]][..], &[&[fails, signs]]] {
        let bench = Bench::new();
        let signer = bench.signer(scripts);
        signer.given_up.store(true, Ordering::Release);
        sign(&signer, TIME).unwrap_err();
        assert_eq!(bench.asked(), "a");
    }
}

#[test]
fn a_key_that_one_token_has_lost_does_not_hide_that_another_one_may_come_back() {
    for scripts in [&[&[is_away as Answer][..], &[lost_the_key]][..], &[&[lost_the_key], &[is_away]]] {
        let bench = Bench::new();
        assert!(matches!(sign(&bench.signer(scripts), TIME), Err(SignerError::Unavailable { .. })));
    }
}

#[test]
fn requests_take_turns_and_a_replica_that_fails_again_and_again_is_left_alone() {
    let bench = Bench::new();
    for _ in 0..4 {
        sign(&bench.signer(&[&[signs], &[signs]]), TIME).unwrap();
    }
    assert_eq!(bench.asked(), "abab");
    for _ in 0..12 {
        sign(&bench.signer(&[&[fails], &[signs]]), TIME).unwrap();
    }
    let asked = bench.asked();
    assert_eq!(asked.matches('a').count(), 3, "{asked}");
    assert!(asked.ends_with("bbb"), "{asked}");
    // It is the last one left, and better than none.
    sign(&bench.signer(&[&[signs], &[is_away]]), TIME).unwrap();
    assert_eq!(bench.asked(), "ba");
    sign(&bench.signer(&[&[signs], &[signs]]), TIME).unwrap();
    sign(&bench.signer(&[&[signs], &[signs]]), TIME).unwrap();
    assert!(bench.asked().contains('a'), "its signature closed the breaker");
}

#[test]
fn every_replica_is_waited_for_before_something_rests_on_the_signature() {
    let bench = Bench::new();
    let signer = bench.signer(&[&[fails], &[signs]]);
    sign(&signer, TIME).unwrap();
    Signer::settle(&signer).unwrap();
    assert_eq!(bench.asked(), "abAB");
}

#[test]
fn a_replica_that_keeps_everybody_waiting_leaves_time_for_the_others() {
    let (now, hour) = (Instant::now(), Duration::from_secs(3600));
    assert_eq!(share(now + hour, 0), now + hour);
    let half = share(now + hour, 1) - now;
    assert!(half >= hour / 2 && half < hour / 2 + Duration::from_secs(60), "{half:?}");
    let third = share(now + hour, 2) - now;
    assert!(third >= hour / 3 && third < hour / 3 + Duration::from_secs(60), "{third:?}");
}
