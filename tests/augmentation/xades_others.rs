//! XML signatures that xmlsec1 and signxml made, brought to every level.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tests::Question;
use tests::programs::{repository, run};
use workers::{AugmentationFault, WorkerError};

use crate::bench::{Bench, Seal, octets};
use crate::xades::{judged, question, sign};

const DOCUMENT: &str =
    "<Order xmlns=\"urn:order\" xmlns:x='urn:x'>\n  <x:Line n='1'>Paper &amp; ink</x:Line><!-- c -->\n</Order>";

/// A signature for xmlsec1 to fill in, with the properties of XAdES or without.
fn template(seal: &Seal, scheme: &str, canonicalization: &str, is_xades: bool) -> String {
    let certificate = STANDARD.encode(openssl::sha::sha256(seal.credential.chain.leaf().der()));
    let now = time::OffsetDateTime::now_utc();
    let time = cryptotoken_api::rfc3339::rfc3339(now.replace_nanosecond(0).unwrap());
    let digest = "<ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>";
    let properties = format!(
        "<ds:Object><q:QualifyingProperties xmlns:q=\"http://uri.etsi.org/01903/v1.3.2#\" Target=\"#S\">\n<q:SignedProperties \
         Id=\"P\"><q:SignedSignatureProperties><q:SigningTime>{time}</q:SigningTime><q:SigningCertificateV2>\
         <q:Cert><q:CertDigest>{digest}<ds:DigestValue>{certificate}</ds:DigestValue></q:CertDigest></q:Cert>\
         </q:SigningCertificateV2></q:SignedSignatureProperties><q:SignedDataObjectProperties><q:DataObjectFormat \
         ObjectReference=\"#R\"><q:MimeType>text/xml</q:MimeType></q:DataObjectFormat></q:SignedDataObjectProperties>\
         </q:SignedProperties></q:QualifyingProperties></ds:Object>"
    );
    let to_properties = format!(
        "<ds:Reference Type=\"http://uri.etsi.org/01903#SignedProperties\" URI=\"#P\">{digest}<ds:DigestValue/></ds:Reference>"
    );
    let (properties, to_properties) = if is_xades { (properties, to_properties) } else { Default::default() };
    let signature = format!(
        "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" Id=\"S\"><ds:SignedInfo><ds:CanonicalizationMethod \
         Algorithm=\"{canonicalization}\"/><ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#{scheme}\"/>\
         <ds:Reference Id=\"R\" URI=\"\"><ds:Transforms><ds:Transform \
         Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/></ds:Transforms>{digest}<ds:DigestValue/>\
         </ds:Reference>{to_properties}</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo>{properties}\
         </ds:Signature>"
    );
    DOCUMENT.replace("</Order>", &format!("{signature}</Order>"))
}

fn by_xmlsec1(bench: &Bench, seal: &Seal, template: &str) -> Vec<u8> {
    let (input, out) = (bench.keep("template", template.as_bytes()), bench.path("by-xmlsec1"));
    let mut sign = Command::new("xmlsec1");
    sign.args(["--sign", "--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties", "--privkey-pem"]);
    sign.arg(format!("{},{},{}", seal.key.display(), seal.chain.display(), bench.pki.issuing().display()));
    run(sign.arg("--output").arg(&out).arg(input));
    std::fs::read(out).unwrap()
}

#[test]
fn signatures_of_xmlsec1_are_brought_to_every_level() {
    let bench = Bench::start();
    let inclusive = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    let mut questions = Vec::new();
    for (algorithm, scheme, canonicalization) in [
        ("rsa", "rsa-sha256", inclusive),
        ("p256", "ecdsa-sha256", "http://www.w3.org/2006/12/xml-c14n11"),
        ("p384", "ecdsa-sha384", "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"),
    ] {
        let seal = bench.seal(algorithm);
        let signature = by_xmlsec1(&bench, &seal, &template(&seal, scheme, canonicalization, true));
        let made = bench.keep(&format!("{algorithm}-made"), &signature);
        questions.push((format!("{algorithm} made"), question(&bench, &made, "B-B")));
        for level in ["B-T", "B-LT", "B-LTA"] {
            let augmented = bench.augment_kind("xades", level, &signature, None);
            let augmented = octets(&augmented.unwrap_or_else(|error| panic!("{algorithm} {level}: {error}")));
            let file = bench.keep(&format!("{algorithm}-{level}"), &augmented);
            questions.push((format!("{algorithm} {level}"), question(&bench, &file, level)));
        }
        let plain = by_xmlsec1(&bench, &seal, &template(&seal, scheme, canonicalization, false));
        match bench.augment_kind("xades", "B-T", &plain, None).unwrap_err() {
            WorkerError::Augmentation(AugmentationFault::Malformed(why)) => assert!(why.contains("no XAdES"), "{why}"),
            other => panic!("{other}"),
        }
    }
    let wrong = [judged("dss", &questions), judged("xmlsec1", &questions)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn signatures_of_signxml_are_brought_to_every_level() {
    let bench = Bench::start();
    let (mut questions, mut basic) = (Vec::new(), Vec::new());
    for (algorithm, scheme) in [("rsa", "rsa-sha256"), ("p256", "ecdsa-sha256")] {
        let seal = bench.seal(algorithm);
        let (input, out) =
            (bench.keep("document", DOCUMENT.as_bytes()), bench.path(&format!("by-signxml-{algorithm}")));
        let mut sign = Command::new(repository().join("tests/verifiers/signxml-sign"));
        sign.args(["--algorithm", scheme, "--key"]).arg(&seal.key).arg("--chain").arg(&seal.chain);
        run(sign.arg("--out").arg(&out).arg(input));
        let signature = std::fs::read(&out).unwrap();
        basic.push((format!("{algorithm} made"), question(&bench, &out, "B-B")));
        for level in ["B-T", "B-LT", "B-LTA"] {
            let augmented = bench.augment_kind("xades", level, &signature, None);
            let augmented = octets(&augmented.unwrap_or_else(|error| panic!("{algorithm} {level}: {error}")));
            let file = bench.keep(&format!("{algorithm}-{level}"), &augmented);
            questions.push((format!("{algorithm} {level}"), question(&bench, &file, level)));
        }
    }
    let all = [basic.clone(), questions].concat();
    let wrong = [judged("dss", &all), judged("xmlsec1", &all), judged("signxml", &basic)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_document_that_others_signed_is_sealed_only_where_both_signatures_stay_valid() {
    let bench = Bench::start();
    let seal = bench.seal("rsa");
    // Covers the whole document less itself: any other signature in it would break it.
    let signature =
        by_xmlsec1(&bench, &seal, &template(&seal, "rsa-sha256", "http://www.w3.org/2001/10/xml-exc-c14n#", true));
    let content = workers::DocumentContent::Memory(signature.clone().into());
    let refused = bench.sign_kind("xades", &seal, "B-B", "", content, serde_json::Value::Null).unwrap_err();
    assert!(refused.to_string().contains("an earlier signature covers the whole document"), "{refused}");
    let around = sign(&bench, &seal, "B-LTA", "packaging = \"enveloping\"", &signature);
    let file = bench.keep("around", &around);
    let wrong = judged("dss", &[("around".into(), question(&bench, &file, "B-LTA"))]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_counter_signature_without_properties_of_xades_is_archived_with_the_signature_that_it_is_of() {
    let bench = Bench::start();
    let (seal, second) = (bench.seal("p256"), bench.seal("rsa"));
    let mut questions = Vec::new();
    for level in ["B-B", "B-LTA"] {
        let signed = String::from_utf8(sign(&bench, &seal, level, "", DOCUMENT.as_bytes())).unwrap();
        let value = &signed[signed.find("<ds:SignatureValue Id=\"").unwrap() + 23..];
        let value = &value[..value.find('"').unwrap()];
        let counter = format!(
            "<xades:CounterSignature><ds:Signature Id=\"C\"><ds:SignedInfo><ds:CanonicalizationMethod \
             Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/><ds:SignatureMethod \
             Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/><ds:Reference \
             Type=\"http://uri.etsi.org/01903#CountersignedSignature\" URI=\"#{value}\"><ds:Transforms><ds:Transform \
             Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms><ds:DigestMethod \
             Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue/></ds:Reference></ds:SignedInfo>\
             <ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature></xades:CounterSignature>"
        );
        let template = match signed.contains("</xades:UnsignedSignatureProperties>") {
            true => signed.replace(
                "</xades:UnsignedSignatureProperties>",
                &format!("{counter}</xades:UnsignedSignatureProperties>"),
            ),
            false => signed.replace(
                "</xades:SignedProperties>",
                &format!(
                    "</xades:SignedProperties><xades:UnsignedProperties><xades:UnsignedSignatureProperties>{counter}\
                     </xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
                ),
            ),
        };
        let mut by_xmlsec1 = Command::new("xmlsec1");
        by_xmlsec1.args(["--sign", "--id-attr:Id", "http://www.w3.org/2000/09/xmldsig#:SignatureValue"]);
        by_xmlsec1.args(["--node-xpath", "//*[local-name()='CounterSignature']/*", "--privkey-pem"]);
        by_xmlsec1.arg(format!(
            "{},{},{}",
            second.key.display(),
            second.chain.display(),
            bench.pki.issuing().display()
        ));
        let out = bench.path("countersigned");
        run(by_xmlsec1.arg("--output").arg(&out).arg(bench.keep("template", template.as_bytes())));
        let countersigned = std::fs::read_to_string(out).unwrap();
        let wrong = countersigned.replace("Id=\"C\"><ds:SignedInfo>", "Id=\"C\"><ds:SignedInfo Id=\"D\">");
        let refused = bench.augment_kind("xades", "B-LTA", wrong.as_bytes(), None).unwrap_err();
        assert!(refused.to_string().contains("the signature of signer 1 cannot be augmented"), "{refused}");
        let countersigned = countersigned.into_bytes();
        let augmented = bench.augment_kind("xades", "B-LTA", &countersigned, None);
        let augmented = octets(&augmented.unwrap_or_else(|error| panic!("{level}: {error}")));
        let again = octets(&bench.augment_kind("xades", "B-LTA", &augmented, None).unwrap());
        for (name, augmented) in [("augmented", augmented), ("renewed", again)] {
            let file = bench.keep(&format!("{level}-{name}"), &augmented);
            let asked = Question::new("xades", &file).with("--root", bench.pki.root()).with("--signers", "2");
            questions.push((format!("{level} {name}"), asked));
        }
    }
    let wrong = judged("xmlsec1", &questions);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Offline. EU DSS misses the signing time in the counter-signature, and has nothing against the signature and the certificates of both.
    let said = judged("dss", &questions);
    assert_eq!(said.len(), questions.len());
    for verdict in said {
        let levels = verdict.contains("(\"XAdES-BASELINE-LTA; XML-NOT-ETSI; ");
        let constraint =
            "INDETERMINATE/SIG_CONSTRAINTS_FAILURE; The signed qualifying property: 'signing-time' is not present!";
        assert!(levels && verdict.matches("INDETERMINATE").count() == 1 && verdict.contains(constraint), "{verdict}");
    }
}
