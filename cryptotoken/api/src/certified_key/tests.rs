//! Keys, certificates and signatures made by the openssl program.

use std::path::Path;
use std::process::Command;

use const_oid::ObjectIdentifier;
use der::{Any, Decode};
use spki::AlgorithmIdentifierOwned;

use super::*;
use crate::Certificate;
use crate::verification::verify_identified;

/// Name of the kind, arguments of `openssl genpkey`, arguments that sign, identifier of the signature.
const KINDS: [(&str, &[&str], &[&str], &str); 9] = [
    ("ec-p256", &["EC", "ec_paramgen_curve:P-256"], &["-sha256"], ECDSA_SHA256),
    ("brainpool-p256r1", &["EC", "ec_paramgen_curve:brainpoolP256r1"], &["-sha256"], ECDSA_SHA256),
    ("brainpool-p384r1", &["EC", "ec_paramgen_curve:brainpoolP384r1"], &["-sha384"], ECDSA_SHA384),
    ("brainpool-p512r1", &["EC", "ec_paramgen_curve:brainpoolP512r1"], &["-sha512"], ECDSA_SHA512),
    ("rsa", &["RSA", "rsa_keygen_bits:2560"], &["-sha256"], RSA_SHA256),
    ("rsa", &["RSA", "rsa_keygen_bits:5120"], PSS, RSA_PSS),
    ("rsa-pss", &["RSA-PSS", "rsa_keygen_bits:2048"], PSS, RSA_PSS),
    (
        "rsa-pss",
        &["RSA-PSS", "rsa_keygen_bits:3072", "rsa_pss_keygen_md:sha256", "rsa_pss_keygen_mgf1_md:sha256"],
        PSS,
        RSA_PSS,
    ),
    ("ed448", &["ED448"], &[], "1.3.101.113"),
];
const PSS: &[&str] = &["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
const ECDSA_SHA512: &str = "1.2.840.10045.4.3.4";
const RSA_SHA256: &str = "1.2.840.113549.1.1.11";
const RSA_PSS: &str = "1.2.840.113549.1.1.10";
/// SHA-256, MGF1 with SHA-256, 32 octets of salt (RFC 4055, section 3.1).
const PSS_PARAMETERS: &str =
    "3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120";

fn openssl(arguments: &[&str], folder: &Path) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn generate(kind: &[&str], name: &str, folder: &Path) {
    let (algorithm, options) = kind.split_first().unwrap();
    let options: Vec<&str> = options.iter().flat_map(|option| ["-pkeyopt", option]).collect();
    openssl(&[&["genpkey", "-algorithm", algorithm, "-out", name], options.as_slice()].concat(), folder);
}

fn public(name: &str, folder: &Path) -> Result<CertifiedKey, UnusableKey> {
    CertifiedKey::from_spki_der(&openssl(&["pkey", "-in", name, "-pubout", "-outform", "DER"], folder))
}

#[test]
fn signatures_with_keys_that_no_token_here_has_verify_and_changed_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("data"), b"to be signed").unwrap();
    for (name, kind, arguments, oid) in KINDS {
        generate(kind, "key", at);
        let key = public("key", at).unwrap();
        assert_eq!(key.name(), name);
        assert_eq!(key.known().is_some(), name == "ec-p256", "{name}");
        let mut signature = if name == "ed448" {
            openssl(&["pkeyutl", "-sign", "-inkey", "key", "-rawin", "-in", "data"], at)
        } else {
            openssl(&[&["dgst", "-sign", "key"], arguments, &["data"]].concat(), at)
        };
        let pss = || Any::from_der(&hex::decode(PSS_PARAMETERS).unwrap()).unwrap();
        let parameters = (oid == RSA_PSS).then(pss);
        let identifier = AlgorithmIdentifierOwned { oid: ObjectIdentifier::new_unwrap(oid), parameters };
        let verified = |data: &[u8], signature: &[u8]| verify_identified(&key, &identifier, None, data, signature);
        verified(b"to be signed", &signature).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(verified(b"to be signeD", &signature).is_err(), "{name}");
        *signature.last_mut().unwrap() ^= 1;
        assert!(verified(b"to be signed", &signature).is_err(), "{name}");
        assert!(verified(b"to be signed", &[]).is_err(), "{name}");

        // A certificate of that key says that it issued itself.
        let padding: &[&str] = if oid == RSA_PSS { &PSS[1..] } else { &[] };
        let request = ["req", "-x509", "-new", "-key", "key", "-subj", "/CN=Authority", "-outform", "DER"];
        let certificate = Certificate::from_der(&openssl(&[&request, padding].concat(), at)).unwrap();
        assert!(certificate.is_self_signed(), "{name}");
        assert_eq!(certificate.key().spki_der(), key.spki_der());
    }
}

#[test]
fn what_is_not_fit_for_signatures_is_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for kind in [
        &["RSA", "rsa_keygen_bits:1024"][..],
        &["EC", "ec_paramgen_curve:brainpoolP224r1"],
        &["EC", "ec_paramgen_curve:secp256k1"],
        &["X25519"],
    ] {
        generate(kind, "key", at);
        assert!(matches!(public("key", at), Err(UnusableKey::Unsupported(_))), "{kind:?}");
    }
}

#[test]
fn a_chain_whose_signer_has_such_a_key_is_refused_and_one_below_such_an_authority_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    generate(&["EC", "ec_paramgen_curve:brainpoolP384r1"], "ca.key", at);
    generate(&["EC", "ec_paramgen_curve:P-256"], "key", at);
    openssl(&["req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=Authority", "-out", "ca.pem"], at);
    openssl(&["req", "-new", "-key", "key", "-subj", "/CN=Seal", "-out", "csr"], at);
    openssl(&["x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "pem"], at);
    let bundle = [std::fs::read(at.join("ca.pem")).unwrap(), std::fs::read(at.join("pem")).unwrap()].concat();
    let key = public("key", at).unwrap().known().unwrap().clone();
    let chain = crate::CertificateChain::for_key(&bundle, &key).unwrap();
    assert_eq!(chain.certificates().len(), 2);
    assert!(chain.leaf_key().same_key(&key));
    let authority: Vec<_> = chain.certificates().iter().skip(1).map(|each| each.der().to_vec()).collect();
    assert!(crate::CertificateChain::from_ders(&authority).is_err());
}
