//! Join a signature that is there: as one more signer of the same content, or as a counter-signature over a signer's value
//! (RFC 5652, sections 5.1 and 11.4; EN 319 122-1, clause 5.2.7).
//!
//! What is there was verified before, and stays as it is.

use bytes::Bytes;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_CONTENT_TYPE, ID_DATA};
use cryptotoken_api::{Certificate, CertificateChain, DigestAlgorithm, SignatureAlgorithm};
use der::Encode;
use x509_cert::attr::Attribute;

use super::archive::ARCHIVE_TIMESTAMP_V3;
use super::attributes::{issuer_and_serial_number, signed_attributes};
use super::augment::{AugmentableCms, SIGNATURE_TIMESTAMP, attribute, content_digest};
use super::rebuild::{Additions, with};
use super::received::{ReceivedSignedData, is, oid};
use super::signer_info::SignerInfo;
use super::{CadesMode, SignedAttributes};
use crate::augmentation::AugmentationFault;
use crate::create::SignatureContext;
use crate::error::Discrepancy;
use crate::level::SignatureLevel;
use crate::tlv::Malformed;
use crate::worker::{DocumentContent, SignedDocument, SignerDocument};

/// `id-countersignature` (RFC 5652, section 11.4).
pub(super) const COUNTER_SIGNATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.6");

/// Archive timestamps over the whole list of certificates: those that do not name what they cover (EN 319 122-1, clauses 5.5.3, A.2.3).
const OVER_CERTIFICATES: [(&str, &str); 3] = [
    ("1.2.840.113549.1.9.16.2.27", "an archive timestamp of the first version"),
    ("1.2.840.113549.1.9.16.2.48", "an archive timestamp of the second version"),
    ("0.4.0.1733.2.3", "a long-term-validation attribute"),
];

/// The signature to be joined.
pub(super) struct Joined {
    cms: Bytes,
    mode: CadesMode,
    /// Whether its document is beside it.
    pub(super) detached: bool,
}

/// The signature to be joined and, if it is detached, its document; `None` where there is none in memory.
pub(super) fn parts_of(document: &SignerDocument) -> Option<(&Bytes, Option<&DocumentContent>)> {
    match (&document.signature, &document.content) {
        (Some(signature), content) => Some((signature, Some(content))),
        (None, DocumentContent::Memory(signature)) => Some((signature, None)),
        (None, _) => None,
    }
}

impl Joined {
    /// Reads and verifies it. Returns it with the digest to be signed: of its content, or of its signer's value.
    pub(super) fn read(
        cms: &Bytes,
        document: Option<&DocumentContent>,
        mode: CadesMode,
        algorithm: DigestAlgorithm,
    ) -> Result<(Self, Vec<u8>), AugmentationFault> {
        let parts = ReceivedSignedData::read(cms)?;
        let inside = parts.content_octets()?;
        if inside.is_none() && document.is_none() {
            return Err(AugmentationFault::Detached);
        }
        AugmentableCms::read(cms.clone(), document)?;
        if !is(parts.content_type, ID_DATA) {
            return Err(Malformed("its content is not id-data").into());
        }
        for signer in &parts.signers {
            for (attribute, name) in OVER_CERTIFICATES {
                if !signer.unsigned(ObjectIdentifier::new_unwrap(attribute))?.is_empty() {
                    return Err(AugmentationFault::Sealed(name));
                }
            }
        }
        let digest = match (mode, parts.signers.as_slice()) {
            (CadesMode::CounterSign, [signer]) => algorithm.digest(signer.signature.contents),
            (CadesMode::CounterSign, _) => {
                return Err(Malformed("a counter-signature is of one signer, and it has several").into());
            }
            _ => content_digest(&parts, document, algorithm).ok_or(AugmentationFault::Digest(algorithm))?,
        };
        Ok((Self { cms: cms.clone(), mode, detached: inside.is_none() }, digest))
    }

    /// The signature with one more signer, or with a counter-signature.
    pub(super) fn with_signer(
        &self,
        signer: Vec<u8>,
        chain: &CertificateChain,
        algorithm: SignatureAlgorithm,
    ) -> Result<Vec<Bytes>, AugmentationFault> {
        let parts = ReceivedSignedData::read(&self.cms)?;
        let signers = match (self.mode, parts.signers.as_slice()) {
            (CadesMode::CounterSign, [only]) => {
                let old = only.unsigned_attributes.iter().map(|each| each.whole.to_vec()).collect();
                vec![only.with_unsigned(&with(old, &[attribute(COUNTER_SIGNATURE, &signer)]))]
            }
            (_, all) => with(all.iter().map(|each| each.whole.to_vec()).collect(), &[signer]),
        };
        let announced = |oid: ObjectIdentifier| {
            let mut all = parts.digest_algorithms.iter().filter_map(|each| each.children().ok()?.first().copied());
            all.any(|each| is(each, oid))
        };
        let identifier = algorithm.digest().identifier();
        // A counter-signature's digest is not one of the content.
        let new = self.mode == CadesMode::CoSign && !announced(identifier.oid);
        let digest_algorithms = if new { identifier.to_der().map(|der| vec![der]) } else { Ok(Vec::new()) };
        let additions = Additions {
            digest_algorithms: digest_algorithms.map_err(|_| Malformed("a digest algorithm cannot be encoded"))?,
            certificates: chain.without_root().map(|each| each.der().to_vec()).collect(),
            signers: Some(signers),
            ..Additions::default()
        };
        Ok(parts.rebuild(&self.cms, &additions))
    }
}

/// The signed attributes of a signer of that mode: a counter-signature has no content type, because it signs no content.
pub(super) fn attributes(
    mode: CadesMode,
    digest: &[u8],
    context: &SignatureContext<'_>,
    more: &[Attribute],
) -> der::Result<SignedAttributes> {
    let leaf = context.credential.chain.leaf();
    let all = signed_attributes(digest, leaf, context.algorithm, Some(context.signing_time), more)?;
    match mode {
        CadesMode::CounterSign => {
            let all = all.into_vec().into_iter().filter(|each| each.oid != ID_CONTENT_TYPE);
            SignedAttributes::try_from(all.collect::<Vec<_>>())
        }
        _ => Ok(all),
    }
}

/// Verifies the joined signature as it will be sent: what was there is there, and beside it the one new signer, as it should be.
pub(super) fn check(
    mode: CadesMode,
    signed: &SignedDocument,
    (before, document): (&Bytes, Option<&DocumentContent>),
    context: &SignatureContext<'_>,
    more: &[Attribute],
) -> Result<(), Discrepancy> {
    let odd = |what: &str| Discrepancy::Unreadable(what.to_owned());
    let malformed = |malformed: Malformed| Discrepancy::Unreadable(malformed.to_string());
    let (_, digest) =
        Joined::read(before, document, mode, context.algorithm.digest()).map_err(Discrepancy::Augmentation)?;
    let octets = Bytes::from(signed.contiguous().into_owned());
    AugmentableCms::read(octets.clone(), document).map_err(Discrepancy::Augmentation)?;
    let (before, after) =
        (ReceivedSignedData::read(before).map_err(malformed)?, ReceivedSignedData::read(&octets).map_err(malformed)?);
    if before.encapsulated.whole != after.encapsulated.whole {
        return Err(odd("the content is not the one that was sent"));
    }
    let present = |der: &[u8]| after.certificates.iter().any(|each| each.whole == der);
    if !before.certificates.iter().all(|each| present(each.whole))
        || !context.credential.chain.without_root().map(Certificate::der).all(present)
    {
        return Err(odd("a certificate is missing"));
    }
    let (old, new) = match (mode, before.signers.as_slice(), after.signers.as_slice()) {
        (CadesMode::CounterSign, [old], [new]) => {
            if old.with_unsigned::<&[u8]>(&[]) != new.with_unsigned::<&[u8]>(&[]) {
                return Err(odd("the signature that was there was changed"));
            }
            let whole =
                |signer: &SignerInfo<'_>| signer.unsigned_attributes.iter().map(|each| each.whole.to_vec()).collect();
            let values = new.unsigned(COUNTER_SIGNATURE).map_err(malformed)?;
            let known = old.unsigned(COUNTER_SIGNATURE).map_err(malformed)?;
            let fresh: Vec<_> =
                values.into_iter().filter(|each| !known.iter().any(|old| old.whole == each.whole)).collect();
            let kept: (Vec<Vec<u8>>, Vec<Vec<u8>>) = (whole(old), whole(new));
            let all = kept.0.iter().all(|each| kept.1.contains(each)) && kept.1.len() == kept.0.len() + 1;
            let fresh = fresh.into_iter().map(SignerInfo::read).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
            (all, fresh)
        }
        (_, old, new) => {
            let fresh = new.iter().filter(|each| !old.iter().any(|known| known.whole == each.whole)).cloned().collect();
            (old.iter().all(|known| new.iter().any(|each| known.whole == each.whole)), fresh)
        }
    };
    let ([signer], true) = (new.as_slice(), old) else {
        return Err(odd("it is not what was there and one signer more"));
    };

    let level = signed.level.unwrap_or_default();
    let has = |attribute| signer.unsigned(attribute).map(|values| !values.is_empty()).map_err(malformed);
    let stamped = (has(SIGNATURE_TIMESTAMP)?, has(ARCHIVE_TIMESTAMP_V3)?);
    if stamped != (level >= SignatureLevel::BaselineT, level == SignatureLevel::BaselineLta) {
        return Err(Discrepancy::Unreadable(format!("the timestamps are not those of level {level}")));
    }
    let leaf = context.credential.chain.leaf();
    let expected = attributes(mode, &digest, context, more).and_then(|set| set.to_der());
    let expected = expected.map_err(|error| Discrepancy::Unreadable(error.to_string()))?;
    let named = issuer_and_serial_number(leaf).to_der().is_ok_and(|der| der == signer.sid.whole);
    let said = signer.signed_attributes.is_some_and(|each| each.whole.get(1..) == expected.get(1..));
    if !named || !said {
        return Err(odd("the new signer is not the one who signed, or says something else"));
    }
    let content_type = match mode {
        CadesMode::CounterSign => None,
        _ => Some(oid(after.content_type).map_err(malformed)?),
    };
    let verified = signer.verify(leaf, content_type, |_| Some(digest));
    verified.map_err(|fault| Discrepancy::Unreadable(fault.to_string()))
}
