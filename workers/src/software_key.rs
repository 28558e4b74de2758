//! A key with a self-signed certificate, for the tests of the checks before release.

use cryptotoken_api::{
    CertificateChain, Credential, CredentialState, KeySpec, Purpose, SignatureAlgorithm, SignatureValue, ToBeSigned,
};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use time::OffsetDateTime;

use crate::create::SignatureContext;
use crate::worker::SigningParameters;

/// A P-256 key in software.
pub(crate) struct SoftwareKey {
    key: PKey<Private>,
    credential: Credential,
    algorithm: SignatureAlgorithm,
    parameters: SigningParameters,
}

impl SoftwareKey {
    pub(crate) fn generate() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let credential = Credential {
            name: "test".into(),
            purpose: Purpose::Document,
            state: CredentialState::Active,
            chain: CertificateChain::from_ders(&[certificate(&key)]).unwrap(),
        };
        let algorithm = SignatureAlgorithm::for_key(KeySpec::EcP256, None, None).unwrap();
        Self { key, credential, algorithm, parameters: SigningParameters::default() }
    }

    pub(crate) fn context(&self) -> SignatureContext<'_> {
        SignatureContext {
            credential: &self.credential,
            algorithm: self.algorithm,
            signing_time: OffsetDateTime::UNIX_EPOCH,
            level: crate::level::SignatureLevel::BaselineB,
            minimum_level: crate::level::SignatureLevel::BaselineB,
            clock: &crate::clock::SystemClock,
            parameters: &self.parameters,
            id: uuid::Uuid::new_v4(),
            longest_timestamp: 0,
            content_timestamps: &[],
        }
    }

    /// For signatures that OpenSSL makes.
    pub(crate) fn of_openssl(&self) -> (PKey<Private>, X509) {
        (self.key.clone(), X509::from_der(self.credential.chain.leaf().der()).unwrap())
    }

    pub(crate) fn sign(&self, to_be_signed: ToBeSigned<'_>) -> SignatureValue {
        let digest = to_be_signed.representation(self.algorithm.digest());
        let value = EcdsaSig::sign(digest.digest(), &self.key.ec_key().unwrap()).unwrap();
        SignatureValue::from_ecdsa_der(&value.to_der().unwrap(), 32).unwrap()
    }
}

fn certificate(key: &PKey<Private>) -> Vec<u8> {
    let mut name = openssl::x509::X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "test").unwrap();
    let name = name.build();
    let mut builder = openssl::x509::X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&openssl::bn::BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_not_before(&openssl::asn1::Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&openssl::asn1::Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.sign(key, openssl::hash::MessageDigest::sha256()).unwrap();
    builder.build().to_der().unwrap()
}
