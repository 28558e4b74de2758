//! Sigillo's own token before devices that fail: each code leads to what helps against it, a vanished device is found again by every
//! session, and one call that hangs keeps nobody else from signing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cryptotoken::lifecycle::{SelfTestFailure, generate, self_test};
use cryptotoken::{Pkcs11Token, ProcessMemory};
use cryptotoken_api::{
    CryptoToken, DataToBeSigned, KeyInfo, KeyLocation, KeySpec, SignatureAlgorithm, Signer, SignerError, ToBeSigned,
    TokenState,
};

use crate::bench::{Bench, LABEL, USER_PIN, simulator_test};

fn open(bench: &Bench, sessions: usize) -> (Pkcs11Token, KeyInfo, Box<dyn Signer>) {
    std::fs::write(bench.path("pin"), USER_PIN).unwrap();
    let library = token_simulator::library().unwrap();
    let text = format!(
        "name = 'hsm'\nprofile = 'softhsm'\nlibrary = {library:?}\npin = {{ file = 'pin' }}\nslot = {{ label = '{LABEL}' }}\n\
         sessions = {sessions}\noverride = {{ 'recovery.depth' = 'module', 'recovery.call_timeout' = '300ms' }}"
    );
    let memory = Arc::new(ProcessMemory::default());
    let token = Pkcs11Token::open(toml::from_str(&text).unwrap(), &bench.path(""), memory).unwrap();
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let location = KeyLocation { token: "hsm".to_owned(), alias: key.label.parse().unwrap(), id: key.id.clone() };
    let algorithm = SignatureAlgorithm::for_key(KeySpec::EcP256, None, None).unwrap();
    let signer = token.signer(&location, KeySpec::EcP256, algorithm).unwrap();
    (token, key, signer)
}

fn sign(signer: &dyn Signer, time: Duration) -> Result<(), SignerError> {
    let data = DataToBeSigned::new(b"data".to_vec());
    signer.sign(ToBeSigned::Data(&data), Instant::now() + time).map(drop)
}

/// Lets a call that hangs go on, also when the test fails.
struct Mended<'a>(&'a Bench);

impl Drop for Mended<'_> {
    fn drop(&mut self) {
        self.0.configure("");
    }
}

simulator_test!(each_failure_leads_to_what_helps_against_it_and_to_no_more, |bench: &Bench| {
    let (_token, _key, signer) = open(bench, 4);
    let soon = Duration::from_secs(10);
    const COUNTED: [&str; 4] = ["C_SignInit", "C_OpenSession", "C_FindObjectsInit", "C_Initialize"];
    let mut differing = Vec::new();
    // The function that fails, with what; then how often these were called, and whether there was a signature.
    for (function, code, calls, signed) in [
        ("C_SignInit", "CKR_SESSION_CLOSED", [2, 1, 0, 0], true),
        ("C_SignInit", "CKR_SESSION_HANDLE_INVALID", [2, 1, 0, 0], true),
        ("C_SignInit", "CKR_OPERATION_ACTIVE", [2, 1, 0, 0], true),
        ("C_SignInit", "CKR_KEY_HANDLE_INVALID", [2, 0, 1, 0], true),
        ("C_SignInit", "CKR_OBJECT_HANDLE_INVALID", [2, 0, 1, 0], true),
        ("C_SignInit", "CKR_USER_NOT_LOGGED_IN", [2, 2, 1, 0], true),
        ("C_SignInit", "CKR_DEVICE_ERROR", [2, 2, 1, 0], true),
        ("C_SignInit", "CKR_GENERAL_ERROR", [2, 2, 1, 0], true),
        ("C_SignInit", "CKR_TOKEN_NOT_PRESENT", [2, 2, 1, 0], true),
        // The key may have been used: whoever records attempts decides.
        ("C_Sign", "CKR_DEVICE_ERROR", [1, 0, 0, 0], false),
        ("C_Sign", "CKR_SESSION_CLOSED", [1, 0, 0, 0], false),
        ("C_SignInit", "CKR_KEY_FUNCTION_NOT_PERMITTED", [1, 0, 0, 0], false),
        ("C_SignInit", "CKR_MECHANISM_INVALID", [1, 0, 0, 0], false),
        ("C_SignInit", "CKR_PIN_EXPIRED", [1, 0, 0, 0], false),
    ] {
        // Mends what the failure before has left.
        sign(signer.as_ref(), soon).unwrap();
        let before = COUNTED.map(|name| bench.count(name));
        bench.configure(&format!("[[fault]]\nfunction = \"{function}\"\ncode = \"{code}\"\ntimes = 1"));
        let result = sign(signer.as_ref(), soon);
        bench.configure("");
        let after = COUNTED.map(|name| bench.count(name));
        let called: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        assert_eq!(result.is_ok(), signed, "{function} {code}: {result:?}");
        if called != calls {
            differing.push(format!("{function} {code}: {called:?} and not {calls:?}"));
        }
    }
    assert!(differing.is_empty(), "calls of {COUNTED:?}: {differing:#?}");
});

simulator_test!(a_device_that_vanishes_under_eight_callers_is_used_again_by_all_within_two_seconds, |bench: &Bench| {
    let (token, key, signer) = open(bench, 8);
    let public = key.public_key.as_ref().unwrap();
    let (stop, signed, failed) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let callers = || {
        while !stop.load(Ordering::Relaxed) {
            match self_test(signer.as_ref(), public, Instant::now() + Duration::from_secs(3)) {
                Ok(()) => signed.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    assert!(matches!(error, SelfTestFailure::Signer(_)), "a wrong signature: {error}");
                    std::thread::sleep(Duration::from_millis(5));
                    failed.fetch_add(1, Ordering::Relaxed)
                }
            };
        }
    };
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        (0..8).for_each(|_| drop(scope.spawn(callers)));
        for cycle in 0..5 {
            std::thread::sleep(Duration::from_millis(100));
            bench.configure("[device]\npresent = false\nrecovers = \"reinitialize\"");
            std::thread::sleep(Duration::from_millis([50, 1200, 300, 20, 600][cycle % 5]));
            bench.configure(&format!("[device]\nrestarts = {}\nrecovers = \"reinitialize\"", cycle + 1));
            let (back, before) = (Instant::now(), signed.load(Ordering::Relaxed));
            while signed.load(Ordering::Relaxed) < before + 20 && back.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(5));
            }
            slowest = slowest.max(back.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(slowest < Duration::from_secs(2), "healed after {slowest:?}: {:?}", token.status());
    assert!(failed.into_inner() > 0, "the device was away");
    assert_eq!(token.status().state, TokenState::Ready);
});

simulator_test!(a_call_that_hangs_is_given_up_while_others_go_on_signing, |bench: &Bench| {
    let (token, _key, signer) = open(bench, 2);
    sign(signer.as_ref(), Duration::from_secs(5)).unwrap();
    bench.configure("[[fault]]\nfunction = \"C_Sign\"\nhang = true\ntimes = 1");
    std::thread::scope(|scope| {
        let mended = Mended(bench);
        let hung = scope.spawn(|| sign(signer.as_ref(), Duration::from_millis(500)));
        std::thread::sleep(Duration::from_millis(400));
        let status = token.status();
        assert_eq!((status.state, status.hung_calls), (TokenState::Ready, 1), "{}", status.reason);
        // As many at once as before.
        let others: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| (0..50).try_for_each(|_| sign(signer.as_ref(), Duration::from_secs(2)))))
            .collect();
        for other in others {
            other.join().unwrap().unwrap();
        }
        std::thread::sleep(Duration::from_millis(200));
        drop(mended);
        let late = hung.join().unwrap();
        assert!(matches!(late, Err(SignerError::DeadlineExceeded { .. })), "{late:?}");
    });
    let status = token.status();
    assert_eq!((status.state, status.hung_calls, status.sessions.0), (TokenState::Ready, 0, 0), "{}", status.reason);
});
