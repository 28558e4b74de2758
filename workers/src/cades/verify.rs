//! Read a finished CMS signature back and verify it, for the check before release (RFC 5652, sections 5.4 and 5.6).

use cms::signed_data::{SignedAttributes, SignerIdentifier, SignerInfo};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_DATA, ID_MESSAGE_DIGEST, ID_SIGNED_DATA};
use cryptotoken_api::{Certificate, DataToBeSigned, SignatureScheme, SignatureValue, ToBeSigned, verification};
use der::asn1::{AnyRef, OctetStringRef, SetOfVec};
use der::{Any, Decode, Encode, Sequence};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;

use super::attributes::{issuer_and_serial_number, signed_attributes};
use crate::create::SignatureContext;
use crate::error::Discrepancy;

// Borrowed, so that a big content is not copied once more.
#[derive(Sequence)]
struct ContentInfo<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: AnyRef<'a>,
}

#[derive(Sequence)]
struct EncapsulatedContent<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    content: Option<&'a OctetStringRef>,
}

#[derive(Sequence)]
struct SignedData<'a> {
    version: u8,
    digest_algorithms: SetOfVec<AlgorithmIdentifierOwned>,
    encapsulated: EncapsulatedContent<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    certificates: Option<SetOfVec<Any>>,
    // As they stand: reading them as a set would put a wrong order right.
    signer_infos: AnyRef<'a>,
}

/// Verifies the one signature in `cms` against what the context says it must be. `signing_time` is the value of that
/// attribute, where it must be; `content_digest` gets the encapsulated content, if there is any, and returns the digest of the
/// content or `None` when it is not the one expected.
///
/// # Errors
/// The first [`Discrepancy`] found.
pub(crate) fn verify_signed_data(
    cms: &[u8],
    context: &SignatureContext<'_>,
    signing_time: Option<OffsetDateTime>,
    content_digest: impl FnOnce(Option<&[u8]>) -> Option<Vec<u8>>,
) -> Result<(), Discrepancy> {
    let unreadable = |error: der::Error| Discrepancy::Unreadable(error.to_string());
    let odd = |what: &str| Discrepancy::Unreadable(what.to_owned());

    let outer = ContentInfo::from_der(cms).map_err(unreadable)?;
    if outer.content_type != ID_SIGNED_DATA {
        return Err(odd("the CMS is no SignedData"));
    }
    let signed_data: SignedData<'_> = outer.content.decode_as().map_err(unreadable)?;
    if signed_data.version != 1 || signed_data.encapsulated.content_type != ID_DATA {
        return Err(odd("the CMS is no SignedData of version 1 over id-data"));
    }
    let signers: SetOfVec<SignerInfo> = signed_data.signer_infos.decode_as().map_err(unreadable)?;
    if signers.to_der().map_err(unreadable)? != signed_data.signer_infos.to_der().map_err(unreadable)? {
        return Err(odd("the CMS is not DER"));
    }
    let [signer] = signers.as_slice() else { return Err(odd("the CMS has not exactly one signer")) };

    let leaf = context.credential.chain.leaf();
    let embedded: Vec<Vec<u8>> = match &signed_data.certificates {
        Some(set) => set.iter().map(Encode::to_der).collect::<der::Result<_>>().map_err(unreadable)?,
        None => Vec::new(),
    };
    let chain = context.credential.chain.without_root();
    if !chain.map(Certificate::der).all(|der| embedded.iter().any(|each| each == der)) {
        return Err(odd("the CMS does not carry the signing certificate and its chain"));
    }
    if signed_data.digest_algorithms.as_slice() != [context.algorithm.digest().identifier()] {
        return Err(odd("the CMS announces another digest algorithm"));
    }
    if signer.sid != SignerIdentifier::IssuerAndSerialNumber(issuer_and_serial_number(leaf))
        || signer.digest_alg != context.algorithm.digest().identifier()
        || signer.signature_algorithm != context.algorithm.identifier().map_err(unreadable)?
    {
        return Err(odd("the CMS names another signer or algorithm"));
    }

    let attributes = signer.signed_attrs.as_ref().ok_or_else(|| odd("the CMS has no signed attributes"))?;
    let digest = content_digest(signed_data.encapsulated.content.map(OctetStringRef::as_bytes));
    let Some(digest) = digest.filter(|digest| message_digest(attributes).as_ref() == Some(digest)) else {
        return Err(Discrepancy::Digest("the content"));
    };
    let expected = signed_attributes(&digest, leaf, context.algorithm, signing_time).map_err(unreadable)?;
    if *attributes != expected {
        return Err(odd("the signed attributes are not those of this certificate, time and content type"));
    }
    let octets = signer.signature.as_bytes();
    let value = match (context.algorithm.scheme(), leaf.public_key().spec().field_length()) {
        (SignatureScheme::Ecdsa, Some(length)) => SignatureValue::from_ecdsa_der(octets, length)?,
        _ => SignatureValue::new(octets.to_vec()),
    };
    let data = DataToBeSigned::new(attributes.to_der().map_err(unreadable)?);
    Ok(verification::verify(leaf.public_key(), context.algorithm, ToBeSigned::Data(&data), &value)?)
}

fn message_digest(attributes: &SignedAttributes) -> Option<Vec<u8>> {
    let attribute = attributes.iter().find(|attribute| attribute.oid == ID_MESSAGE_DIGEST)?;
    let value = attribute.values.iter().next()?;
    value.decode_as::<&OctetStringRef>().ok().map(|digest| digest.as_bytes().to_vec())
}

#[cfg(test)]
mod tests;
