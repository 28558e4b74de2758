//! Faults that are ordered: codes, lost answers, delays, hangs, and the record of calls.

use std::time::{Duration, Instant};

use cryptoki::error::RvError;

use crate::bench::{Bench, code, generate, initialize, log_in, sign, simulator_test, slot};

/// One code of each class that a service has to tell apart.
const CODES: &[(&str, RvError)] = &[
    ("CKR_SESSION_CLOSED", RvError::SessionClosed),
    ("CKR_SESSION_HANDLE_INVALID", RvError::SessionHandleInvalid),
    ("CKR_OPERATION_ACTIVE", RvError::OperationActive),
    ("CKR_OPERATION_NOT_INITIALIZED", RvError::OperationNotInitialized),
    ("CKR_USER_NOT_LOGGED_IN", RvError::UserNotLoggedIn),
    ("CKR_KEY_HANDLE_INVALID", RvError::KeyHandleInvalid),
    ("CKR_OBJECT_HANDLE_INVALID", RvError::ObjectHandleInvalid),
    ("CKR_DEVICE_ERROR", RvError::DeviceError),
    ("CKR_DEVICE_REMOVED", RvError::DeviceRemoved),
    ("CKR_DEVICE_MEMORY", RvError::DeviceMemory),
    ("CKR_TOKEN_NOT_PRESENT", RvError::TokenNotPresent),
    ("CKR_GENERAL_ERROR", RvError::GeneralError),
    ("CKR_FUNCTION_FAILED", RvError::FunctionFailed),
    ("CKR_CRYPTOKI_NOT_INITIALIZED", RvError::CryptokiNotInitialized),
    ("CKR_PIN_INCORRECT", RvError::PinIncorrect),
    ("CKR_PIN_LOCKED", RvError::PinLocked),
    ("CKR_PIN_EXPIRED", RvError::PinExpired),
    ("CKR_KEY_FUNCTION_NOT_PERMITTED", RvError::KeyFunctionNotPermitted),
];

simulator_test!(each_code_comes_from_the_function_it_is_ordered_for_and_only_so_often, |bench: &Bench| {
    let (_, session) = bench.logged_in();
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    for (name, expected) in CODES {
        for function in ["C_SignInit", "C_Sign"] {
            bench.configure(&format!("[[fault]]\nfunction = '{function}'\ncode = '{name}'\ntimes = 1"));
            assert_eq!(code(sign(&session, key)), *expected, "{function}");
            // The failure has ended the operation, and the fault is used up.
            sign(&session, key).unwrap();
        }
    }
    bench.configure("[[fault]]\nfunction = 'C_SignInit'\ncode = 0x80000018");
    assert_eq!(code(sign(&session, key)), RvError::VendorDefined(0x8000_0018));
});

simulator_test!(every_function_fails_when_a_fault_names_all, |bench: &Bench| {
    let (module, session) = bench.logged_in();
    let slot = slot(&module);
    bench.configure("[[fault]]\nfunction = '*'\ncode = 'CKR_DEVICE_REMOVED'");
    assert_eq!(code(module.get_all_slots()), RvError::DeviceRemoved);
    assert_eq!(code(module.get_token_info(slot)), RvError::DeviceRemoved);
    assert_eq!(code(session.get_session_info()), RvError::DeviceRemoved);
    assert_eq!(code(session.generate_random_vec(4)), RvError::DeviceRemoved);
    assert_eq!(code(initialize(&module)), RvError::DeviceRemoved);
});

simulator_test!(an_answer_can_be_lost_after_the_device_did_its_work, |bench: &Bench| {
    let (_, session) = bench.logged_in();
    bench
        .configure("[[fault]]\nfunction = 'C_GenerateKeyPair'\ncode = 'CKR_DEVICE_ERROR'\nperformed = true\ntimes = 1");
    assert_eq!(code(generate(&session, "seal", &[1])), RvError::DeviceError);
    assert_eq!(session.find_objects(&[]).unwrap().len(), 2);
    generate(&session, "seal", &[2]).unwrap();
});

simulator_test!(a_call_can_be_slow, |bench: &Bench| {
    let (_, session) = bench.logged_in();
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    bench.configure("[[fault]]\nfunction = 'C_Sign'\ndelay_ms = 1000");
    let start = Instant::now();
    sign(&session, key).unwrap();
    // The length that is asked for first costs nothing.
    assert!((1000..2000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
});

simulator_test!(one_call_hangs_until_it_is_let_go_and_the_others_do_not, |bench: &Bench| {
    let (module, session) = bench.logged_in();
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    let other = module.open_rw_session(slot(&module)).unwrap();
    bench.configure("[[fault]]\nfunction = 'C_Sign'\nhang = true\ntimes = 1");
    let hung = std::thread::spawn(move || sign(&session, key));
    let deadline = Instant::now() + Duration::from_secs(10);
    while bench.count("C_Sign") == 0 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    sign(&other, key).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(!hung.is_finished());
    bench.configure("");
    hung.join().unwrap().unwrap();
});

simulator_test!(finalising_under_a_running_call_is_recorded, |bench: &Bench| {
    let (module, session) = bench.logged_in();
    bench.configure("[[fault]]\nfunction = 'C_GetSessionInfo'\nhang = true");
    let hung = std::thread::spawn(move || {
        let result = session.get_session_info().map(|_| ());
        std::mem::forget(session);
        result
    });
    while bench.count("C_GetSessionInfo") == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    module.clone().finalize().unwrap();
    assert_eq!(bench.count("C_Finalize overlapping"), 1);
    bench.configure("");
    assert_eq!(code(hung.join().unwrap()), RvError::CryptokiNotInitialized);
});

simulator_test!(calls_are_counted_by_function_and_lengths_apart, |bench: &Bench| {
    let (module, session) = bench.logged_in();
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let session = module.open_ro_session(slot(&module)).unwrap();
            std::thread::spawn(move || (0..25).for_each(|_| drop(sign(&session, key).unwrap())))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    for (function, expected) in [("C_Initialize", 1), ("C_Login", 1), ("C_GenerateKeyPair", 1), ("C_OpenSession", 5)] {
        assert_eq!(bench.count(function), expected, "{function}");
    }
    assert_eq!((bench.count("C_SignInit"), bench.count("C_Sign"), bench.count("C_Sign length")), (100, 100, 100));
    drop(session);
    log_in(&module);
    assert_eq!(bench.count("C_Login"), 2);
});
