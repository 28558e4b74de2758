//! Every profile is complete, and overrides are taken or refused with the way out.

use cryptotoken_api::KeySpec;

use super::*;

fn load(overrides: &str) -> Result<TokenProfile, String> {
    TokenProfile::load("softhsm", &overrides.parse().unwrap()).map_err(|error| error.to_string())
}

#[test]
fn every_profile_is_complete_and_says_nothing_unknown() {
    for (name, _) in FILES {
        let profile = TokenProfile::load(name, &Table::new()).unwrap();
        assert!(!profile.overridden, "{name}");
    }
}

#[test]
fn the_profiles_are_those_that_documents_promise() {
    let promised = [
        "trident",
        "utimaco-cp5",
        "nshield-cc",
        "softhsm",
        "primus",
        "smartcard-hsm",
        "proteccio",
        "luna",
        "utimaco-gp",
        "cloudhsm",
        "kryoptic",
        "generic",
    ];
    assert_eq!(TokenProfile::names().collect::<Vec<_>>(), promised);
}

#[test]
fn a_qualified_device_is_no_development_token_and_its_keys_stay_in_it() {
    for name in TokenProfile::names() {
        let profile = TokenProfile::load(name, &Table::new()).unwrap();
        assert!(!(profile.assurance.qscd && profile.assurance.non_production), "{name}");
        assert!(!profile.assurance.qscd || !profile.assurance.claims.is_empty(), "{name}");
        let template = &profile.keygen.private_template;
        assert_eq!(template.get(&TemplateAttribute::Extractable), Some(&false), "{name}");
        assert_eq!(template.get(&TemplateAttribute::Sensitive), Some(&true), "{name}");
        assert_eq!(profile.keygen.kinds.len(), KeySpec::ALL.len(), "{name}");
        let external = profile.keygen.mode == KeygenMode::External;
        assert_eq!(external, !profile.keygen.external.is_empty(), "{name}");
        assert!(profile.session.max > 0 && !profile.slot.stable.is_empty(), "{name}");
        assert!(profile.module.library.iter().all(|path| path.is_absolute()), "{name}");
    }
}

#[test]
fn an_unverified_number_of_the_vendor_is_not_filled_in() {
    let cp5 = TokenProfile::load("utimaco-cp5", &Table::new()).unwrap().key_authorization;
    assert_eq!(cp5.kind, KeyAuthorizationKind::UtimacoCp5);
    assert_eq!((cp5.initialize_mechanism, cp5.authorize_mechanism), (0x8000_C951, 0x8000_C952));
    assert_eq!(cp5.change_mechanism, 0, "no source has this number");
}

#[test]
fn tokens_that_need_another_value_of_one_variable_are_named_with_the_way_out() {
    let token = |name: &str, more: &str| -> crate::TokenConfig {
        let text = format!(
            "name = '{name}'\nprofile = 'softhsm'\nlibrary = '/lib/x.so'\nslot = {{ index = 0 }}\npin = {{ none = true }}\n"
        );
        toml::from_str(&format!("{text}{more}")).unwrap()
    };
    let with =
        |name, value: &str| token(name, &format!("override = {{ \"module.env\" = {{ SOFTHSM2_CONF = '{value}' }} }}"));
    assert_eq!(environment_conflict(&[with("a", "/etc/a"), with("b", "/etc/a"), token("c", "")]), None);
    let conflict = environment_conflict(&[token("c", ""), with("a", "/etc/a"), with("b", "/etc/b")]).unwrap();
    for part in [
        "token \"a\" needs SOFTHSM2_CONF=/etc/a",
        "token \"b\" needs SOFTHSM2_CONF=/etc/b",
        "both load /lib/x.so",
        "node of its own",
    ] {
        assert!(conflict.contains(part), "{conflict}");
    }
    let elsewhere: crate::TokenConfig = toml::from_str(
        "name = 'd'\nprofile = 'softhsm'\nlibrary = '/lib/y.so'\nslot = { index = 0 }\npin = { none = true }\noverride = { \"module.env\" = { SOFTHSM2_CONF = '/etc/d' } }",
    )
    .unwrap();
    let conflict = environment_conflict(&[with("a", "/etc/a"), elsewhere]).unwrap();
    assert!(conflict.contains("a process has one environment"), "{conflict}");
}

#[test]
fn softhsm_is_never_a_qualified_device() {
    let assurance = load("").unwrap().assurance;
    assert!(!assurance.qscd && assurance.non_production);
}

#[test]
fn a_field_is_overridden_by_its_dotted_path_quoted_or_not() {
    for text in ["'session.max' = 3", "session.max = 3", "session = { max = 3 }"] {
        let profile = load(text).unwrap();
        assert_eq!(profile.session.max, 3, "{text}");
        assert!(profile.overridden);
    }
    let template = load("'keygen.private_template.CKA_MODIFIABLE' = false").unwrap().keygen.private_template;
    assert_eq!(template.get(&TemplateAttribute::Modifiable), Some(&false));
    assert_eq!(load("module.env = { A = 'b' }").unwrap().module.env.len(), 1);
}

#[test]
fn an_override_that_cannot_be_is_refused_with_the_way_out() {
    for (text, reason) in [
        ("'assurance.qscd' = true", "cannot be overridden"),
        ("assurance = { non_production = false }", "cannot be overridden"),
        ("'identity.token_model' = []", "cannot be overridden"),
        ("'session.maxx' = 3", "did you mean \"session.max\""),
        ("'identty.token_model' = []", "did you mean \""),
        ("'recovery.dept' = 'session'", "did you mean \"recovery.depth\""),
        ("'keygen.kinds.rsa-1024' = 'yes'", "did you mean \"keygen.kinds.rsa-"),
        ("session = 3", "no field \"session\""),
        ("'session.max' = 'many'", "\"session.max\""),
        ("'session.idle_ping' = '10 minutes'", "is no duration"),
        ("'sign.ecdsa' = 'maybe'", "\"sign.ecdsa\""),
        ("'keygen.private_template.CKA_UNKNOWN' = true", "CKA_UNKNOWN"),
    ] {
        let error = load(text).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn an_unknown_profile_is_refused_with_the_nearest_one() {
    let error = TokenProfile::load("softhms", &Table::new()).unwrap_err().to_string();
    assert!(error.contains("did you mean \"softhsm\""), "{error}");
}
