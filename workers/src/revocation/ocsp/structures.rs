//! The structures of OCSP (RFC 6960, section 4), with octets that are signed as they were received.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;
use cryptotoken_api::{Certificate, DigestAlgorithm};
use der::asn1::{BitString, GeneralizedTime, Int, Null, OctetString};
use der::{Any, Choice, Decode, Encode, Enumerated, Reader, Sequence, SliceReader, TagMode, TagNumber};
use openssl::x509::{X509, X509Name};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::CrlReason;
use x509_cert::name::Name;

/// The digests that identify an issuer.
pub(super) struct IssuerHashes {
    pub(super) name: Vec<u8>,
    pub(super) key: Vec<u8>,
}

#[derive(Clone, Copy)]
pub(super) enum CertIdDigest {
    Sha1,
    Sha2(DigestAlgorithm),
}

impl CertIdDigest {
    pub(super) fn of(oid: ObjectIdentifier) -> Option<Self> {
        if oid == rfc5912::ID_SHA_1 {
            return Some(Self::Sha1);
        }
        DigestAlgorithm::ALL.into_iter().find(|digest| digest.oid() == oid).map(Self::Sha2)
    }

    pub(super) fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => openssl::sha::sha1(data).to_vec(),
            Self::Sha2(digest) => digest.digest(data),
        }
    }
}

impl IssuerHashes {
    pub(super) fn of(issuer: &Certificate, digest: CertIdDigest) -> Option<Self> {
        // OpenSSL keeps a name as it was received, where encoding it anew might put a wrong order right.
        let name = X509::from_der(issuer.der()).ok()?.subject_name().to_der().ok()?;
        let key = issuer.fields().subject_public_key_info().subject_public_key.raw_bytes();
        Some(Self { name: digest.digest(&name), key: digest.digest(key) })
    }
}

pub(super) fn serial_number(certificate: &Certificate) -> Result<Int, der::Error> {
    Int::new(certificate.fields().serial_number().as_bytes())
}

pub(super) fn instant(time: GeneralizedTime) -> OffsetDateTime {
    // At or after 1970 and before 10000, so the addition cannot fail.
    OffsetDateTime::UNIX_EPOCH + time.to_unix_duration()
}

#[derive(Sequence)]
pub(super) struct CertId {
    pub(super) hash_algorithm: AlgorithmIdentifierOwned,
    pub(super) issuer_name_hash: OctetString,
    pub(super) issuer_key_hash: OctetString,
    pub(super) serial_number: Int,
}

impl CertId {
    pub(super) fn is_of(&self, certificate: &Certificate, issuer: &Certificate) -> bool {
        let hashes = CertIdDigest::of(self.hash_algorithm.oid).and_then(|digest| IssuerHashes::of(issuer, digest));
        hashes.is_some_and(|hashes| {
            hashes.name == self.issuer_name_hash.as_bytes()
                && hashes.key == self.issuer_key_hash.as_bytes()
                && serial_number(certificate).is_ok_and(|serial| serial == self.serial_number)
        })
    }
}

#[derive(Sequence)]
pub(super) struct OcspRequestStructure {
    pub(super) to_be_signed: TbsRequest,
}

#[derive(Sequence)]
pub(super) struct TbsRequest {
    pub(super) requests: Vec<Request>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Extensions>,
}

#[derive(Sequence)]
pub(super) struct Request {
    pub(super) id: CertId,
}

#[derive(Sequence)]
pub(super) struct OcspResponse {
    pub(super) status: ResponseStatus,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) bytes: Option<ResponseBytes>,
}

/// `OCSPResponseStatus` (RFC 6960, section 4.2.1); 4 is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub(super) enum ResponseStatus {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
    TryLater = 3,
    SigRequired = 5,
    Unauthorized = 6,
}

#[derive(Sequence)]
pub(super) struct ResponseBytes {
    pub(super) kind: ObjectIdentifier,
    pub(super) response: OctetString,
}

/// `BasicOCSPResponse`, with what is signed as it was received.
pub(super) struct BasicResponse<'a> {
    pub(super) signed: &'a [u8],
    pub(super) algorithm: AlgorithmIdentifierOwned,
    pub(super) signature: BitString,
    pub(super) certificates: Vec<Vec<u8>>,
}

impl<'a> BasicResponse<'a> {
    pub(super) fn read(der: &'a [u8]) -> Result<Self, der::Error> {
        let mut reader = SliceReader::new(der)?;
        let read = reader.sequence(|reader| {
            Ok::<_, der::Error>(Self {
                signed: reader.tlv_bytes()?,
                algorithm: AlgorithmIdentifierOwned::decode(reader)?,
                signature: BitString::decode(reader)?,
                certificates: reader
                    .context_specific::<Vec<Any>>(TagNumber(0), TagMode::Explicit)?
                    .unwrap_or_default()
                    .iter()
                    .map(Encode::to_der)
                    .collect::<Result<_, _>>()?,
            })
        })?;
        reader.finish()?;
        Ok(read)
    }
}

#[derive(Sequence)]
pub(super) struct ResponseData {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "Default::default")]
    pub(super) version: u8,
    pub(super) responder: ResponderId,
    pub(super) produced_at: GeneralizedTime,
    pub(super) responses: Vec<SingleResponse>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Extensions>,
}

#[derive(Choice)]
pub(super) enum ResponderId {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    ByName(Name),
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    ByKey(OctetString),
}

impl ResponderId {
    pub(super) fn is(&self, candidate: &Certificate) -> bool {
        match self {
            Self::ByKey(hash) => {
                let key = candidate.fields().subject_public_key_info().subject_public_key.raw_bytes();
                openssl::sha::sha1(key) == hash.as_bytes()
            }
            Self::ByName(name) => {
                let same = || {
                    let name = X509Name::from_der(&name.to_der().ok()?).ok()?;
                    let candidate = X509::from_der(candidate.der()).ok()?;
                    name.try_cmp(candidate.subject_name()).ok()
                };
                same() == Some(std::cmp::Ordering::Equal)
            }
        }
    }
}

#[derive(Sequence)]
pub(super) struct SingleResponse {
    pub(super) id: CertId,
    pub(super) status: CertStatus,
    pub(super) this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Extensions>,
}

#[derive(Choice)]
pub(super) enum CertStatus {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(RevokedInfo),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

#[derive(Sequence)]
pub(super) struct RevokedInfo {
    pub(super) time: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) reason: Option<CrlReason>,
}
