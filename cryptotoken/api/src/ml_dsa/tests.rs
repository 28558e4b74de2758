//! Certificates and signatures that OpenSSL 4 made (`tests/fixtures/ml-dsa`) are accepted, and nothing else.

use super::*;
use crate::verification::{IdentifiedError, VerificationError, verify, verify_identified};
use crate::{
    Certificate, CertificateChain, DataToBeSigned, DigestAlgorithm, PublicKey, SignatureAlgorithm, SignatureValue,
    ToBeSigned,
};

const SETS: [KeySpec; 3] = [KeySpec::MlDsa44, KeySpec::MlDsa65, KeySpec::MlDsa87];

fn fixture(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/");
    std::fs::read(format!("{path}{name}")).unwrap()
}

fn certificate(name: &str) -> Certificate {
    crate::certificate::read_bundle(&fixture(&format!("ml-dsa/{name}.pem"))).unwrap().remove(0)
}

fn data() -> DataToBeSigned {
    DataToBeSigned::new(fixture("binary/crlf.txt"))
}

#[test]
fn signatures_of_openssl_verify_and_changed_ones_do_not() {
    for spec in SETS {
        let key = certificate(spec.name()).key().known().unwrap().clone();
        assert_eq!(key.spec(), spec);
        let algorithm = SignatureAlgorithm::for_key(spec, None, None).unwrap();
        let octets = fixture(&format!("ml-dsa/{spec}.signature"));
        assert_eq!(spec.ml_dsa_signature_length(), Some(octets.len()));
        let check = |data: &DataToBeSigned, signature: &[u8]| {
            verify(&key, algorithm, ToBeSigned::Data(data), &SignatureValue::new(signature.to_vec()))
        };
        check(&data(), &octets).unwrap();
        // The challenge, the response, the hint.
        for position in [0, octets.len() / 2, octets.len() - 1] {
            let mut changed = octets.clone();
            changed[position] ^= 1;
            assert!(matches!(check(&data(), &changed), Err(VerificationError::Mismatch)), "{spec}, octet {position}");
        }
        let mut other = data().as_bytes().to_vec();
        other[0] ^= 1;
        assert!(check(&DataToBeSigned::new(other), &octets).is_err());
        for wrong in [&octets[1..], &octets[..octets.len() - 1], &[]] {
            assert!(check(&data(), wrong).is_err(), "{spec}, {} octets", wrong.len());
        }
        assert!(check(&data(), &fixture(&format!("ml-dsa/{spec}.signature-with-context"))).is_err());
    }
}

#[test]
fn a_digest_and_the_algorithm_of_another_key_are_refused() {
    let key = certificate("ml-dsa-65").key().known().unwrap().clone();
    let value = SignatureValue::new(fixture("ml-dsa/ml-dsa-65.signature"));
    let (data, refused) = (data(), |algorithm, signed: ToBeSigned<'_>| verify(&key, algorithm, signed, &value));
    let digest = ToBeSigned::Data(&data).representation(DigestAlgorithm::Sha512);
    let own = SignatureAlgorithm::for_key(KeySpec::MlDsa65, None, None).unwrap();
    let of_digest = refused(own, ToBeSigned::Representation(&digest));
    assert!(matches!(of_digest, Err(VerificationError::DataRequired)));
    let other = SignatureAlgorithm::for_key(KeySpec::MlDsa44, None, None).unwrap();
    assert!(matches!(refused(other, ToBeSigned::Data(&data)), Err(VerificationError::Mismatch)));
    let rsa = SignatureAlgorithm::for_key(KeySpec::Rsa2048, None, None).unwrap();
    assert!(matches!(refused(rsa, ToBeSigned::Data(&data)), Err(VerificationError::Unsuitable(_))));
    assert!(SignatureAlgorithm::for_key(KeySpec::MlDsa65, None, Some(DigestAlgorithm::Sha256)).is_err());
}

#[test]
fn a_signature_of_somebody_else_goes_by_the_identifier_beside_it_which_has_no_parameters() {
    for spec in SETS {
        let key = certificate(spec.name()).key().known().unwrap().clone();
        let signature = fixture(&format!("ml-dsa/{spec}.signature"));
        let verified =
            |identifier| verify_identified(&key.clone().into(), &identifier, None, data().as_bytes(), &signature);
        let identifier = SignatureAlgorithm::for_key(spec, None, None).unwrap().identifier().unwrap();
        verified(identifier.clone()).unwrap();
        let with_null = AlgorithmIdentifierOwned { parameters: Some(der::Any::null()), ..identifier };
        assert_eq!(verified(with_null), Err(IdentifiedError::Mismatch), "{spec}");
        let other = if spec == KeySpec::MlDsa44 { KeySpec::MlDsa65 } else { KeySpec::MlDsa44 };
        let other = SignatureAlgorithm::for_key(other, None, None).unwrap().identifier().unwrap();
        assert_eq!(verified(other), Err(IdentifiedError::Mismatch), "{spec}");
    }
}

#[test]
fn a_certificate_is_issued_by_the_key_that_signed_it_and_by_no_other() {
    let root = certificate("root");
    assert!(root.is_self_signed());
    for spec in SETS {
        let leaf = certificate(spec.name());
        assert!(leaf.is_issued_by(&root) && !leaf.is_self_signed() && !root.is_issued_by(&leaf), "{spec}");
        let bundle = [fixture("ml-dsa/root.pem"), fixture(&format!("ml-dsa/{spec}.pem"))].concat();
        let chain = CertificateChain::for_key(&bundle, leaf.key().known().unwrap()).unwrap();
        assert_eq!(chain.certificates(), [leaf.clone(), root.clone()]);
        // A letter of the subject.
        let mut changed = leaf.der().to_vec();
        let letter = changed.windows(9).position(|part| part == spec.name().as_bytes()).unwrap();
        changed[letter] ^= 0x20;
        assert!(!Certificate::from_der(&changed).unwrap().is_issued_by(&root), "{spec}");
        let identifier = SignatureAlgorithm::for_key(spec, None, None).unwrap().identifier().unwrap();
        assert_eq!(identifier, leaf.fields().subject_public_key_info().algorithm);
    }
}

#[test]
fn a_key_is_encoded_as_openssl_encodes_it() {
    for spec in SETS {
        let key = certificate(spec.name()).key().known().unwrap().clone();
        let spki = SubjectPublicKeyInfoRef::try_from(key.spki_der()).unwrap();
        let made = PublicKey::from_ml_dsa(spec, spki.subject_public_key.as_bytes().unwrap()).unwrap();
        assert_eq!(made.spki_der(), key.spki_der());
        assert!(made.same_key(&key));
        assert!(!made.same_key(certificate("root").key().known().unwrap()));
    }
}

#[test]
fn keys_that_break_rfc_9881_are_refused() {
    let key = certificate("ml-dsa-44").key().known().unwrap().clone();
    assert!(PublicKey::from_ml_dsa(KeySpec::MlDsa65, &[0; 1312]).is_err());
    assert!(PublicKey::from_ml_dsa(KeySpec::Rsa2048, &[0; 1312]).is_err());
    let mut spki = SubjectPublicKeyInfoOwned::try_from(key.spki_der()).unwrap();
    spki.subject_public_key = BitString::from_bytes(&[0; 1311]).unwrap();
    let short = PublicKey::from_spki_der(&spki.to_der().unwrap()).unwrap_err();
    assert!(format!("{short:?}").contains("Length(1311)"), "{short:?}");
    let mut spki = SubjectPublicKeyInfoOwned::try_from(key.spki_der()).unwrap();
    spki.algorithm.parameters = Some(der::Any::null());
    let with_null = PublicKey::from_spki_der(&spki.to_der().unwrap()).unwrap_err();
    assert!(format!("{with_null:?}").contains("Parameters"), "{with_null:?}");
}
