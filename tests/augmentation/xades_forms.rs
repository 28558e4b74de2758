//! XML signatures in all the forms that profiles ask for: place, elements, content timestamps, national switches, counter-signatures.

use serde_json::{Value, json};
use tests::Question;
use tests::programs::fixture;
use workers::{DocumentContent, Fault, SignedDocument, WorkerConfig, WorkerError};

use crate::bench::{Bench, Seal, octets};
use crate::xades::{LEVELS, judged, question, sign};

/// Each document with the place of its signature, what stands before that and after it.
const PLACES: [(&str, &str, &str, &str); 4] = [
    (
        "ubl",
        "place = { xpath = \"/i:Invoice/e:UBLExtensions/e:UBLExtension[2]/e:ExtensionContent/s:UBLDocumentSignatures/\
         a:SignatureInformation\", namespaces = { i = \"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2\", \
         e = \"urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2\", \
         s = \"urn:oasis:names:specification:ubl:schema:xsd:CommonSignatureComponents-2\", \
         a = \"urn:oasis:names:specification:ubl:schema:xsd:SignatureAggregateComponents-2\" } }",
        "<sac:SignatureInformation>",
        "</sac:SignatureInformation>",
    ),
    (
        "peppol",
        "place = { xpath = \"/h:StandardBusinessDocument/i:Invoice\", position = \"first\", namespaces = \
         { h = \"http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader\", \
         i = \"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2\" } }",
        "CommonBasicComponents-2\">",
        "\n    <cbc:CustomizationID>",
    ),
    ("fatturapa", "", "</FatturaElettronicaBody>\n", "</p:FatturaElettronica>"),
    ("trusted-list", "", "<tsl:TrustServiceProviderList/>\n", "</tsl:TrustServiceStatusList>"),
];

fn document(name: &str) -> Vec<u8> {
    std::fs::read(fixture(&format!("places/{name}.xml"))).unwrap()
}

fn asked(
    bench: &Bench,
    seal: &Seal,
    level: &str,
    more: &str,
    document: &[u8],
    parameters: Value,
) -> Result<SignedDocument, WorkerError> {
    bench.sign_kind("xades", seal, level, more, DocumentContent::Memory(document.to_vec().into()), parameters)
}

fn refused(result: Result<SignedDocument, WorkerError>, fault: Fault, reason: &str) {
    let error = result.err().unwrap_or_else(|| panic!("not refused: {reason}"));
    assert_eq!(error.fault(), fault, "{error}");
    assert!(error.to_string().contains(reason), "{error}");
}

#[test]
fn a_signature_goes_where_the_worker_says_and_foreign_programs_accept_it() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let (mut all, mut basic) = (Vec::new(), Vec::new());
    for (name, place, before, after) in PLACES {
        for form in ["", "canonicalization = \"inclusive\"", "canonicalization = \"inclusive-1.1\""] {
            for level in LEVELS {
                let input = String::from_utf8(document(name)).unwrap();
                let signed = sign(&bench, &seal, level, &format!("{place}\n{form}"), input.as_bytes());
                let text = String::from_utf8(signed.clone()).unwrap();
                let start = text.find("<ds:Signature ").unwrap();
                let end = text.rfind("</ds:Signature>").unwrap() + "</ds:Signature>".len();
                assert!(text[..start].ends_with(before) && text[end..].starts_with(after), "{name}");
                let without = [&text[..start], &text[end..]].concat();
                let opened = without
                    .replace("<sac:SignatureInformation></sac:SignatureInformation>", "<sac:SignatureInformation/>");
                assert_eq!(opened, input, "{name}");
                let label = format!("{name} {level} {form}");
                let question = question(&bench, &bench.keep(&label.replace([' ', '"'], "-"), &signed), level);
                // signxml canonicalises a signature without what is around it.
                if level == "B-B" && form.is_empty() {
                    basic.push((label.clone(), question.clone()));
                }
                all.push((label, question));
            }
        }
    }
    let wrong = [judged("dss", &all), judged("xmlsec1", &all), judged("signxml", &basic)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_sealed_internal_subset_is_augmented_and_xmlsec1_accepts_it_while_eu_dss_takes_no_document_type() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let allowed = "allow_internal_subset = true";
    let document =
        "<!DOCTYPE a [<!ATTLIST b c NMTOKENS #IMPLIED key ID #IMPLIED>]>\n<a><b c='  d  e' key='x'/><b/></a>";
    let mut questions = Vec::new();
    for level in LEVELS {
        let signed = sign(&bench, &seal, level, allowed, document.as_bytes());
        questions.push((level.to_owned(), question(&bench, &bench.keep(&format!("subset-{level}"), &signed), level)));
        let augmented = bench.augment_with("xades", "B-LTA", allowed, signed.into(), None).unwrap();
        let file = bench.keep(&format!("subset-{level}-augmented"), &octets(&augmented));
        questions.push((format!("{level} augmented"), question(&bench, &file, "B-LTA")));
    }
    let wrong = judged("xmlsec1", &questions);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let refused = judged("dss", &questions);
    assert_eq!(refused.len(), questions.len());
    assert!(refused.iter().all(|why| why.contains("DOCTYPE is disallowed")), "{refused:?}");
}

#[test]
fn a_place_that_is_not_there_or_not_one_is_refused() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let refusal = |place: &str, document: &str, reason: &str| {
        let place = format!("place = {{ xpath = \"{place}\" }}");
        refused(asked(&bench, &seal, "B-B", &place, document.as_bytes(), Value::Null), Fault::Document, reason);
    };
    refusal("/a/b", "<a><c/></a>", "no element is at /a/b");
    refusal("/a/b", "<c><b/></c>", "no element is at /a/b");
    refusal("/a/b", "<a xmlns='urn:a'><b/></a>", "no element is at /a/b");
    refusal("/a/b", "<a><c><b/></c></a>", "no element is at /a/b");
    refusal("/a/b[3]", "<a><b/><b/></a>", "no element is at /a/b[3]");
    refusal("/a/b", "<a><b/><b/></a>", "several elements are at /a/b");
    refusal("/a/b/c", "<a><b><c/></b><b><c/></b></a>", "several elements are at /a/b/c");
    // A signature over the element that takes the new one would break.
    let covered = "<a><b Id='x'><c/></b><ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'><ds:SignedInfo>\
        <ds:Reference URI='#x'/></ds:SignedInfo></ds:Signature></a>";
    refusal("/a/b/c", covered, "an earlier signature covers the whole document");
    for document in ["<a><b/><b><c/></b><b/></a>", "<a><b/><x/><b><c>d</c></b></a>"] {
        let signed = sign(&bench, &seal, "B-B", "place = { xpath = \"/a/b[2]/c\" }", document.as_bytes());
        assert!(String::from_utf8(signed).unwrap().contains("</ds:Signature></c></b>"), "{document}");
    }
    for (place, reason) in [
        ("{ xpath = \"a/b\" }", "must begin with"),
        ("{ xpath = \"/a//b\" }", "is no step of a path"),
        ("{ xpath = \"//b\" }", "is no step of a path"),
        ("{ xpath = \"/a/b[0]\" }", "is no step of a path"),
        ("{ xpath = \"/a/b[last()]\" }", "is no step of a path"),
        ("{ xpath = \"/a/@b\" }", "is no step of a path"),
        ("{ xpath = \"/n:a\" }", "prefix \\\"n\\\""),
        ("{ xpath = \"/a\", position = \"middle\" }", "unknown variant"),
        (
            "{ xpath = \"/a/d:Signature/d:Object\", namespaces = { d = \"http://www.w3.org/2000/09/xmldsig#\" } }",
            "another signature",
        ),
    ] {
        let text = format!("name = \"w\"\nkind = \"xades\"\ncredential = \"seal\"\nplace = {place}");
        let error = WorkerConfig::parse(&text).unwrap_err().to_string();
        assert!(error.contains("\"place\"") && error.contains(&reason.replace("\\\"", "\"")), "{place}: {error}");
    }
}

#[test]
fn elements_are_signed_by_their_identifiers_and_stand_later_signatures() {
    let bench = Bench::start();
    let (seal, other) = (bench.seal("p256"), bench.seal("rsa"));
    let document =
        "<r xmlns:p='urn:p'><part Id='a'><p:x> 1 </p:x><!-- c --></part><part Id='b'><sign/></part><rest/></r>";
    let mut questions = Vec::new();
    for (name, definition, parameters) in [
        ("fixed", "elements = [\"b\", \"a\"]", Value::Null),
        ("inside", "elements = [\"a\", \"b\"]\nplace = { xpath = \"/r/part[2]/sign\" }", Value::Null),
        ("inclusive", "elements = [\"a\"]\ncanonicalization = \"inclusive\"", Value::Null),
        ("chosen", "caller_may_set = [\"elements\"]", json!({ "elements": ["b"] })),
    ] {
        for level in LEVELS {
            let definition = format!("packaging = \"internally-detached\"\n{definition}");
            let signed = asked(&bench, &seal, level, &definition, document.as_bytes(), parameters.clone());
            let signed = octets(&signed.unwrap_or_else(|error| panic!("{name} {level}: {error}")));
            let file = bench.keep(&format!("{name}-{level}"), &signed);
            questions.push((format!("{name} {level}"), question(&bench, &file, level)));
            // What is not signed may change, what is may not.
            let changed = String::from_utf8(signed.clone()).unwrap().replace("<rest/>", "<rest>more</rest>");
            let file = bench.keep(&format!("{name}-{level}-changed"), changed.as_bytes());
            questions.push((format!("{name} {level} changed"), question(&bench, &file, level)));
            let again = sign(&bench, &other, level, "", changed.as_bytes());
            let file = bench.keep(&format!("{name}-{level}-again"), &again);
            questions.push((format!("{name} {level} again"), question(&bench, &file, level).with("--signers", "2")));
        }
    }
    let wrong = [judged("dss", &questions), judged("xmlsec1", &questions)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let internally = |more: &str| format!("packaging = \"internally-detached\"\n{more}");
    let refusal = |more: &str, document: &str, fault, reason: &str| {
        refused(asked(&bench, &seal, "B-B", &internally(more), document.as_bytes(), Value::Null), fault, reason);
    };
    refusal("elements = [\"c\"]", document, Fault::Document, "no element has the identifier \"c\"");
    let twice = document.replace("<rest/>", "<rest id='a'/>");
    refusal("elements = [\"a\"]", &twice, Fault::Document, "the identifier \"a\" is given to two elements");
    let hidden = asked(
        &bench,
        &seal,
        "B-B",
        &internally("caller_may_set = [\"elements\"]"),
        document.as_bytes(),
        json!({ "elements": ["a\"b"] }),
    );
    refused(hidden, Fault::Parameters, "is no identifier");
}

#[test]
fn xml_is_held_as_xml_where_the_worker_says() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    // It has the prefix of the signature around it, and a signature of its own.
    let inner = |level: &str| sign(&bench, &seal, level, "packaging = \"internally-detached\"", &document("fatturapa"));
    let mut questions = Vec::new();
    for name in ["plain", "same prefix", "signed"] {
        for form in ["", "canonicalization = \"inclusive\""] {
            for level in LEVELS {
                let document = match name {
                    "plain" => document("ubl"),
                    "same prefix" => document("fatturapa"),
                    _ => inner(level),
                };
                let definition = format!("packaging = \"enveloping\"\nobject = \"xml\"\n{form}");
                let signed = sign(&bench, &seal, level, &definition, &document);
                let label = format!("{name} {level} {form}");
                let file = bench.keep(&label.replace([' ', '"'], "-"), &signed);
                questions.push((label, question(&bench, &file, level)));
            }
        }
    }
    let wrong = [judged("dss", &questions), judged("xmlsec1", &questions)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_content_is_stamped_before_it_is_signed() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let document = document("ubl");
    std::fs::write(bench.path("document"), &document).unwrap();
    let elements = b"<r><part Id='a'>1</part><part Id='b'>2</part></r>";
    let mut questions = Vec::new();
    for (name, definition) in [
        ("enveloped", ""),
        ("placed", PLACES[0].1),
        ("enveloping", "packaging = \"enveloping\""),
        ("xml", "packaging = \"enveloping\"\nobject = \"xml\""),
        ("detached", "packaging = \"detached\""),
        ("beside", "packaging = \"internally-detached\""),
        ("elements", "packaging = \"internally-detached\"\nelements = [\"b\", \"a\"]"),
        ("key-info", "sign_key_info = true"),
    ] {
        for (level, stamped, kind) in [
            ("B-T", "true", "ALL_DATA_OBJECTS_TIMESTAMP"),
            ("B-LTA", "true", "ALL_DATA_OBJECTS_TIMESTAMP"),
            ("B-T", "\"each\"", "INDIVIDUAL_DATA_OBJECTS_TIMESTAMP"),
            ("B-LTA", "\"each\"", "INDIVIDUAL_DATA_OBJECTS_TIMESTAMP"),
        ] {
            let input: &[u8] = if name == "elements" { elements } else { &document };
            let signed = sign(&bench, &seal, level, &format!("content_timestamp = {stamped}\n{definition}"), input);
            let file = bench.keep(&format!("{name}-{level}-{kind}"), &signed);
            let mut question = question(&bench, &file, level).with("--says", "content-timestamp=intact");
            question = question.with("--says", format!("content-timestamp-type={kind}"));
            if name == "detached" {
                question = question.with("--detached", bench.path("document"));
            }
            questions.push((format!("{name} {level} {stamped}"), question));
        }
    }
    let wrong = [judged("dss", &questions), judged("xmlsec1", &questions)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for wanted in ["true", "\"each\"", "\"some\"", "1"] {
        let text = format!("name = \"w\"\nkind = \"xades\"\ncredential = \"seal\"\ncontent_timestamp = {wanted}");
        assert!(WorkerConfig::parse(&text).unwrap_err().to_string().contains("\"content_timestamp\""));
    }
}

#[test]
fn national_switches_are_what_foreign_programs_accept() {
    let bench = Bench::start();
    let seal = bench.seal("rsa");
    let (mut all, mut basic) = (Vec::new(), Vec::new());
    for (name, definition, is_there) in [
        ("v1", "signing_certificate = \"v1\"", "<xades:SigningCertificate><xades:Cert>"),
        ("v1-as-issued", "signing_certificate = \"v1\"\nissuer_name = \"as-issued\"", "<ds:X509IssuerName>"),
        ("key-info", "sign_key_info = true", "<ds:KeyInfo Id=\""),
        ("leaf", "key_info = \"leaf\"", "<ds:KeyInfo><ds:X509Data>"),
        ("prefix", "id_prefix = \"id-\"", "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" Id=\"id-"),
        ("inclusive", "canonicalization = \"inclusive\"", "REC-xml-c14n-20010315"),
        ("inclusive-1.1", "canonicalization = \"inclusive-1.1\"", "2006/12/xml-c14n11"),
        ("digest", "reference_digest = \"SHA-512\"", "xmlenc#sha512"),
        (
            "all",
            "signing_certificate = \"v1\"\nissuer_name = \"as-issued\"\nsign_key_info = true\nkey_info = \"leaf\"\n\
             id_prefix = \"S_\"\ncanonicalization = \"inclusive\"\nreference_digest = \"SHA-384\"",
            "Id=\"S_",
        ),
    ] {
        for level in LEVELS {
            for packaging in ["enveloped", "enveloping", "internally-detached"] {
                let definition = format!("{definition}\npackaging = \"{packaging}\"");
                let signed = sign(&bench, &seal, level, &definition, &document("trusted-list"));
                assert!(String::from_utf8_lossy(&signed).contains(is_there), "{name}");
                let label = format!("{name}-{level}-{packaging}");
                let mut question = question(&bench, &bench.keep(&label, &signed), level);
                if name == "leaf" || name == "all" {
                    question = question.with("--cert", bench.pki.issuing());
                }
                // signxml takes no certificate beside the signature, and canonicalises without what is around.
                if level == "B-B" && !["leaf", "inclusive", "inclusive-1.1", "all"].contains(&name) {
                    basic.push((label.clone(), question.clone()));
                }
                all.push((label, question));
            }
        }
    }
    let wrong = [judged("dss", &all), judged("xmlsec1", &all), judged("signxml", &basic)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (key, definition) in [
        ("issuer_name", "issuer_name = \"as-issued\""),
        ("id_prefix", "id_prefix = \"1\""),
        ("id_prefix", "id_prefix = \"\u{e9}\""),
        ("canonicalization", "canonicalization = \"none\""),
        ("key_info", "key_info = \"root\""),
        ("canonicalization", "mode = \"counter-sign\"\ncanonicalization = \"inclusive\""),
        ("level", "mode = \"counter-sign\"\nlevel = \"B-LT\"\ntimestamp = { url = \"http://x\" }"),
        ("object", "object = \"xml\""),
        ("elements", "elements = [\"a\"]"),
    ] {
        let text = format!("name = \"w\"\nkind = \"xades\"\ncredential = \"seal\"\n{definition}");
        let error = WorkerConfig::parse(&text).unwrap_err().to_string();
        assert!(error.contains(&format!("\"{key}\"")) || error.contains("trust_anchors"), "{definition}: {error}");
    }
}

/// Signed by one, counter-signed by another.
fn counter_signed(
    bench: &Bench,
    seal: &Seal,
    level: &str,
    signature: &[u8],
    parameters: Value,
) -> Result<SignedDocument, WorkerError> {
    asked(bench, seal, level, "mode = \"counter-sign\"\ncaller_may_set = [\"signature_id\"]", signature, parameters)
}

#[test]
fn a_signature_is_counter_signed_and_both_are_valid() {
    let bench = Bench::start();
    let (first, second) = (bench.seal("p256"), bench.seal("rsa"));
    let mut questions = Vec::new();
    let mut add = |name: String, signed: &[u8], level: Option<&str>, signers: &str| {
        let file = bench.keep(&name, signed);
        let asked = match level {
            Some(level) => question(&bench, &file, level),
            // All that is needed to judge both is in it, whatever their levels.
            None => Question::new("xades", &file).with("--root", bench.pki.root()),
        };
        questions.push((name, asked.with("--signers", signers)));
    };
    for packaging in ["enveloped", "enveloping", "internally-detached"] {
        for level in ["B-B", "B-T"] {
            let one = sign(&bench, &first, level, &format!("packaging = \"{packaging}\""), &document("ubl"));
            let both = counter_signed(&bench, &second, level, &one, Value::Null);
            let both = octets(&both.unwrap_or_else(|error| panic!("{packaging} {level}: {error}")));
            add(format!("{packaging}-{level}"), &both, Some(level), "2");
            let thrice = octets(&counter_signed(&bench, &first, level, &both, Value::Null).unwrap());
            add(format!("{packaging}-{level}-thrice"), &thrice, Some(level), "3");
            let archived = octets(&bench.augment_kind("xades", "B-LTA", &both, None).unwrap());
            add(format!("{packaging}-{level}-archived"), &archived, None, "2");
            let archived = octets(&bench.augment_kind("xades", "B-LTA", &thrice, None).unwrap());
            add(format!("{packaging}-{level}-thrice-archived"), &archived, None, "3");
        }
    }
    // After an archive timestamp, which does not cover it; the next one does.
    let archived = sign(&bench, &first, "B-LTA", "", &document("ubl"));
    for level in ["B-B", "B-T"] {
        let both = octets(&counter_signed(&bench, &second, level, &archived, Value::Null).unwrap());
        let renewed = octets(&bench.augment_kind("xades", "B-LTA", &both, None).unwrap());
        add(format!("archived-{level}-renewed"), &renewed, None, "2");
        let again = octets(&bench.augment_kind("xades", "B-LTA", &renewed, None).unwrap());
        add(format!("archived-{level}-renewed-twice"), &again, None, "2");
    }
    // One of two.
    let two =
        sign(&bench, &second, "B-B", "id_prefix = \"second-\"", &sign(&bench, &first, "B-B", "", &document("ubl")));
    let text = String::from_utf8(two.clone()).unwrap();
    let id: String = text[text.find("Id=\"second-").unwrap() + 4..].chars().take_while(|each| *each != '"').collect();
    let three = octets(&counter_signed(&bench, &first, "B-B", &two, json!({ "signature_id": id })).unwrap());
    add("one-of-two".into(), &three, Some("B-B"), "3");
    let wrong = [judged("dss", &questions), judged("xmlsec1", &questions)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let refusal = |signature: &[u8], parameters: Value, reason: &str| {
        refused(counter_signed(&bench, &second, "B-B", signature, parameters), Fault::Document, reason);
    };
    refusal(&two, Value::Null, "name one by signature_id");
    refusal(&two, json!({ "signature_id": "other" }), "no signature in it has that signature_id");
    refusal(&document("ubl"), Value::Null, "there is no XML signature in it");
    let detached = sign(&bench, &first, "B-B", "packaging = \"detached\"", &document("ubl"));
    refusal(&detached, Value::Null, "the signature is detached");
    let one = String::from_utf8(sign(&bench, &first, "B-B", "", &document("ubl"))).unwrap();
    refusal(one.replace("Routing", "routing").as_bytes(), Value::Null, "cannot be augmented");
    // A counter-signature that is wrong, or over something else, is not archived.
    let both = octets(&counter_signed(&bench, &second, "B-B", one.as_bytes(), Value::Null).unwrap());
    let both = String::from_utf8(both).unwrap();
    let inner = both.find("<xades:CounterSignature").unwrap();
    let time = inner + both[inner..].find("<xades:SigningTime>20").unwrap() + "<xades:SigningTime>".len();
    let broken = format!("{}19{}", &both[..time], &both[time + 2..]);
    let elsewhere = sign(&bench, &first, "B-B", "", &document("ubl"));
    let elsewhere =
        String::from_utf8(octets(&counter_signed(&bench, &second, "B-B", &elsewhere, Value::Null).unwrap())).unwrap();
    let counter = |text: &str| {
        let (start, end) =
            (text.find("<xades:CounterSignature").unwrap(), text.find("</xades:CounterSignature>").unwrap());
        text[start..end].to_owned()
    };
    let moved = both.replace(&counter(&both), &counter(&elsewhere));
    for (document, reason) in [(broken, "cannot be augmented"), (moved, "refers to an element that is not there")] {
        let error = bench.augment_kind("xades", "B-LTA", document.as_bytes(), None).unwrap_err();
        assert_eq!(error.fault(), Fault::Document, "{error}");
        assert!(error.to_string().contains(reason) || error.to_string().contains("is not there"), "{error}");
    }
    let start = one.find("<ds:SignatureValue").unwrap();
    let end = start + one[start..].find('>').unwrap();
    let nameless = format!("{}<ds:SignatureValue{}", &one[..start], &one[end..]);
    refusal(nameless.as_bytes(), Value::Null, "no identifier (Id)");
}
