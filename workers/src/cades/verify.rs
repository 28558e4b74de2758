//! Read a finished CMS signature back and verify it, for the check before release (RFC 5652, sections 5.4 and 5.6).

use cms::signed_data::{SignedAttributes, SignerIdentifier, SignerInfo};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_DATA, ID_MESSAGE_DIGEST, ID_SIGNED_DATA};
use cryptotoken_api::{DataToBeSigned, SignatureScheme, SignatureValue, ToBeSigned, verification};
use der::asn1::{AnyRef, OctetStringRef, SetOfVec};
use der::{Any, Decode, Encode, Sequence};
use spki::AlgorithmIdentifierOwned;

use super::attributes::issuer_and_serial_number;
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
    signer_infos: SetOfVec<SignerInfo>,
}

/// Verifies the one signature in `cms` against what the context says it must be. `content_digest` gets the encapsulated
/// content, if there is any, and returns the digest of the content or `None` when it is not the one expected.
///
/// # Errors
/// The first [`Discrepancy`] found.
pub(crate) fn verify_signed_data(
    cms: &[u8],
    context: &SignatureContext<'_>,
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
    let [signer] = signed_data.signer_infos.as_slice() else { return Err(odd("the CMS has not exactly one signer")) };

    let leaf = context.credential.chain.leaf();
    let embedded = signed_data.certificates.iter().flat_map(SetOfVec::iter);
    if !embedded.filter_map(|certificate| certificate.to_der().ok()).any(|der| der == leaf.der()) {
        return Err(odd("the CMS does not carry the signing certificate"));
    }
    if signer.sid != SignerIdentifier::IssuerAndSerialNumber(issuer_and_serial_number(leaf))
        || signer.digest_alg != context.algorithm.digest().identifier()
        || signer.signature_algorithm != context.algorithm.identifier().map_err(unreadable)?
    {
        return Err(odd("the CMS names another signer or algorithm"));
    }

    let attributes = signer.signed_attrs.as_ref().ok_or_else(|| odd("the CMS has no signed attributes"))?;
    let digest = content_digest(signed_data.encapsulated.content.map(OctetStringRef::as_bytes));
    if digest.is_none() || digest != message_digest(attributes) {
        return Err(Discrepancy::Digest("the content"));
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
