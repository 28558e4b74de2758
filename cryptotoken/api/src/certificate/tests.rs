//! Bundles are read in any order and form, and chains are put in order as RFC 5280 compares names.

use openssl::asn1::{Asn1Time, Asn1Type};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Name, X509NameBuilder};

use super::*;

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn name(text: &str, kind: Asn1Type) -> X509Name {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid_with_type(Nid::COMMONNAME, text, kind).unwrap();
    name.build()
}

fn utf8(text: &str) -> X509Name {
    name(text, Asn1Type::UTF8STRING)
}

fn issue(subject: &X509Name, key: &PKey<Private>, issuer: &X509Name, issuer_key: &PKey<Private>) -> X509 {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(64, openssl::bn::MsbOption::ONE, false).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(subject).unwrap();
    builder.set_issuer_name(issuer).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.sign(issuer_key, MessageDigest::sha256()).unwrap();
    builder.build()
}

fn bundle(certificates: &[&X509]) -> Vec<u8> {
    certificates.iter().flat_map(|certificate| certificate.to_pem().unwrap()).collect()
}

fn public(key: &PKey<Private>) -> PublicKey {
    PublicKey::from_spki_der(&key.public_key_to_der().unwrap()).unwrap()
}

fn ders(chain: &CertificateChain) -> Vec<Vec<u8>> {
    chain.certificates().iter().map(|certificate| certificate.der().to_vec()).collect()
}

/// Names of leaf, intermediate and root, with their keys.
struct Authority {
    keys: [PKey<Private>; 3],
    names: [X509Name; 3],
}

impl Authority {
    fn new() -> Self {
        Self { keys: [key(), key(), key()], names: [utf8("leaf"), utf8("intermediate"), utf8("root")] }
    }

    fn issue(&self, subject: usize, issuer: usize) -> X509 {
        issue(&self.names[subject], &self.keys[subject], &self.names[issuer], &self.keys[issuer])
    }
}

#[test]
fn certificates_are_put_in_order_and_doubles_are_dropped() {
    let authority = Authority::new();
    let (leaf, middle, root) = (authority.issue(0, 1), authority.issue(1, 2), authority.issue(2, 2));
    let expected = [&leaf, &middle, &root].map(|certificate| certificate.to_der().unwrap());
    for mixed in [[&root, &leaf, &middle, &root, &middle, &leaf], [&root, &root, &root, &middle, &middle, &leaf]] {
        let chain = CertificateChain::for_key(&bundle(&mixed), &public(&authority.keys[0])).unwrap();
        assert_eq!(ders(&chain), expected);
        assert_eq!(chain.without_root().count(), 2);
    }
}

#[test]
fn authorities_of_the_same_name_are_told_apart_by_their_keys() {
    let authority = Authority::new();
    let (leaf, middle, root) = (authority.issue(0, 1), authority.issue(1, 2), authority.issue(2, 2));
    let imposter = issue(&authority.names[1], &key(), &authority.names[2], &authority.keys[2]);
    let refused = CertificateChain::for_key(&bundle(&[&leaf, &imposter, &middle, &root]), &public(&authority.keys[0]));
    assert!(matches!(refused, Err(CertificateError::Unrelated { .. })));
}

#[test]
fn authorities_that_certify_each_other_make_no_endless_chain() {
    let authority = Authority::new();
    let (leaf, middle, back) = (authority.issue(0, 1), authority.issue(1, 2), authority.issue(2, 1));
    let chain = CertificateChain::for_key(&bundle(&[&back, &middle, &leaf]), &public(&authority.keys[0])).unwrap();
    assert_eq!(ders(&chain), [&leaf, &middle, &back].map(|certificate| certificate.to_der().unwrap()));
}

#[test]
fn a_new_key_certified_by_the_old_key_of_the_same_authority_is_no_root() {
    let authority = Authority::new();
    let (old, new) = (&authority.keys[2], &authority.keys[1]);
    let root = &authority.names[2];
    let leaf = issue(&authority.names[0], &authority.keys[0], root, new);
    let (rollover, anchor) = (issue(root, new, root, old), issue(root, old, root, old));
    let chain = CertificateChain::for_key(&bundle(&[&anchor, &rollover, &leaf]), &public(&authority.keys[0])).unwrap();
    let embedded: Vec<&[u8]> = chain.without_root().map(Certificate::der).collect();
    assert_eq!(embedded, [leaf.to_der().unwrap(), rollover.to_der().unwrap()]);
}

#[test]
fn issuer_and_subject_may_differ_in_string_type_and_case() {
    let authority = Authority::new();
    let (leaf, leaf_key) = (&authority.names[0], &authority.keys[0]);
    let printable = name("INTERMEDIATE", Asn1Type::PRINTABLESTRING);
    let leaf = issue(leaf, leaf_key, &printable, &authority.keys[1]);
    let chain = CertificateChain::for_key(&bundle(&[&authority.issue(1, 2), &leaf]), &public(leaf_key)).unwrap();
    assert_eq!(chain.certificates().len(), 2);
}

#[test]
fn text_around_the_certificates_and_line_ends_of_windows_do_not_matter() {
    let authority = Authority::new();
    let (leaf, root) = (authority.issue(0, 2), authority.issue(2, 2));
    let pem = String::from_utf8(bundle(&[&leaf, &root])).unwrap();
    let commented = format!(
        "\u{FEFF}{}\nBag Attributes: none\n{}",
        pem, "-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n"
    );
    for text in [pem.replace('\n', "\r\n"), commented] {
        let read = read_bundle(text.as_bytes()).unwrap();
        let read: Vec<&[u8]> = read.iter().map(Certificate::der).collect();
        assert_eq!(read, [leaf.to_der().unwrap(), root.to_der().unwrap()]);
    }
}

#[test]
fn a_certificate_is_kept_as_it_came_or_refused() {
    let der = Authority::new().issue(2, 2).to_der().unwrap();
    // The same certificate with the outer length in a longer form than DER has.
    assert_eq!(der[..2], [0x30, 0x82]);
    let ber = [&[0x30, 0x83, 0x00], &der[2..]].concat();
    let pem = |der: &[u8]| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", openssl::base64::encode_block(der))
    };
    for document in [ber.clone(), pem(&ber).into_bytes(), [der.clone(), der.clone()].concat()] {
        assert!(matches!(read_bundle(&document), Err(CertificateError::Malformed(_))));
    }
    assert_eq!(read_bundle(pem(&der).as_bytes()).unwrap()[0].der(), der);
}
