//! Descriptions of devices that fit their profile, that are another vendor's, that lack something.

use super::*;

fn profile(name: &str) -> TokenProfile {
    TokenProfile::load(name, &toml::Table::new()).unwrap()
}

fn config(slot: &str) -> TokenConfig {
    toml::from_str(&format!("name = 'hsm'\nprofile = 'softhsm'\nslot = {slot}\npin = {{ none = true }}")).unwrap()
}

fn mechanism(name: &str, least: usize, most: usize) -> MechanismFacts {
    MechanismFacts { name: name.into(), key_size: Some((least, most)), signs: true, generates: true }
}

fn softhsm() -> DeviceDescription {
    let text = |text: &str| Some(text.to_owned());
    let need = |spec, generation: &str, signing: &str, pss: &[&str]| MechanismNeed {
        spec,
        generation: Some(Some(generation.into())),
        signing: [signing.to_owned()].into(),
        pss: pss.iter().map(ToString::to_string).collect(),
    };
    DeviceDescription {
        identity: DeviceIdentity {
            library_manufacturer: text("SoftHSM"),
            library_description: text("Implementation of PKCS11"),
            library_version: text("2.6"),
            token_manufacturer: text("SoftHSM project"),
            token_model: text("SoftHSM v2"),
            exports: None,
        },
        login_required: Some(true),
        pin_pad: Some(false),
        max_sessions: Some(None),
        mechanisms: Some(vec![
            mechanism("CKM_RSA_PKCS_KEY_PAIR_GEN", 1024, 16384),
            mechanism("CKM_RSA_PKCS", 1024, 16384),
            mechanism("CKM_RSA_PKCS_PSS", 1024, 16384),
            mechanism("CKM_EC_KEY_PAIR_GEN", 112, 521),
            mechanism("CKM_ECDSA", 112, 521),
        ]),
        needs: vec![
            need(KeySpec::Rsa2048, "CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_RSA_PKCS", &["CKM_RSA_PKCS_PSS"]),
            need(KeySpec::EcP521, "CKM_EC_KEY_PAIR_GEN", "CKM_ECDSA", &[]),
        ],
    }
}

fn verdict(items: &[CheckItem], field: &str) -> Verdict {
    items.iter().find(|item| item.field == field).unwrap_or_else(|| panic!("{field}: {items:?}")).verdict
}

#[test]
fn a_device_as_its_profile_describes_it_differs_in_nothing() {
    let items = compare(&profile("softhsm"), &config("{ label = 'x' }"), &softhsm());
    assert!(items.iter().all(|item| item.verdict != Verdict::Differs), "{items:?}");
    assert_eq!(verdict(&items, "identity.token_model"), Verdict::Ok);
    assert_eq!(verdict(&items, "keygen.kinds.ec-p521"), Verdict::Ok);
}

#[test]
fn the_profile_of_another_vendor_is_refused_for_the_device_s_own_words() {
    for vendor in ["luna", "primus", "smartcard-hsm", "nshield-cc", "utimaco-cp5", "utimaco-gp", "kryoptic"] {
        let items = compare(&profile(vendor), &config("{ label = 'x' }"), &softhsm());
        let refusing: Vec<_> = items.iter().filter(|item| item.refuses()).map(|item| item.field.as_str()).collect();
        assert!(refusing.iter().any(|field| field.starts_with("identity.")), "{vendor}: {refusing:?}");
    }
    // Of these nobody knows what they say of themselves, so nothing is confirmed and nothing contradicts.
    for vendor in ["trident", "proteccio", "cloudhsm", "generic"] {
        let items = compare(&profile(vendor), &config("{ label = 'x' }"), &softhsm());
        let identity: Vec<_> = items.iter().filter(|item| item.field.starts_with("identity.")).collect();
        assert!(!identity.is_empty() && identity.iter().all(|item| item.verdict == Verdict::Unknown), "{vendor}");
        assert_eq!(profile(vendor).identity.confirm(&softhsm().identity), None, "{vendor}");
    }
}

#[test]
fn what_the_profile_promises_and_the_device_lacks_refuses_it() {
    let mut device = softhsm();
    device.mechanisms.as_mut().unwrap().retain(|mechanism| mechanism.name != "CKM_ECDSA");
    let items = compare(&profile("softhsm"), &config("{ label = 'x' }"), &device);
    let p521 = items.iter().find(|item| item.field == "keygen.kinds.ec-p521").unwrap();
    assert!(p521.refuses() && p521.found == "no CKM_ECDSA", "{p521:?}");
    let mut small = softhsm();
    for mechanism in small.mechanisms.as_mut().unwrap() {
        mechanism.key_size = Some((3072, 4096));
    }
    let items = compare(&profile("softhsm"), &config("{ label = 'x' }"), &small);
    let rsa = items.iter().find(|item| item.field == "keygen.kinds.rsa-2048").unwrap();
    assert!(rsa.refuses() && rsa.found.contains("takes 3072 to 4096 bits"), "{rsa:?}");
}

#[test]
fn what_the_device_offers_and_the_profile_does_not_know_is_shown_and_refuses_nothing() {
    let mut device = softhsm();
    device.mechanisms.as_mut().unwrap().push(mechanism("CKM_ML_DSA", 0, 0));
    let mut profile = profile("softhsm");
    profile.keygen.kinds.insert(KeySpec::EcP521, Support::No);
    let items = compare(&profile, &config("{ label = 'x' }"), &device);
    assert_eq!(verdict(&items, "keygen.kinds.ec-p521"), Verdict::Differs);
    let beside = items.iter().find(|item| item.field == "mechanisms").unwrap();
    assert_eq!((beside.found.as_str(), beside.verdict), ("also CKM_ML_DSA", Verdict::Unknown));
    assert!(!items.iter().any(CheckItem::refuses), "{items:?}");
}

#[test]
fn a_slot_named_by_what_changes_too_few_sessions_and_another_login_are_named() {
    let mut device = softhsm();
    device.max_sessions = Some(Some(4));
    device.login_required = Some(false);
    let items = compare(&profile("softhsm"), &config("{ id = 7 }"), &device);
    assert_eq!(verdict(&items, "slot.stable"), Verdict::Differs);
    assert_eq!(verdict(&items, "session.max"), Verdict::Differs);
    let refusing: Vec<_> = items.iter().filter(|item| item.refuses()).map(|item| item.field.as_str()).collect();
    assert_eq!(refusing, ["login.mode"]);
}

#[test]
fn a_device_that_tells_nothing_confirms_nothing_and_contradicts_nothing() {
    let device = DeviceDescription { needs: softhsm().needs, ..DeviceDescription::default() };
    let items = compare(&profile("softhsm"), &config("{ label = 'x' }"), &device);
    assert!(items.iter().all(|item| item.field == "slot.stable" || item.verdict == Verdict::Unknown), "{items:?}");
}
