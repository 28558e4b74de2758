//! PINs: tried once, remembered when rejected, typed by operators.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cryptotoken::lifecycle::{generate, self_test};
use cryptotoken::{LoginMemory, LoginOutcome, MemoryError, ProcessMemory};
use cryptotoken_api::{CryptoToken, KeySpec, TokenError, TokenState};
use secrecy::SecretString;

use crate::bench::{Bench, USER_PIN, default_signer, softhsm_test, soon, spy};

fn through_spy() -> String {
    format!("library = {:?}", spy())
}

softhsm_test!(a_rejected_pin_is_tried_exactly_once_until_it_is_forgotten, |bench| {
    bench.initialize();
    bench.write("pin", b"000000\n");
    let memory = Arc::new(ProcessMemory::default());
    for _ in 0..4 {
        // Every round is a restart as far as the token can tell.
        let token = bench.open_with(&through_spy(), memory.clone()).unwrap();
        assert_eq!(token.status().state, TokenState::PinRejected);
        assert!(token.status().reason.contains("sigillo token unlock hsm"), "{}", token.status().reason);
        assert!(!token.status().reason.contains("000000"));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert!(matches!(token.keys(), Err(TokenError::PinRejected { .. }))));
                scope.spawn(|| assert!(matches!(token.reconnect(), Err(TokenError::PinRejected { .. }))));
            }
        });
    }
    assert_eq!(bench.calls("C_Login"), 1);
    let token = bench.open_with(&through_spy(), memory.clone()).unwrap();
    bench.write("pin", format!("{USER_PIN}\n").as_bytes());
    let (serial, source) = token.rejection_key();
    assert_eq!(source, format!("file:{}", bench.path("pin")));
    memory.forget(&serial, &source);
    token.reconnect().unwrap();
    assert_eq!(bench.calls("C_Login"), 2);
    assert!(token.keys().unwrap().is_empty());
});

softhsm_test!(the_spy_sees_every_login, |bench| {
    // Otherwise the test above could count nothing and pass.
    bench.initialize();
    let mut expected = 0;
    for _ in 0..3 {
        let token = bench.open(&through_spy()).unwrap();
        assert_eq!(token.status().state, TokenState::Ready);
        token.keys().unwrap();
        token.lock();
        expected += 1;
        assert_eq!(bench.calls("C_Login"), expected);
    }
});

softhsm_test!(threads_that_use_the_token_together_cause_one_login, |bench| {
    bench.initialize();
    let token = bench.open(&through_spy()).unwrap();
    let before = bench.calls("C_Login");
    token.lock();
    let _ = token.reconnect();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| token.keys().unwrap());
        }
    });
    assert_eq!(bench.calls("C_Login") - before, 1);
    // A second token of the same slot finds the application logged in.
    let second = bench.open(&through_spy()).unwrap();
    assert!(second.keys().unwrap().is_empty());
    assert_eq!(bench.calls("C_Login") - before, 1);
});

/// Cannot write at first; keeps what it is told.
#[derive(Default)]
struct BrokenMemory {
    works: AtomicBool,
    inner: ProcessMemory,
    outcomes: Mutex<Vec<LoginOutcome>>,
}

impl LoginMemory for BrokenMemory {
    fn pin_rejected(&self, serial: &str, source: &str) -> Result<bool, MemoryError> {
        self.inner.pin_rejected(serial, source)
    }
    fn remember_pin_rejection(&self, serial: &str, source: &str) -> Result<(), MemoryError> {
        if self.works.load(Ordering::Relaxed) {
            self.inner.remember_pin_rejection(serial, source)
        } else {
            Err("disk full".into())
        }
    }
    fn login_recorded(&self, token: &str, _: &str, outcome: LoginOutcome) {
        assert_eq!(token, "hsm");
        self.outcomes.lock().unwrap().push(outcome);
    }
}

softhsm_test!(a_rejection_that_cannot_be_written_down_is_not_tried_again_either, |bench| {
    bench.initialize();
    bench.write("pin", b"000000");
    let memory = Arc::new(BrokenMemory::default());
    let token = bench.open_with("", memory.clone()).unwrap();
    for _ in 0..3 {
        assert!(matches!(token.reconnect(), Err(TokenError::PinRejected { .. })));
    }
    // Once it can be written it is, and from then on an operator may forget it.
    memory.works.store(true, Ordering::Relaxed);
    assert!(matches!(token.reconnect(), Err(TokenError::PinRejected { .. })));
    let (serial, source) = token.rejection_key();
    assert!(memory.inner.pin_rejected(&serial, &source).unwrap());
    assert_eq!(*memory.outcomes.lock().unwrap(), [LoginOutcome::Rejected]);
    bench.write("pin", USER_PIN.as_bytes());
    memory.inner.forget(&serial, &source);
    token.reconnect().unwrap();
    assert_eq!(*memory.outcomes.lock().unwrap(), [LoginOutcome::Rejected, LoginOutcome::LoggedIn]);
});

/// Cannot even be asked.
struct SilentMemory;

impl LoginMemory for SilentMemory {
    fn pin_rejected(&self, _: &str, _: &str) -> Result<bool, MemoryError> {
        Err("no connection to the database".into())
    }
    fn remember_pin_rejection(&self, _: &str, _: &str) -> Result<(), MemoryError> {
        Ok(())
    }
    fn login_recorded(&self, _: &str, _: &str, _: LoginOutcome) {
        panic!("logged in without knowing whether the PIN was rejected");
    }
}

softhsm_test!(no_pin_is_tried_while_it_is_unknown_whether_it_was_rejected, |bench| {
    bench.initialize();
    let token = bench.open_with("", Arc::new(SilentMemory)).unwrap();
    let status = token.status();
    assert_eq!(status.state, TokenState::Unavailable);
    assert!(status.reason.contains("no connection to the database"), "{}", status.reason);
});

softhsm_test!(a_manual_token_waits_for_its_operator_and_forgives_a_slip, |bench: &Bench| {
    bench.initialize();
    let token = bench.open("pin = { unlock = \"manual\" }").unwrap();
    assert_eq!(token.status().state, TokenState::Locked);
    assert!(matches!(token.unlock(&SecretString::from("000000")), Err(TokenError::PinRejected { .. })));
    token.unlock(&SecretString::from(USER_PIN)).unwrap();
    assert!(token.keys().unwrap().is_empty());
    token.lock();
    assert_eq!(token.status().state, TokenState::Locked);
    assert!(matches!(token.keys(), Err(TokenError::Unavailable { .. })));
    token.unlock(&SecretString::from(USER_PIN)).unwrap();
    assert_eq!(token.status().state, TokenState::Ready);
    let from_file = bench.open("").unwrap();
    assert!(matches!(from_file.unlock(&SecretString::from(USER_PIN)), Err(TokenError::Refused(_))));
});

softhsm_test!(a_pin_that_cannot_be_read_is_no_rejection, |bench| {
    bench.initialize();
    let token = bench.open("pin = { file = \"later\" }").unwrap();
    assert_eq!(token.status().state, TokenState::Unavailable);
    assert!(token.status().reason.contains("later"), "{}", token.status().reason);
    bench.write("later", USER_PIN.as_bytes());
    token.reconnect().unwrap();
    let other = bench.open("pin = { env = \"SIGILLO_TEST_NO_SUCH_PIN\" }").unwrap();
    assert_eq!(other.status().state, TokenState::Ready, "the application is logged in already");
});

softhsm_test!(a_login_that_was_lost_is_made_again_for_whatever_is_asked_next, |bench| {
    bench.initialize();
    let first = bench.open("").unwrap();
    let second = bench.open("").unwrap();
    let key = generate(&first, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let signer = default_signer(&first, &key, KeySpec::EcP256);
    // The login is the application's: locking one token takes it from the other.
    let sign = || self_test(signer.as_ref(), key.public_key.as_ref().unwrap(), soon()).unwrap();
    second.lock();
    sign();
    // Now its handle is remembered, and goes stale with the login.
    second.reconnect().unwrap();
    second.lock();
    sign();
    second.reconnect().unwrap();
    second.lock();
    generate(&first, &"next".parse().unwrap(), KeySpec::EcP256).unwrap();
    second.reconnect().unwrap();
    second.lock();
    assert_eq!(first.keys().unwrap().len(), 2);
});
