//! PKCS#10 certification requests (RFC 2986), signed by the key itself and verified before anybody sees them.

use std::time::Instant;

use cryptotoken_api::verification::{VerificationError, verify};
use cryptotoken_api::{
    DataToBeSigned, PublicKey, Purpose, SignatureScheme, Signer, SignerError, ToBeSigned,
    signature_value::MalformedSignature,
};
use der::asn1::{Any, BitString, ObjectIdentifier, OctetString, SetOfVec};
use der::pem::LineEnding;
use der::{Decode, Encode, EncodePem};
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, KeyUsages};
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, Version};

use crate::lifecycle::subject::Subject;

/// A signed and verified request.
#[derive(Clone, Debug)]
pub struct CertificationRequest {
    der: Vec<u8>,
    pem: String,
}

impl CertificationRequest {
    /// As DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// As PEM, `BEGIN CERTIFICATE REQUEST`.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

/// Why there is no request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The key did not sign; see the source for whether waiting helps.
    #[error("the key did not sign the request")]
    Signer(#[from] SignerError),
    /// The signature is wrong, so the public key is not that of the signer. Nothing was written.
    #[error("the request's own signature does not verify")]
    Wrong(#[from] VerificationError),
    /// The token's ECDSA value is none.
    #[error("the token's signature is malformed")]
    Malformed(#[from] MalformedSignature),
    /// The encoder failed, which is a bug.
    #[error("the request cannot be encoded")]
    Encoding(#[from] der::Error),
}

/// Builds a request for `key` with the subject as typed, asking for the key usage of `purpose`, signed by `signer`.
///
/// # Errors
/// [`RequestError`].
pub fn certification_request(
    signer: &dyn Signer,
    key: &PublicKey,
    subject: &Subject,
    purpose: Purpose,
    deadline: Instant,
) -> Result<CertificationRequest, RequestError> {
    let info = CertReqInfo {
        version: Version::V1,
        subject: Name::from_der(subject.der())?,
        public_key: Decode::from_der(key.spki_der())?,
        attributes: requested_extensions(purpose)?,
    };
    let signed = DataToBeSigned::new(info.to_der()?);
    let value = signer.sign(ToBeSigned::Data(&signed), deadline)?;
    let algorithm = signer.algorithm();
    verify(key, algorithm, ToBeSigned::Data(&signed), &value)?;
    let octets = match algorithm.scheme() {
        SignatureScheme::Ecdsa => value.to_ecdsa_der()?,
        _ => value.as_bytes().to_vec(),
    };
    let request = CertReq { info, algorithm: algorithm.identifier()?, signature: BitString::from_bytes(&octets)? };
    Ok(CertificationRequest { der: request.to_der()?, pem: request.to_pem(LineEnding::LF)? })
}

/// `extensionRequest` (RFC 2985, section 5.4.2) with what the certificate must allow and nothing more.
fn requested_extensions(purpose: Purpose) -> der::Result<Attributes> {
    let usage = match purpose {
        // EN 319 412-2, clause 4.3.2, type A: a certificate for seals and signatures has contentCommitment alone.
        Purpose::Document => KeyUsages::NonRepudiation,
        Purpose::Blind | Purpose::Timestamp => KeyUsages::DigitalSignature,
    };
    let mut extensions = vec![critical(const_oid::db::rfc5280::ID_CE_KEY_USAGE, &KeyUsage(usage.into()))?];
    if purpose == Purpose::Timestamp {
        // RFC 3161, section 2.3: this purpose alone, and critical.
        let usage = ExtendedKeyUsage(vec![const_oid::db::rfc5280::ID_KP_TIME_STAMPING]);
        extensions.push(critical(const_oid::db::rfc5280::ID_CE_EXT_KEY_USAGE, &usage)?);
    }
    let mut values = SetOfVec::new();
    values.insert(Any::encode_from(&extensions)?)?;
    let mut attributes = Attributes::new();
    attributes.insert(Attribute { oid: const_oid::db::rfc5912::ID_EXTENSION_REQ, values })?;
    Ok(attributes)
}

fn critical(extn_id: ObjectIdentifier, value: &impl Encode) -> der::Result<Extension> {
    Ok(Extension { extn_id, critical: true, extn_value: OctetString::new(value.to_der()?)? })
}
