//! Mechanisms, templates, names and ids that vendors do not take, and objects that they do not see.

use std::collections::BTreeSet;
use std::process::Command;

use cryptoki::error::RvError;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::Session;

use crate::bench::{
    LABEL, P256, USER_PIN, code, generate, private_template, public_template, run, sign, simulator_test, slot, softhsm,
};

simulator_test!(mechanisms_are_refused_hidden_or_pretended, |bench| {
    bench.configure(
        "[mechanisms]\nrefused = ['CKM_SHA256_RSA_PKCS']\nhidden = ['CKM_ECDSA']\npretended = ['CKM_ECDSA_SHA256', 'CKM_RSA_PKCS']",
    );
    let (module, session) = bench.logged_in();
    let listed = module.get_mechanism_list(slot(&module)).unwrap();
    for (mechanism, expected) in [
        (MechanismType::SHA256_RSA_PKCS, false),
        (MechanismType::ECDSA, false),
        (MechanismType::ECDSA_SHA256, true),
        (MechanismType::RSA_PKCS, true),
    ] {
        assert_eq!(listed.contains(&mechanism), expected, "{mechanism}");
    }
    let invalid = module.get_mechanism_info(slot(&module), MechanismType::SHA256_RSA_PKCS);
    assert_eq!(code(invalid), RvError::MechanismInvalid);
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    sign(&session, key).unwrap();
    for refused in [Mechanism::Sha256RsaPkcs, Mechanism::RsaPkcs] {
        assert_eq!(code(session.sign(&refused, key, &[7; 32])), RvError::MechanismInvalid);
    }
    bench.configure("[mechanisms]\nrefused = ['CKM_EC_KEY_PAIR_GEN']");
    assert_eq!(code(generate(&session, "other", &[2])), RvError::MechanismInvalid);
});

simulator_test!(an_attribute_that_the_vendor_does_not_take_is_refused_wherever_it_stands, |bench| {
    let (_, session) = bench.logged_in();
    let (public, _) = generate(&session, "seal", &[1]).unwrap();
    bench.configure("[templates]\nrefused = ['CKA_LABEL']\ncode = 'CKR_ATTRIBUTE_TYPE_INVALID'");
    assert_eq!(code(generate(&session, "other", &[2])), RvError::AttributeTypeInvalid);
    let label = [Attribute::Label(b"x".to_vec())];
    assert_eq!(code(session.update_attributes(public, &label)), RvError::AttributeTypeInvalid);
    assert_eq!(code(session.copy_object(public, &label)), RvError::AttributeTypeInvalid);
    let data = [Attribute::Class(ObjectClass::DATA), Attribute::Token(true), Attribute::Label(b"x".to_vec())];
    assert_eq!(code(session.create_object(&data)), RvError::AttributeTypeInvalid);
    bench.configure("[templates]\nrefused_classes = ['CKO_DATA']\nsession_objects = 0x8000005F");
    assert_eq!(code(session.create_object(&data)), RvError::TemplateInconsistent);
    let session_object = [Attribute::Class(ObjectClass::DATA)];
    assert_eq!(code(session.create_object(&session_object)), RvError::VendorDefined(0x8000_005F));
    bench.configure("");
    session.create_object(&data).unwrap();
});

simulator_test!(an_attribute_can_be_unreadable, |bench| {
    let (_, session) = bench.logged_in();
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    let read = || session.get_attributes(key, &[AttributeType::AlwaysSensitive, AttributeType::Label]).unwrap();
    assert_eq!(read().len(), 2);
    bench.configure("[templates]\nunreadable = ['CKA_ALWAYS_SENSITIVE']");
    assert_eq!(read(), [Attribute::Label(b"seal".to_vec())]);
});

simulator_test!(a_device_may_make_other_keys_than_it_was_asked_for, |bench| {
    bench.configure(
        "[templates]\nprivate_defaults = { CKA_DECRYPT = true }\nprivate_forced = { CKA_EXTRACTABLE = true }",
    );
    let (_, session) = bench.logged_in();
    let (_, key) = generate(&session, "seal", &[1]).unwrap();
    let read = session.get_attributes(key, &[AttributeType::Extractable, AttributeType::Decrypt]).unwrap();
    assert_eq!(read, [Attribute::Extractable(true), Attribute::Decrypt(true)]);
    // A default is for what the template does not say.
    let public = [public_template("other", &[2]), vec![Attribute::EcParams(P256.to_vec())]].concat();
    let private = [private_template("other", &[2]), vec![Attribute::Decrypt(false)]].concat();
    let (_, key) = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap();
    assert_eq!(session.get_attributes(key, &[AttributeType::Decrypt]).unwrap(), [Attribute::Decrypt(false)]);
});

simulator_test!(a_second_key_with_the_same_id_or_label_is_refused_or_renamed, |bench| {
    bench.configure(
        "[naming]\nduplicate_id = 'CKR_ATTRIBUTE_VALUE_INVALID'\nduplicate_label = 'CKR_TEMPLATE_INCONSISTENT'",
    );
    let (_, session) = bench.logged_in();
    generate(&session, "seal", &[1]).unwrap();
    assert_eq!(code(generate(&session, "other", &[1])), RvError::AttributeValueInvalid);
    assert_eq!(code(generate(&session, "seal", &[2])), RvError::TemplateInconsistent);
    bench.configure("[naming]\nduplicate_label = 'rename'");
    let (public, private) = generate(&session, "seal", &[2]).unwrap();
    for half in [public, private] {
        let label = session.get_attributes(half, &[AttributeType::Label]).unwrap();
        assert!(matches!(&label[..], [Attribute::Label(label)] if label.starts_with(b"\"seal\"@?!")), "{label:?}");
    }
});

simulator_test!(a_device_may_choose_the_id_by_itself_the_same_for_both_halves, |bench| {
    bench.configure("[naming]\ndevice_assigns_id = true");
    let (_, session) = bench.logged_in();
    let (public, private) = generate(&session, "seal", &[1]).unwrap();
    let id = |half| session.get_attributes(half, &[AttributeType::Id]).unwrap();
    assert_eq!(id(public), id(private));
    assert!(matches!(&id(private)[..], [Attribute::Id(id)] if id.len() == 20));
});

/// Makes keys in another process, through OpenSC's tool and not through the simulator.
fn another_process_makes(label: &str) {
    let mut tool = Command::new("pkcs11-tool");
    tool.arg("--module").arg(softhsm()).args(["--token-label", LABEL, "--login", "--pin", USER_PIN]);
    run(tool.args(["--keypairgen", "--key-type", "EC:prime256v1", "--id", "0b0b", "--label", label]));
}

simulator_test!(a_library_may_not_see_what_others_make_until_it_starts_anew, |bench| {
    another_process_makes("before");
    bench.configure("[visibility]\nhides_later = true");
    let (module, session) = bench.logged_in();
    generate(&session, "own", &[1]).unwrap();
    another_process_makes("later");
    let labels = |session: &Session| {
        let found = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).unwrap();
        let label = |object| match session.get_attributes(object, &[AttributeType::Label]).unwrap().remove(0) {
            Attribute::Label(label) => String::from_utf8(label).unwrap(),
            other => panic!("{other:?}"),
        };
        found.into_iter().map(label).collect::<BTreeSet<_>>()
    };
    assert_eq!(labels(&session), ["before", "own"].map(str::to_owned).into());
    drop(session);
    module.finalize().unwrap();
    assert_eq!(labels(&bench.logged_in().1), ["before", "later", "own"].map(str::to_owned).into());
});
