//! Keys that must be authorised: none signs before, none signs more often than it may, none signs after a restart.

use std::process::Command;

use cryptoki::error::RvError;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::Session;
use cryptoki_sys::*;

use crate::bench::{
    Bench, LABEL, USER_PIN, code, generate, initialize, log_in, private_key, sign, simulator_test, slot,
};
use crate::kak::{AUTHORIZE, Cp5, INITIALIZE, Kak, PKCS1, PSS};

const UNLIMITED: CK_ULONG = 0xFFFF_FFFF;

fn refused(session: &Session, key: ObjectHandle) -> RvError {
    code(sign(session, key))
}

/// A key that is initialised with a KAK.
fn initialized(bench: &Bench, more: &str) -> (cryptoki::context::Pkcs11, Session, ObjectHandle, Cp5, Kak) {
    bench.configure(&format!("[key_authorization]\n{more}"));
    let (module, session) = bench.logged_in();
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    let (cp5, kak) = (Cp5::new(), Kak::new(2048, PSS));
    assert_eq!(cp5.initialize(&session, key, &kak), CKR_OK);
    (module, session, key, cp5, kak)
}

simulator_test!(no_key_signs_before_it_is_initialised_and_authorised, |bench| {
    bench.configure("[key_authorization]");
    let (_, session) = bench.logged_in();
    let (public, key) = generate(&session, "seal", &[1]).unwrap();
    let (cp5, kak) = (Cp5::new(), Kak::new(2048, PSS));
    assert_eq!(refused(&session, key), RvError::KeyFunctionNotPermitted);
    assert_eq!(cp5.authorize(&session, key, &kak, 1), CKR_ACTION_PROHIBITED);
    assert_eq!(cp5.initialize(&session, key, &kak), CKR_OK);
    assert_eq!(refused(&session, key), RvError::KeyFunctionNotPermitted);
    assert_eq!(cp5.authorize(&session, key, &kak, 1), CKR_OK);
    let signature = sign(&session, key).unwrap();
    session.verify(&Mechanism::Ecdsa, public, &[7; 32], &signature).unwrap();
    assert_eq!(cp5.initialize(&session, key, &kak), CKR_ACTION_PROHIBITED);
});

simulator_test!(a_key_authorised_for_n_signatures_makes_exactly_n_also_from_many_threads, |bench| {
    let (module, session, key, cp5, kak) = initialized(bench, "codes.exhausted = 0x8000C9FF");
    assert_eq!(cp5.authorize(&session, key, &kak, 30), CKR_OK);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let session = module.open_ro_session(slot(&module)).unwrap();
            std::thread::spawn(move || (0..20).filter(|_| sign(&session, key).is_ok()).count())
        })
        .collect();
    assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>(), 30);
    assert_eq!(refused(&session, key), RvError::VendorDefined(0x8000_C9FF));
    // Refusal ends the operation, and the next authorisation replaces the count.
    assert_eq!(cp5.authorize(&session, key, &kak, 2), CKR_OK);
    assert_eq!((0..5).filter(|_| sign(&session, key).is_ok()).count(), 2);
    assert_eq!(cp5.authorize(&session, key, &kak, UNLIMITED), CKR_OK);
    assert_eq!((0..50).filter(|_| sign(&session, key).is_ok()).count(), 50);
});

simulator_test!(signatures_that_were_not_made_do_not_count_and_those_in_parts_do, |bench| {
    bench.configure("[key_authorization]");
    let (_, session) = bench.logged_in();
    let public = [Attribute::Token(true), Attribute::ModulusBits(2048.into()), Attribute::Verify(true)];
    let private = [Attribute::Token(true), Attribute::Sign(true), Attribute::Id(vec![1])];
    let (_, key) = session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private).unwrap();
    let (cp5, kak) = (Cp5::new(), Kak::new(2048, PSS));
    assert_eq!(cp5.initialize(&session, key, &kak), CKR_OK);
    assert_eq!(cp5.authorize(&session, key, &kak, 2), CKR_OK);
    for _ in 0..3 {
        session.sign(&Mechanism::RsaPkcs, key, &[7; 300]).unwrap_err();
    }
    session.sign(&Mechanism::Sha256RsaPkcs, key, b"data").unwrap();
    let in_parts = || {
        session.sign_init(&Mechanism::Sha256RsaPkcs, key)?;
        session.sign_update(b"da")?;
        session.sign_update(b"ta")?;
        session.sign_final()
    };
    in_parts().unwrap();
    assert_eq!(code(in_parts()), RvError::KeyFunctionNotPermitted);
    assert_eq!(code(session.sign(&Mechanism::Sha256RsaPkcs, key, b"data")), RvError::KeyFunctionNotPermitted);
    assert_eq!(code(session.decrypt(&Mechanism::RsaPkcs, key, &[1; 256])), RvError::KeyFunctionNotPermitted);
});

simulator_test!(a_restart_of_the_device_drops_authorisations_and_keeps_the_kak, |bench| {
    let (module, session, key, cp5, kak) = initialized(bench, "");
    assert_eq!(cp5.authorize(&session, key, &kak, UNLIMITED), CKR_OK);
    sign(&session, key).unwrap();
    bench.configure("[key_authorization]\n[device]\nrestarts = 1");
    assert_eq!(refused(&session, key), RvError::DeviceError);
    drop(session);
    module.clone().finalize().unwrap();
    initialize(&module).unwrap();
    let session = log_in(&module);
    let key = private_key(&session);
    assert_eq!(refused(&session, key), RvError::KeyFunctionNotPermitted);
    assert_eq!(cp5.initialize(&session, key, &kak), CKR_ACTION_PROHIBITED);
    assert_eq!(cp5.authorize(&session, key, &kak, 1), CKR_OK);
    sign(&session, key).unwrap();
});

simulator_test!(an_authorisation_outlives_sessions_logins_and_the_library, |bench| {
    let (module, session, key, cp5, kak) = initialized(bench, "");
    assert_eq!(cp5.authorize(&session, key, &kak, 3), CKR_OK);
    session.logout().unwrap();
    drop(session);
    module.clone().finalize().unwrap();
    initialize(&module).unwrap();
    let session = log_in(&module);
    let key = private_key(&session);
    assert_eq!((0..5).filter(|_| sign(&session, key).is_ok()).count(), 3);
});

simulator_test!(only_the_right_kak_authorises_and_too_many_wrong_ones_block_until_unblocked, |bench| {
    let (_, session, key, cp5, kak) = initialized(bench, "attempts = 2\ncodes.blocked = 'CKR_PIN_LOCKED'");
    let wrong = Kak::new(2048, PSS);
    assert_eq!(cp5.authorize(&session, key, &wrong, 1), CKR_SIGNATURE_INVALID);
    // A good one in between starts the count anew.
    assert_eq!(cp5.authorize(&session, key, &kak, 5), CKR_OK);
    assert_eq!(cp5.authorize(&session, key, &wrong, 1), CKR_SIGNATURE_INVALID);
    sign(&session, key).unwrap();
    assert_eq!(cp5.authorize(&session, key, &wrong, 1), CKR_SIGNATURE_INVALID);
    assert_eq!(refused(&session, key), RvError::PinLocked);
    assert_eq!(cp5.authorize(&session, key, &kak, 1), CKR_PIN_LOCKED);
    assert_eq!(cp5.unblock(&session, key), CKR_OK);
    assert_eq!(refused(&session, key), RvError::KeyFunctionNotPermitted);
    assert_eq!(cp5.authorize(&session, key, &kak, 1), CKR_OK);
    sign(&session, key).unwrap();
});

simulator_test!(a_hash_is_good_for_one_answer_in_its_session, |bench| {
    let (module, session, key, cp5, kak) = initialized(bench, "");
    let other = module.open_rw_session(slot(&module)).unwrap();
    let one = 1u64.to_ne_bytes();
    let hash = cp5.begin(&session, key, AUTHORIZE, &one).unwrap();
    assert_eq!(cp5.complete(&other, &kak.sign(&hash)), CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(cp5.complete(&session, &kak.sign(&hash)), CKR_OK);
    assert_eq!(cp5.complete(&session, &kak.sign(&hash)), CKR_OPERATION_NOT_INITIALIZED);
    let again = cp5.begin(&session, key, AUTHORIZE, &one).unwrap();
    assert_ne!(hash, again);
    assert_eq!(cp5.complete(&session, &kak.sign(&hash)), CKR_SIGNATURE_INVALID);
});

simulator_test!(the_kak_is_changed_with_the_current_one_under_the_number_that_is_configured, |bench| {
    let (_, session, key, cp5, kak) = initialized(bench, "");
    assert_eq!(cp5.authorize(&session, key, &kak, UNLIMITED), CKR_OK);
    let new = Kak::new(2048, PKCS1);
    let numbers = new.numbers();
    assert_eq!(cp5.perform(&session, key, 0x8000_C953, numbers.change(), &kak), CKR_MECHANISM_INVALID);
    // The number of AUTHORIZE is not CHANGEAUTHDATA until the configuration says so.
    assert_eq!(cp5.perform(&session, key, AUTHORIZE, numbers.change(), &kak), CKR_MECHANISM_PARAM_INVALID);
    for number in [0x8000_C953, AUTHORIZE] {
        bench.configure(&format!("[key_authorization]\nchange = {number}"));
        assert_eq!(cp5.perform(&session, key, number, numbers.change(), &Kak::new(2048, PSS)), CKR_SIGNATURE_INVALID);
    }
    assert_eq!(cp5.perform(&session, key, AUTHORIZE, numbers.change(), &kak), CKR_OK);
    assert_eq!(refused(&session, key), RvError::KeyFunctionNotPermitted);
    assert_eq!(cp5.authorize(&session, key, &kak, 1), CKR_SIGNATURE_INVALID);
    assert_eq!(cp5.authorize(&session, key, &new, 1), CKR_OK);
    sign(&session, key).unwrap();
});

simulator_test!(both_protocols_are_verified_and_short_or_miswritten_kaks_are_refused, |bench| {
    bench.configure("[key_authorization]");
    let (_, session) = bench.logged_in();
    let cp5 = Cp5::new();
    let key = |id| generate(&session, "seal", &[id]).unwrap().1;
    for (id, protocol, zero) in [(1, PSS, true), (2, PKCS1, true), (3, PSS, false)] {
        let kak = Kak::new(2048, protocol).written(zero);
        let key = key(id);
        assert_eq!(cp5.initialize(&session, key, &kak), CKR_OK);
        assert_eq!(cp5.authorize(&session, key, &kak, 1), CKR_OK);
        sign(&session, key).unwrap();
    }
    let last = key(4);
    assert_eq!(cp5.initialize(&session, last, &Kak::new(1024, PSS)), CKR_MECHANISM_PARAM_INVALID);
    let unknown = Kak::new(2048, 3);
    assert_eq!(cp5.initialize(&session, last, &unknown), CKR_MECHANISM_PARAM_INVALID);
    assert_eq!(cp5.begin(&session, last, INITIALIZE, &[0; 40]), Err(CKR_MECHANISM_PARAM_INVALID));
    for (rule, zero) in [("required", false), ("forbidden", true)] {
        bench.configure(&format!("[key_authorization]\nleading_zero = '{rule}'"));
        let kak = Kak::new(2048, PSS).written(zero);
        assert_eq!(cp5.initialize(&session, last, &kak), CKR_MECHANISM_PARAM_INVALID, "{rule}");
    }
});

simulator_test!(authorising_needs_a_login_of_the_right_user_and_a_read_write_session, |bench| {
    let (module, session, key, cp5, kak) = initialized(bench, "");
    let read_only = module.open_ro_session(slot(&module)).unwrap();
    assert_eq!(cp5.authorize(&read_only, key, &kak, 1), CKR_SESSION_READ_ONLY);
    bench.configure("[key_authorization]\nuser_type = 0x83\n[login]\nuser_types = [0x83]");
    assert_eq!(cp5.authorize(&session, key, &kak, 1), CKR_USER_NOT_LOGGED_IN);
    session.logout().unwrap();
    let vendor = cryptoki::session::UserType::VendorExtension(0x83);
    session.login(vendor, Some(&crate::bench::pin(USER_PIN))).unwrap();
    let key = private_key(&session);
    assert_eq!(cp5.authorize(&session, key, &kak, 1), CKR_OK);
});

simulator_test!(a_new_key_with_the_id_of_a_destroyed_one_is_not_authorised, |bench| {
    let (_, session, key, cp5, kak) = initialized(bench, "refuses_at = 'C_SignInit'");
    assert_eq!(cp5.authorize(&session, key, &kak, UNLIMITED), CKR_OK);
    session.destroy_object(key).unwrap();
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    assert_eq!(code(session.sign_init(&Mechanism::Ecdsa, key)), RvError::KeyFunctionNotPermitted);
});

simulator_test!(without_key_authorisation_the_functions_are_there_and_refuse, |bench| {
    let (_, session) = bench.logged_in();
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    assert_eq!(Cp5::new().authorize(&session, key, &Kak::new(2048, PSS), 1), CKR_FUNCTION_NOT_SUPPORTED);
    sign(&session, key).unwrap();
    assert_eq!(bench.count("CP5_KeyAuthorizationInit"), 1);
    bench.configure("[key_authorization]\n[[fault]]\nfunction = 'CP5_UnblockKey'\ncode = 'CKR_DEVICE_ERROR'");
    assert_eq!(Cp5::new().unblock(&session, key), CKR_DEVICE_ERROR);
});

simulator_test!(curves_and_mechanisms_stay_as_they_are_under_authorisation, |bench| {
    let (module, session, key, cp5, kak) = initialized(bench, "[ec]\nsignature = 'x9.62'");
    assert_eq!(cp5.authorize(&session, key, &kak, 1), CKR_OK);
    assert_eq!(sign(&session, key).unwrap()[0], 0x30);
    assert_eq!(refused(&session, key), RvError::KeyFunctionNotPermitted);
    assert!(module.get_mechanism_list(slot(&module)).unwrap().contains(&MechanismType::ECDSA));
});

simulator_test!(another_process_shares_the_device_and_its_count, |bench| {
    let (_, session, key, cp5, kak) = initialized(bench, "refuses_at = 'C_SignInit'");
    assert_eq!(cp5.authorize(&session, key, &kak, 2), CKR_OK);
    sign(&session, key).unwrap();
    std::fs::write(bench.path("data"), [7; 32]).unwrap();
    let another = || {
        let mut tool = Command::new("pkcs11-tool");
        tool.arg("--module").arg(token_simulator::library().unwrap()).args(["--token-label", LABEL]);
        tool.args(["--login", "--pin", USER_PIN, "--sign", "--mechanism", "ECDSA", "--id", "01"]);
        tool.arg("-i").arg(bench.path("data")).arg("-o").arg(bench.path("signature")).output().unwrap()
    };
    let signed = another();
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    assert_eq!(std::fs::read(bench.path("signature")).unwrap().len(), 64);
    let refused = another();
    assert!(!refused.status.success());
    let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(reason.contains("CKR_KEY_FUNCTION_NOT_PERMITTED"), "{reason}");
    assert_eq!(bench.count("C_Sign"), 2);
    assert_eq!(code(sign(&session, key)), RvError::KeyFunctionNotPermitted);
});
