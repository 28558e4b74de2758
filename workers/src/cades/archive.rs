//! Archive timestamps of the third version and the index of what they cover (EN 319 122-1, clauses 5.5.2 and 5.5.3).

use std::collections::HashSet;

use const_oid::ObjectIdentifier;
use cryptotoken_api::{DigestAlgorithm, DtbsRepresentation};

use super::augment::{attribute, oid_tlv};
use super::rebuild::{Additions, with};
use super::received::{ReceivedSignedData, oid};
use super::signer_info::{SignerInfo, digest_algorithm};
use crate::augmentation::AugmentationFault;
use crate::timestamp::TimestampToken;
use crate::tlv::{Element, Malformed, OCTET_STRING, SEQUENCE, SET, tlv};

/// `id-aa-ets-archiveTimestampV3`.
pub(super) const ARCHIVE_TIMESTAMP_V3: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1733.2.4");
/// `id-aa-ATSHashIndex-v3`.
const HASH_INDEX_V3: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.19122.1.5");

/// The `ATSHashIndexV3` of everything that is there now beside the signature itself.
pub(super) fn hash_index(
    parts: &ReceivedSignedData<'_>,
    signer: &SignerInfo<'_>,
    algorithm: DigestAlgorithm,
) -> Result<Vec<u8>, AugmentationFault> {
    let list = |digests: Vec<Vec<u8>>| {
        let entries: Vec<_> = digests.iter().map(|digest| tlv(OCTET_STRING, &[digest])).collect();
        tlv(SEQUENCE, &entries)
    };
    let members = |elements: &[Element<'_>]| elements.iter().map(|each| algorithm.digest(each.whole)).collect();
    let algorithm_identifier = tlv(SEQUENCE, &[oid_tlv(algorithm.oid())]);
    let (certificates, crls) = (members(&parts.certificates), members(&parts.crls));
    let unsigned = unsigned_digests(signer, algorithm)?;
    Ok(tlv(SEQUENCE, &[algorithm_identifier, list(certificates), list(crls), list(unsigned)]))
}

/// One digest for each value, over type and value.
fn unsigned_digests(signer: &SignerInfo<'_>, algorithm: DigestAlgorithm) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut digests = Vec::new();
    for attribute in &signer.unsigned_attributes {
        let mut parts = attribute.tagged(SEQUENCE, "an attribute is no sequence")?.reader()?;
        let kind = parts.any("an attribute has no type")?;
        for value in parts.required(SET, "an attribute has no values")?.children()? {
            digests.push(algorithm.digest(&[kind.whole, value.whole].concat()));
        }
    }
    Ok(digests)
}

/// What the timestamp covers: content type, digest of the content, the signature without its unsigned attributes, the index.
pub(super) fn imprint(
    parts: &ReceivedSignedData<'_>,
    signer: &SignerInfo<'_>,
    algorithm: DigestAlgorithm,
    content_digest: &[u8],
    index: &[u8],
) -> Result<DtbsRepresentation, AugmentationFault> {
    let signed = signer.signed_attributes.map(|attributes| attributes.whole).unwrap_or_default();
    let (digest, signature) = (signer.digest_algorithm.whole, signer.signature_algorithm.whole);
    let covered = [
        parts.content_type.whole,
        content_digest,
        signer.version.whole,
        signer.sid.whole,
        digest,
        signed,
        signature,
        signer.signature.whole,
        index,
    ];
    DtbsRepresentation::new(algorithm, algorithm.digest(&covered.concat()))
        .map_err(|_| AugmentationFault::Malformed("a digest has the wrong length"))
}

/// The token with the index among its unsigned attributes, where the standard wants it.
pub(super) fn with_index(token: &TimestampToken, index: &[u8]) -> Result<Vec<u8>, AugmentationFault> {
    let cms = ReceivedSignedData::read(&token.der)?;
    let signers = cms.signers.iter().map(|signer| {
        let old = signer.unsigned_attributes.iter().map(|each| each.whole.to_vec()).collect();
        signer.with_unsigned(&with(old, &[attribute(HASH_INDEX_V3, index)]))
    });
    let additions = Additions { signers: Some(signers.collect()), ..Additions::default() };
    Ok(cms.rebuild(&token.der, &additions).concat())
}

/// Whether an archive timestamp that is there covers the signature, and whether everything it lists is there unchanged. One with an
/// index of an earlier version is left to verifiers.
pub(super) fn covers(
    token: &TimestampToken,
    parts: &ReceivedSignedData<'_>,
    signer: &SignerInfo<'_>,
    content_digest: &[u8],
) -> Result<bool, AugmentationFault> {
    let cms = ReceivedSignedData::read(&token.der)?;
    let indexes = cms.signers.iter().map(|signer| signer.unsigned(HASH_INDEX_V3)).collect::<Result<Vec<_>, _>>()?;
    let Some(index) = indexes.concat().first().copied() else { return Ok(true) };
    let algorithm = token.imprint.algorithm();
    Ok(token.imprint == imprint(parts, signer, algorithm, content_digest, index.whole)?
        && all_there(index, parts, signer)?)
}

fn all_there(index: Element<'_>, parts: &ReceivedSignedData<'_>, signer: &SignerInfo<'_>) -> Result<bool, Malformed> {
    const WHAT: &str = "the index of an archive timestamp is malformed";
    let mut fields = index.reader()?;
    let algorithm = oid(fields.required(SEQUENCE, WHAT)?.reader()?.any(WHAT)?)?;
    let algorithm = digest_algorithm(algorithm)
        .map_err(|_| Malformed("the index of an archive timestamp has an unknown digest"))?;
    let members =
        |elements: &[Element<'_>]| elements.iter().map(|each| algorithm.digest(each.whole)).collect::<Vec<_>>();
    for present in [members(&parts.certificates), members(&parts.crls), unsigned_digests(signer, algorithm)?] {
        // Both sides are others', and may be long.
        let present: HashSet<&[u8]> = present.iter().map(Vec::as_slice).collect();
        let listed = fields.required(SEQUENCE, WHAT)?.children()?;
        if !listed.iter().all(|digest| present.contains(digest.contents)) {
            return Ok(false);
        }
    }
    Ok(true)
}
