//! SoftHSM against its own profile and against those of others.

use std::collections::BTreeSet;

use cryptotoken::conformance::{CheckItem, Verdict, compare, measure};
use cryptotoken::{Pkcs11Token, TokenConfig};
use cryptotoken_api::{CryptoToken, KeySpec, TokenError};

use crate::bench::{Bench, made_by_softhsm, softhsm, softhsm_test};

fn check(token: &Pkcs11Token) -> Vec<CheckItem> {
    compare(token.profile(), token.config(), &token.describe().unwrap())
}

fn item<'a>(items: &'a [CheckItem], field: &str) -> &'a CheckItem {
    items.iter().find(|item| item.field == field).unwrap_or_else(|| panic!("no {field} in {items:?}"))
}

/// SoftHSM's library under this profile.
fn disguised(bench: &Bench, profile: &str, more: &str) -> Result<Pkcs11Token, TokenError> {
    let library = softhsm();
    let text = format!(
        "name = 'hsm'\nprofile = '{profile}'\nlibrary = {library:?}\nslot = {{ label = 'sigillo' }}\npin = {{ file = 'pin' }}\n{more}"
    );
    let config: TokenConfig = toml::from_str(&text).unwrap();
    Pkcs11Token::open(config, bench.path("").as_ref(), std::sync::Arc::new(cryptotoken::ProcessMemory::default()))
}

softhsm_test!(softhsm_is_what_its_profile_says, |bench| {
    let token = bench.token("");
    assert_eq!(token.status().device_confirmed, Some(true));
    let items = check(&token);
    assert!(items.iter().all(|item| item.verdict != Verdict::Differs), "{items:?}");
    for spec in KeySpec::ALL {
        let item = item(&items, &format!("keygen.kinds.{spec}"));
        let expected = if spec.is_ml_dsa() { Verdict::Unknown } else { Verdict::Ok };
        assert_eq!(item.verdict, expected, "{spec}");
        assert!(!spec.is_ml_dsa() || item.found.contains("no CKM_ML_DSA"), "{}", item.found);
    }
});

softhsm_test!(softhsm_under_the_profile_of_another_vendor_is_found_out, |bench| {
    bench.initialize();
    for profile in ["luna", "primus", "smartcard-hsm", "kryoptic", "utimaco-gp"] {
        let token = disguised(bench, profile, "").unwrap();
        assert_eq!(token.status().device_confirmed, Some(false), "{profile}");
        let refusing: Vec<_> = check(&token).into_iter().filter(CheckItem::refuses).map(|item| item.field).collect();
        assert!(refusing.iter().any(|field| field.starts_with("identity.")), "{profile}: {refusing:?}");
    }
    let bare = "override = { 'module.env_required' = [], 'module.env' = {} }";
    for (profile, confirmed) in [("trident", None), ("nshield-cc", Some(false))] {
        let token = disguised(bench, profile, bare).unwrap();
        assert!(token.status().qscd, "{profile}");
        assert_eq!(token.status().device_confirmed, confirmed, "{profile}");
    }
});

softhsm_test!(a_library_without_the_functions_that_authorise_keys_is_refused_by_name, |bench| {
    bench.initialize();
    let bare = "override = { 'module.env_required' = [], 'module.env' = {} }";
    match disguised(bench, "utimaco-cp5", bare).map(|token| token.status()) {
        Err(TokenError::Configuration(reason)) => {
            assert!(reason.contains("libsofthsm2.so has no CP5_KeyAuthorizationInit"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
});

softhsm_test!(authorisation_by_session_is_refused_with_the_way_out, |bench| {
    bench.initialize();
    let by_session = "override = { 'key_authorization.kind' = 'luna-pka' }";
    match disguised(bench, "luna", by_session).map(|token| token.status()) {
        Err(TokenError::Configuration(reason)) => assert!(reason.contains("V0 partition"), "{reason}"),
        other => panic!("{other:?}"),
    }
});

softhsm_test!(a_library_without_the_environment_it_needs_is_not_loaded, |bench| {
    bench.initialize();
    for (profile, variable) in [
        ("trident", "MPCM_PKCS11_CONFIG_PATH"),
        ("utimaco-cp5", "CS_AUTH_KEYS"),
        ("nshield-cc", "CKNFAST_ASSUME_SINGLE_PROCESS=0"),
    ] {
        match disguised(bench, profile, "").map(|token| token.status()) {
            Err(TokenError::Configuration(reason)) => assert!(reason.contains(variable), "{reason}"),
            other => panic!("{profile}: {other:?}"),
        }
    }
});

softhsm_test!(keys_that_only_the_vendor_s_tool_makes_are_not_generated_here, |bench| {
    bench.initialize();
    let token = disguised(bench, "nshield-cc", "override = { 'module.env' = {} }").unwrap();
    let refusal = cryptotoken::lifecycle::generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap_err();
    assert!(refusal.to_string().contains("sigillo key adopt"), "{refusal}");
    let measured = measure(&token);
    assert!(measured.len() == 1 && measured[0].found.contains("not tried"), "{measured:?}");
    let ruled_out = bench.open("override = { 'keygen.kinds.ec-p256' = 'no' }").unwrap();
    let refusal = cryptotoken::lifecycle::generate(&ruled_out, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap_err();
    assert!(matches!(refusal, TokenError::Refused(_)), "{refusal}");
    assert!(token.keys().unwrap().is_empty());
});

softhsm_test!(every_capability_that_softhsm_declares_is_measured_and_nothing_is_left_behind, |bench| {
    let token = bench.token("");
    let items = measure(&token);
    // Newer versions may have ML-DSA, so the profile does not rule it out.
    let undeclared = |item: &&CheckItem| item.field.starts_with("keygen.kinds.ml-dsa-");
    assert!(items.iter().filter(undeclared).all(|item| item.verdict == Verdict::Unknown), "{items:?}");
    let differing: Vec<_> = items.iter().filter(|item| item.verdict != Verdict::Ok && !undeclared(item)).collect();
    assert!(differing.is_empty(), "{differing:?}");
    let tried: BTreeSet<&str> = items.iter().map(|item| item.field.as_str()).collect();
    for spec in made_by_softhsm() {
        assert!(tried.contains(format!("keygen.kinds.{spec}, generated").as_str()), "{spec}");
        assert!(tried.iter().any(|field| field.starts_with(&format!("sign, {spec} with"))), "{spec}");
    }
    for measure in ["certificates", "duplicate_ids_refused", "attribute_change", "session_objects"] {
        assert!(tried.contains(format!("measure.{measure}").as_str()), "{measure}");
    }
    assert!(tried.contains("session.handles_span_sessions"));
    assert!(token.keys().unwrap().is_empty());
    assert!(!bench.pkcs11_tool(&["--list-objects"]).contains("sigillo-check"));
});

softhsm_test!(a_declaration_that_the_device_does_not_keep_is_named, |bench| {
    let overrides = [
        "'measure.duplicate_ids_refused' = 'yes'",
        "'measure.attribute_change' = 'no'",
        "'measure.session_objects' = 'no'",
        "'session.handles_span_sessions' = false",
        "'sign.ecdsa' = 'hash_in_token'",
        "'keygen.kinds.rsa-4096' = 'no'",
        "'keygen.kinds.rsa-3072' = 'no'",
    ];
    // SoftHSM 2.6 has no ECDSA with hashing.
    let token = bench.token(&format!("override = {{ {} }}", overrides.join(", ")));
    let items = measure(&token);
    for field in [
        "measure.duplicate_ids_refused",
        "measure.attribute_change",
        "measure.session_objects",
        "session.handles_span_sessions",
    ] {
        assert_eq!(item(&items, field).verdict, Verdict::Differs, "{field}");
    }
    assert!(item(&items, "sign, ec-p256 with ecdsa SHA-256").refuses());
    assert_eq!(item(&items, "keygen.kinds.rsa-4096, generated").found, "not tried");
    assert!(item(&check(&token), "keygen.kinds.ec-p256").refuses());
    assert!(token.keys().unwrap().is_empty());
});
