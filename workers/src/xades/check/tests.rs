//! What the check before release finds. That it finds nothing in good documents is shown by every signature made.

use bytes::Bytes;

use crate::augmentation::AugmentationFault;
use crate::cades::signer_info::SignerInfoFault;
use crate::config::{FormatConfig, WorkerConfig};
use crate::create::{Prepared, SignatureFormat};
use crate::error::Discrepancy;
use crate::software_key::SoftwareKey;
use crate::worker::{DocumentContent, SignedDocument, SignerDocument, SigningParameters};
use crate::xades::XadesConfig;

const DOCUMENT: &str = "<a xmlns='urn:a'>\r\n<b c='d'>text</b><!-- comment --></a>\n";

/// A key, and the document signed with it.
struct Sealed {
    key: SoftwareKey,
    text: String,
}

impl Sealed {
    fn new() -> Self {
        let key = SoftwareKey::generate();
        let format = format();
        let document = signer_document(DOCUMENT);
        let prepared = format.prepare(&document, &SigningParameters::default(), &key.context()).unwrap();
        let value = key.sign(prepared.to_be_signed());
        let signed = prepared.assemble(&value, None).unwrap();
        let text = String::from_utf8(signed.contiguous().into_owned()).unwrap();
        Self { key, text }
    }

    /// The finding for the signed document after a change in it, and for a given input.
    fn check(&self, from: &str, to: &str, input: &str) -> Result<(), Discrepancy> {
        assert!(self.text.contains(from), "{from}");
        let signed = SignedDocument {
            segments: vec![self.text.replacen(from, to, 1).into()],
            spooled: None,
            media_type: "application/xml".into(),
            level: None,
            degraded: None,
        };
        super::check(&format(), &signed, &signer_document(input), &self.key.context())
    }
}

fn format() -> XadesConfig {
    let config = WorkerConfig::parse("name = \"a\"\nkind = \"xades\"\ncredential = \"c\"").unwrap();
    match config.format() {
        FormatConfig::Xades(format) => format.clone(),
        other => panic!("{other:?}"),
    }
}

fn signer_document(text: &str) -> SignerDocument {
    SignerDocument {
        content: DocumentContent::Memory(Bytes::copy_from_slice(text.as_bytes())),
        media_type: None,
        signature: None,
    }
}

fn fault(finding: Result<(), Discrepancy>) -> Option<SignerInfoFault> {
    match finding {
        Err(Discrepancy::Augmentation(AugmentationFault::Signer { fault, .. })) => Some(fault),
        _ => None,
    }
}

#[test]
fn a_good_signature_passes() {
    Sealed::new().check("", "", DOCUMENT).unwrap();
}

#[test]
fn a_document_that_is_not_the_one_that_was_sent_is_withheld() {
    let sealed = Sealed::new();
    let changed = DOCUMENT.replace("text", "tExt");
    assert!(matches!(sealed.check("", "", &changed), Err(Discrepancy::Unreadable(_))));
    // Neither does the digest cover a comment, nor line ends and quotes, but they must stay all the same.
    for (from, to) in [("comment", "commEnt"), ("\r\n", "\n"), ("'d'", "\"d\""), ("</a>\n", "</a>"), ("</a>", "\n</a>")]
    {
        assert!(sealed.check(from, to, DOCUMENT).is_err(), "{from:?}");
    }
}

#[test]
fn digests_that_are_not_those_of_the_final_bytes_are_withheld() {
    let sealed = Sealed::new();
    let both = |from, to| sealed.check(from, to, &DOCUMENT.replace(from, to));
    assert_eq!(fault(both("text", "tExt")), Some(SignerInfoFault::Digest));
    let properties = sealed.check("<xades:SigningTime>1", "<xades:SigningTime>2", DOCUMENT);
    assert_eq!(fault(properties), Some(SignerInfoFault::Digest));
}

#[test]
fn a_value_that_is_not_over_this_signed_info_is_withheld() {
    let sealed = Sealed::new();
    let start = sealed.text.find("-value\">").unwrap() + "-value\">".len();
    let first = &sealed.text[start..start + 4];
    let other = if first == "AAAA" { "BBBB" } else { "AAAA" };
    let value = format!("-value\">{first}");
    let finding = sealed.check(&value, &format!("-value\">{other}"), DOCUMENT);
    assert_eq!(fault(finding), Some(SignerInfoFault::Value));
    let finding = sealed.check("<ds:SignedInfo>", "<ds:SignedInfo Id=\"x\">", DOCUMENT);
    assert_eq!(fault(finding), Some(SignerInfoFault::Value));
}

#[test]
fn references_that_point_elsewhere_and_other_algorithms_are_withheld() {
    let sealed = Sealed::new();
    for (from, to) in [
        ("URI=\"\"", "URI=\"#x\""),
        ("Filter=\"subtract\"", "Filter=\"union\""),
        ("/descendant::ds:Signature", "/descendant::ds:signature"),
        ("Target=\"#", "Target=\"#x"),
        ("ObjectReference=\"#", "ObjectReference=\"#x"),
        ("SignedProperties Id=\"", "SignedProperties Id=\"x"),
        ("#ecdsa-sha256", "#ecdsa-sha512"),
        ("xmlenc#sha256", "xmlenc#sha512"),
        ("<ds:X509Certificate>M", "<ds:X509Certificate>N"),
        ("</ds:Signature>", "</ds:Signature><ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>"),
    ] {
        assert!(sealed.check(from, to, DOCUMENT).is_err(), "{from}");
    }
}
