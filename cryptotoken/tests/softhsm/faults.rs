//! Contention, stale handles, devices that are away, and configurations that cannot work.

use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptotoken::lifecycle::{generate, self_test};
use cryptotoken_api::verification::verify;
use cryptotoken_api::{CryptoToken, DataToBeSigned, KeySpec, SignerError, ToBeSigned, TokenError, TokenState};
use secrecy::SecretString;

use crate::bench::{default_signer, location, softhsm_test, soon};

softhsm_test!(thirty_two_threads_on_four_sessions_are_all_served, |bench| {
    let token = bench.token("sessions = 4");
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::Rsa2048).unwrap();
    let signer = default_signer(&token, &key, KeySpec::Rsa2048);
    let public = key.public_key.as_ref().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let signer = signer.as_ref();
            scope.spawn(move || {
                for round in 0..10 {
                    let data = DataToBeSigned::new(format!("{thread} {round}").into_bytes());
                    let value = signer.sign(ToBeSigned::Data(&data), soon()).unwrap();
                    verify(public, signer.algorithm(), ToBeSigned::Data(&data), &value).unwrap();
                }
            });
        }
        let (_, most) = token.status().sessions;
        assert_eq!(most, 4);
    });
    assert_eq!(token.status().sessions, (0, 4), "every session came back");
});

softhsm_test!(a_caller_who_gets_no_session_is_told_so_at_the_deadline, |bench| {
    let token = bench.token("sessions = 1");
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let signer = default_signer(&token, &key, KeySpec::EcP256);
    let data = DataToBeSigned::new(b"data".to_vec());
    let mut busy = 0;
    std::thread::scope(|scope| {
        // Key generation holds the only session for a while.
        let holder = scope.spawn(|| generate(&token, &"slow".parse().unwrap(), KeySpec::Rsa4096).unwrap());
        while !holder.is_finished() {
            let start = Instant::now();
            if let Err(error) = signer.sign(ToBeSigned::Data(&data), start + Duration::from_millis(20)) {
                // SoftHSM itself may be slow while it generates; waiting for a session never is.
                if !matches!(error, SignerError::DeadlineExceeded { .. }) {
                    assert!(matches!(error, SignerError::Busy { .. }), "{error}");
                    assert!(start.elapsed() < Duration::from_millis(500), "waited {:?}", start.elapsed());
                    busy += 1;
                }
            }
        }
    });
    assert!(busy > 0);
    signer.sign(ToBeSigned::Data(&data), soon()).unwrap();
});

softhsm_test!(a_key_that_another_program_replaced_is_found_again, |bench| {
    let token = bench.token("");
    let make = || bench.pkcs11_tool(&["--keypairgen", "--key-type", "EC:prime256v1", "--id", "0a", "--label", "seal"]);
    let sign_and_verify = |signer: &dyn cryptotoken_api::Signer| {
        let public = token.keys().unwrap()[0].public_key.clone().unwrap();
        self_test(signer, &public, soon()).unwrap();
        public
    };
    make();
    let signer = default_signer(&token, &token.keys().unwrap()[0], KeySpec::EcP256);
    let first = sign_and_verify(signer.as_ref());
    for kind in ["privkey", "pubkey"] {
        bench.pkcs11_tool(&["--delete-object", "--type", kind, "--id", "0a"]);
    }
    make();
    let second = sign_and_verify(signer.as_ref());
    assert!(!first.same_key(&second));
});

softhsm_test!(two_keys_with_one_identifier_are_never_guessed_between, |bench| {
    let token = bench.token("");
    for label in ["one", "two"] {
        bench.pkcs11_tool(&["--keypairgen", "--key-type", "EC:prime256v1", "--id", "0a", "--label", label]);
    }
    let key = &token.keys().unwrap()[0];
    let signer = default_signer(&token, key, KeySpec::EcP256);
    let error = signer.sign(ToBeSigned::Data(&DataToBeSigned::new(vec![])), soon()).unwrap_err();
    assert!(matches!(&error, SignerError::NotPermitted { reason } if reason.contains("2 keys")), "{error}");
});

softhsm_test!(several_tokens_share_one_library_and_each_finds_its_slot, |bench| {
    bench.initialize();
    let other = bench.open("slot = { label = \"other\" }").unwrap();
    assert_eq!(other.status().state, TokenState::Uninitialized);
    other.initialize(&SecretString::from("12345678"), &SecretString::from(crate::bench::USER_PIN)).unwrap();
    other.reconnect().unwrap();
    let first = bench.open("").unwrap();
    generate(&first, &"first".parse().unwrap(), KeySpec::EcP256).unwrap();
    generate(&other, &"other".parse().unwrap(), KeySpec::EcP256).unwrap();
    let labels = |token: &dyn CryptoToken| token.keys().unwrap().into_iter().map(|key| key.label).collect::<Vec<_>>();
    assert_eq!((labels(&first), labels(&other)), (vec!["first".to_owned()], vec!["other".to_owned()]));
    let serial = other.status().serial.unwrap();
    let by_serial = bench.open(&format!("slot = {{ serial = \"{serial}\" }}")).unwrap();
    assert_eq!(labels(&by_serial), ["other"]);
});

softhsm_test!(a_slot_that_is_not_there_is_named_with_what_is, |bench| {
    bench.initialize();
    let token = bench.open("slot = { serial = \"4711\" }").unwrap();
    let status = token.status();
    assert_eq!(status.state, TokenState::Unavailable);
    assert!(
        status.reason.contains("no slot has serial \"4711\"") && status.reason.contains("label \"sigillo\""),
        "{}",
        status.reason
    );
    assert!(matches!(token.keys(), Err(TokenError::Unavailable { .. })));
    assert!(bench.open("slot = { index = 9 }").unwrap().status().reason.contains("index 9"));
});

softhsm_test!(an_initialised_token_is_never_initialised_again, |bench| {
    let token = bench.token("");
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let pins = (SecretString::from("12345678"), SecretString::from("654321"));
    assert!(matches!(token.initialize(&pins.0, &pins.1), Err(TokenError::Refused(_))));
    // Also through a token that cannot know yet what is on the slot.
    let fresh = bench.open("pin = { unlock = \"manual\" }").unwrap();
    assert!(matches!(fresh.initialize(&pins.0, &pins.1), Err(TokenError::Refused(_))));
    assert!(token.public_key(&location(&key)).is_ok());
});

softhsm_test!(a_user_pin_that_the_device_refused_at_initialisation_can_be_given_again, |bench| {
    let token = bench.open("").unwrap();
    let so_pin = SecretString::from("12345678");
    let refused = token.initialize(&so_pin, &SecretString::from("1")).unwrap_err();
    assert!(refused.to_string().contains("CKR_PIN_LEN_RANGE"), "{refused}");
    token.initialize(&so_pin, &SecretString::from(crate::bench::USER_PIN)).unwrap();
    token.reconnect().unwrap();
    assert_eq!(token.status().state, TokenState::Ready);
});

softhsm_test!(a_library_that_is_away_leaves_the_token_unavailable_until_it_is_there, |bench| {
    bench.initialize();
    let library = bench.path("late.so");
    let token = bench.open(&format!("library = \"{library}\"")).unwrap();
    assert!(token.status().reason.contains("late.so"), "{}", token.status().reason);
    std::fs::copy(crate::bench::softhsm(), &library).unwrap();
    std::thread::sleep(Duration::from_millis(700));
    token.probe().unwrap();
    assert_eq!(token.status().state, TokenState::Ready);
});

softhsm_test!(what_only_sigillo_toml_can_put_right_is_a_configuration_error, |bench| {
    let libm = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/lib64/libm.so.6"];
    let libm = libm.into_iter().find(|path| std::path::Path::new(path).exists()).unwrap();
    for (more, expected) in [
        (format!("library = \"{libm}\""), "no PKCS#11 library"),
        ("sessions = 0".to_owned(), "at least 1"),
        ("override = { \"assurance.qscd\" = true }".to_owned(), "cannot be overridden"),
        ("override = { \"session.idle_pong\" = \"5s\" }".to_owned(), "session.idle_ping"),
        ("override = { \"module.env\" = { SIGILLO_MISSING = \"1\" } }".to_owned(), "SIGILLO_MISSING=1"),
    ] {
        match bench.open(&more) {
            Err(TokenError::Configuration(message)) => assert!(message.contains(expected), "{message}"),
            Err(other) => panic!("{more}: {other}"),
            Ok(token) => panic!("{more}: {:?}", token.status()),
        }
    }
});

softhsm_test!(a_device_that_forgot_every_session_is_logged_in_again_by_the_next_caller, |bench| {
    let token = bench.token("sessions = 4");
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::Rsa2048).unwrap();
    let signer = default_signer(&token, &key, KeySpec::Rsa2048);
    let public = key.public_key.as_ref().unwrap();
    for _ in 0..5 {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| self_test(signer.as_ref(), public, soon()).unwrap());
            }
        });
        // What a restart of the device looks like from here: handles are given out from the beginning again.
        let module = Pkcs11::new(crate::bench::softhsm()).unwrap();
        module.clone().finalize().unwrap();
        module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        self_test(signer.as_ref(), public, soon()).unwrap();
    }
    assert_eq!(token.status().state, TokenState::Ready);
});

softhsm_test!(an_idle_session_is_asked_for_its_state_where_the_profile_wants_it, |bench| {
    let spy = format!("library = {:?}", crate::bench::spy());
    bench.initialize();
    let sign_twice = |token: &cryptotoken::Pkcs11Token, alias: &str| {
        let key = generate(token, &alias.parse().unwrap(), KeySpec::EcP256).unwrap();
        let signer = default_signer(token, &key, KeySpec::EcP256);
        let sign = || {
            self_test(signer.as_ref(), key.public_key.as_ref().unwrap(), soon()).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        };
        // The first time the key is searched, which looks at the login.
        sign();
        let before = bench.calls("C_GetSessionInfo");
        sign();
        sign();
        bench.calls("C_GetSessionInfo") - before
    };
    assert_eq!(sign_twice(&bench.open(&spy).unwrap(), "never"), 0);
    let pings = bench.open(&format!("{spy}\noverride = {{ \"session.idle_ping\" = \"1ms\" }}")).unwrap();
    assert!(sign_twice(&pings, "pings") > 0);
});
