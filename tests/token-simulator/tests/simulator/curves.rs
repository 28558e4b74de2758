//! Elliptic curves in the codings of other vendors, judged by OpenSSL.

use cryptoki::error::RvError;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey};
use openssl::sign::Verifier;

use crate::bench::{Bench, code, generate, private_template, public_template, sign, simulator_test, slot};

const P521: [u8; 7] = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];

fn point(session: &Session, public: ObjectHandle) -> Vec<u8> {
    match session.get_attributes(public, &[AttributeType::Token, AttributeType::EcPoint]).unwrap().as_slice() {
        [Attribute::Token(true), Attribute::EcPoint(point)] => point.clone(),
        other => panic!("{other:?}"),
    }
}

fn generate_p521(session: &Session) -> (ObjectHandle, ObjectHandle) {
    let public = [public_template("long", &[9]), vec![Attribute::EcParams(P521.to_vec())]].concat();
    session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private_template("long", &[9])).unwrap()
}

simulator_test!(the_point_of_a_key_comes_in_each_coding, |bench: &Bench| {
    let (_, session) = bench.logged_in();
    for (public, nid, length) in [
        (generate(&session, "seal", &[1]).unwrap().0, Nid::X9_62_PRIME256V1, 65),
        (generate_p521(&session).0, Nid::SECP521R1, 133),
    ] {
        bench.configure("");
        let octet_string = point(&session, public);
        bench.configure("[ec]\npoint = 'raw'");
        let raw = point(&session, public);
        assert_eq!(raw.len(), length);
        assert!(octet_string.ends_with(&raw) && octet_string[0] == 0x04 && octet_string.len() > length);
        let group = EcGroup::from_curve_name(nid).unwrap();
        let mut context = BigNumContext::new().unwrap();
        EcPoint::from_bytes(&group, &raw, &mut context).unwrap();
        bench.configure("[ec]\npoint = 'bit-string'");
        let bits = point(&session, public);
        assert!(bits.ends_with(&[&[0][..], &raw].concat()) && bits[0] == 0x03);
    }
});

simulator_test!(signatures_are_raw_or_x962_and_the_device_verifies_its_own, |bench: &Bench| {
    let (_, session) = bench.logged_in();
    let (short, long) = (generate(&session, "seal", &[1]).unwrap(), generate_p521(&session));
    for ((public, private), nid, width) in [(short, Nid::X9_62_PRIME256V1, 32), (long, Nid::SECP521R1, 66)] {
        bench.configure("");
        assert_eq!(sign(&session, private).unwrap().len(), 2 * width);
        bench.configure("[ec]\nsignature = 'x9.62'\npoint = 'raw'");
        let group = EcGroup::from_curve_name(nid).unwrap();
        let mut context = BigNumContext::new().unwrap();
        let point = EcPoint::from_bytes(&group, &point(&session, public), &mut context).unwrap();
        let key = EcKey::from_public_key(&group, &point).unwrap();
        for _ in 0..20 {
            let der = sign(&session, private).unwrap();
            let signature = EcdsaSig::from_der(&der).unwrap();
            assert!(signature.verify(&[7; 32], &key).unwrap());
            session.verify(&Mechanism::Ecdsa, public, &[7; 32], &der).unwrap();
            assert_eq!(code(session.verify(&Mechanism::Ecdsa, public, &[8; 32], &der)), RvError::SignatureInvalid);
        }
    }
});

simulator_test!(ed25519_goes_by_the_names_and_mechanisms_of_the_vendor, |bench: &Bench| {
    let (module, session) = bench.logged_in();
    let nshield = ("parameters = 'printable:curve25519'", &b"\x13\x0acurve25519"[..]);
    let utimaco =
        ("parameters = 'raw:edwards25519'\ngenerate = 'CKM_EC_KEY_PAIR_GEN'\nsign = 'CKM_ECDSA'", &b"edwards25519"[..]);
    let eddsa = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
    for ((more, name), generating, signing) in
        [(nshield, Mechanism::EccEdwardsKeyPairGen, eddsa), (utimaco, Mechanism::EccKeyPairGen, Mechanism::Ecdsa)]
    {
        bench.configure(&format!("[eddsa]\n{more}\n[ec]\npoint = 'raw'"));
        let make = |mechanism: &Mechanism<'_>, parameters: &[u8]| {
            let public = [public_template("edwards", &[5]), vec![Attribute::EcParams(parameters.to_vec())]].concat();
            session.generate_key_pair(mechanism, &public, &private_template("edwards", &[5]))
        };
        make(&Mechanism::EccEdwardsKeyPairGen, &[0x06, 0x03, 0x2b, 0x65, 0x70]).unwrap_err();
        let (public, private) = make(&generating, name).unwrap();
        let parameters = session.get_attributes(public, &[AttributeType::EcParams]).unwrap();
        assert_eq!(parameters, [Attribute::EcParams(name.to_vec())]);
        let key = PKey::public_key_from_raw_bytes(&point(&session, public), Id::ED25519).unwrap();
        let signature = session.sign(&signing, private, b"data").unwrap();
        assert!(Verifier::new_without_digest(&key).unwrap().verify_oneshot(&signature, b"data").unwrap());
        // Other curves are as ever.
        let (_, other) = generate(&session, "seal", &[6]).unwrap();
        assert_eq!(sign(&session, other).unwrap().len(), 64);
    }
    let listed = module.get_mechanism_list(slot(&module)).unwrap();
    assert!(!listed.contains(&MechanismType::EDDSA) && listed.contains(&MechanismType::ECDSA));
    assert!(!listed.contains(&MechanismType::ECC_EDWARDS_KEY_PAIR_GEN));
});
