//! The unsigned properties, and containers of timestamps, as text (EN 319 132-1, clauses 5.2.8 and 5.3 to 5.5). Each declares its own namespaces and is covered by exclusive
//! canonicalization, so that it means the same in any document.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::attributes::XADES_NAMESPACE;
use super::canonicalization::{EXCLUSIVE, SIGNATURE_NAMESPACE};
use super::received::XADES141_NAMESPACE;
use super::signature::reference_id;
use crate::timestamp::TimestampToken;

/// `xades:SignatureTimeStamp`.
pub(super) fn signature_timestamp(token: &TimestampToken) -> String {
    timestamp("xades:SignatureTimeStamp", "", "", token)
}

/// `xades141:ArchiveTimeStamp`.
pub(super) fn archive_timestamp(token: &TimestampToken) -> String {
    timestamp("xades141:ArchiveTimeStamp", &format!(" xmlns:xades141=\"{XADES141_NAMESPACE}\""), "", token)
}

/// `xades:AllDataObjectsTimeStamp`, which is signed.
pub(super) fn all_data_objects_timestamp(token: &TimestampToken) -> String {
    timestamp("xades:AllDataObjectsTimeStamp", "", "", token)
}

/// One `xades:IndividualDataObjectsTimeStamp` for each data object of the signature `id`, in their order; they are signed.
pub(super) fn individual_data_objects_timestamps(id: &str, tokens: &[TimestampToken]) -> String {
    let stamp = |(index, token): (usize, &TimestampToken)| {
        // What the reference is to, not the reference itself (clause 5.2.8.2).
        let reference = reference_id(id, index);
        let include = format!("<xades:Include URI=\"#{reference}\" referencedData=\"true\"></xades:Include>");
        timestamp("xades:IndividualDataObjectsTimeStamp", "", &include, token)
    };
    (0..).zip(tokens).map(stamp).collect()
}

fn timestamp(name: &str, declaration: &str, include: &str, token: &TimestampToken) -> String {
    format!(
        "<{name}{declaration} xmlns:xades=\"{XADES_NAMESPACE}\">\
         {include}<ds:CanonicalizationMethod xmlns:ds=\"{SIGNATURE_NAMESPACE}\" Algorithm=\"{method}\"></ds:CanonicalizationMethod>\
         <xades:EncapsulatedTimeStamp>{value}</xades:EncapsulatedTimeStamp></{name}>",
        method = EXCLUSIVE.uri(),
        value = STANDARD.encode(&token.der),
    )
}

/// Certificates and revocation information that are not there yet, DER.
#[derive(Default)]
pub(super) struct Values {
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) crls: Vec<Vec<u8>>,
    pub(super) ocsp_responses: Vec<Vec<u8>>,
}

impl Values {
    /// `xades:CertificateValues` and `xades:RevocationValues`, without what would be empty.
    pub(super) fn for_signature(&self) -> String {
        let list = |name: &str, values: &[Vec<u8>]| -> String {
            let encode = |value: &Vec<u8>| format!("<xades:{name}>{}</xades:{name}>", STANDARD.encode(value));
            values.iter().map(encode).collect()
        };
        let element = |name: &str, declaration: &str, content: &str| match content {
            "" => String::new(),
            content => format!("<xades:{name}{declaration}>{content}</xades:{name}>"),
        };
        let declaration = format!(" xmlns:xades=\"{XADES_NAMESPACE}\"");
        let certificates = list("EncapsulatedX509Certificate", &self.certificates);
        let crls = element("CRLValues", "", &list("EncapsulatedCRLValue", &self.crls));
        let responses = element("OCSPValues", "", &list("EncapsulatedOCSPValue", &self.ocsp_responses));
        element("CertificateValues", &declaration, &certificates)
            + &element("RevocationValues", &declaration, &(crls + &responses))
    }

    /// The same in a `xades141:TimeStampValidationData`, which may come again and again.
    pub(super) fn for_timestamp(&self) -> String {
        let name = "xades141:TimeStampValidationData";
        match self.for_signature().as_str() {
            "" => String::new(),
            content => format!("<{name} xmlns:xades141=\"{XADES141_NAMESPACE}\">{content}</{name}>"),
        }
    }
}

/// `xades:CounterSignature`, up to the signature in it, and what follows.
pub(super) fn counter_signature() -> (String, &'static str) {
    (format!("<xades:CounterSignature xmlns:xades=\"{XADES_NAMESPACE}\">"), "</xades:CounterSignature>")
}

/// What goes into qualifying properties that have no unsigned ones.
pub(super) fn contained(properties: &str) -> String {
    if properties.is_empty() {
        return String::new();
    }
    format!(
        "<xades:UnsignedProperties xmlns:xades=\"{XADES_NAMESPACE}\"><xades:UnsignedSignatureProperties>{properties}\
         </xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
    )
}
