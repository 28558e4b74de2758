//! A key that signs what callers choose never signs documents, and what it signs is nobody else's signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::sha::sha256;
use openssl::sign::Verifier;
use openssl::x509::X509;
use serde_json::json;
use tests::verifiers::ask;
use tests::{Client, Question, TestService, Verdict};

use crate::refused_without_intent;

/// A service with a document key behind `cms` and `xml`, and a blind one behind `blind` and `blind-fixed`.
fn service() -> (TestService, Client) {
    let service = TestService::builder().start();
    service.key("seal", "ec-p256", "document");
    service.key("blind", "ec-p256", "blind");
    service.worker("cms", "cades", "seal", "packaging = \"detached\"");
    service.worker("xml", "xades", "seal", "");
    service.worker("blind", "plain", "blind", "allow_client_hash = true");
    service.worker("blind-fixed", "plain", "blind", "ecdsa_encoding = \"fixed\"");
    let key = service.api_key("caller", &["cms", "xml", "blind", "blind-fixed"]);
    let client = service.client().key(&key);
    (service, client)
}

#[test]
fn a_worker_whose_kind_does_not_fit_the_purpose_of_its_key_is_refused_at_apply_and_at_every_signature() {
    let (service, client) = service();
    for (kind, credential) in [("plain", "seal"), ("cades", "blind"), ("pades", "blind"), ("xades", "blind")] {
        let refused = service.try_worker("crossed", kind, credential, "");
        let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains("purpose"), "{stderr}");
    }
    for (worker, credential) in [("blind", "seal"), ("cms", "blind"), ("xml", "blind")] {
        service.sql(&[&format!(
            "UPDATE worker_version SET definition = json_set(definition, '$.credential', '{credential}') WHERE worker = '{worker}'"
        )]);
        refused_without_intent(&service, &client.sign(worker, b"<a/>"));
    }
    let body = json!({ "digests": [STANDARD.encode([7; 32])], "digestAlgorithm": "SHA-256" });
    refused_without_intent(&service, &client.post_json("/v1/workers/blind/sign-digest", &body));
}

/// Whether the certificate's key made this ECDSA signature (DER).
fn made_by(certificate: &X509, signed: &[u8], signature: &[u8]) -> bool {
    let key = certificate.public_key().unwrap();
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
    verifier.verify_oneshot(signature, signed).unwrap_or(false)
}

fn certificate(service: &TestService, alias: &str) -> X509 {
    X509::from_pem(&std::fs::read(service.leaf(alias)).unwrap()).unwrap()
}

#[test]
fn signed_attributes_signed_blindly_are_no_cades_signature_of_the_document_key() {
    let (service, client) = service();
    let (seal, blind) = (certificate(&service, "seal"), certificate(&service, "blind"));
    let (harmless, contract) = (b"a harmless document".as_slice(), b"a contract nobody agreed to".as_slice());

    // A genuine signature tells an attacker what the attributes of a forgery must look like.
    let genuine = client.sign("cms", harmless).success();
    let parts = CmsParts::find(&genuine);
    let attributes = &genuine[parts.attributes.clone()];
    assert!(
        made_by(&seal, &as_set(attributes), &genuine[parts.signature.clone()]),
        "the parts are what they should be"
    );
    let forged_attributes = replace(attributes, &sha256(harmless), &sha256(contract));
    let to_sign = as_set(&forged_attributes);

    // ECDSA values differ in length; an attacker asks until one fits.
    let mut asked = (0..100).map(|_| client.sign("blind", &to_sign).success());
    let value = asked.find(|value| value.len() == parts.signature.len()).unwrap();
    let digest = json!({ "digests": [STANDARD.encode(sha256(&to_sign))], "digestAlgorithm": "SHA-256" });
    let by_digest = client.post_json("/v1/workers/blind/sign-digest", &digest);
    let by_digest = STANDARD.decode(by_digest.json()["signatures"][0].as_str().unwrap()).unwrap();
    for value in [&value, &by_digest] {
        assert!(made_by(&blind, &to_sign, value), "what was asked for was signed");
        assert!(!made_by(&seal, &to_sign, value), "and not by the document key");
    }

    let mut forged = genuine.clone();
    forged[parts.attributes.clone()].copy_from_slice(&forged_attributes);
    forged[parts.signature].copy_from_slice(&value);
    let write = |name: &str, octets: &[u8]| {
        let file = service.folder().join(name);
        std::fs::write(&file, octets).unwrap();
        file
    };
    let question = |cms: &str, octets: &[u8], document: &[u8]| {
        Question::new("cades", &write(cms, octets))
            .with("--root", service.pki().root())
            .with("--detached", write(&format!("{cms}.document"), document))
    };
    let questions = [question("genuine.p7s", &genuine, harmless), question("forged.p7s", &forged, contract)];
    for tool in ["openssl", "pyhanko", "dss"] {
        let verdicts = ask(tool, &questions);
        assert_eq!(verdicts[0], Verdict::Valid, "{tool}");
        assert!(matches!(verdicts[1], Verdict::Invalid(_)), "{tool} takes the forgery: {:?}", verdicts[1]);
    }
}

#[test]
fn a_signed_info_signed_blindly_is_no_xades_signature_of_the_document_key() {
    let (service, client) = service();
    let (seal, blind) = (certificate(&service, "seal"), certificate(&service, "blind"));
    // Both are their own canonical form.
    let (harmless, contract) = ("<contract><amount>1</amount></contract>", "<contract><amount>9</amount></contract>");
    let genuine = String::from_utf8(client.sign("xml", harmless.as_bytes()).success()).unwrap();
    let genuine_value = STANDARD.decode(between(&genuine, "-value\">", "</ds:SignatureValue>")).unwrap();
    assert!(made_by(&seal, &signed_info(&genuine), &der(&genuine_value)), "the parts are what they should be");

    let digest = |document: &str| STANDARD.encode(sha256(document.as_bytes()));
    let forged = genuine.replace(&digest(harmless), &digest(contract)).replace("<amount>1<", "<amount>9<");
    assert_ne!(signed_info(&forged), signed_info(&genuine));
    let value = client.sign("blind-fixed", &signed_info(&forged)).success();
    assert!(made_by(&blind, &signed_info(&forged), &der(&value)), "what was asked for was signed");
    assert!(!made_by(&seal, &signed_info(&forged), &der(&value)), "and not by the document key");
    let forged = forged.replace(&STANDARD.encode(&genuine_value), &STANDARD.encode(value));
    let der_of = |certificate: &X509| STANDARD.encode(certificate.to_der().unwrap());
    let confessed = forged.replace(&der_of(&seal), &der_of(&blind));
    assert_ne!(confessed, forged);

    let question = |name: &str, text: &str| {
        let file = service.folder().join(name);
        std::fs::write(&file, text).unwrap();
        Question::new("xades", &file).with("--root", service.pki().root())
    };
    let questions =
        [question("genuine.xml", &genuine), question("forged.xml", &forged), question("confessed.xml", &confessed)];
    for tool in ["xmlsec1", "signxml", "dss"] {
        let verdicts = ask(tool, &questions);
        assert_eq!(verdicts[0], Verdict::Valid, "{tool}");
        assert!(matches!(verdicts[1], Verdict::Invalid(_)), "{tool} takes the forgery: {:?}", verdicts[1]);
        // It verifies with the certificate of the blind key alone, which its signed properties do not name: no XAdES signature.
        match tool {
            "xmlsec1" => assert_eq!(verdicts[2], Verdict::Valid, "the forgery is well made"),
            _ => assert!(matches!(verdicts[2], Verdict::Invalid(_)), "{tool}: {:?}", verdicts[2]),
        }
    }
}

/// Where the parts of a CMS with one signer are.
struct CmsParts {
    /// `signedAttrs` with tag and length.
    attributes: std::ops::Range<usize>,
    /// The octets of the signature value.
    signature: std::ops::Range<usize>,
}

impl CmsParts {
    fn find(cms: &[u8]) -> Self {
        let content = children(cms, &element(cms, 0));
        let signed_data = children(cms, &children(cms, &content[1])[0]);
        let signers = children(cms, signed_data.last().unwrap());
        let signer = children(cms, &signers[0]);
        let attributes = signer.iter().find(|part| cms[part.start] == 0xa0).unwrap().clone();
        let signature = signer.iter().find(|part| cms[part.start] == 0x04).unwrap();
        Self { attributes: attributes.start..attributes.end, signature: signature.content..signature.end }
    }
}

/// A DER element: from its tag, from its content, to its end.
#[derive(Clone)]
struct Element {
    start: usize,
    content: usize,
    end: usize,
}

fn element(der: &[u8], start: usize) -> Element {
    let (first, more) = (usize::from(der[start + 1]), &der[start + 2..]);
    let (length, octets) = match first {
        0..0x80 => (first, 0),
        _ => {
            let octets = first - 0x80;
            (more[..octets].iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), octets)
        }
    };
    let content = start + 2 + octets;
    Element { start, content, end: content + length }
}

fn children(der: &[u8], parent: &Element) -> Vec<Element> {
    let mut children = Vec::new();
    let mut at = parent.content;
    while at < parent.end {
        children.push(element(der, at));
        at = children.last().unwrap().end;
    }
    children
}

/// What is signed has the tag of a SET (RFC 5652, section 5.4).
fn as_set(attributes: &[u8]) -> Vec<u8> {
    [&[0x31], &attributes[1..]].concat()
}

fn replace(octets: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = octets.windows(old.len()).position(|window| window == old).unwrap();
    [&octets[..at], new, &octets[at + old.len()..]].concat()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

/// The canonical form of `ds:SignedInfo`, with the one namespace that it uses.
fn signed_info(signed: &str) -> Vec<u8> {
    let inner = between(signed, "<ds:SignedInfo>", "</ds:SignedInfo>");
    format!("<ds:SignedInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{inner}</ds:SignedInfo>").into_bytes()
}

/// From fixed width to DER.
fn der(fixed: &[u8]) -> Vec<u8> {
    let number = |octets: &[u8]| BigNum::from_slice(octets).unwrap();
    EcdsaSig::from_private_components(number(&fixed[..32]), number(&fixed[32..])).unwrap().to_der().unwrap()
}
