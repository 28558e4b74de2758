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

use crate::bench::{Bench, LABEL, SHOWN, USER_PIN, simulator_test};

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

/// The calls by which one sees what was done about a failure.
const COUNTED: [&str; 4] = ["C_SignInit", "C_OpenSession", "C_FindObjectsInit", "C_Initialize"];

/// How often each was called while one signature was asked for, and whether there was one.
fn seen(bench: &Bench, signer: &dyn Signer, fault: &str) -> ([u64; 4], bool) {
    // Mends what the failure before has left.
    sign(signer, Duration::from_secs(10)).unwrap();
    let before = COUNTED.map(|name| bench.count(name));
    bench.configure(fault);
    let signed = sign(signer, Duration::from_secs(10)).is_ok();
    bench.configure("");
    let after = COUNTED.map(|name| bench.count(name));
    (std::array::from_fn(|index| after[index] - before[index]), signed)
}

simulator_test!(each_code_leads_to_what_helps_against_its_class_and_to_no_more, |bench: &Bench| {
    let (token, _key, signer) = open(bench, 4);
    let errors = token.profile().errors.clone();
    // Of each class of the profile: what is seen, in words and in calls, and whether there is a signature in the end.
    let (session, handle) = ("another session", "key found again");
    let anew = "sessions dropped, connected anew, login looked at, key found again";
    let refused = "refused";
    let fatal = [
        "CKR_PIN_INCORRECT",
        "CKR_PIN_LOCKED",
        "CKR_PIN_EXPIRED",
        "CKR_KEY_FUNCTION_NOT_PERMITTED",
        "CKR_MECHANISM_INVALID",
        "CKR_KEY_TYPE_INCONSISTENT",
        "CKR_DATA_LEN_RANGE",
        "CKR_ARGUMENTS_BAD",
        "0x80000018",
    ];
    let fatal = fatal.map(str::to_owned).into_iter().collect();
    let mut differing = Vec::new();
    for (class, codes, action, calls, signs) in [
        ("session", &errors.session, session, [2, 1, 0, 0], true),
        ("handle", &errors.handle, handle, [2, 0, 1, 0], true),
        ("login", &errors.login, anew, [2, 2, 1, 0], true),
        ("device", &errors.device, anew, [2, 2, 1, 0], true),
        ("fatal", &fatal, refused, [1, 0, 0, 0], false),
    ] {
        for code in codes {
            let number = if code.starts_with("0x") { code.clone() } else { format!("\"{code}\"") };
            let fault = format!("[[fault]]\nfunction = \"C_SignInit\"\ncode = {number}\ntimes = 1");
            let found = seen(bench, signer.as_ref(), &fault);
            println!("{SHOWN}{code:30} {class:8} {action}");
            if found != (calls, signs) {
                differing.push(format!("{code}: {found:?} and not {:?}", (calls, signs)));
            }
        }
    }
    assert!(differing.is_empty(), "calls of {COUNTED:?}, signed: {differing:#?}");
});

simulator_test!(where_the_key_may_have_been_used_nothing_is_tried_again, |bench: &Bench| {
    let (_token, _key, signer) = open(bench, 4);
    for code in ["CKR_DEVICE_ERROR", "CKR_SESSION_CLOSED", "CKR_GENERAL_ERROR"] {
        // Whoever records attempts decides about another one.
        let fault = format!("[[fault]]\nfunction = \"C_Sign\"\ncode = \"{code}\"\ntimes = 1");
        assert_eq!(seen(bench, signer.as_ref(), &fault), ([1, 0, 0, 0], false), "{code}");
    }
});

simulator_test!(a_device_that_fails_again_after_connecting_anew_has_its_library_started_anew, |bench: &Bench| {
    let (_token, _key, signer) = open(bench, 4);
    sign(signer.as_ref(), Duration::from_secs(10)).unwrap();
    let before = bench.count("C_Initialize");
    bench.configure("[[fault]]\nfunction = \"C_SignInit\"\ncode = \"CKR_DEVICE_ERROR\"\ntimes = 2");
    sign(signer.as_ref(), Duration::from_secs(10)).unwrap_err();
    assert_eq!(bench.count("C_Initialize"), before, "sessions first");
    sign(signer.as_ref(), Duration::from_secs(10)).unwrap();
    assert_eq!(bench.count("C_Initialize"), before + 1);
    println!("{SHOWN}{:30} {:8} library started anew", "the same, twice in a row", "device");
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
