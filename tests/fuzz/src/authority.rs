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
pub static TSA: LazyLock<Holder> = LazyLock::new(|| Holder::new("Time", 3, Some("timeStamping")));
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
        let ecdsa = der::sequence(&[&[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]]);
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
        let data = der::sequence(&[&der::tlv(0xa1, &[&name]), &time(), &der::sequence(&[&single])]);
        let value = RESPONDER.sign(&sha256(&data));
        let certificates = der::tlv(0xa0, &[&der::sequence(&[responder.der()])]);
        let basic = der::sequence(&[&data, &ecdsa, &der::tlv(0x03, &[&[0], &value]), &certificates]);
        let kind = [0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
        let bytes = der::sequence(&[&kind, &der::tlv(0x04, &[&basic])]);
        der::sequence(&[&[0x0a, 0x01, 0x00], &der::tlv(0xa0, &[&bytes])])
    }
}

/// A CRL of the root with these serial numbers.
#[must_use]
pub fn crl(serials: &[u8]) -> Vec<u8> {
    let ed25519 = der::sequence(&[&[0x06, 0x03, 0x2b, 0x65, 0x70]]);
    let time = |text: &[u8]| der::tlv(0x18, &[text]);
    let entries = serials.iter().map(|serial| der::sequence(&[&[0x02, 0x01, *serial], &time(b"20260115080000Z")]));
    let root = ROOT.to_der().expect("DER");
    let name = der::members(der::members(&root)[0])[5].to_vec();
    let number = der::sequence(&[&[0x06, 0x03, 0x55, 0x1d, 0x14], &der::tlv(0x04, &[&[0x02, 0x01, 0x05]])]);
    let extensions = der::tlv(0xa0, &[&der::sequence(&[&number])]);
    let list = der::sequence(&[&entries.collect::<Vec<_>>().concat()]);
    let (this, next) = (time(b"20270115080000Z"), time(LATER));
    let signed = der::sequence(&[&[0x02, 0x01, 0x01], &ed25519, &name, &this, &next, &list, &extensions]);
    let mut signer = openssl::sign::Signer::new_without_digest(&ROOT_KEY).expect("a signer");
    let value = signer.sign_oneshot_to_vec(&signed).expect("a signature");
    der::sequence(&[&signed, &ed25519, &der::tlv(0x03, &[&[0], &value])])
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
