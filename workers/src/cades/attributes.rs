//! The signed attributes of a CMS signature (RFC 5652, section 11; EN 319 122-1, clause 5).

use cms::cert::IssuerAndSerialNumber;
use cms::signed_data::SignedAttributes;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_CONTENT_TYPE, ID_DATA, ID_MESSAGE_DIGEST, ID_SIGNING_TIME};
use cryptotoken_api::{Certificate, DigestAlgorithm, SignatureAlgorithm};
use der::asn1::{GeneralizedTime, OctetString, SetOfVec, UtcTime};
use der::{Any, DateTime, EncodeValue, Sequence, Tagged};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;
use x509_cert::attr::Attribute;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::serial_number::SerialNumber;

/// `id-aa-signingCertificateV2` (RFC 5035, section 3).
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
/// `id-aa-CMSAlgorithmProtect` (RFC 6211, section 2).
const ALGORITHM_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.52");

/// The attributes of a baseline signature over content with this digest.
///
/// `signing_time` is the attribute that CAdES must have and PAdES must not (EN 319 142-1, clause 6.3); `more` are optional ones.
///
/// # Errors
/// Only when the DER encoder fails, which would be a bug.
pub(crate) fn signed_attributes(
    content_digest: &[u8],
    certificate: &Certificate,
    algorithm: SignatureAlgorithm,
    signing_time: Option<OffsetDateTime>,
    more: &[Attribute],
) -> der::Result<SignedAttributes> {
    let mut attributes =
        signed_attributes_of(ID_DATA, content_digest, certificate, algorithm, signing_time)?.into_vec();
    attributes.extend_from_slice(more);
    SignedAttributes::try_from(attributes)
}

/// The same over content of another type than `id-data`.
///
/// # Errors
/// Only when the DER encoder fails, which would be a bug.
pub(crate) fn signed_attributes_of(
    content_type: ObjectIdentifier,
    content_digest: &[u8],
    certificate: &Certificate,
    algorithm: SignatureAlgorithm,
    signing_time: Option<OffsetDateTime>,
) -> der::Result<SignedAttributes> {
    let mut attributes = vec![
        attribute(ID_CONTENT_TYPE, &content_type)?,
        attribute(ID_MESSAGE_DIGEST, &OctetString::new(content_digest)?)?,
        attribute(SIGNING_CERTIFICATE_V2, &signing_certificate(certificate, algorithm.digest())?)?,
        attribute(
            ALGORITHM_PROTECTION,
            &AlgorithmProtection {
                digest_algorithm: algorithm.digest().identifier(),
                signature_algorithm: algorithm.identifier()?,
            },
        )?,
    ];
    if let Some(time) = signing_time {
        attributes.push(Attribute { oid: ID_SIGNING_TIME, values: SetOfVec::from_iter([signing_time_value(time)?])? });
    }
    SignedAttributes::try_from(attributes)
}

/// The identifier of the signer (RFC 5652, section 10.2.4).
pub(crate) fn issuer_and_serial_number(certificate: &Certificate) -> IssuerAndSerialNumber {
    IssuerAndSerialNumber {
        issuer: certificate.fields().issuer().clone(),
        serial_number: certificate.fields().serial_number().clone(),
    }
}

/// Issuer and serial number of a certificate as ESS writes them (RFC 5035, section 5).
pub(crate) fn issuer_serial(certificate: &Certificate) -> IssuerSerial {
    IssuerSerial {
        issuer: vec![GeneralName::DirectoryName(certificate.fields().issuer().clone())],
        serial_number: certificate.fields().serial_number().clone(),
    }
}

#[derive(Sequence)]
struct SigningCertificateV2 {
    certs: Vec<EssCertIdV2>,
}

#[derive(Sequence)]
struct EssCertIdV2 {
    #[asn1(optional = "true")]
    hash_algorithm: Option<AlgorithmIdentifierOwned>,
    cert_hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<IssuerSerial>,
}

/// `IssuerSerial` (RFC 5035, section 5), which XAdES carries too.
#[derive(Sequence)]
pub(crate) struct IssuerSerial {
    issuer: GeneralNames,
    serial_number: SerialNumber,
}

/// `CMSAlgorithmProtection` (RFC 6211, section 2).
#[derive(Sequence)]
struct AlgorithmProtection {
    digest_algorithm: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT")]
    signature_algorithm: AlgorithmIdentifierOwned,
}

fn signing_certificate(certificate: &Certificate, digest: DigestAlgorithm) -> der::Result<SigningCertificateV2> {
    Ok(SigningCertificateV2 {
        certs: vec![EssCertIdV2 {
            // RFC 5035, section 4: SHA-256 is the DEFAULT, which DER must leave out.
            hash_algorithm: (digest != DigestAlgorithm::Sha256).then(|| digest.identifier()),
            // RFC 5035, section 4: the hash covers the whole certificate, so it must be the DER as issued.
            cert_hash: OctetString::new(digest.digest(certificate.der()))?,
            issuer_serial: Some(issuer_serial(certificate)),
        }],
    })
}

// RFC 5652, section 11.3: UTCTime through 2049, GeneralizedTime after.
fn signing_time_value(time: OffsetDateTime) -> der::Result<Any> {
    let time = time.to_offset(time::UtcOffset::UTC);
    let year = u16::try_from(time.year()).map_err(|_| der::ErrorKind::DateTime)?;
    let time = DateTime::new(year, time.month().into(), time.day(), time.hour(), time.minute(), time.second())?;
    if year < 2050 {
        Any::encode_from(&UtcTime::from_date_time(time)?)
    } else {
        Any::encode_from(&GeneralizedTime::from_date_time(time))
    }
}

fn attribute<T: EncodeValue + Tagged>(oid: ObjectIdentifier, value: &T) -> der::Result<Attribute> {
    Ok(Attribute { oid, values: SetOfVec::from_iter([Any::encode_from(value)?])? })
}
