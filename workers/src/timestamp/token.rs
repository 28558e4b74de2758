//! Read and verify a `TimeStampToken` (RFC 3161, section 2.4.2; RFC 5816).

use bytes::Bytes;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::ID_KP_TIME_STAMPING;
use cryptotoken_api::{Certificate, DigestAlgorithm, DtbsRepresentation, rfc3339};
use der::Encode;
use time::OffsetDateTime;
use x509_cert::ext::pkix::KeyUsages;

use super::tst_info::TstInfo;
use crate::cades::attributes::issuer_serial;
use crate::cades::received::{ReceivedSignedData, is, oid};
use crate::cades::signer_info::{SignerInfo, SignerInfoFault};
use crate::tlv::{Element, Malformed, OCTET_STRING, SEQUENCE};

/// A `TimeStampToken`, as received and verified.
#[derive(Clone, Debug)]
pub struct TimestampToken {
    /// The `ContentInfo`, as received: what is embedded, never encoded anew.
    pub der: Bytes,
    /// `genTime`, fractions of a second included.
    pub time: OffsetDateTime,
    /// What was stamped.
    pub imprint: DtbsRepresentation,
    /// The policy it was issued under.
    pub policy: ObjectIdentifier,
    /// The certificate of the time-stamping unit.
    pub signer: Certificate,
    /// All certificates inside the token.
    pub certificates: Vec<Certificate>,
    pub(super) nonce: Option<Vec<u8>>,
}

/// Why octets are no timestamp that can be relied on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Not encoded as the standard says.
    #[error("it is malformed: {0}")]
    Malformed(&'static str),
    /// Its imprint is made with something that is not known here.
    #[error("its imprint is made with the algorithm {0}, which is not known here")]
    Algorithm(ObjectIdentifier),
    /// Signer or signature are not right.
    #[error("its signature is not acceptable: {0}")]
    Signature(#[from] SignerInfoFault),
    /// The signed reference is to another certificate than the one inside (RFC 5816, section 2.2).
    #[error("its signed reference to the signing certificate is missing or names another certificate")]
    CertificateReference,
    /// The certificate of the signer is not one of a time-stamping unit (RFC 3161, section 2.3).
    #[error("the certificate of \"{0}\" is not for time-stamping, critically and only")]
    Usage(String),
    /// The certificate was not valid then.
    #[error("the certificate of \"{subject}\" is not valid at {}, the time of the timestamp", rfc3339(*time))]
    Validity {
        /// Whose certificate.
        subject: String,
        /// When.
        time: OffsetDateTime,
    },
}

impl From<Malformed> for TokenFault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.0)
    }
}

impl TimestampToken {
    /// Reads a token and verifies what it can be verified for by itself: structure, signature, signer's certificate and its reference,
    /// extended key usage. `others` are certificates from around it, for tokens that do not carry their own.
    ///
    /// Whether the imprint is the right one and whether the certificate is trusted, the caller must know.
    ///
    /// # Errors
    /// [`TokenFault`]. Reading it again cannot help.
    pub fn read(der: impl Into<Bytes>, others: &[Certificate]) -> Result<Self, TokenFault> {
        let der: Bytes = der.into();
        let cms = ReceivedSignedData::read(&der)?;
        if !is(cms.content_type, CT_TST_INFO) {
            return Err(Malformed("its content is no TSTInfo").into());
        }
        let content = cms.content_octets()?.ok_or(Malformed("it has no content"))?;
        let info = TstInfo::read(&content)?;
        let [signer_info] = cms.signers.as_slice() else {
            return Err(Malformed("it has not exactly one signer").into());
        };
        let certificates = cms.readable_certificates();
        let signer = signer_info.signer(&certificates).or_else(|_| signer_info.signer(others))?.clone();
        signer_info.verify(&signer, Some(CT_TST_INFO), |algorithm| Some(algorithm.digest(&content)))?;
        check_reference(signer_info, &signer)?;
        check_usage(&signer)?;
        if info.time < signer.not_before() || info.time > signer.not_after() {
            return Err(TokenFault::Validity { subject: signer.subject(), time: info.time });
        }
        let TstInfo { policy, imprint, time, nonce, .. } = info;
        Ok(Self { der: der.clone(), time, imprint, policy, signer, certificates, nonce })
    }
}

/// `id-ct-TSTInfo` (RFC 3161, section 2.4.2).
const CT_TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// `id-aa-signingCertificate` (RFC 2634, section 5.4).
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
/// `id-aa-signingCertificateV2` (RFC 5035, section 3).
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// RFC 5816, section 2.2.1: one of the two attributes must be there; each that is must name the certificate first.
fn check_reference(signer_info: &SignerInfo<'_>, signer: &Certificate) -> Result<(), TokenFault> {
    let mut references = 0;
    for (attribute, version) in [(SIGNING_CERTIFICATE, 1), (SIGNING_CERTIFICATE_V2, 2)] {
        for value in signer_info.signed(attribute)? {
            let names = names_certificate(value, version, signer)?;
            if !names {
                return Err(TokenFault::CertificateReference);
            }
            references += 1;
        }
    }
    if references == 0 { Err(TokenFault::CertificateReference) } else { Ok(()) }
}

fn names_certificate(value: Element<'_>, version: u8, certificate: &Certificate) -> Result<bool, TokenFault> {
    const WHAT: &str = "its reference to the signing certificate is malformed";
    let certificates = value.tagged(SEQUENCE, WHAT)?.reader()?.required(SEQUENCE, WHAT)?;
    let mut id = certificates.reader()?.required(SEQUENCE, WHAT)?.reader()?;
    let algorithm = if version == 2 { id.optional(SEQUENCE) } else { None };
    let hash = id.required(OCTET_STRING, WHAT)?.contents;
    let actual = match algorithm {
        _ if version == 1 => openssl::sha::sha1(certificate.der()).to_vec(),
        // RFC 5035, section 4: SHA-256 is the default.
        None => DigestAlgorithm::Sha256.digest(certificate.der()),
        Some(identifier) => {
            let algorithm = oid(identifier.reader()?.any(WHAT)?)?;
            let known = DigestAlgorithm::ALL.into_iter().find(|each| each.oid() == algorithm);
            known.ok_or(TokenFault::Algorithm(algorithm))?.digest(certificate.der())
        }
    };
    let same_issuer = match id.optional(SEQUENCE) {
        None => true,
        Some(issuer) => issuer_serial(certificate).to_der().is_ok_and(|expected| expected == issuer.whole),
    };
    Ok(hash == actual && same_issuer)
}

/// RFC 3161, section 2.3: the extended key usage is critical and says nothing but `timeStamping`.
fn check_usage(certificate: &Certificate) -> Result<(), TokenFault> {
    let extensions = certificate.fields().extensions().map(Vec::as_slice).unwrap_or_default();
    let extension = extensions.iter().find(|each| each.extn_id == const_oid::db::rfc5280::ID_CE_EXT_KEY_USAGE);
    let critical = extension.is_some_and(|extension| extension.critical);
    let only = certificate.extended_key_usage().is_some_and(|usage| usage.0 == [ID_KP_TIME_STAMPING]);
    // RFC 5280, section 4.2.1.3: an absent extension restricts nothing.
    let signs = certificate.key_usage().is_none_or(|usage| {
        usage.0.contains(KeyUsages::DigitalSignature) || usage.0.contains(KeyUsages::NonRepudiation)
    });
    if critical && only && signs { Ok(()) } else { Err(TokenFault::Usage(certificate.subject())) }
}
