//! How many sessions there may be, of which kind, and how long they last.

use std::time::Duration;

use cryptoki::error::RvError;
use cryptoki::session::SessionState;

use crate::bench::{code, generate, log_in, private_key, sign, simulator_test, slot};

simulator_test!(one_session_too_many_is_refused_until_another_is_closed, |bench| {
    bench.configure("[sessions]\nlimit = 2");
    let module = bench.module();
    let slot = slot(&module);
    let (first, _second) = (module.open_rw_session(slot).unwrap(), module.open_ro_session(slot).unwrap());
    assert_eq!(code(module.open_ro_session(slot)), RvError::SessionCount);
    drop(first);
    let _third = module.open_ro_session(slot).unwrap();
    assert_eq!(code(module.open_rw_session(slot)), RvError::SessionCount);
});

simulator_test!(the_limit_holds_for_many_threads_at_once, |bench| {
    bench.configure("[sessions]\nlimit = 3\n[[fault]]\nfunction = 'C_OpenSession'\ndelay_ms = 20");
    let module = bench.module();
    let slot = slot(&module);
    let threads: Vec<_> = (0..12)
        .map(|_| {
            let module = module.clone();
            std::thread::spawn(move || module.open_rw_session_no_drop(slot).is_ok())
        })
        .collect();
    assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).filter(|opened| *opened).count(), 3);
});

simulator_test!(read_only_sessions_can_be_forbidden, |bench| {
    bench.configure("[sessions]\nread_only = 'CKR_SESSION_PARALLEL_NOT_SUPPORTED'\ndevice_error = 7");
    let module = bench.module();
    assert_eq!(code(module.open_ro_session(slot(&module))), RvError::SessionParallelNotSupported);
    let session = module.open_rw_session(slot(&module)).unwrap();
    assert_eq!(session.get_session_info().unwrap().device_error(), 7);
});

simulator_test!(an_idle_session_is_gone_and_others_stay, |bench| {
    let (module, idle) = bench.logged_in();
    let busy = module.open_rw_session(slot(&module)).unwrap();
    bench.configure("[sessions]\nidle_ms = 1500\nexpired = 'CKR_SESSION_CLOSED'");
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(200));
        busy.get_session_info().unwrap();
    }
    assert_eq!(code(idle.get_session_info()), RvError::SessionClosed);
    assert_eq!(code(idle.get_session_info()), RvError::SessionHandleInvalid);
    // Login belongs to the application.
    generate(&busy, "seal", &[1]).unwrap();
});

simulator_test!(a_session_is_gone_after_so_many_calls_and_the_login_may_go_with_it, |bench| {
    let (module, session) = bench.logged_in();
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    let other = module.open_rw_session(slot(&module)).unwrap();
    bench.configure("[sessions]\ncalls = 4\nexpiry_logs_out = true");
    // Login, generation: two. A signature with its length: three.
    assert_eq!(code(sign(&session, key)), RvError::SessionHandleInvalid);
    assert_eq!(other.get_session_info().unwrap().session_state(), SessionState::RwPublic);
    sign(&other, key).unwrap_err();
    bench.configure("");
    let again = log_in(&module);
    sign(&again, private_key(&again)).unwrap();
});
