//! OCSP requests, and what may be believed of a response (RFC 6960).

mod structures;

use bytes::Bytes;
use const_oid::db::{rfc5912, rfc6960};
use cryptotoken_api::{Certificate, DigestAlgorithm, rfc3339};
use der::asn1::{GeneralizedTime, Null, OctetString};
use der::{Any, Decode, Encode};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::KeyUsages;

use super::validity::Validity;
use super::{RevocationError, RevocationEvidence, RevocationInfo, RevocationStatus, signature};
use crate::certificate_extensions::may_sign_ocsp_responses;
use structures::{
    BasicResponse, CertId, CertIdDigest, CertStatus, IssuerHashes, OcspRequestStructure, OcspResponse, Request,
    ResponseData, ResponseStatus, SingleResponse, TbsRequest, instant, serial_number,
};

/// The digest by which a request identifies the certificate's issuer. Nothing depends on its strength.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentifierDigest {
    /// What every responder knows (RFC 5019, section 2.1.1).
    #[default]
    Sha1,
    /// For responders that know it, or know nothing else any more.
    Sha256,
}

/// A question about one certificate.
#[derive(Clone, Debug)]
pub struct OcspRequest {
    der: Vec<u8>,
    nonce: Option<Vec<u8>>,
}

impl OcspRequest {
    /// Asks for the status of a certificate, identified by `digest`. A nonce (1 to 32 octets, RFC 9654) must not be sent with two
    /// requests.
    ///
    /// # Errors
    /// Only when the encoder fails, or OpenSSL cannot read the issuer: a bug.
    pub fn new(
        certificate: &Certificate,
        issuer: &Certificate,
        digest: IdentifierDigest,
        nonce: Option<&[u8]>,
    ) -> Result<Self, der::Error> {
        let malformed = || der::Error::from(der::ErrorKind::Failed);
        let (by, oid) = match digest {
            IdentifierDigest::Sha1 => (CertIdDigest::Sha1, rfc5912::ID_SHA_1),
            IdentifierDigest::Sha256 => (CertIdDigest::Sha2(DigestAlgorithm::Sha256), DigestAlgorithm::Sha256.oid()),
        };
        let hashes = IssuerHashes::of(issuer, by).ok_or_else(malformed)?;
        let id = CertId {
            hash_algorithm: AlgorithmIdentifierOwned { oid, parameters: Some(Any::encode_from(&Null)?) },
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

    /// Where it is sent with `GET` (RFC 6960, appendix A.1): base64 in a URL behind the responder's.
    #[must_use]
    pub fn url(&self, responder: &str) -> String {
        let base64 = openssl::base64::encode_block(&self.der);
        let escaped = base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        format!("{}/{escaped}", responder.trim_end_matches('/'))
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
        CertStatus::Good(_)
            if validity.this_update > certificate.not_after() && !covers_expired(single, &data, certificate) =>
        {
            return Err(invalid(format!(
                "the OCSP response was made after the certificate expired on {}, and does not say that its responder keeps \
                 what expired so long ago",
                rfc3339(certificate.not_after())
            )));
        }
        CertStatus::Good(_) => RevocationStatus::Good,
        CertStatus::Revoked(info) => RevocationStatus::of(info.reason, instant(info.time)),
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

/// RFC 6960, section 4.4.4: whether the responder still knew, when it answered, of certificates that expired when this one did. Without
/// that, `good` only says that it has nothing on record.
fn covers_expired(single: &SingleResponse, data: &ResponseData, certificate: &Certificate) -> bool {
    let mut extensions = single.extensions.iter().chain(&data.extensions).flatten();
    let cutoff = extensions.find(|extension| extension.extn_id == rfc6960::ID_PKIX_OCSP_ARCHIVE_CUTOFF);
    let cutoff = cutoff.and_then(|cutoff| GeneralizedTime::from_der(cutoff.extn_value.as_bytes()).ok());
    cutoff.is_some_and(|cutoff| instant(cutoff) <= certificate.not_after())
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
