//! A device that is killed, restarted and stopped: SoftHSM in another process, reached through p11-kit's remoting.
//!
//! OpenSC's spy stands before p11-kit's client, so that what the library was really asked is on record.
//!
//! Where the device dies under load, one session is all there is: when p11-kit's client 0.24 loses its connection, it wakes one of
//! the threads that wait for an answer and leaves the others waiting for ever, and no library can be started anew under a thread that is
//! inside. Other threads then queue for the session, as they do before any device that has fewer sessions than callers.

use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cryptotoken::Pkcs11Token;
use cryptotoken::lifecycle::{generate, self_test};
use cryptotoken_api::verification::verify;
use cryptotoken_api::{CryptoToken, DataToBeSigned, KeySpec, Signer, SignerError, ToBeSigned, TokenState};

use secrecy::SecretString;

use crate::bench::{Bench, USER_PIN, default_signer, run, softhsm, softhsm_test, soon, spy};

/// "The HSM": p11-kit's server and the process it starts for each client, all of one process group.
struct Device<'a> {
    bench: &'a Bench,
    group: Option<Child>,
}

impl<'a> Device<'a> {
    /// With a token that is initialised.
    fn prepare(bench: &'a Bench) -> Self {
        bench.initialize();
        Self::start(bench)
    }

    fn start(bench: &'a Bench) -> Self {
        let mut device = Self { bench, group: None };
        device.restart();
        device
    }

    fn restart(&mut self) {
        self.kill();
        let socket = self.bench.path("kit.sock");
        let _ = std::fs::remove_file(&socket);
        let server = Command::new("p11-kit")
            .args(["server", "--foreground", "--name", &socket, "--provider"])
            .arg(softhsm())
            .arg("pkcs11:")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        self.group = Some(server.unwrap_or_else(|error| panic!("p11-kit: {error}; run: scripts/install-tools")));
        let until = Instant::now() + Duration::from_secs(5);
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < until, "p11-kit does not listen; run: scripts/install-tools");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn kill(&mut self) {
        if let Some(mut server) = self.group.take() {
            signal(&server, "KILL");
            server.wait().unwrap();
        }
    }

    /// From now on it takes calls and answers none.
    fn freeze(&self) {
        signal(self.group.as_ref().unwrap(), "STOP");
    }

    fn thaw(&mut self) {
        signal(self.group.as_ref().unwrap(), "CONT");
    }
}

impl Drop for Device<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Uses the token until it is there again.
fn heals(token: &Pkcs11Token) {
    let back = Instant::now();
    while let Err(error) = token.keys() {
        assert!(back.elapsed() < Duration::from_secs(2), "{error}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(group: &Child, name: &str) {
    run("kill", &[&format!("-{name}"), "--", &format!("-{}", group.id())]).unwrap();
}

fn remote_token(bench: &Bench, more: &str) -> Pkcs11Token {
    let library = spy();
    let overrides: String =
        more.lines().filter_map(|line| line.strip_prefix("override ")).map(|field| format!(", {field}")).collect();
    let more: String =
        more.lines().filter(|line| !line.starts_with("override ")).map(|line| format!("{line}\n")).collect();
    let depth = if overrides.contains("recovery.depth") { "" } else { "\"recovery.depth\" = \"module\"" };
    let overrides = format!("{depth}{overrides}");
    bench
        .open(&format!("library = {library:?}\n{more}override = {{ {} }}", overrides.trim_start_matches(", ")))
        .unwrap()
}

/// Lets the callers end, also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What may come of signing while the device comes and goes.
fn allowed(error: &SignerError) -> bool {
    matches!(
        error,
        SignerError::Unavailable { .. }
            | SignerError::Busy { .. }
            | SignerError::TokenFailed { .. }
            | SignerError::DeadlineExceeded { .. }
    )
}

softhsm_test!(a_device_that_dies_again_and_again_is_found_again_within_two_seconds, |bench| {
    let mut device = Device::prepare(bench);
    let token = remote_token(bench, "sessions = 1");
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let public = key.public_key.as_ref().unwrap();
    let signer = default_signer(&token, &key, KeySpec::EcP256);
    let (stop, signed, failed) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let callers = || {
        while !stop.load(Ordering::Relaxed) {
            let data = DataToBeSigned::new(signed.load(Ordering::Relaxed).to_string().into_bytes());
            let start = Instant::now();
            match signer.sign(ToBeSigned::Data(&data), start + Duration::from_secs(3)) {
                Ok(value) => {
                    verify(public, signer.algorithm(), ToBeSigned::Data(&data), &value).unwrap();
                    signed.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    assert!(allowed(&error), "{error}");
                    failed.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            assert!(start.elapsed() < Duration::from_secs(4), "a caller waited {:?}", start.elapsed());
        }
    };
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        let _ends = Ends(&stop);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(callers)).collect();
        for cycle in 0..10 {
            std::thread::sleep(Duration::from_millis(100 + 37 * (cycle % 4)));
            device.kill();
            std::thread::sleep(Duration::from_millis([5, 900, 50, 300, 1500][cycle as usize % 5]));
            device.restart();
            let (back, before) = (Instant::now(), signed.load(Ordering::Relaxed));
            // More than the threads that may have been in the middle of it.
            while signed.load(Ordering::Relaxed) < before + 20 && !threads.iter().any(|thread| thread.is_finished()) {
                assert!(back.elapsed() < Duration::from_secs(10), "no healing: {:?}", token.status());
                std::thread::sleep(Duration::from_millis(5));
            }
            slowest = slowest.max(back.elapsed());
        }
    });
    println!("{signed:?} signatures, {failed:?} failures, healed within {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "healed after {slowest:?}");
    assert!(failed.into_inner() > 0, "the device was away");
    assert_eq!(token.status().state, TokenState::Ready);
    assert_eq!(bench.answers("CKR_SESSION_HANDLE_INVALID"), 0, "a session of an earlier life was used or closed");
});

softhsm_test!(two_tokens_of_one_library_come_back_together_and_leave_each_others_sessions_alone, |bench| {
    let mut device = Device::prepare(bench);
    let tokens = [remote_token(bench, "sessions = 4"), remote_token(bench, "sessions = 4")];
    let key = generate(&tokens[0], &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let signers: Vec<_> = tokens.iter().map(|token| default_signer(token, &key, KeySpec::EcP256)).collect();
    let data = DataToBeSigned::new(b"data".to_vec());
    let all_sign = |signer: &dyn Signer| {
        // Four at once, so that four sessions are idle afterwards.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10).for_each(|_| drop(signer.sign(ToBeSigned::Data(&data), soon()))));
            }
        });
    };
    for _ in 0..4 {
        signers.iter().for_each(|signer| all_sign(signer.as_ref()));
        device.restart();
        // The first heals the library for both, with fewer sessions than before; the second notices when it is used, with sessions whose
        // numbers are now those of the first, or nobody's.
        heals(&tokens[0]);
        let first_signs = || self_test(signers[0].as_ref(), key.public_key.as_ref().unwrap(), soon()).unwrap();
        first_signs();
        all_sign(signers[1].as_ref());
        first_signs();
        self_test(signers[1].as_ref(), key.public_key.as_ref().unwrap(), soon()).unwrap();
    }
    assert_eq!(bench.answers("CKR_SESSION_HANDLE_INVALID"), 0, "a session of an earlier life was used or closed");
});

softhsm_test!(a_device_that_is_away_at_the_start_is_found_when_it_comes, |bench| {
    bench.initialize();
    let token = remote_token(bench, "");
    assert_eq!(token.status().state, TokenState::Unavailable);
    let _device = Device::start(bench);
    heals(&token);
});

softhsm_test!(a_token_that_stays_away_does_not_take_others_of_its_library_with_it, |bench| {
    let _device = Device::prepare(bench);
    let token = remote_token(bench, "");
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let signer = default_signer(&token, &key, KeySpec::EcP256);
    let absent = remote_token(bench, "slot = { serial = \"4711\" }\noverride \"recovery.first_pause\" = \"1ms\"");
    let (starts, logins) = (bench.calls("C_Initialize"), bench.calls("C_Login"));
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(5));
        absent.probe().unwrap_err();
        self_test(signer.as_ref(), key.public_key.as_ref().unwrap(), soon()).unwrap();
    }
    assert!(absent.status().reason.contains("another of its tokens still answers"), "{}", absent.status().reason);
    assert_eq!((bench.calls("C_Initialize"), bench.calls("C_Login")), (starts, logins));
});

softhsm_test!(a_library_that_cannot_start_twice_asks_for_a_restart_of_the_service, |bench| {
    let mut device = Device::prepare(bench);
    let token = remote_token(bench, "override \"recovery.depth\" = \"process\"");
    token.keys().unwrap();
    device.restart();
    for _ in 0..2 {
        token.keys().unwrap_err();
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(token.status().reason.contains("restart the service"), "{}", token.status().reason);
});

softhsm_test!(calls_that_hang_are_given_up_and_counted_and_the_token_heals_when_the_device_goes_on, |bench| {
    let mut device = Device::prepare(bench);
    hang(bench, &mut device, 2, |device| device.thaw());
});

softhsm_test!(a_call_that_hangs_until_its_device_is_replaced_does_not_keep_the_token_away, |bench| {
    let mut device = Device::prepare(bench);
    hang(bench, &mut device, 1, |device| device.restart());
});

fn hang(bench: &Bench, device: &mut Device<'_>, calls: usize, end: fn(&mut Device<'_>)) {
    let token = remote_token(bench, &format!("sessions = {calls}\noverride \"recovery.call_timeout\" = \"200ms\""));
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let signer = default_signer(&token, &key, KeySpec::EcP256);
    let data = DataToBeSigned::new(b"data".to_vec());
    let attempt = || signer.sign(ToBeSigned::Data(&data), Instant::now() + Duration::from_millis(600));
    device.freeze();
    std::thread::scope(|scope| {
        let hung: Vec<_> = (0..calls).map(|_| scope.spawn(attempt)).collect();
        std::thread::sleep(Duration::from_millis(700));
        let status = token.status();
        assert_eq!((status.state, status.hung_calls), (TokenState::Unavailable, calls), "{}", status.reason);
        // Nobody else waits for what does not come.
        let start = Instant::now();
        let error = attempt().unwrap_err();
        assert!(matches!(&error, SignerError::Unavailable { reason, .. } if reason.contains("hang")), "{error}");
        assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());
        end(device);
        for thread in hung {
            // The answer of a device that goes on comes too late, that of a dead one never.
            let error = thread.join().unwrap().unwrap_err();
            assert!(allowed(&error), "{error}");
        }
    });
    heals(&token);
    self_test(signer.as_ref(), key.public_key.as_ref().unwrap(), soon()).unwrap();
    let status = token.status();
    assert_eq!((status.state, status.hung_calls), (TokenState::Ready, 0), "{}", status.reason);
}

fn locked_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

softhsm_test!(a_pin_that_was_typed_serves_again_when_the_device_returns_and_lies_in_locked_memory, |bench| {
    let mut device = Device::prepare(bench);
    let token = remote_token(bench, "pin = { unlock = \"manual\" }");
    assert_eq!((token.status().state, locked_memory()), (TokenState::Locked, 0));
    token.unlock(&SecretString::from(USER_PIN)).unwrap();
    assert_eq!(locked_memory(), 4, "one page");
    for logins in 2..5 {
        device.restart();
        heals(&token);
        assert_eq!((bench.calls("C_Login"), locked_memory()), (logins, 4));
    }
    // An operator's lock ends that.
    token.lock();
    assert_eq!(locked_memory(), 0);
    device.restart();
    token.reconnect().unwrap_err();
    assert_eq!(token.status().state, TokenState::Locked);
    assert_eq!(bench.calls("C_Login"), 4);
});

softhsm_test!(a_pin_that_was_typed_and_is_no_longer_right_is_tried_once_and_forgotten, |bench| {
    let mut device = Device::prepare(bench);
    let token = remote_token(bench, "pin = { unlock = \"manual\" }");
    token.unlock(&SecretString::from(USER_PIN)).unwrap();
    bench.pkcs11_tool(&["--change-pin", "--new-pin", "846251"]);
    device.restart();
    let until = Instant::now() + Duration::from_secs(3);
    while token.status().state != TokenState::PinRejected {
        assert!(Instant::now() < until, "{:?}", token.status());
        token.keys().unwrap_err();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!((bench.calls("C_Login"), locked_memory()), (2, 0));
    for _ in 0..5 {
        token.reconnect().unwrap_err();
    }
    assert_eq!(bench.calls("C_Login"), 2);
    token.unlock(&SecretString::from("846251")).unwrap();
    assert_eq!(locked_memory(), 4);
});
