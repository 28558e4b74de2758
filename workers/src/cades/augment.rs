//! Bring a CMS signature to a higher level: timestamps, certificates and revocation information, archive timestamps
//! (EN 319 122-1, clauses 5.3, 5.4 and 5.5).
//!
//! Everything is done to the octets as they stand; see [`super::rebuild`].

use bytes::Bytes;
use const_oid::ObjectIdentifier;
use cryptotoken_api::{Certificate, DigestAlgorithm, DtbsRepresentation};
use time::OffsetDateTime;

use super::archive;
use super::joining::COUNTER_SIGNATURE;
use super::rebuild::{Additions, with};
use super::received::{ReceivedSignedData, is, oid};
use super::signer_info::SignerInfo;
use crate::augmentation::{Augmentable, AugmentationFault, Participants};
use crate::level::SignatureLevel;
use crate::revocation::RevocationEvidence;
use crate::timestamp::TimestampToken;
use crate::tlv::{CONTEXT_1, Element, Malformed, SEQUENCE, SET, tlv};
use crate::validation_data::ValidationData;
use crate::worker::DocumentContent;

/// `id-aa-signatureTimeStampToken` (RFC 3161, appendix A).
pub(crate) const SIGNATURE_TIMESTAMP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");
/// `id-aa-ets-contentTimestamp` (EN 319 122-1, clause 5.2.8).
pub(crate) const CONTENT_TIMESTAMP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.20");
/// `id-ri-ocsp-response` (RFC 5940, section 2.1).
const OCSP_RESPONSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.16.2");

/// Attributes of other ways to the long term, which level B-LT must not have (EN 319 122-1, clause 6.3), and the archive timestamp
/// whose imprint any addition would break.
const OTHER_WAYS: [(&str, &str); 9] = [
    ("1.2.840.113549.1.9.16.2.21", "complete-certificate-references"),
    ("1.2.840.113549.1.9.16.2.22", "complete-revocation-references"),
    ("1.2.840.113549.1.9.16.2.23", "certificate-values"),
    ("1.2.840.113549.1.9.16.2.24", "revocation-values"),
    ("1.2.840.113549.1.9.16.2.25", "CAdES-C-timestamp"),
    ("1.2.840.113549.1.9.16.2.26", "time-stamped-certs-crls-references"),
    ("1.2.840.113549.1.9.16.2.27", "an archive timestamp of the first version"),
    ("1.2.840.113549.1.9.16.2.48", "an archive timestamp of the second version"),
    ("0.4.0.1733.2.3", "a long-term-validation attribute"),
];

/// A CMS signature that grows.
pub(super) struct AugmentableCms {
    cms: Bytes,
    /// The document of a detached signature.
    document: Option<DocumentContent>,
    /// Signers that were there before ours, whole: they are left as they are.
    earlier: Vec<Vec<u8>>,
}

impl AugmentableCms {
    /// Reads and verifies: every signature, every timestamp, and that each covers what it should.
    pub(super) fn read(cms: Bytes, document: Option<&DocumentContent>) -> Result<Self, AugmentationFault> {
        let this = Self { cms, document: document.cloned(), earlier: Vec::new() };
        let parts = this.parts()?;
        if parts.signers.is_empty() {
            return Err(AugmentationFault::Malformed("the CMS has no signer"));
        }
        let inside = parts.content_octets()?;
        match (&inside, &this.document) {
            (None, None) => return Err(AugmentationFault::NoDocument),
            (Some(inside), Some(DocumentContent::Memory(sent))) if inside.as_ref() != sent.as_ref() => {
                return Err(AugmentationFault::OtherDocument);
            }
            (Some(inside), Some(DocumentContent::Spooled(sent)))
                if sent.digest(DigestAlgorithm::Sha256).ok() != Some(DigestAlgorithm::Sha256.digest(inside)) =>
            {
                return Err(AugmentationFault::OtherDocument);
            }
            (Some(_), Some(DocumentContent::Digest(_))) => return Err(AugmentationFault::OtherDocument),
            _ => {}
        }
        let (certificates, content_type) = (parts.readable_certificates(), oid(parts.content_type)?);
        for (position, signer) in (1..).zip(&parts.signers) {
            let fault = |fault| AugmentationFault::Signer { position, fault };
            let certificate = signer.signer(&certificates).map_err(fault)?;
            let digest = |algorithm| content_digest(&parts, this.document.as_ref(), algorithm);
            signer.verify(certificate, Some(content_type), digest).map_err(fault)?;
            this.verify_timestamps(&parts, signer, position, &certificates)?;
            for counter in counter_signatures(signer)? {
                let certificate = counter.signer(&certificates).map_err(fault)?;
                let digest = |algorithm: DigestAlgorithm| Some(algorithm.digest(signer.signature.contents));
                counter.verify(certificate, None, digest).map_err(fault)?;
            }
        }
        Ok(this)
    }

    /// The same, to grow only what has come since `before`.
    pub(super) fn read_since(
        cms: Bytes,
        document: Option<&DocumentContent>,
        before: &[u8],
    ) -> Result<Self, AugmentationFault> {
        let before = ReceivedSignedData::read(before)?;
        let earlier = before.signers.iter().map(|signer| signer.whole.to_vec()).collect();
        Ok(Self { earlier, ..Self::read(cms, document)? })
    }

    fn grows(&self, signer: &SignerInfo<'_>) -> bool {
        !self.earlier.iter().any(|earlier| earlier == signer.whole)
    }

    fn verify_timestamps(
        &self,
        parts: &ReceivedSignedData<'_>,
        signer: &SignerInfo<'_>,
        position: usize,
        certificates: &[Certificate],
    ) -> Result<(), AugmentationFault> {
        for token in timestamps(signer.unsigned(SIGNATURE_TIMESTAMP)?, position, certificates)? {
            let algorithm = token.imprint.algorithm();
            if token.imprint.digest() != algorithm.digest(signer.signature.contents) {
                return Err(AugmentationFault::Imprint { position });
            }
        }
        for value in signer.unsigned(archive::ARCHIVE_TIMESTAMP_V3)? {
            let token = timestamp(value, position, certificates)?;
            let algorithm = token.imprint.algorithm();
            let Some(digest) = content_digest(parts, self.document.as_ref(), algorithm) else {
                return Err(AugmentationFault::Digest(algorithm));
            };
            if !archive::covers(&token, parts, signer, &digest)? {
                return Err(AugmentationFault::Imprint { position });
            }
        }
        Ok(())
    }

    fn parts(&self) -> Result<ReceivedSignedData<'_>, Malformed> {
        ReceivedSignedData::read(&self.cms)
    }

    /// Adds an unsigned attribute to those signers that grow and get one.
    fn add_attributes(&mut self, attributes: &[Option<Vec<u8>>]) -> Result<(), AugmentationFault> {
        let parts = self.parts()?;
        if parts.signers.iter().filter(|signer| self.grows(signer)).count() != attributes.len() {
            return Err(AugmentationFault::Count);
        }
        let mut attributes = attributes.iter();
        let mut next = |signer: &SignerInfo<'_>| if self.grows(signer) { attributes.next()?.as_ref() } else { None };
        let signers = parts.signers.iter().map(|signer| match next(signer) {
            None => signer.whole.to_vec(),
            Some(attribute) => {
                let old = signer.unsigned_attributes.iter().map(|each| each.whole.to_vec()).collect();
                signer.with_unsigned(&with(old, std::slice::from_ref(attribute)))
            }
        });
        let additions = Additions { signers: Some(signers.collect()), ..Additions::default() };
        self.cms = parts.rebuild(&self.cms, &additions).concat().into();
        Ok(())
    }
}

impl Augmentable for AugmentableCms {
    fn refuse(&self, level: SignatureLevel) -> Result<(), AugmentationFault> {
        if level < SignatureLevel::BaselineLt {
            return Ok(());
        }
        for signer in self.parts()?.signers.iter().filter(|signer| self.grows(signer)) {
            for (attribute, name) in OTHER_WAYS {
                if !signer.unsigned(ObjectIdentifier::new_unwrap(attribute))?.is_empty() {
                    return Err(AugmentationFault::Attribute { level, attribute: name });
                }
            }
            // What comes after an archive timestamp is for the next one.
            if level == SignatureLevel::BaselineLt && !signer.unsigned(archive::ARCHIVE_TIMESTAMP_V3)?.is_empty() {
                return Err(AugmentationFault::Attribute { level, attribute: "an archive timestamp" });
            }
        }
        Ok(())
    }

    fn untimestamped(&self) -> Result<Vec<Vec<u8>>, AugmentationFault> {
        let mut inputs = Vec::new();
        for signer in self.parts()?.signers.iter().filter(|signer| self.grows(signer)) {
            if signer.unsigned(SIGNATURE_TIMESTAMP)?.is_empty() {
                inputs.push(signer.signature.contents.to_vec());
            }
        }
        Ok(inputs)
    }

    fn add_timestamps(&mut self, tokens: &[TimestampToken]) -> Result<(), AugmentationFault> {
        let (mut tokens, mut attributes) = (tokens.iter(), Vec::new());
        for signer in self.parts()?.signers.iter().filter(|signer| self.grows(signer)) {
            let needs = signer.unsigned(SIGNATURE_TIMESTAMP)?.is_empty();
            let token = if needs { Some(tokens.next().ok_or(AugmentationFault::Count)?) } else { None };
            attributes.push(token.map(|token| attribute(SIGNATURE_TIMESTAMP, &token.der)));
        }
        self.add_attributes(&attributes)
    }

    fn participants(&self) -> Result<Participants, AugmentationFault> {
        let parts = self.parts()?;
        let certificates = parts.readable_certificates();
        let evidence = parts.crls.iter().filter_map(evidence).collect();
        let mut participants = Participants { pool: certificates.clone(), evidence, ..Participants::default() };
        for (position, signer) in (1..).zip(&parts.signers).filter(|(_, signer)| self.grows(signer)) {
            let stamps = timestamps(signer.unsigned(SIGNATURE_TIMESTAMP)?, position, &certificates)?;
            let contents = timestamps(signer.signed(CONTENT_TIMESTAMP)?, position, &certificates)?;
            let archives = timestamps(signer.unsigned(archive::ARCHIVE_TIMESTAMP_V3)?, position, &certificates)?;
            participants
                .pool
                .extend(stamps.iter().chain(&contents).chain(&archives).flat_map(|each| each.certificates.clone()));
            // What an archive timestamp covers was complete then; only its own authority is new.
            if let Some(latest) = archives.iter().max_by_key(|token| token.time) {
                participants.authorities.push((latest.signer.clone(), latest.time));
                continue;
            }
            let certificate = signer.signer(&certificates);
            let certificate = certificate.map_err(|fault| AugmentationFault::Signer { position, fault })?;
            let used_at = stamps.iter().map(|token| token.time).min().unwrap_or_else(OffsetDateTime::now_utc);
            participants.signers.push((certificate.clone(), used_at));
            for counter in counter_signatures(signer)? {
                let stamps = timestamps(counter.unsigned(SIGNATURE_TIMESTAMP)?, position, &certificates)?;
                let certificate = counter.signer(&certificates);
                let certificate = certificate.map_err(|fault| AugmentationFault::Signer { position, fault })?;
                let used_at = stamps.iter().map(|token| token.time).min().unwrap_or_else(OffsetDateTime::now_utc);
                participants.signers.push((certificate.clone(), used_at));
                participants.pool.extend(stamps.iter().flat_map(|each| each.certificates.clone()));
                participants.authorities.extend(stamps.into_iter().map(|token| (token.signer, token.time)));
            }
            let tokens = stamps.iter().chain(&contents);
            participants.authorities.extend(tokens.map(|token| (token.signer.clone(), token.time)));
        }
        Ok(participants)
    }

    fn add_validation_data(&mut self, data: &ValidationData) -> Result<(), AugmentationFault> {
        let parts = self.parts()?;
        // RFC 5652, section 10.2.1, and RFC 5940: `[1] { id-ri-ocsp-response, OCSPResponse }`.
        let ocsp =
            data.ocsp_responses.iter().map(|response| tlv(CONTEXT_1, &[oid_tlv(OCSP_RESPONSE), response.to_vec()]));
        let additions = Additions {
            certificates: data.certificates.iter().map(|certificate| certificate.der().to_vec()).collect(),
            crls: data.crls.iter().map(|crl| crl.to_vec()).chain(ocsp).collect(),
            ..Additions::default()
        };
        self.cms = parts.rebuild(&self.cms, &additions).concat().into();
        Ok(())
    }

    fn archive_imprints(&self, digest: DigestAlgorithm) -> Result<Vec<DtbsRepresentation>, AugmentationFault> {
        let parts = self.parts()?;
        let content = content_digest(&parts, self.document.as_ref(), digest);
        let content = content.ok_or(AugmentationFault::Digest(digest))?;
        let imprint = |signer: &SignerInfo<'_>| {
            let index = archive::hash_index(&parts, signer, digest)?;
            archive::imprint(&parts, signer, digest, &content, &index)
        };
        parts.signers.iter().filter(|signer| self.grows(signer)).map(imprint).collect()
    }

    fn add_archive_timestamps(&mut self, tokens: &[TimestampToken]) -> Result<(), AugmentationFault> {
        let parts = self.parts()?;
        let signers: Vec<_> = parts.signers.iter().filter(|signer| self.grows(signer)).collect();
        if signers.len() != tokens.len() {
            return Err(AugmentationFault::Count);
        }
        let mut attributes = Vec::new();
        for (signer, token) in signers.into_iter().zip(tokens) {
            let index = archive::hash_index(&parts, signer, token.imprint.algorithm())?;
            let token = archive::with_index(token, &index)?;
            attributes.push(Some(attribute(archive::ARCHIVE_TIMESTAMP_V3, &token)));
        }
        self.add_attributes(&attributes)
    }

    fn media_type(&self) -> &'static str {
        let detached = self.parts().is_ok_and(|parts| parts.content.is_none());
        if detached { super::assemble::DETACHED } else { super::assemble::ENCAPSULATED }
    }

    fn finish(self: Box<Self>) -> Vec<Bytes> {
        vec![self.cms]
    }
}

/// What a member of `crls` holds: a `CertificateList`, or an OCSP response in the other format.
fn evidence(member: &Element<'_>) -> Option<RevocationEvidence> {
    let copied = Bytes::copy_from_slice;
    if member.tag == SEQUENCE {
        return Some(RevocationEvidence::Crl(copied(member.whole)));
    }
    let mut parts = member.tagged(CONTEXT_1, "it is no other revocation information").ok()?.reader().ok()?;
    let kind = parts.any("it has no kind").ok()?;
    let response = parts.any("it has no value").ok()?;
    is(kind, OCSP_RESPONSE).then(|| RevocationEvidence::Ocsp(copied(response.whole)))
}

fn counter_signatures<'a>(signer: &SignerInfo<'a>) -> Result<Vec<SignerInfo<'a>>, Malformed> {
    signer.unsigned(COUNTER_SIGNATURE)?.into_iter().map(SignerInfo::read).collect()
}

/// `Attribute` with one value, which is DER already.
pub(crate) fn attribute(kind: ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[oid_tlv(kind), tlv(SET, &[value])])
}

/// The element that an object identifier is.
pub(super) fn oid_tlv(oid: ObjectIdentifier) -> Vec<u8> {
    tlv(crate::tlv::OBJECT_IDENTIFIER, &[oid.as_bytes()])
}

fn timestamp(value: Element<'_>, position: usize, others: &[Certificate]) -> Result<TimestampToken, AugmentationFault> {
    let token = TimestampToken::read(Bytes::copy_from_slice(value.whole), others);
    token.map_err(|fault| AugmentationFault::Timestamp { position, fault })
}

/// The tokens in these values; `others` are certificates from around them.
pub(crate) fn timestamps(
    values: Vec<Element<'_>>,
    position: usize,
    others: &[Certificate],
) -> Result<Vec<TimestampToken>, AugmentationFault> {
    values.into_iter().map(|value| timestamp(value, position, others)).collect()
}

/// The digest of the content; `None` where only one in another algorithm is known.
pub(super) fn content_digest(
    parts: &ReceivedSignedData<'_>,
    document: Option<&DocumentContent>,
    algorithm: DigestAlgorithm,
) -> Option<Vec<u8>> {
    match (parts.content_octets().ok()?, document) {
        (Some(inside), _) => Some(algorithm.digest(&inside)),
        (None, Some(document)) => document.digest(algorithm).unwrap_or_else(|error| {
            tracing::error!("a document cannot be read from the spool folder: {error}");
            None
        }),
        (None, None) => None,
    }
}
