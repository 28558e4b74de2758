//! CMS SignedData in DER around a content that is not copied (RFC 5652, section 5).
//!
//! Certificates go in as issued: a structure that decodes and encodes them again may change them.

use std::borrow::Cow;

use bytes::Bytes;
use cms::signed_data::SignedAttributes;
use const_oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};
use cryptotoken_api::signature_value::MalformedSignature;
use cryptotoken_api::{Certificate, CertificateChain, SignatureAlgorithm, SignatureScheme, SignatureValue};
use der::Encode;

use super::attributes::issuer_and_serial_number;
use crate::error::Discrepancy;
use crate::tlv::{CONTEXT_0, CONTEXT_1, INTEGER, OCTET_STRING, SEQUENCE, SET, header, tlv};

/// The CMS of one signer. `content` is encapsulated when given, else the signature is detached; `unsigned` are unsigned
/// attributes, DER.
///
/// # Errors
/// [`Discrepancy`] when the value cannot be encoded; the signature has been made by then.
pub(crate) fn signed_data(
    content: Option<Bytes>,
    chain: &CertificateChain,
    algorithm: SignatureAlgorithm,
    signed_attributes: &SignedAttributes,
    value: &SignatureValue,
    unsigned: &[Vec<u8>],
) -> Result<Vec<Bytes>, Discrepancy> {
    let octets = signature_octets(algorithm, value)?;
    encode(content, chain, algorithm, signed_attributes, &octets, unsigned)
        .map_err(|error| Discrepancy::Unreadable(error.to_string()))
}

/// The value as CMS has it: ECDSA in DER (RFC 5753, section 7.2).
pub(crate) fn signature_octets(
    algorithm: SignatureAlgorithm,
    value: &SignatureValue,
) -> Result<Cow<'_, [u8]>, MalformedSignature> {
    match algorithm.scheme() {
        SignatureScheme::Ecdsa => Ok(Cow::Owned(value.to_ecdsa_der()?)),
        _ => Ok(Cow::Borrowed(value.as_bytes())),
    }
}

/// One `SignerInfo` (RFC 5652, section 5.3).
pub(crate) fn signer_info(
    signer: &Certificate,
    algorithm: SignatureAlgorithm,
    signed_attributes: &SignedAttributes,
    signature: &[u8],
    unsigned: &[Vec<u8>],
) -> der::Result<Vec<u8>> {
    // RFC 5652, section 5.3: version 1, because the signer is named by issuer and serial number.
    let mut parts = vec![vec![INTEGER, 0x01, 0x01], issuer_and_serial_number(signer).to_der()?];
    parts.push(algorithm.digest().identifier().to_der()?);
    // The same contents as the SET OF that is signed, under the tag [0].
    let attributes = signed_attributes.to_der()?;
    parts.push([&[CONTEXT_0], attributes.get(1..).unwrap_or_default()].concat());
    parts.push(algorithm.identifier()?.to_der()?);
    parts.push(tlv(OCTET_STRING, &[signature]));
    if !unsigned.is_empty() {
        let mut unsigned = unsigned.to_vec();
        unsigned.sort_unstable();
        parts.push(tlv(CONTEXT_1, &unsigned));
    }
    Ok(tlv(SEQUENCE, &parts))
}

fn encode(
    content: Option<Bytes>,
    chain: &CertificateChain,
    algorithm: SignatureAlgorithm,
    signed_attributes: &SignedAttributes,
    signature: &[u8],
    unsigned: &[Vec<u8>],
) -> der::Result<Vec<Bytes>> {
    let signer_info = signer_info(chain.leaf(), algorithm, signed_attributes, signature, unsigned)?;
    // DER sorts the members of a SET by their encodings.
    let mut certificates: Vec<&[u8]> = chain.without_root().map(cryptotoken_api::Certificate::der).collect();
    certificates.sort_unstable();

    let version = [0x02, 0x01, 0x01];
    let digest_algorithms = tlv(SET, &[algorithm.digest().identifier().to_der()?]);
    let content_type = ID_DATA.to_der()?;
    let trailer = [tlv(CONTEXT_0, &certificates), tlv(SET, &[signer_info])].concat();

    // From the inside out: each header needs the length of what it holds.
    let content_length = content.as_ref().map(Bytes::len);
    let content_headers = match content_length {
        Some(length) => {
            let octet_string = header(OCTET_STRING, length);
            [header(CONTEXT_0, octet_string.len() + length), octet_string].concat()
        }
        None => Vec::new(),
    };
    let length = content_length.unwrap_or(0);
    let encapsulated =
        [header(SEQUENCE, content_type.len() + content_headers.len() + length), content_type, content_headers];
    let encapsulated = encapsulated.concat();
    let inner = version.len() + digest_algorithms.len() + encapsulated.len() + length + trailer.len();
    let signed_data = header(SEQUENCE, inner);
    let explicit = header(CONTEXT_0, signed_data.len() + inner);
    let outer_type = ID_SIGNED_DATA.to_der()?;
    let outer = header(SEQUENCE, outer_type.len() + explicit.len() + signed_data.len() + inner);

    let prefix = [outer, outer_type, explicit, signed_data, version.to_vec(), digest_algorithms, encapsulated].concat();
    Ok(match content {
        Some(content) => vec![prefix.into(), content, trailer.into()],
        None => vec![[prefix, trailer].concat().into()],
    })
}
