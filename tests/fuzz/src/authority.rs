//! A root, a seal and a time-stamping unit, whose keys and certificates are the same in every run.

use std::sync::LazyLock;

use cryptotoken_api::CertificateChain;
use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::sha::sha256;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Extension, X509NameBuilder};

use crate::{Bench, NOW, der};

/// A key with a certificate of the root.
pub struct Holder {
    key: EcKey<Private>,
    /// Certificate and root.
    pub chain: CertificateChain,
}

/// Seals documents.
pub static SEAL: LazyLock<Holder> = LazyLock::new(|| Holder::new("Seal", 2, None));
/// Stamps.
pub static TSA: LazyLock<Holder> = LazyLock::new(|| Holder::new("Time", u32::from(TSA_SERIAL), Some("timeStamping")));
const TSA_SERIAL: u8 = 3;
/// Answers for the root.
pub static RESPONDER: LazyLock<Holder> = LazyLock::new(|| Holder::new("Responder", 4, Some("OCSPSigning")));

/// The worker behind timestamps.
#[must_use]
pub fn tsa() -> &'static Bench {
    static WORKER: LazyLock<Bench> =
        LazyLock::new(|| Bench::new("kind = \"timestamp\"\npolicy = \"1.2.3.4\"\nclock = \"trusted\""));
    &WORKER
}

/// The root, PEM.
#[must_use]
pub fn root_pem() -> String {
    String::from_utf8(ROOT.to_pem().expect("PEM")).expect("PEM")
}

/// Ed25519, whose signatures are always the same.
static ROOT_KEY: LazyLock<PKey<Private>> =
    LazyLock::new(|| PKey::private_key_from_raw_bytes(&[7; 32], Id::ED25519).expect("a key"));
static ROOT: LazyLock<X509> = LazyLock::new(|| {
    let mut builder = certificate("Root", 1, &ROOT_KEY, None);
    builder.append_extension(BasicConstraints::new().critical().ca().build().expect("an extension")).expect("one more");
    let usage = KeyUsage::new().critical().key_cert_sign().crl_sign().build().expect("an extension");
    builder.append_extension(usage).expect("one more");
    builder.sign(&ROOT_KEY, MessageDigest::null()).expect("a certificate");
    builder.build()
});

impl Holder {
    fn new(name: &str, serial: u32, usage: Option<&str>) -> Self {
        let key = ec_key(name);
        let mut builder = certificate(name, serial, &PKey::from_ec_key(key.clone()).expect("a key"), Some(&ROOT));
        let extensions = [
            KeyUsage::new().critical().digital_signature().non_repudiation().build().expect("an extension"),
            match usage {
                Some(usage) => ExtendedKeyUsage::new().critical().other(usage).build().expect("an extension"),
                None => ExtendedKeyUsage::new().email_protection().build().expect("an extension"),
            },
            no_revocation_available(),
        ];
        for extension in extensions {
            builder.append_extension(extension).expect("one more");
        }
        builder.sign(&ROOT_KEY, MessageDigest::null()).expect("a certificate");
        let ders = [builder.build().to_der().expect("DER"), ROOT.to_der().expect("DER")];
        Self { key, chain: CertificateChain::from_ders(&ders).expect("a chain") }
    }

    /// An ECDSA signature, DER.
    #[must_use]
    pub fn sign(&self, digest: &[u8]) -> Vec<u8> {
        EcdsaSig::sign(digest, &self.key).and_then(|signature| signature.to_der()).expect("a signature")
    }

    /// An OCSP response of the root's delegated responder: this certificate is good.
    #[must_use]
    pub fn ocsp_response(&self) -> Vec<u8> {
        let (leaf, root) = (self.chain.certificates()[0].clone(), self.chain.certificates()[1].clone());
        let time = || der::tlv(0x18, &[b"20270115080000Z"]);
        let request = workers::revocation::ocsp::OcspRequest::new(
            &leaf,
            &root,
            workers::revocation::ocsp::IdentifierDigest::Sha1,
            None,
        )
        .expect("a request");
        // OCSPRequest, TBSRequest, requestList, Request: its CertID.
        let id = der::members(der::members(der::members(der::members(request.der())[0])[0])[0])[0].to_vec();
        let single = der::sequence(&[&id, &[0x80, 0x00], &time(), &der::tlv(0xa0, &[&der::tlv(0x18, &[LATER])])]);
        let responder = RESPONDER.chain.leaf().clone();
        let name = der::members(der::members(responder.der())[0])[5].to_vec();
        ocsp_response(&der::sequence(&[&der::tlv(0xa1, &[&name]), &time(), &der::sequence(&[&single])]))
    }
}

/// An OCSP response with this `ResponseData`, signed by the root's delegated responder.
#[must_use]
pub fn ocsp_response(data: &[u8]) -> Vec<u8> {
    let value = RESPONDER.sign(&sha256(data));
    let certificates = der::tlv(0xa0, &[&der::sequence(&[RESPONDER.chain.leaf().der()])]);
    let basic = der::sequence(&[data, &ECDSA_WITH_SHA256, &der::tlv(0x03, &[&[0], &value]), &certificates]);
    let kind = [0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
    let bytes = der::sequence(&[&kind, &der::tlv(0x04, &[&basic])]);
    der::sequence(&[&[0x0a, 0x01, 0x00], &der::tlv(0xa0, &[&bytes])])
}

/// A timestamp token with this `TSTInfo`, signed by [`TSA`].
#[must_use]
pub fn timestamp_token(info: &[u8]) -> Vec<u8> {
    let [leaf, root] = TSA.chain.certificates() else { unreachable!("two certificates") };
    let attribute = |oid: &[u8], value: &[u8]| der::sequence(&[&der::tlv(0x06, &[oid]), &der::tlv(0x31, &[value])]);
    let reference = der::sequence(&[&der::sequence(&[&der::sequence(&[&der::tlv(0x04, &[&sha256(leaf.der())])])])]);
    let attributes = [
        attribute(&[PKCS9, &[3]].concat(), &der::tlv(0x06, &[TST_INFO])),
        attribute(&[PKCS9, &[4]].concat(), &der::tlv(0x04, &[&sha256(info)])),
        attribute(&[PKCS9, &[16, 2, 47]].concat(), &reference),
    ]
    .concat();
    let value = TSA.sign(&sha256(&der::tlv(0x31, &[&attributes])));
    let issuer = der::members(der::members(root.der())[0])[5];
    let identifier = der::sequence(&[issuer, &[0x02, 0x01, TSA_SERIAL]]);
    let signer = der::sequence(&[
        &[0x02, 0x01, 0x01],
        &identifier,
        &SHA256,
        &der::tlv(0xa0, &[&attributes]),
        &ECDSA_WITH_SHA256,
        &der::tlv(0x04, &[&value]),
    ]);
    let content = der::sequence(&[&der::tlv(0x06, &[TST_INFO]), &der::tlv(0xa0, &[&der::tlv(0x04, &[info])])]);
    let signed_data = der::sequence(&[
        &[0x02, 0x01, 0x03],
        &der::tlv(0x31, &[&SHA256]),
        &content,
        &der::tlv(0xa0, &[leaf.der()]),
        &der::tlv(0x31, &[&signer]),
    ]);
    let kind = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
    der::sequence(&[&kind, &der::tlv(0xa0, &[&signed_data])])
}

/// 1.2.840.113549.1.9.
const PKCS9: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09];
/// 1.2.840.113549.1.9.16.1.4.
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
/// `AlgorithmIdentifier` of SHA-256.
const SHA256: [u8; 13] = [0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// `AlgorithmIdentifier` of ECDSA with SHA-256.
const ECDSA_WITH_SHA256: [u8; 12] = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// `AlgorithmIdentifier` of Ed25519.
const ED25519: [u8; 7] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];

/// A CRL of the root with these serial numbers, each entry and the list itself with these extensions.
#[must_use]
pub fn crl(serials: &[u8], entry: &[u8], list: &[u8]) -> Vec<u8> {
    let time = |text: &[u8]| der::tlv(0x18, &[text]);
    let entries =
        serials.iter().map(|serial| der::sequence(&[&[0x02, 0x01, *serial], &time(b"20260115080000Z"), entry]));
    let entries = der::sequence(&[&entries.collect::<Vec<_>>().concat()]);
    let root = ROOT.to_der().expect("DER");
    let name = der::members(der::members(&root)[0])[5].to_vec();
    let number = extension(&[0x55, 0x1d, 0x14], &[0x02, 0x01, 0x05]);
    let extensions = der::tlv(0xa0, &[&der::sequence(&[&number, list])]);
    let (this, next) = (time(b"20270115080000Z"), time(LATER));
    signed_crl(&der::sequence(&[&[0x02, 0x01, 0x01], &ED25519, &name, &this, &next, &entries, &extensions]))
}

/// An extension that is not critical: its identifier without tag and length, and its value.
#[must_use]
pub fn extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::tlv(0x06, &[oid]), &der::tlv(0x04, &[value])])
}

/// A CRL with this `TBSCertList`, signed by the root.
#[must_use]
pub fn signed_crl(list: &[u8]) -> Vec<u8> {
    let mut signer = openssl::sign::Signer::new_without_digest(&ROOT_KEY).expect("a signer");
    let value = signer.sign_oneshot_to_vec(list).expect("a signature");
    der::sequence(&[list, &ED25519, &der::tlv(0x03, &[&[0], &value])])
}

const LATER: &[u8] = b"20270116080000Z";

fn ec_key(name: &str) -> EcKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    let mut secret = sha256(name.as_bytes());
    // Below the order of the curve.
    secret[0] = 1;
    let secret = BigNum::from_slice(&secret).expect("a number");
    let mut point = EcPoint::new(&group).expect("a point");
    point.mul_generator2(&group, &secret, &mut BigNumContext::new().expect("a context")).expect("a product");
    EcKey::from_private_components(&group, &secret, &point).expect("a key")
}

/// RFC 9608: nobody asks for a status.
fn no_revocation_available() -> X509Extension {
    let oid = Asn1Object::from_str("2.5.29.56").expect("an identifier");
    let null = Asn1OctetString::new_from_bytes(&[0x05, 0x00]).expect("a value");
    X509Extension::new_from_der(&oid, false, &null).expect("an extension")
}

fn certificate(name: &str, serial: u32, key: &PKey<Private>, issuer: Option<&X509>) -> openssl::x509::X509Builder {
    let mut subject = X509NameBuilder::new().expect("a name");
    subject.append_entry_by_nid(Nid::COUNTRYNAME, "EE").expect("one more");
    subject.append_entry_by_nid(Nid::COMMONNAME, &format!("Fuzz {name}")).expect("one more");
    let subject = subject.build();
    let mut builder = X509::builder().expect("a certificate");
    builder.set_version(2).expect("a version");
    let serial = BigNum::from_u32(serial).and_then(|serial| serial.to_asn1_integer()).expect("a number");
    builder.set_serial_number(&serial).expect("a number");
    builder.set_subject_name(&subject).expect("a name");
    builder.set_issuer_name(issuer.map_or(subject.as_ref(), |issuer| issuer.subject_name())).expect("a name");
    let year = 366 * 24 * 3600;
    builder.set_not_before(&Asn1Time::from_unix(NOW - year).expect("a time")).expect("a time");
    builder.set_not_after(&Asn1Time::from_unix(NOW + 20 * year).expect("a time")).expect("a time");
    builder.set_pubkey(key).expect("a key");
    let context = builder.x509v3_context(issuer.map(AsRef::as_ref), None);
    let identifier = SubjectKeyIdentifier::new().build(&context).expect("an extension");
    builder.append_extension(identifier).expect("one more");
    if issuer.is_some() {
        let context = builder.x509v3_context(issuer.map(AsRef::as_ref), None);
        let identifier = AuthorityKeyIdentifier::new().keyid(true).build(&context).expect("an extension");
        builder.append_extension(identifier).expect("one more");
    }
    builder
}
