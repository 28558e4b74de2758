//! The device vanishes, restarts and returns.

use cryptoki::error::RvError;

use crate::bench::{Bench, code, generate, initialize, log_in, private_key, sign, simulator_test, slot};

simulator_test!(a_connection_that_broke_stays_broken_until_the_library_is_initialised_anew, |bench| {
    let (module, session) = bench.logged_in();
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    let slot = slot(&module);
    bench.configure("[device]\npresent = false");
    let all = |expected| {
        assert_eq!(code(sign(&session, key)), expected);
        assert_eq!(code(session.get_session_info()), expected);
        assert_eq!(code(module.get_all_slots()), expected);
        assert_eq!(code(module.get_token_info(slot)), expected);
        assert_eq!(code(module.open_rw_session(slot)), expected);
    };
    all(RvError::DeviceError);
    bench.configure("[device]\npresent = false\nabsent = 'CKR_TOKEN_NOT_PRESENT'");
    all(RvError::TokenNotPresent);
    bench.configure("");
    all(RvError::DeviceError);
    drop(session);
    module.clone().finalize().unwrap();
    initialize(&module).unwrap();
    let session = log_in(&module);
    sign(&session, private_key(&session)).unwrap();
    assert_eq!(bench.count("C_Finalize overlapping"), 0);
});

simulator_test!(a_library_initialised_without_its_device_has_no_slots_even_when_the_device_is_back, |bench| {
    bench.configure("[device]\npresent = false");
    let module = bench.module();
    assert!(module.get_all_slots().unwrap().is_empty());
    assert!(module.get_library_info().is_ok());
    bench.configure("");
    assert!(module.get_all_slots().unwrap().is_empty());
    module.clone().finalize().unwrap();
    initialize(&module).unwrap();
    assert_eq!(module.get_all_slots().unwrap().len(), 2);
    module.clone().finalize().unwrap();
    bench.configure("[device]\npresent = false\nabsent_initialize = 'CKR_GENERAL_ERROR'");
    assert_eq!(code(initialize(&module)), RvError::GeneralError);
});

simulator_test!(a_restart_breaks_connections_though_no_call_came_while_the_device_was_away, |bench| {
    let (module, session) = bench.logged_in();
    bench.configure("[device]\nrestarts = 1");
    assert_eq!(code(session.get_session_info()), RvError::DeviceError);
    assert_eq!(code(session.get_session_info()), RvError::DeviceError);
    drop(session);
    module.clone().finalize().unwrap();
    initialize(&module).unwrap();
    log_in(&module);
});

simulator_test!(a_device_may_need_new_sessions_only_or_nothing_at_all, |bench| {
    let (module, session) = bench.logged_in();
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    let away = |recovers: &str| bench.configure(&format!("[device]\npresent = false\nrecovers = '{recovers}'"));
    let back = |recovers: &str| bench.configure(&format!("[device]\nrecovers = '{recovers}'"));
    away("by-itself");
    assert_eq!(code(sign(&session, key)), RvError::DeviceError);
    back("by-itself");
    sign(&session, key).unwrap();
    away("sessions");
    assert_eq!(code(sign(&session, key)), RvError::DeviceError);
    back("sessions");
    assert_eq!(code(sign(&session, key)), RvError::SessionHandleInvalid);
    let session = log_in(&module);
    sign(&session, private_key(&session)).unwrap();
});

simulator_test!(a_call_before_initialisation_and_a_second_initialisation_are_refused, |bench: &Bench| {
    let module = bench.module();
    assert!(initialize(&module).is_err());
    module.clone().finalize().unwrap();
    assert_eq!(code(module.get_all_slots()), RvError::CryptokiNotInitialized);
});

simulator_test!(a_configuration_that_cannot_be_read_fails_every_call_until_it_is_mended, |bench: &Bench| {
    let module = bench.module();
    bench.configure("[devices]");
    assert_eq!(code(module.get_all_slots()), RvError::GeneralError);
    bench.configure("");
    module.get_all_slots().unwrap();
});

simulator_test!(one_process_can_have_two_devices_of_which_one_vanishes, |bench: &Bench| {
    let (first, second) = (bench.copy("first", ""), bench.copy("second", "[identity]\nmodel = 'Second'"));
    let models = [&first, &second].map(|module| module.get_token_info(slot(module)).unwrap().model().to_owned());
    assert!(models[0].contains("SoftHSM") && models[1] == "Second", "{models:?}");
    let (one, other) = (log_in(&first), log_in(&second));
    bench.configure_copy("first", "[device]\npresent = false");
    assert_eq!(code(one.get_session_info()), RvError::DeviceError);
    other.get_session_info().unwrap();
    drop(one);
    first.clone().finalize().unwrap();
    other.get_session_info().unwrap();
    generate(&other, "seal", &[1]).unwrap();
});
