//! What a signer says beside the signature, as XML: the properties that CAdES has too, in the elements of EN 319 132-1,
//! clauses 5.2.3 to 5.2.9.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::algorithm::digest_uri;
use crate::cades::properties::{CommitmentType, SignaturePolicy, SignedProperties, SignerLocation, Text, UserNotice};

/// What follows the certificate among the signed signature properties, in the order of the schema.
pub(super) fn about_signer(properties: &SignedProperties) -> String {
    let policy = properties.signature_policy.as_ref().map(signature_policy);
    let place = properties.signer_location.as_ref().map(production_place);
    let roles = properties.claimed_roles.as_ref().map(|roles| {
        let roles: String = roles.as_slice().iter().map(|role| element("ClaimedRole", &text(role))).collect();
        element("SignerRoleV2", &element("ClaimedRoles", &roles))
    });
    [policy, place, roles].into_iter().flatten().collect()
}

/// What follows the format of the document among the signed data object properties.
pub(super) fn about_document(properties: &SignedProperties) -> String {
    let Some(commitment) = &properties.commitment_type else { return String::new() };
    let id = element("CommitmentTypeId", &identifier(commitment));
    element("CommitmentTypeIndication", &(id + "<xades:AllSignedDataObjects></xades:AllSignedDataObjects>"))
}

/// The identifiers that XAdES has of its own; others are object identifiers (clause 5.1.2).
fn identifier(commitment: &CommitmentType) -> String {
    let written = String::from(commitment.clone());
    let own = match written.as_str() {
        "proof-of-origin" => "ProofOfOrigin",
        "proof-of-receipt" => "ProofOfReceipt",
        "proof-of-delivery" => "ProofOfDelivery",
        "proof-of-sender" => "ProofOfSender",
        "proof-of-approval" => "ProofOfApproval",
        "proof-of-creation" => "ProofOfCreation",
        _ => return object_identifier(&commitment.oid().to_string()),
    };
    element("Identifier", &format!("http://uri.etsi.org/01903/v1.2.2#{own}"))
}

fn object_identifier(oid: &str) -> String {
    format!("<xades:Identifier Qualifier=\"OIDAsURN\">urn:oid:{oid}</xades:Identifier>")
}

/// `SignatureProductionPlaceV2`; the lines of an address become one.
fn production_place(location: &SignerLocation) -> String {
    let parts = location.parts();
    let optional = |name: &str, value: Option<String>| value.map(|value| element(name, &value)).unwrap_or_default();
    let street = parts.postal_address.as_ref().map(|lines| {
        let lines: Vec<String> = lines.as_slice().iter().map(text).collect();
        lines.join(", ")
    });
    let city = optional("City", parts.locality.as_ref().map(text));
    let country = optional("CountryName", parts.country.as_ref().map(text));
    element("SignatureProductionPlaceV2", &[city, optional("StreetAddress", street), country].concat())
}

fn signature_policy(policy: &SignaturePolicy) -> String {
    let id = element("SigPolicyId", &object_identifier(&policy.oid().to_string()));
    let hash = format!(
        "<ds:DigestMethod Algorithm=\"{}\"></ds:DigestMethod><ds:DigestValue>{}</ds:DigestValue>",
        digest_uri(policy.digest().algorithm()),
        STANDARD.encode(policy.digest().digest())
    );
    let place = policy.uri().map(|uri| element("SPURI", &text(uri)));
    let qualifiers = [place, policy.notice().map(user_notice)].into_iter().flatten();
    let qualifiers: String = qualifiers.map(|each| element("SigPolicyQualifier", &each)).collect();
    let qualifiers = match qualifiers.as_str() {
        "" => String::new(),
        some => element("SigPolicyQualifiers", some),
    };
    let content = [id, element("SigPolicyHash", &hash), qualifiers].concat();
    element("SignaturePolicyIdentifier", &element("SignaturePolicyId", &content))
}

fn user_notice(notice: &UserNotice) -> String {
    let parts = notice.parts();
    let reference = parts.reference.as_ref().map(|reference| {
        let numbers: String = reference.numbers.iter().map(|number| element("int", &number.to_string())).collect();
        let organization = element("Organization", &text(&reference.organization));
        element("NoticeRef", &(organization + &element("NoticeNumbers", &numbers)))
    });
    let explicit = parts.text.as_ref().map(|each| element("ExplicitText", &text(each)));
    element("SPUserNotice", &[reference, explicit].into_iter().flatten().collect::<String>())
}

fn element(name: &str, content: &str) -> String {
    format!("<xades:{name}>{content}</xades:{name}>")
}

fn text(value: &Text) -> String {
    ascii(value.as_str())
}

/// Character data in ASCII, which any encoding of a document has.
pub(super) fn ascii(text: &str) -> String {
    let mut written = String::new();
    for character in text.chars() {
        match character {
            '<' | '>' | '&' => _ = write!(written, "&#x{:X};", u32::from(character)),
            _ if character.is_ascii() => written.push(character),
            _ => _ = write!(written, "&#x{:X};", u32::from(character)),
        }
    }
    written
}
