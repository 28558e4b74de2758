//! CMS SignedData in DER around a content that is not copied (RFC 5652, section 5).
//!
//! Certificates go in as issued: a structure that decodes and encodes them again may change them.

use bytes::Bytes;
use cms::signed_data::{SignedAttributes, SignerIdentifier, SignerInfo};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};
use cryptotoken_api::{CertificateChain, SignatureAlgorithm, SignatureScheme, SignatureValue};
use der::Encode;
use der::asn1::OctetString;

use super::attributes::issuer_and_serial_number;
use crate::error::Discrepancy;
use crate::tlv::{CONTEXT_0, OCTET_STRING, SEQUENCE, SET, header, tlv};

/// The CMS of one signer. `content` is encapsulated when given, else the signature is detached.
///
/// # Errors
/// [`Discrepancy`] when the value cannot be encoded; the signature has been made by then.
pub(crate) fn signed_data(
    content: Option<Bytes>,
    chain: &CertificateChain,
    algorithm: SignatureAlgorithm,
    signed_attributes: SignedAttributes,
    value: &SignatureValue,
) -> Result<Vec<Bytes>, Discrepancy> {
    signed_data_of(ID_DATA, content, Some(chain), chain, algorithm, signed_attributes, value)
}

/// The same over content of any type, with the certificates of `embedded` or none.
///
/// # Errors
/// As [`signed_data`].
pub(crate) fn signed_data_of(
    content_type: ObjectIdentifier,
    content: Option<Bytes>,
    embedded: Option<&CertificateChain>,
    chain: &CertificateChain,
    algorithm: SignatureAlgorithm,
    signed_attributes: SignedAttributes,
    value: &SignatureValue,
) -> Result<Vec<Bytes>, Discrepancy> {
    let octets = match algorithm.scheme() {
        SignatureScheme::Ecdsa => value.to_ecdsa_der()?,
        _ => value.as_bytes().to_vec(),
    };
    encode(content_type, content, embedded, chain, algorithm, signed_attributes, octets)
        .map_err(|error| Discrepancy::Unreadable(error.to_string()))
}

fn encode(
    content_type: ObjectIdentifier,
    content: Option<Bytes>,
    embedded: Option<&CertificateChain>,
    chain: &CertificateChain,
    algorithm: SignatureAlgorithm,
    signed_attributes: SignedAttributes,
    signature: Vec<u8>,
) -> der::Result<Vec<Bytes>> {
    let signer_info = SignerInfo {
        version: cms::content_info::CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(issuer_and_serial_number(chain.leaf())),
        digest_alg: algorithm.digest().identifier(),
        signed_attrs: Some(signed_attributes),
        signature_algorithm: algorithm.identifier()?,
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    // DER sorts the members of a SET by their encodings.
    let mut certificates: Vec<&[u8]> =
        embedded.iter().flat_map(|chain| chain.without_root()).map(cryptotoken_api::Certificate::der).collect();
    certificates.sort_unstable();
    let certificates = if certificates.is_empty() { Vec::new() } else { tlv(CONTEXT_0, &certificates) };

    let version = [0x02, 0x01, version(content_type)];
    let digest_algorithms = tlv(SET, &[algorithm.digest().identifier().to_der()?]);
    let content_type = content_type.to_der()?;
    let trailer = [certificates, tlv(SET, &[signer_info.to_der()?])].concat();

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

/// Version of a `SignedData` with X.509 certificates whose signers are named by issuer and serial number (RFC 5652, section 5.1).
pub(crate) fn version(content_type: ObjectIdentifier) -> u8 {
    if content_type == ID_DATA { 1 } else { 3 }
}
