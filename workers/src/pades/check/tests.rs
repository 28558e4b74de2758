//! What the check before release finds in sealed PDFs. That it finds nothing in good ones is shown by every signature made.

use bytes::Bytes;
use cryptotoken_api::DataToBeSigned;
use der::Encode;

use super::*;
use crate::cades::attributes::signed_attributes;
use crate::create::{Prepared, SignatureFormat};
use crate::pades::PadesConfig;
use crate::pades::prepare::PreparedPades;
use crate::software_key::SoftwareKey;
use crate::worker::{DocumentContent, SigningParameters};

/// A PDF of one empty page.
fn document() -> SignerDocument {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
    ];
    let mut file = "%PDF-1.7\n".to_owned();
    let mut table = "xref\n0 4\n0000000000 65535 f \n".to_owned();
    for (object, number) in objects.iter().zip(1..) {
        table += &format!("{:010} 00000 n \n", file.len());
        file += &format!("{number} 0 obj\n{object}\nendobj\n");
    }
    let start = file.len();
    file += &format!("{table}trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n");
    SignerDocument { content: DocumentContent::Memory(Bytes::from(file)), media_type: None, signature: None }
}

/// The finding for a PDF whose update is changed before it is signed, so that the signature itself is right.
fn finding(change: impl FnOnce(&mut PreparedPades)) -> Result<(), Discrepancy> {
    let key = SoftwareKey::generate();
    let context = key.context();
    let mut prepared = PadesConfig::default().prepare(&document(), &SigningParameters::default(), &context).unwrap();
    change(&mut prepared);
    let (offset, length) = (prepared.document.len(), prepared.document.len() + prepared.update.len());
    let range = ByteRange::new(offset + prepared.contents.start..offset + prepared.contents.end, length);
    let digest = range.digest(&[&prepared.document, &prepared.update], context.algorithm.digest()).unwrap();
    let leaf = context.credential.chain.leaf();
    prepared.signed_attributes = signed_attributes(&digest, leaf, context.algorithm, None, &[]).unwrap();
    prepared.data_to_be_signed = DataToBeSigned::new(prepared.signed_attributes.to_der().unwrap());
    let value = key.sign(prepared.to_be_signed());
    check(&prepared.assemble(&value, None).unwrap(), &document(), &context)
}

fn replace(update: &mut Vec<u8>, from: &str, to: &str) {
    let place = update.windows(from.len()).rposition(|window| window == from.as_bytes()).unwrap();
    update.splice(place..place + from.len(), to.bytes());
}

#[test]
fn a_good_signature_passes() {
    finding(|_| {}).unwrap();
}

#[test]
fn a_signature_that_no_reader_would_find_is_withheld() {
    for (from, to) in [
        ("/V 4 0 R", "/V 2 0 R"),
        ("/FT/Sig", "/FT/Btn"),
        ("/Fields[5 0 R]", "/Fields[2 0 R]"),
        ("/AcroForm ", "/acroform "),
        ("/Prev ", "/Prex "),
        ("startxref\n", "startxref\n1"),
        ("\n3 4\n", "\n3 3\n"),
    ] {
        let finding = finding(|prepared| replace(&mut prepared.update, from, to));
        assert!(matches!(finding, Err(Discrepancy::Unreadable(_))), "{from}: {finding:?}");
    }
}

#[test]
fn a_byte_range_that_is_not_the_whole_file_is_withheld() {
    let finding = finding(|prepared| replace(&mut prepared.update, "/ByteRange [0 ", "/ByteRange [1 "));
    assert!(matches!(finding, Err(Discrepancy::Unreadable(_))), "{finding:?}");
}

#[test]
fn a_document_that_is_not_the_one_that_was_sent_is_withheld() {
    let finding = finding(|prepared| {
        let mut other = prepared.document.to_vec();
        replace(&mut other, "[0 0 9 9]", "[0 0 8 8]");
        prepared.document = other.into();
    });
    assert!(matches!(finding, Err(Discrepancy::Unreadable(_))), "{finding:?}");
}
