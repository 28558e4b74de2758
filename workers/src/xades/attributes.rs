//! The qualifying properties of a baseline signature (EN 319 132-1, clauses 5.1, 5.2 and 6.3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cryptotoken_api::Certificate;
use der::Encode;
use time::{OffsetDateTime, UtcOffset};

use super::algorithm::digest_uri;
use super::form::{CertificateReference, IssuerName, SignatureForm};
use super::signature::{DataObject, reference_id};
use super::statements::{about_document, about_signer, ascii};
use crate::cades::attributes::issuer_serial;
use crate::cades::properties::SignedProperties;
use crate::create::SignatureContext;
use crate::error::WorkerError;

/// Namespace of XAdES 1.3.2 and later.
pub(super) const XADES_NAMESPACE: &str = "http://uri.etsi.org/01903/v1.3.2#";

/// The `Type` of the reference to the signed properties (clause 4.4.2).
pub(super) const SIGNED_PROPERTIES_TYPE: &str = "http://uri.etsi.org/01903#SignedProperties";

/// `xades:QualifyingProperties` of the signature `id` over these data objects, with these timestamps over them, without its end tag: unsigned properties come there.
///
/// # Errors
/// Only when an encoder fails, which would be a bug.
pub(super) fn qualifying_properties(
    id: &str,
    objects: &[DataObject],
    form: &SignatureForm,
    properties: &SignedProperties,
    stamps: &str,
    context: &SignatureContext<'_>,
) -> Result<String, WorkerError> {
    let formats = (0..).zip(objects).filter_map(|(index, object)| {
        let media_type = object.media_type.as_ref()?;
        let description = object.description.as_deref();
        let description = description.map(|text| format!("<xades:Description>{}</xades:Description>", ascii(text)));
        Some(format!(
            "<xades:DataObjectFormat ObjectReference=\"#{}\">{}<xades:MimeType>{media_type}</xades:MimeType>\
             </xades:DataObjectFormat>",
            reference_id(id, index),
            description.unwrap_or_default()
        ))
    });
    let about_objects = formats.collect::<String>() + &about_document(properties) + stamps;
    let about_objects = match about_objects.as_str() {
        "" => String::new(),
        some => format!("<xades:SignedDataObjectProperties>{some}</xades:SignedDataObjectProperties>"),
    };
    Ok(format!(
        "<xades:QualifyingProperties xmlns:xades=\"{XADES_NAMESPACE}\" Target=\"#{id}\">\
         <xades:SignedProperties Id=\"{id}-properties\">\
         <xades:SignedSignatureProperties>\
         <xades:SigningTime>{time}</xades:SigningTime>{certificate}{about_signer}\
         </xades:SignedSignatureProperties>{about_objects}\
         </xades:SignedProperties>",
        about_signer = about_signer(properties),
        time = date_time(context.signing_time),
        certificate = signing_certificate(form, context)?,
    ))
}

/// The property that names the certificate, in the version that the form asks for.
fn signing_certificate(form: &SignatureForm, context: &SignatureContext<'_>) -> Result<String, WorkerError> {
    let digest = form.digest(context);
    let leaf = context.credential.chain.leaf();
    let cert_digest = format!(
        "<xades:CertDigest><ds:DigestMethod Algorithm=\"{}\"></ds:DigestMethod><ds:DigestValue>{}</ds:DigestValue>\
         </xades:CertDigest>",
        digest_uri(digest),
        // The whole certificate as issued (clause 5.2.2.2), never re-encoded.
        STANDARD.encode(digest.digest(leaf.der())),
    );
    let (name, issuer_serial) = match form.signing_certificate {
        CertificateReference::V2 => (
            "SigningCertificateV2",
            format!("<xades:IssuerSerialV2>{}</xades:IssuerSerialV2>", issuer_serial_v2(leaf)?),
        ),
        CertificateReference::V1 => (
            "SigningCertificate",
            format!(
                "<xades:IssuerSerial><ds:X509IssuerName>{}</ds:X509IssuerName><ds:X509SerialNumber>{}\
                 </ds:X509SerialNumber></xades:IssuerSerial>",
                ascii(&issuer_name(leaf, form.issuer_name)),
                decimal(leaf.fields().serial_number().as_bytes())
            ),
        ),
    };
    Ok(format!("<xades:{name}><xades:Cert>{cert_digest}{issuer_serial}</xades:Cert></xades:{name}>"))
}

/// The issuer as text (RFC 4514), most specific part first or as in the certificate.
fn issuer_name(certificate: &Certificate, order: IssuerName) -> String {
    let name = certificate.fields().issuer();
    match order {
        IssuerName::Rfc4514 => name.to_string(),
        IssuerName::AsIssued => {
            let parts: Vec<String> = name.as_ref().iter().map(ToString::to_string).collect();
            parts.join(",")
        }
    }
}

/// A big-endian number in decimal.
fn decimal(octets: &[u8]) -> String {
    // Digits of nine places, the lowest first.
    let mut groups: Vec<u64> = vec![0];
    for octet in octets {
        let mut carry = u64::from(*octet);
        for group in &mut groups {
            let value = *group * 256 + carry;
            (*group, carry) = (value % 1_000_000_000, value / 1_000_000_000);
        }
        if carry > 0 {
            groups.push(carry);
        }
    }
    let mut groups = groups.into_iter().rev();
    let first = groups.next().unwrap_or_default().to_string();
    groups.fold(first, |written, group| format!("{written}{group:09}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_written_in_decimal_however_long() {
        for (octets, written) in [
            (&[0][..], "0"),
            (&[0, 255], "255"),
            (&[1, 0, 0, 0, 0], "4294967296"),
            (&[0x3B, 0x9A, 0xCA, 0x00], "1000000000"),
            (&[0xFF; 20], "1461501637330902918203684832716283019655932542975"),
        ] {
            assert_eq!(decimal(octets), written);
        }
    }
}
