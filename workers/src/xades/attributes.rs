//! The qualifying properties of a baseline signature (EN 319 132-1, clauses 5.1, 5.2 and 6.3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cryptotoken_api::Certificate;
use der::Encode;
use time::{OffsetDateTime, UtcOffset};

use super::algorithm::digest_uri;
use super::statements::{about_document, about_signer};
use crate::cades::attributes::issuer_serial;
use crate::cades::properties::SignedProperties;
use crate::create::SignatureContext;

/// Namespace of XAdES 1.3.2 and later.
pub(super) const XADES_NAMESPACE: &str = "http://uri.etsi.org/01903/v1.3.2#";

/// The `Type` of the reference to the signed properties (clause 4.4.2).
pub(super) const SIGNED_PROPERTIES_TYPE: &str = "http://uri.etsi.org/01903#SignedProperties";

/// `xades:QualifyingProperties` of the signature `id` over a document of this media type, without its end tag: unsigned properties
/// come there.
///
/// # Errors
/// Only when the DER encoder fails, which would be a bug.
pub(super) fn qualifying_properties(
    id: &str,
    media_type: &str,
    properties: &SignedProperties,
    context: &SignatureContext<'_>,
) -> der::Result<String> {
    let digest = context.algorithm.digest();
    let leaf = context.credential.chain.leaf();
    Ok(format!(
        "<xades:QualifyingProperties xmlns:xades=\"{XADES_NAMESPACE}\" Target=\"#{id}\">\
         <xades:SignedProperties Id=\"{id}-properties\">\
         <xades:SignedSignatureProperties>\
         <xades:SigningTime>{time}</xades:SigningTime>\
         <xades:SigningCertificateV2><xades:Cert>\
         <xades:CertDigest><ds:DigestMethod Algorithm=\"{method}\"></ds:DigestMethod>\
         <ds:DigestValue>{value}</ds:DigestValue></xades:CertDigest>\
         <xades:IssuerSerialV2>{issuer_serial}</xades:IssuerSerialV2>\
         </xades:Cert></xades:SigningCertificateV2>{about_signer}\
         </xades:SignedSignatureProperties>\
         <xades:SignedDataObjectProperties>\
         <xades:DataObjectFormat ObjectReference=\"#{id}-document\">\
         <xades:MimeType>{media_type}</xades:MimeType></xades:DataObjectFormat>{commitment}\
         </xades:SignedDataObjectProperties>\
         </xades:SignedProperties>",
        about_signer = about_signer(properties),
        commitment = about_document(properties),
        time = date_time(context.signing_time),
        method = digest_uri(digest),
        // The whole certificate as issued (clause 5.2.2.2), never re-encoded.
        value = STANDARD.encode(digest.digest(leaf.der())),
        issuer_serial = issuer_serial_v2(leaf)?,
    ))
}

/// Base64 of the DER `IssuerSerial` of RFC 5035 (clause 5.2.2.3).
fn issuer_serial_v2(certificate: &Certificate) -> der::Result<String> {
    Ok(STANDARD.encode(issuer_serial(certificate).to_der()?))
}

/// `xsd:dateTime` in UTC; fractions of seconds would only be claimed precision.
fn date_time(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}
