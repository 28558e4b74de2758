//! Bring XML signatures to a higher level: timestamps, certificates and revocation information, archive timestamps
//! (EN 319 132-1, clauses 5.3 to 5.5). Octets are put in; none that is there is changed.

use std::collections::HashSet;

use bytes::Bytes;
use cryptotoken_api::verification::verify_identified;
use cryptotoken_api::{DigestAlgorithm, DtbsRepresentation, SignatureScheme, SignatureValue};
use memchr::memmem;
use time::OffsetDateTime;

use super::algorithm::signature_named;
use super::attributes::XADES_NAMESPACE;
use super::canonicalization::{EXCLUSIVE, SIGNATURE_NAMESPACE};
use super::document::{InternalSubset, Width, XmlDocument};
use super::received::{ReceivedSignature, Stamp, XADES141_NAMESPACE, binary, method};
use super::references::{Foreseen, Surroundings};
use super::unsigned::{Values, archive_timestamp, contained, signature_timestamp};
use super::xml_error::XmlError;
use crate::augmentation::{Augmentable, AugmentationFault, Participants, imprint};
use crate::cades::signer_info::SignerInfoFault;
use crate::level::SignatureLevel;
use crate::revocation::RevocationEvidence;
use crate::timestamp::TimestampToken;
use crate::validation_data::ValidationData;
use crate::worker::DocumentContent;

/// Properties of other ways to the long term, which level B-LT must not have (EN 319 132-1, clause 6.3).
const OTHER_WAYS: [&str; 9] = [
    "CompleteCertificateRefs",
    "CompleteCertificateRefsV2",
    "CompleteRevocationRefs",
    "AttributeCertificateRefs",
    "AttributeRevocationRefs",
    "SigAndRefsTimeStamp",
    "SigAndRefsTimeStampV2",
    "RefsOnlyTimeStamp",
    "RefsOnlyTimeStampV2",
];

/// XML signatures that grow.
pub(super) struct AugmentableXades {
    octets: Bytes,
    internal_subset: InternalSubset,
    /// What detached references are to. Signatures inside it were there before, and are left as they are.
    document: Option<DocumentContent>,
    earlier: HashSet<String>,
    /// Those that grow.
    signatures: Vec<ReceivedSignature>,
}

impl AugmentableXades {
    /// Reads and verifies: every signature, every timestamp, and that each covers what it should.
    pub(super) fn read(
        octets: Bytes,
        document: Option<&DocumentContent>,
        internal_subset: InternalSubset,
    ) -> Result<Self, AugmentationFault> {
        let xml = XmlDocument::decode_with(&octets, internal_subset)?;
        Self::read_foreseeing(octets.clone(), &xml, document, None)
    }

    /// The same of octets that are decoded already, where a digest may be known to be needed: one pass less over the document.
    pub(super) fn read_foreseeing(
        octets: Bytes,
        xml: &XmlDocument<'_>,
        document: Option<&DocumentContent>,
        mut foreseen: Option<Foreseen>,
    ) -> Result<Self, AugmentationFault> {
        let internal_subset = xml.internal_subset();
        let earlier = document.map(|document| earlier(document, internal_subset)).unwrap_or_default();
        let mut this = Self { octets, internal_subset, document: document.cloned(), earlier, signatures: Vec::new() };
        this.signatures = match &mut foreseen {
            None => ReceivedSignature::all(xml, &this.earlier)?,
            Some(foreseen) => {
                let (selection, algorithm) = (foreseen.selection(), foreseen.algorithm);
                let found = ReceivedSignature::all_and_digest(xml, &this.earlier, selection, algorithm)?;
                foreseen.digest = found.1;
                found.0
            }
        };
        if this.signatures.is_empty() {
            return Err(AugmentationFault::Malformed("there is no XML signature in it"));
        }
        let surroundings = Surroundings { xml, beside: this.document.as_ref() };
        // Each with its position, and the value that it must be over, where it is a counter-signature.
        let mut all: Vec<(usize, Option<&str>, &ReceivedSignature)> = Vec::new();
        let counters =
            this.signatures.iter().map(|each| each.counter_signatures(xml)).collect::<Result<Vec<_>, _>>()?;
        for ((position, signature), counters) in (1..).zip(&this.signatures).zip(&counters) {
            signature.qualifying()?;
            let value = signature.value()?.attribute("Id");
            all.push((position, None, signature));
            all.extend(counters.iter().map(|(_, counter)| (position, Some(value.unwrap_or_default()), counter)));
        }
        let signatures: Vec<_> = all.iter().map(|(.., signature)| *signature).collect();
        let digests = surroundings.referenced(&signatures, foreseen.as_ref())?;
        for ((position, value, signature), digests) in all.into_iter().zip(digests) {
            verify(surroundings, signature, &digests, position)?;
            verify_timestamps(surroundings, signature, position)?;
            if !value.is_none_or(|value| is_over(signature, value)) {
                return Err(AugmentationFault::Malformed("a counter-signature is not over the signature it stands in"));
            }
        }
        Ok(this)
    }

    /// The signatures that were not in the document before.
    pub(super) fn signatures(&self) -> &[ReceivedSignature] {
        &self.signatures
    }

    fn decoded(&self) -> Result<XmlDocument<'_>, XmlError> {
        XmlDocument::decode_with(&self.octets, self.internal_subset)
    }

    fn find(&self) -> Result<Vec<ReceivedSignature>, AugmentationFault> {
        ReceivedSignature::all(&self.decoded()?, &self.earlier)
    }

    fn with_surroundings<T>(
        &self,
        step: impl FnOnce(Surroundings<'_>) -> Result<T, AugmentationFault>,
    ) -> Result<T, AugmentationFault> {
        let xml = self.decoded()?;
        step(Surroundings { xml: &xml, beside: self.document.as_ref() })
    }

    /// Does the same with every signature that grows.
    fn each<T>(
        &self,
        mut step: impl FnMut(Surroundings<'_>, &ReceivedSignature, usize) -> Result<T, AugmentationFault>,
    ) -> Result<Vec<T>, AugmentationFault> {
        self.with_surroundings(|surroundings| {
            let numbered = (1..).zip(&self.signatures);
            numbered.map(|(position, signature)| step(surroundings, signature, position)).collect()
        })
    }

    /// Puts a property, or none, at the end of the unsigned ones of each signature.
    fn add(
        &mut self,
        mut property: impl FnMut(&ReceivedSignature) -> Result<String, AugmentationFault>,
    ) -> Result<(), AugmentationFault> {
        let mut additions = Vec::new();
        {
            let xml = self.decoded()?;
            for signature in &self.signatures {
                let (offset, contained_already) = signature.insertion()?;
                let property = property(signature)?;
                let text = if contained_already { property } else { contained(&property) };
                additions.push((xml.octet_offset(offset), xml.width().encode_ascii(&text)));
            }
        }
        self.octets = inserted(std::mem::take(&mut self.octets), &additions);
        self.signatures = self.find()?;
        Ok(())
    }
}

/// Whether a reference of a counter-signature is to the value of this identifier.
fn is_over(counter: &ReceivedSignature, value: &str) -> bool {
    let mut references = counter.references().unwrap_or_default().into_iter();
    references.any(|each| each.attribute("URI").and_then(|uri| uri.strip_prefix('#')) == Some(value))
}

/// The octets with others put in, each at its place. They are moved, not copied, where nobody else holds them: a document and its
/// copy are much memory.
pub(super) fn inserted(octets: Bytes, additions: &[(usize, Vec<u8>)]) -> Bytes {
    let mut octets = Vec::from(octets);
    let mut end = octets.len();
    let mut shift: usize = additions.iter().map(|(_, addition)| addition.len()).sum();
    octets.reserve_exact(shift);
    octets.resize(end + shift, 0);
    for (place, addition) in additions.iter().rev() {
        octets.copy_within(*place..end, place + shift);
        shift -= addition.len();
        end = *place;
        if let Some(room) = octets.get_mut(place + shift..place + shift + addition.len()) {
            room.copy_from_slice(addition);
        }
    }
    octets.into()
}

/// The values of signatures that a document had before another one came.
fn earlier(document: &DocumentContent, internal_subset: InternalSubset) -> HashSet<String> {
    let DocumentContent::Memory(octets) = document else { return HashSet::new() };
    // Most documents have none, and need not be read for that. All encodings but UTF-16 agree with ASCII.
    let widths = [Width::Utf8, Width::Utf16 { little_endian: true }, Width::Utf16 { little_endian: false }];
    if !widths.iter().any(|width| memmem::find(octets, &width.encode_ascii("Signature")).is_some()) {
        return HashSet::new();
    }
    let Ok(xml) = XmlDocument::decode_with(octets, internal_subset) else { return HashSet::new() };
    ReceivedSignature::values(&xml).unwrap_or_default()
}

/// Verifies the references, of which these are the digests, and the value with the certificate of the signer. Whether a signature that
/// has no properties of XAdES is taken is decided before.
pub(super) fn verify(
    surroundings: Surroundings<'_>,
    signature: &ReceivedSignature,
    digests: &[Option<Vec<u8>>],
    position: usize,
) -> Result<(), AugmentationFault> {
    let fault = |fault| AugmentationFault::Signer { position, fault };
    let mut properties_signed = false;
    let qualifying = signature.qualifying().ok();
    let properties = qualifying.and_then(|each| each.only(XADES_NAMESPACE, "SignedProperties"));
    let properties = properties.and_then(|each| each.attribute("Id"));
    for (reference, digest) in signature.references()?.into_iter().zip(digests) {
        let said = reference.only(SIGNATURE_NAMESPACE, "DigestValue").and_then(|value| binary(&value.text));
        let (Some(digest), Some(said)) = (digest, said) else {
            return Err(AugmentationFault::Malformed("a digest algorithm is not known here"));
        };
        if *digest != said {
            return Err(fault(SignerInfoFault::Digest));
        }
        let target = reference.attribute("URI").and_then(|uri| uri.strip_prefix('#'));
        properties_signed |= target.is_some() && target == properties;
    }
    if qualifying.is_some() && !properties_signed {
        return Err(AugmentationFault::Malformed("the signed properties of a signature are not signed"));
    }
    let certificate = signature.signer().ok_or_else(|| fault(SignerInfoFault::NoCertificate))?;
    let signed_info = signature.signed_info()?;
    let algorithm = |local: &str| signed_info.only(SIGNATURE_NAMESPACE, local);
    let algorithm_of = algorithm("SignatureMethod").and_then(|each| each.attribute("Algorithm"));
    let known = algorithm_of.and_then(signature_named);
    let known = known.ok_or(AugmentationFault::Malformed("the signature algorithm is not known here"))?;
    let canonicalization = algorithm("CanonicalizationMethod")
        .ok_or(AugmentationFault::Malformed("a signature names no canonicalization"))?;
    let data = surroundings.canonical(signature, signed_info, &method(canonicalization)?)?;
    let wrong = || fault(SignerInfoFault::Value);
    let mut value = binary(&signature.value()?.text).ok_or_else(wrong)?;
    if known.scheme() == SignatureScheme::Ecdsa {
        // XML has the two numbers beside each other (RFC 4050, section 3.3), everybody else has DER.
        value = SignatureValue::new(value).to_ecdsa_der().map_err(|_| wrong())?;
    }
    let identifier = known.identifier().map_err(|_| wrong())?;
    verify_identified(certificate.key(), &identifier, None, &data, &value).map_err(|_| wrong())
}

/// Verifies that every timestamp covers what it should.
pub(super) fn verify_timestamps(
    surroundings: Surroundings<'_>,
    signature: &ReceivedSignature,
    position: usize,
) -> Result<(), AugmentationFault> {
    let fits = |stamp: &Stamp<'_>, digest: Vec<u8>| match stamp.token.imprint.digest() == digest {
        true => Ok(()),
        false => Err(AugmentationFault::Imprint { position }),
    };
    for stamp in signature.stamps(position)? {
        let algorithm = stamp.token.imprint.algorithm();
        let covered = if stamp.is(XADES_NAMESPACE, "SignatureTimeStamp") {
            algorithm.digest(&surroundings.canonical(signature, signature.value()?, &stamp.method)?)
        } else {
            surroundings.archived(signature, &stamp.method, stamp.index, algorithm)?
        };
        fits(&stamp, covered)?;
    }
    for stamp in signature.content_stamps(position)? {
        let algorithm = stamp.token.imprint.algorithm();
        let only = match stamp.is(XADES_NAMESPACE, "AllDataObjectsTimeStamp") {
            true => None,
            false => match stamp.included() {
                Some(ids) => Some(ids),
                // It covers something in a way of its own; it is signed, and left as it is.
                None => continue,
            },
        };
        fits(&stamp, surroundings.content(signature, only.as_deref(), &stamp.method, algorithm)?)?;
    }
    Ok(())
}

/// Whether a signature has a timestamp of this kind.
pub(super) fn has(signature: &ReceivedSignature, namespace: &str, local: &str) -> bool {
    signature.unsigned().iter().any(|each| each.namespace == namespace && each.local == local)
}

pub(super) fn is_timestamped(signature: &ReceivedSignature) -> bool {
    has(signature, XADES_NAMESPACE, "SignatureTimeStamp")
}

pub(super) fn is_archived(signature: &ReceivedSignature) -> bool {
    has(signature, XADES141_NAMESPACE, "ArchiveTimeStamp")
}

/// Adds those who took part in a signature. Gives the place of its last archive timestamp among the unsigned properties.
fn join(
    participants: &mut Participants,
    signature: &ReceivedSignature,
    position: usize,
) -> Result<Option<usize>, AugmentationFault> {
    let (stamps, contents) = (signature.stamps(position)?, signature.content_stamps(position)?);
    participants.pool.extend(signature.certificates());
    let [ocsp, crls] = ["EncapsulatedOCSPValue", "EncapsulatedCRLValue"].map(|each| signature.encapsulated(each));
    participants.evidence.extend(ocsp.into_iter().map(|der| RevocationEvidence::Ocsp(der.into())));
    participants.evidence.extend(crls.into_iter().map(|der| RevocationEvidence::Crl(der.into())));
    let tokens = || stamps.iter().chain(&contents).map(|stamp| &stamp.token);
    participants.pool.extend(tokens().flat_map(|token| token.certificates.clone()));
    let archives = || stamps.iter().filter(|stamp| stamp.is(XADES141_NAMESPACE, "ArchiveTimeStamp"));
    // What an archive timestamp covers was complete then; only its own authority is new.
    if let Some(latest) = archives().max_by_key(|stamp| stamp.token.time) {
        participants.authorities.push((latest.token.signer.clone(), latest.token.time));
        return Ok(archives().map(|stamp| stamp.index).max());
    }
    let fault = AugmentationFault::Signer { position, fault: SignerInfoFault::NoCertificate };
    let certificate = signature.signer().ok_or(fault)?;
    let used_at = stamps.iter().map(|stamp| stamp.token.time).min().unwrap_or_else(OffsetDateTime::now_utc);
    participants.signers.push((certificate, used_at));
    participants.authorities.extend(tokens().map(|token| (token.signer.clone(), token.time)));
    Ok(None)
}

impl Augmentable for AugmentableXades {
    fn refuse(&self, level: SignatureLevel) -> Result<(), AugmentationFault> {
        if level < SignatureLevel::BaselineLt {
            return Ok(());
        }
        let refusal = |attribute| AugmentationFault::Attribute { level, attribute };
        self.each(|_, signature, _| {
            for namespace in [XADES_NAMESPACE, XADES141_NAMESPACE] {
                if let Some(attribute) = OTHER_WAYS.into_iter().find(|local| has(signature, namespace, local)) {
                    return Err(refusal(attribute));
                }
            }
            if has(signature, XADES_NAMESPACE, "ArchiveTimeStamp") {
                return Err(refusal("an archive timestamp of XAdES 1.3.2"));
            }
            // What comes after an archive timestamp is for the next one.
            if level == SignatureLevel::BaselineLt && is_archived(signature) {
                return Err(refusal("an archive timestamp"));
            }
            Ok(())
        })?;
        Ok(())
    }

    fn untimestamped(&self, digest: DigestAlgorithm) -> Result<Vec<DtbsRepresentation>, AugmentationFault> {
        let imprints = self.each(|surroundings, signature, _| {
            let needs = !is_timestamped(signature);
            needs
                .then(|| imprint(digest, &surroundings.canonical(signature, signature.value()?, &EXCLUSIVE)?))
                .transpose()
        })?;
        Ok(imprints.into_iter().flatten().collect())
    }

    fn add_timestamps(&mut self, tokens: &[TimestampToken]) -> Result<(), AugmentationFault> {
        let mut tokens = tokens.iter();
        self.add(|signature| {
            if is_timestamped(signature) {
                return Ok(String::new());
            }
            tokens.next().map(signature_timestamp).ok_or(AugmentationFault::Count)
        })
    }

    fn participants(&self) -> Result<Participants, AugmentationFault> {
        let mut participants = Participants::default();
        self.each(|surroundings, signature, position| {
            let archived = join(&mut participants, signature, position)?;
            for (index, counter) in signature.counter_signatures(surroundings.xml)? {
                // One that an archive timestamp covers was complete then, as the rest.
                if archived.is_none_or(|archived| archived < index) {
                    join(&mut participants, &counter, position)?;
                }
            }
            Ok(())
        })?;
        Ok(participants)
    }

    fn add_validation_data(&mut self, data: &ValidationData) -> Result<(), AugmentationFault> {
        self.add(|signature| {
            let first =
                ["CertificateValues", "RevocationValues"].iter().all(|local| !has(signature, XADES_NAMESPACE, local))
                    && !is_archived(signature);
            let missing = |octets: Vec<Vec<u8>>, local: &str| {
                let present = signature.encapsulated(local);
                octets.into_iter().filter(|each| !present.contains(each)).collect()
            };
            let certificates = data.certificates.iter().map(|each| each.der().to_vec()).collect();
            let values = Values {
                certificates: missing(certificates, "EncapsulatedX509Certificate"),
                crls: missing(data.crls.iter().map(|each| each.to_vec()).collect(), "EncapsulatedCRLValue"),
                ocsp_responses: missing(
                    data.ocsp_responses.iter().map(|each| each.to_vec()).collect(),
                    "EncapsulatedOCSPValue",
                ),
            };
            Ok(if first { values.for_signature() } else { values.for_timestamp() })
        })
    }

    fn archive_imprints(&self, digest: DigestAlgorithm) -> Result<Vec<DtbsRepresentation>, AugmentationFault> {
        self.each(|surroundings, signature, _| {
            let covered = surroundings.archived(signature, &EXCLUSIVE, signature.unsigned().len(), digest)?;
            DtbsRepresentation::new(digest, covered)
                .map_err(|_| AugmentationFault::Malformed("a digest has the wrong length"))
        })
    }

    fn add_archive_timestamps(&mut self, tokens: &[TimestampToken]) -> Result<(), AugmentationFault> {
        let mut tokens = tokens.iter();
        self.add(|_| tokens.next().map(archive_timestamp).ok_or(AugmentationFault::Count))
    }

    fn media_type(&self) -> &'static str {
        "application/xml"
    }

    fn finish(self: Box<Self>) -> Vec<Bytes> {
        vec![self.octets]
    }
}
