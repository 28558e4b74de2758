//! What the check before release finds in a CMS that is signed correctly, but is not the one that should have been made.

use cms::signed_data::SignedAttributes;
use const_oid::db::rfc5911::{ID_CONTENT_TYPE, ID_SIGNED_DATA};
use cryptotoken_api::{DataToBeSigned, ToBeSigned};
use der::asn1::SetOfVec;
use der::{Any, Encode};
use time::{Duration, OffsetDateTime};
use x509_cert::attr::Attribute;

use super::*;
use crate::cades::attributes::signed_attributes;
use crate::cades::signed_data::signed_data;
use crate::software_key::SoftwareKey;

const CONTENT: &[u8] = b"content";
const TIME: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// The attributes that belong to `CONTENT`, `key` and `TIME`.
fn attributes(key: &SoftwareKey) -> Vec<Attribute> {
    attributes_at(key, Some(TIME))
}

fn attributes_at(key: &SoftwareKey, time: Option<OffsetDateTime>) -> Vec<Attribute> {
    let context = key.context();
    let digest = context.algorithm.digest().digest(CONTENT);
    let leaf = context.credential.chain.leaf();
    signed_attributes(&digest, leaf, context.algorithm, time, &[]).unwrap().into_vec()
}

/// The finding for a detached CMS of `key` with these attributes.
fn finding(key: &SoftwareKey, attributes: Vec<Attribute>) -> Result<(), Discrepancy> {
    let context = key.context();
    let attributes = SignedAttributes::try_from(attributes).unwrap();
    let data = DataToBeSigned::new(attributes.to_der().unwrap());
    let value = key.sign(ToBeSigned::Data(&data));
    let cms =
        signed_data(None, &context.credential.chain, context.algorithm, &attributes, &value, &[]).unwrap().concat();
    verify_signed_data(&cms, &context, Some(TIME), &[], |_| Some(context.algorithm.digest().digest(CONTENT)))
        .map(|_| ())
}

#[test]
fn a_good_signature_passes() {
    let key = SoftwareKey::generate();
    finding(&key, attributes(&key)).unwrap();
}

#[test]
fn attributes_of_another_certificate_time_or_content_are_withheld() {
    let (key, other) = (SoftwareKey::generate(), SoftwareKey::generate());
    let later = Some(TIME + Duration::SECOND);
    for wrong in [attributes(&other), attributes_at(&key, later), attributes_at(&key, None)] {
        assert!(matches!(finding(&key, wrong), Err(Discrepancy::Unreadable(_))));
    }
    let mut wrong = attributes(&key);
    let content_type = wrong.iter_mut().find(|attribute| attribute.oid == ID_CONTENT_TYPE).unwrap();
    content_type.values = SetOfVec::from_iter([Any::encode_from(&ID_SIGNED_DATA).unwrap()]).unwrap();
    assert!(matches!(finding(&key, wrong), Err(Discrepancy::Unreadable(_))));
}

#[test]
fn attributes_that_are_missing_or_have_two_values_are_withheld() {
    let key = SoftwareKey::generate();
    for index in 0..attributes(&key).len() {
        let mut missing = attributes(&key);
        let removed = missing.remove(index);
        assert!(finding(&key, missing).is_err(), "{}", removed.oid);
        let mut doubled = attributes(&key);
        doubled[index].values.insert(Any::encode_from(&ID_SIGNED_DATA).unwrap()).unwrap();
        assert!(finding(&key, doubled).is_err(), "{}", removed.oid);
    }
}
