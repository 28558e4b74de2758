//! OCSP requests, and what may be believed of a response (RFC 6960).

use bytes::Bytes;
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc6960};
use cryptotoken_api::{Certificate, DigestAlgorithm};
use der::asn1::{BitString, GeneralizedTime, Int, Null, OctetString};
use der::{Any, Choice, Decode, Encode, Enumerated, Reader, Sequence, SliceReader, TagMode, TagNumber};
use openssl::x509::{X509, X509Name};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;

use super::validity::Validity;
use super::{RevocationError, RevocationEvidence, RevocationInfo, RevocationStatus, signature};
use crate::certificate_extensions::may_sign_ocsp_responses;

/// A question about one certificate.
#[derive(Clone, Debug)]
pub struct OcspRequest {
    der: Vec<u8>,
    nonce: Option<Vec<u8>>,
}

impl OcspRequest {
    /// Asks for the status of a certificate, identified by SHA-1, which is what every responder knows (RFC 5019, section 2.1.1);
    /// nothing depends on its strength. A nonce (1 to 32 octets, RFC 9654) must not be sent with two requests.
    ///
    /// # Errors
    /// Only when the encoder fails, or OpenSSL cannot read the issuer: a bug.
    pub fn new(certificate: &Certificate, issuer: &Certificate, nonce: Option<&[u8]>) -> Result<Self, der::Error> {
        let malformed = || der::Error::from(der::ErrorKind::Failed);
        let hashes = IssuerHashes::of(issuer, CertIdDigest::Sha1).ok_or_else(malformed)?;
        let id = CertId {
            hash_algorithm: AlgorithmIdentifierOwned {
                oid: rfc5912::ID_SHA_1,
                parameters: Some(Any::encode_from(&Null)?),
            },
            issuer_name_hash: OctetString::new(hashes.name)?,
            issuer_key_hash: OctetString::new(hashes.key)?,
            serial_number: serial_number(certificate)?,
        };
        let extensions = match nonce {
            Some(nonce) => {
                let value = OctetString::new(nonce)?.to_der()?;
                let extn_value = OctetString::new(value)?;
                Some(vec![Extension { extn_id: rfc6960::ID_PKIX_OCSP_NONCE, critical: false, extn_value }])
            }
            None => None,
        };
        let request = Request { id };
        let to_be_signed = TbsRequest { requests: vec![request], extensions };
        let der = OcspRequestStructure { to_be_signed }.to_der()?;
        Ok(Self { der, nonce: nonce.map(<[u8]>::to_vec) })
    }

    /// What is sent, as `application/ocsp-request`.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What the response to this question says of the certificate: it must be signed by the issuer, or by a responder that the
    /// issuer itself has certified for that, be about this certificate, and be current at `now`.
    ///
    /// # Errors
    /// [`RevocationError::Unavailable`] when the responder says that it cannot answer now, [`RevocationError::Unknown`] when it
    /// does not know the certificate, and [`RevocationError::Invalid`] for everything that cannot be believed.
    pub fn verify(
        &self,
        response: Bytes,
        certificate: &Certificate,
        issuer: &Certificate,
        now: OffsetDateTime,
    ) -> Result<RevocationInfo, RevocationError> {
        judge(response, certificate, issuer, now, Some(self))
    }

    // Responders that prepare their answers do not put it in (RFC 5019, section 4); one that does must put in this one.
    fn check_nonce(&self, data: &ResponseData) -> Result<(), String> {
        let extensions = data.extensions.iter().flatten();
        let mut nonces = extensions.filter(|extension| extension.extn_id == rfc6960::ID_PKIX_OCSP_NONCE);
        let same = |extension: &Extension| {
            let value = OctetString::from_der(extension.extn_value.as_bytes());
            value.is_ok_and(|value| Some(value.as_bytes()) == self.nonce.as_deref())
        };
        if nonces.all(same) { Ok(()) } else { Err("the OCSP response is to another request: its nonce differs".into()) }
    }
}

/// What a response said of a certificate when it was made, however long ago and whoever asked.
///
/// # Errors
/// As [`OcspRequest::verify`], but for what is stale or has another nonce.
pub fn at_its_time(
    response: Bytes,
    certificate: &Certificate,
    issuer: &Certificate,
    now: OffsetDateTime,
) -> Result<RevocationInfo, RevocationError> {
    judge(response, certificate, issuer, now, None)
}

/// `request` is what it answers; `None`: it is judged as of its own time.
fn judge(
    response: Bytes,
    certificate: &Certificate,
    issuer: &Certificate,
    now: OffsetDateTime,
    request: Option<&OcspRequest>,
) -> Result<RevocationInfo, RevocationError> {
    let invalid = |reason: String| RevocationError::Invalid { subject: certificate.subject(), reason };
    let unreadable = |error: der::Error| invalid(format!("the OCSP response cannot be read: {error}"));
    let outer = OcspResponse::from_der(&response).map_err(unreadable)?;
    let basic = match (outer.status, outer.bytes) {
        (ResponseStatus::Successful, Some(bytes)) if bytes.kind == rfc6960::ID_PKIX_OCSP_BASIC => bytes.response,
        (ResponseStatus::Successful, _) => return Err(invalid("the OCSP response has no basic response".into())),
        (ResponseStatus::TryLater | ResponseStatus::InternalError, _) => {
            let reason = "the OCSP responder says that it cannot answer now".into();
            return Err(RevocationError::Unavailable { subject: certificate.subject(), reason });
        }
        (status, _) => return Err(invalid(format!("the OCSP responder refuses to answer ({status:?})"))),
    };
    let basic = BasicResponse::read(basic.as_bytes()).map_err(unreadable)?;
    let data = ResponseData::from_der(basic.signed).map_err(unreadable)?;
    let single = data.responses.iter().find(|single| single.id.is_of(certificate, issuer));
    let single = single.ok_or_else(|| invalid("the OCSP response is about another certificate".into()))?;
    let validity = Validity { this_update: instant(single.this_update), next_update: single.next_update.map(instant) };
    let produced_at = instant(data.produced_at);
    let (answered, current) = match request {
        Some(request) => {
            request.check_nonce(&data).map_err(invalid)?;
            (now, now)
        }
        None => (now.min(produced_at), now.min(validity.this_update)),
    };
    let responder = responder(&basic, &data, issuer, answered).map_err(invalid)?;
    validity.check(current).map_err(|reason| invalid(format!("the OCSP response {reason}")))?;
    let status = match &single.status {
        CertStatus::Good(_) => RevocationStatus::Good,
        CertStatus::Revoked(info) => RevocationStatus::Revoked(instant(info.time)),
        CertStatus::Unknown(_) => {
            let reason = "its OCSP responder does not know the certificate".into();
            return Err(RevocationError::Unknown { subject: certificate.subject(), reason });
        }
    };
    Ok(RevocationInfo {
        evidence: RevocationEvidence::Ocsp(response),
        status,
        this_update: validity.this_update,
        produced_at,
        next_update: validity.next_update,
        signers: if responder == *issuer { Vec::new() } else { vec![responder] },
    })
}

/// Who signed it, once that is verified.
fn responder(
    basic: &BasicResponse<'_>,
    data: &ResponseData,
    issuer: &Certificate,
    now: OffsetDateTime,
) -> Result<Certificate, String> {
    // Certificates of kinds that are not known here are no responder's that could be used.
    let sent = basic.certificates.iter().filter_map(|der| Certificate::from_der(der).ok());
    let named: Vec<Certificate> =
        std::iter::once(issuer.clone()).chain(sent).filter(|candidate| data.responder.is(candidate)).collect();
    if named.is_empty() {
        return Err(
            "the OCSP response names a responder whose certificate is neither the issuer's nor sent with it".into()
        );
    }
    let mut reason = String::new();
    for candidate in named {
        match may_answer(&candidate, issuer, now).and_then(|()| {
            signature::verify(
                &candidate,
                &basic.algorithm,
                basic.signed,
                basic.signature.as_bytes().unwrap_or_default(),
            )
        }) {
            Ok(()) => return Ok(candidate),
            Err(why) => reason = format!("the OCSP response is not to be believed: {why}"),
        }
    }
    Err(reason)
}

/// RFC 6960, section 4.2.2.2: the issuer, or who has a certificate for it directly from the issuer.
fn may_answer(candidate: &Certificate, issuer: &Certificate, now: OffsetDateTime) -> Result<(), String> {
    if candidate == issuer {
        return Ok(());
    }
    let name = candidate.subject();
    if !candidate.is_issued_by(issuer) {
        return Err(format!("the responder \"{name}\" is not certified by the issuer"));
    }
    if !may_sign_ocsp_responses(candidate) {
        return Err(format!("the certificate of the responder \"{name}\" is not for signing OCSP responses"));
    }
    if now < candidate.not_before() || now > candidate.not_after() {
        return Err(format!("the certificate of the responder \"{name}\" is not valid now"));
    }
    let signs = candidate.key_usage().is_none_or(|usage| {
        usage.0.contains(KeyUsages::DigitalSignature) || usage.0.contains(KeyUsages::NonRepudiation)
    });
    if signs { Ok(()) } else { Err(format!("the key usage of the responder \"{name}\" allows no signatures")) }
}

/// The digests that identify an issuer.
struct IssuerHashes {
    name: Vec<u8>,
    key: Vec<u8>,
}

#[derive(Clone, Copy)]
enum CertIdDigest {
    Sha1,
    Sha2(DigestAlgorithm),
}

impl CertIdDigest {
    fn of(oid: ObjectIdentifier) -> Option<Self> {
        if oid == rfc5912::ID_SHA_1 {
            return Some(Self::Sha1);
        }
        DigestAlgorithm::ALL.into_iter().find(|digest| digest.oid() == oid).map(Self::Sha2)
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => openssl::sha::sha1(data).to_vec(),
            Self::Sha2(digest) => digest.digest(data),
        }
    }
}

impl IssuerHashes {
    fn of(issuer: &Certificate, digest: CertIdDigest) -> Option<Self> {
        // OpenSSL keeps a name as it was received, where encoding it anew might put a wrong order right.
        let name = X509::from_der(issuer.der()).ok()?.subject_name().to_der().ok()?;
        let key = issuer.fields().subject_public_key_info().subject_public_key.raw_bytes();
        Some(Self { name: digest.digest(&name), key: digest.digest(key) })
    }
}

fn serial_number(certificate: &Certificate) -> Result<Int, der::Error> {
    Int::new(certificate.fields().serial_number().as_bytes())
}

fn instant(time: GeneralizedTime) -> OffsetDateTime {
    // At or after 1970 and before 10000, so the addition cannot fail.
    OffsetDateTime::UNIX_EPOCH + time.to_unix_duration()
}

#[derive(Sequence)]
struct CertId {
    hash_algorithm: AlgorithmIdentifierOwned,
    issuer_name_hash: OctetString,
    issuer_key_hash: OctetString,
    serial_number: Int,
}

impl CertId {
    fn is_of(&self, certificate: &Certificate, issuer: &Certificate) -> bool {
        let hashes = CertIdDigest::of(self.hash_algorithm.oid).and_then(|digest| IssuerHashes::of(issuer, digest));
        hashes.is_some_and(|hashes| {
            hashes.name == self.issuer_name_hash.as_bytes()
                && hashes.key == self.issuer_key_hash.as_bytes()
                && serial_number(certificate).is_ok_and(|serial| serial == self.serial_number)
        })
    }
}

#[derive(Sequence)]
struct OcspRequestStructure {
    to_be_signed: TbsRequest,
}

#[derive(Sequence)]
struct TbsRequest {
    requests: Vec<Request>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(Sequence)]
struct Request {
    id: CertId,
}

#[derive(Sequence)]
struct OcspResponse {
    status: ResponseStatus,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    bytes: Option<ResponseBytes>,
}

/// `OCSPResponseStatus` (RFC 6960, section 4.2.1); 4 is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[repr(u8)]
enum ResponseStatus {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
    TryLater = 3,
    SigRequired = 5,
    Unauthorized = 6,
}

#[derive(Sequence)]
struct ResponseBytes {
    kind: ObjectIdentifier,
    response: OctetString,
}

/// `BasicOCSPResponse`, with what is signed as it was received.
struct BasicResponse<'a> {
    signed: &'a [u8],
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
    certificates: Vec<Vec<u8>>,
}

impl<'a> BasicResponse<'a> {
    fn read(der: &'a [u8]) -> Result<Self, der::Error> {
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
struct ResponseData {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "Default::default")]
    version: u8,
    responder: ResponderId,
    produced_at: GeneralizedTime,
    responses: Vec<SingleResponse>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(Choice)]
enum ResponderId {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    ByName(Name),
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    ByKey(OctetString),
}

impl ResponderId {
    fn is(&self, candidate: &Certificate) -> bool {
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
struct SingleResponse {
    id: CertId,
    status: CertStatus,
    this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(Choice)]
enum CertStatus {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(RevokedInfo),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

#[derive(Sequence)]
struct RevokedInfo {
    time: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    reason: Option<x509_cert::ext::pkix::CrlReason>,
}
