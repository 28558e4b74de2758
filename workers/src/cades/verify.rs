//! Read a finished CMS signature back and verify it, for the check before release (RFC 5652, sections 5.4 and 5.6).

use const_oid::db::rfc5911::{ID_DATA, ID_MESSAGE_DIGEST};
use cryptotoken_api::{Certificate, DataToBeSigned, SignatureScheme, SignatureValue, ToBeSigned, verification};
use der::Encode;
use time::OffsetDateTime;
use x509_cert::attr::Attribute;

use super::attributes::{issuer_and_serial_number, signed_attributes};
use super::received::{ReceivedSignedData, is};
use crate::create::SignatureContext;
use crate::error::Discrepancy;
use crate::tlv::{CONTEXT_1, Element, Malformed};

/// Verifies the one signature in `cms` against what the context says it must be. `signing_time` is the value of that
/// attribute, where it must be; `more` are optional attributes that must be there; `content_digest` gets the encapsulated content, if there is any, and returns the digest of the
/// content or `None` when it is not the one expected. What is returned may have unsigned attributes and revocation information,
/// at which nobody has looked.
///
/// # Errors
/// The first [`Discrepancy`] found.
pub(crate) fn verify_signed_data<'a>(
    cms: &'a [u8],
    context: &SignatureContext<'_>,
    signing_time: Option<OffsetDateTime>,
    more: &[Attribute],
    content_digest: impl FnOnce(Option<&[u8]>) -> Option<Vec<u8>>,
) -> Result<ReceivedSignedData<'a>, Discrepancy> {
    let unreadable = |error: der::Error| Discrepancy::Unreadable(error.to_string());
    let odd = |what: &str| Discrepancy::Unreadable(what.to_owned());
    let malformed = |malformed: Malformed| Discrepancy::Unreadable(malformed.to_string());

    let signed_data = ReceivedSignedData::read(cms).map_err(malformed)?;
    // RFC 5652, section 5.1: 5 when OCSP responses are among the revocation information.
    let version = if signed_data.crls.iter().any(|each| each.tag == CONTEXT_1) { 5 } else { 1 };
    if signed_data.version.contents != [version] || !is(signed_data.content_type, ID_DATA) {
        return Err(odd("the CMS is no SignedData of the right version over id-data"));
    }
    let [signer] = signed_data.signers.as_slice() else { return Err(odd("the CMS has not exactly one signer")) };

    let leaf = context.credential.chain.leaf();
    let embedded = |der: &[u8]| signed_data.certificates.iter().any(|each| each.whole == der);
    if !context.credential.chain.without_root().map(Certificate::der).all(embedded) {
        return Err(odd("the CMS does not carry the signing certificate and its chain"));
    }
    let digest_algorithm = context.algorithm.digest().identifier();
    if !matches!(signed_data.digest_algorithms.as_slice(), [one] if same(*one, &digest_algorithm)) {
        return Err(odd("the CMS announces another digest algorithm"));
    }
    if signer.version.contents != [1]
        || !same(signer.sid, &issuer_and_serial_number(leaf))
        || !same(signer.digest_algorithm, &digest_algorithm)
        || !same(signer.signature_algorithm, &context.algorithm.identifier().map_err(unreadable)?)
    {
        return Err(odd("the CMS names another signer or algorithm"));
    }

    let content = signed_data.content_octets().map_err(malformed)?;
    let digests = signer.signed(ID_MESSAGE_DIGEST).map_err(malformed)?;
    let digest = content_digest(content.as_deref());
    let signed = |digest: &Vec<u8>| matches!(digests.as_slice(), [one] if one.contents == *digest);
    let Some(digest) = digest.filter(signed) else { return Err(Discrepancy::Digest("the content")) };
    let expected = signed_attributes(&digest, leaf, context.algorithm, signing_time, more).and_then(|set| set.to_der());
    let expected = expected.map_err(unreadable)?;
    let attributes = signer.signed_attributes.ok_or_else(|| odd("the CMS has no signed attributes"))?;
    // RFC 5652, section 5.4: the same octets but for the tag, which is [0] here and SET where it is signed.
    if attributes.whole.get(1..) != expected.get(1..) {
        return Err(odd("the signed attributes are not those of this certificate, time and content type"));
    }
    let octets = signer.signature.contents;
    let value = match (context.algorithm.scheme(), context.credential.chain.leaf_key().spec().field_length()) {
        (SignatureScheme::Ecdsa, Some(length)) => SignatureValue::from_ecdsa_der(octets, length)?,
        _ => SignatureValue::new(octets.to_vec()),
    };
    let data = DataToBeSigned::new(expected);
    verification::verify(context.credential.chain.leaf_key(), context.algorithm, ToBeSigned::Data(&data), &value)?;
    Ok(signed_data)
}

fn same(element: Element<'_>, expected: &impl Encode) -> bool {
    expected.to_der().is_ok_and(|der| der == element.whole)
}

#[cfg(test)]
mod tests;
