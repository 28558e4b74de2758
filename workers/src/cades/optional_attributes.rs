//! The optional signed attributes in DER (EN 319 122-1, clause 5.2; RFC 2634, section 2.9).

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::ID_DATA;
use der::asn1::SetOfVec;
use der::{Any, Decode};
use x509_cert::attr::Attribute;

use super::augment::{CONTENT_TIMESTAMP, attribute as attribute_tlv, oid_tlv};
use super::properties::{SignaturePolicy, SignedProperties, SignerLocation, Text, Texts, UserNotice};
use crate::timestamp::TimestampToken;
use crate::tlv::{CONTEXT_0, CONTEXT_1, INTEGER, OCTET_STRING, SEQUENCE, UTF8_STRING, tlv};

const COMMITMENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.16");
const SIGNER_LOCATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.17");
const SIGNATURE_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.15");
const POLICY_URI: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.5.1");
const POLICY_NOTICE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.5.2");
const CONTENT_HINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.4");
const SIGNER_ATTRIBUTES_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.19122.1.1");
const MIME_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1733.2.1");
/// `id-at-name` (X.520): a claimed role in words, as EU DSS writes and reads it.
const NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.41");

const CONTEXT_2: u8 = 0xa2;
const IA5_STRING: u8 = 0x16;

/// One attribute for each property that is there, and one for the timestamp over the content.
///
/// # Errors
/// When the token is not DER, which a signed attribute must be.
pub(super) fn attributes(
    properties: &SignedProperties,
    content_timestamp: Option<&TimestampToken>,
) -> der::Result<Vec<Attribute>> {
    let SignedProperties {
        commitment_type,
        signer_location,
        claimed_roles,
        signature_policy,
        content_hints,
        mime_type,
    } = properties;
    let hints = content_hints.as_ref().map(|hints| tlv(SEQUENCE, &[utf8(&hints.description), oid_tlv(ID_DATA)]));
    let all = [
        (COMMITMENT_TYPE, commitment_type.as_ref().map(|commitment| tlv(SEQUENCE, &[oid_tlv(commitment.oid())]))),
        (SIGNER_LOCATION, signer_location.as_ref().map(location)),
        (SIGNER_ATTRIBUTES_V2, claimed_roles.as_ref().map(roles)),
        (SIGNATURE_POLICY, signature_policy.as_ref().map(policy)),
        (CONTENT_HINTS, hints),
        (MIME_TYPE, mime_type.as_ref().map(utf8)),
        (CONTENT_TIMESTAMP, content_timestamp.map(|token| token.der.to_vec())),
    ];
    let present = all.into_iter().filter_map(|(oid, value)| Some((oid, value?)));
    present.map(|(oid, value)| Ok(Attribute { oid, values: SetOfVec::from_iter([Any::from_der(&value)?])? })).collect()
}

fn utf8(text: &Text) -> Vec<u8> {
    tlv(UTF8_STRING, &[text.as_str()])
}

fn texts(texts: &Texts) -> Vec<u8> {
    tlv(SEQUENCE, &texts.as_slice().iter().map(utf8).collect::<Vec<_>>())
}

/// `SignerLocation`, of a module with explicit tags.
fn location(location: &SignerLocation) -> Vec<u8> {
    let parts = location.parts();
    let country = parts.country.as_ref().map(|text| tlv(CONTEXT_0, &[utf8(text)]));
    let locality = parts.locality.as_ref().map(|text| tlv(CONTEXT_1, &[utf8(text)]));
    let address = parts.postal_address.as_ref().map(|lines| tlv(CONTEXT_2, &[texts(lines)]));
    tlv(SEQUENCE, &[country, locality, address].into_iter().flatten().collect::<Vec<_>>())
}

/// `SignerAttributeV2` with claimed attributes, of a module with explicit tags.
fn roles(roles: &Texts) -> Vec<u8> {
    let claimed: Vec<_> = roles.as_slice().iter().map(|role| attribute_tlv(NAME, &utf8(role))).collect();
    tlv(SEQUENCE, &[tlv(CONTEXT_0, &[tlv(SEQUENCE, &claimed)])])
}

/// `SignaturePolicyId`.
fn policy(policy: &SignaturePolicy) -> Vec<u8> {
    let algorithm = tlv(SEQUENCE, &[oid_tlv(policy.digest().algorithm().oid())]);
    let hash = tlv(SEQUENCE, &[algorithm, tlv(OCTET_STRING, &[policy.digest().digest()])]);
    let place = policy.uri().map(|uri| tlv(SEQUENCE, &[oid_tlv(POLICY_URI), tlv(IA5_STRING, &[uri.as_str()])]));
    let notice = policy.notice().map(|notice| tlv(SEQUENCE, &[oid_tlv(POLICY_NOTICE), user_notice(notice)]));
    let qualifiers: Vec<_> = [place, notice].into_iter().flatten().collect();
    let qualifiers = if qualifiers.is_empty() { Vec::new() } else { tlv(SEQUENCE, &qualifiers) };
    tlv(SEQUENCE, &[oid_tlv(policy.oid()), hash, qualifiers])
}

/// `SPUserNotice`.
fn user_notice(notice: &UserNotice) -> Vec<u8> {
    let parts = notice.parts();
    let reference = parts.reference.as_ref().map(|reference| {
        let numbers: Vec<_> = reference.numbers.iter().map(|number| integer(*number)).collect();
        tlv(SEQUENCE, &[utf8(&reference.organization), tlv(SEQUENCE, &numbers)])
    });
    tlv(SEQUENCE, &[reference, parts.text.as_ref().map(utf8)].into_iter().flatten().collect::<Vec<_>>())
}

fn integer(number: u32) -> Vec<u8> {
    let octets = number.to_be_bytes();
    let first = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len() - 1);
    let significant = octets.get(first..).unwrap_or_default();
    // Two's complement: a first bit of 1 would make it negative.
    let sign: &[u8] = if significant.first().is_some_and(|octet| *octet >= 0x80) { &[0] } else { &[] };
    tlv(INTEGER, &[sign, significant])
}
