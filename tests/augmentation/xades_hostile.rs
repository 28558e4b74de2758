//! XML made to hurt, to be signed and to be augmented: each is refused, or done, in little time and memory.

use serde_json::Value;
use workers::{DocumentContent, Fault, SignedDocument, WorkerError};

use crate::bench::{Bench, Seal};

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Processor time in seconds until what never can be taken is refused; code that is not optimised takes ten times as long.
const REFUSAL: f64 = if cfg!(debug_assertions) { 10.0 } else { 1.0 };
/// Until what may be taken has been read, and verified or signed.
const VERIFICATION: f64 = if cfg!(debug_assertions) { 20.0 } else { 2.0 };
/// The most memory, the rest of the process included.
const MEMORY: usize = if cfg!(debug_assertions) { 1 << 30 } else { 512 << 20 };

/// Processor time of this thread in seconds: what others do on the machine does not count.
fn processor_time() -> f64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    spent.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// The most memory that the process had since the last call, in octets.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    // proc(5): begins anew.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

/// A signature with these references in it, that others may have made.
fn signature(references: &str) -> String {
    format!(
        "<ds:Signature xmlns:ds='{DS}' Id='s'><ds:SignedInfo><ds:CanonicalizationMethod \
         Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#'/><ds:SignatureMethod \
         Algorithm='http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256'/>{references}</ds:SignedInfo>\
         <ds:SignatureValue>AAAA</ds:SignatureValue><ds:Object><xades:QualifyingProperties \
         xmlns:xades='http://uri.etsi.org/01903/v1.3.2#' Target='#s'><xades:SignedProperties Id='p'/>\
         </xades:QualifyingProperties></ds:Object></ds:Signature>"
    )
}

fn reference(uri: &str, transforms: &str) -> String {
    format!(
        "<ds:Reference URI=\"{uri}\"><ds:Transforms>{transforms}</ds:Transforms><ds:DigestMethod \
         Algorithm='http://www.w3.org/2001/04/xmlenc#sha256'/><ds:DigestValue>AAAA</ds:DigestValue></ds:Reference>"
    )
}

fn transform(algorithm: &str, content: &str) -> String {
    format!("<ds:Transform Algorithm='{algorithm}'>{content}</ds:Transform>")
}

/// What has to be refused whatever is to be done with it, with a part of the reason.
fn never_taken() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let laughs: String = (1..20).map(|n| format!("<!ENTITY l{n} '{}'>", format!("&l{};", n - 1).repeat(10))).collect();
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let attributes: String = (0..1_000_000).map(|number| format!(" a{number}=''")).collect();
    let namespaces: String = (0..1_000_000).map(|number| format!(" xmlns:a{number}='urn:a'")).collect();
    let deeper: String = (0..200)
        .map(|depth| format!("<a{}>", (0..10).map(|n| format!(" xmlns:n{depth}x{n}='urn:n'")).collect::<String>()))
        .collect();
    let xml_attributes: String = (0..200)
        .map(|depth| format!("<a{}>", (0..10).map(|n| format!(" xml:n{depth}x{n}=''")).collect::<String>()))
        .collect();
    vec![
        ("billion laughs", format!("<!DOCTYPE a [<!ENTITY l0 'ha'>{laughs}]><a>&l19;</a>").into(), "DOCTYPE"),
        ("external entity", b"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>".to_vec(), "DOCTYPE"),
        ("external subset", b"<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/a.dtd'><a/>".to_vec(), "DOCTYPE"),
        ("parameter entity", b"<!DOCTYPE a [<!ENTITY % e SYSTEM 'http://127.0.0.1:1/'> %e;]><a/>".to_vec(), "DOCTYPE"),
        ("undeclared entity", b"<a>&lol;</a>".to_vec(), "is not defined"),
        ("100000 levels", ["<a>".repeat(100_000), "</a>".repeat(100_000)].concat().into(), "more than 256 elements"),
        ("a million attributes", format!("<a{attributes}/>").into(), "more than 1024 attributes"),
        ("a million declarations", format!("<a{namespaces}/>").into(), "more than 1024 "),
        ("declarations at every level", format!("{deeper}{}", "</a>".repeat(200)).into(), "declarations in scope"),
        (
            "a long namespace name",
            format!("<a xmlns='urn:{}'>{}</a>", "a".repeat(5_000_000), "<b/>".repeat(500_000)).into(),
            "octets in a namespace name",
        ),
        ("attributes xml: at every level", format!("{xml_attributes}{}", "</a>".repeat(200)).into(), "attributes xml:"),
        ("invalid UTF-8", b"<a>\xC3\x28</a>".to_vec(), "is not valid UTF-8"),
        ("overlong UTF-8", b"<a>\xC0\xBC</a>".to_vec(), "is not valid UTF-8"),
        ("surrogates in UTF-8", b"<a>\xED\xA0\x80</a>".to_vec(), "is not valid UTF-8"),
        (
            "UTF-16 half",
            [&[0xFF, 0xFE][..], &utf16("<a>"), &[0x00, 0xD8], &utf16("</a>")].concat(),
            "is not valid UTF-16",
        ),
        ("UTF-16 unmarked", utf16("<?xml version='1.0' encoding='UTF-16'?><a/>"), "line 1"),
        ("UTF-8 that says UTF-16", b"<?xml version='1.0' encoding='UTF-16'?><a/>".to_vec(), "UTF-16"),
        (
            "UTF-16 that says UTF-8",
            [&[0xFF, 0xFE][..], &utf16("<?xml version='1.0' encoding='UTF-8'?><a/>")].concat(),
            "UTF-8",
        ),
        ("UTF-7", b"<?xml version='1.0' encoding='UTF-7'?><a>+ADw-</a>".to_vec(), "not supported"),
        ("EBCDIC", b"\x4C\x6F\xA7\x94\x93".to_vec(), "is not valid UTF-8"),
        ("null", b"<a>\0</a>".to_vec(), "U+0000"),
        ("a number without end", format!("<a>&#x{};</a>", "4".repeat(5_000_000)).into(), "is not defined"),
        (
            "an attribute twice by namespace",
            b"<a xmlns:b='urn:b' xmlns:c='urn:b' b:d='' c:d=''/>".to_vec(),
            "appears twice",
        ),
        ("an open comment", format!("<a><!--{}", "-".repeat(5_000_000)).into(), "line 1"),
        ("an open tag", "<a ".repeat(2_000_000).into(), "line 1"),
    ]
}

#[test]
fn hostile_xml_is_neither_signed_nor_augmented_and_costs_little() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let _ = bench.pki.asked();
    let (mut report, mut longest) = (String::new(), 0.0_f64);
    for (name, document, reason) in never_taken() {
        for (what, definition) in [
            ("sign", ""),
            ("elements", "packaging = \"internally-detached\"\nelements = [\"a\"]"),
            ("container", "packaging = \"internally-detached\""),
            ("embed", "packaging = \"enveloping\"\nobject = \"xml\"\ncanonicalization = \"inclusive\""),
            ("counter-sign", "mode = \"counter-sign\""),
            ("augment", ""),
        ] {
            let (before, _) = (processor_time(), peak());
            let error = match what {
                "augment" => bench.augment_kind("xades", "B-LTA", &document, None),
                _ => sign(&bench, &seal, definition, &document),
            };
            let (spent, memory) = (processor_time() - before, peak());
            let error = error.err().unwrap_or_else(|| panic!("{what}: {name}"));
            assert_eq!(error.fault(), Fault::Document, "{what}: {name}: {error}");
            assert!(error.to_string().contains(reason), "{what}: {name}: {error}");
            assert!(spent < REFUSAL && memory < MEMORY, "{what}: {name}: {spent} s, {memory} octets");
            longest = longest.max(spent);
            if what == "sign" {
                report += &format!("  {name}: {error} ({spent:.2} s, {} MB)\n", memory >> 20);
            }
        }
    }
    tests::report(&format!("refused, each in {longest:.2} s at most:\n{report}"));
    assert_eq!(bench.pki.asked(), Vec::<String>::new());
}

fn sign(bench: &Bench, seal: &Seal, definition: &str, document: &[u8]) -> Result<SignedDocument, WorkerError> {
    bench.sign_kind("xades", seal, "B-B", definition, DocumentContent::Memory(document.to_vec().into()), Value::Null)
}

#[test]
fn hostile_signatures_are_not_augmented_and_cost_little() {
    let bench = Bench::start();
    let _ = bench.pki.asked();
    let exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
    let xslt = "<xsl:stylesheet xmlns:xsl='http://www.w3.org/1999/XSL/Transform' version='1.0'><xsl:template match='/'>\
        <xsl:value-of select=\"document('file:///etc/passwd')\"/></xsl:template></xsl:stylesheet>";
    let bomb = format!("<ds:XPath>{}</ds:XPath>", "count(//@* | //namespace::*) > ".repeat(10_000));
    let prefixes: String = (0..100_000).map(|number| format!("p{number} ")).collect();
    let prefixes = format!("<e:InclusiveNamespaces xmlns:e='{exclusive}' PrefixList='{prefixes}'/>");
    let nested: String = (0..200).map(|number| format!("<n Id='n{number}'>")).collect();
    let nested = |signature: &str| format!("<a>{nested}{}{}{signature}</a>", "x".repeat(3_000_000), "</n>".repeat(200));
    let all_nested: String = (0..200).map(|number| reference(&format!("#n{number}"), "")).collect();
    let in_document = |references: &str| format!("<a>{}</a>", signature(references));
    let tokens = "<xades:EncapsulatedTimeStamp>AAAA</xades:EncapsulatedTimeStamp>".repeat(100_000);
    let unsigned = format!(
        "<xades:UnsignedProperties><xades:UnsignedSignatureProperties><xades:SignatureTimeStamp>{tokens}\
         </xades:SignatureTimeStamp></xades:UnsignedSignatureProperties></xades:UnsignedProperties></xades:QualifyingProperties>"
    );
    let cases = [
        ("XSLT", in_document(&reference("", &transform("http://www.w3.org/TR/1999/REC-xslt-19991116", xslt)))),
        (
            "an XPath bomb",
            in_document(&reference("", &transform("http://www.w3.org/TR/1999/REC-xpath-19991116", &bomb))),
        ),
        (
            "a filter bomb",
            in_document(&reference(
                "",
                &transform(
                    "http://www.w3.org/2002/06/xmldsig-filter2",
                    &bomb.replace("ds:XPath", "f:XPath").replace(
                        "<f:XPath>",
                        "<f:XPath xmlns:f='http://www.w3.org/2002/06/xmldsig-filter2' Filter='subtract'>",
                    ),
                ),
            )),
        ),
        ("a thousand transforms", in_document(&reference("", &transform(exclusive, "").repeat(1000)))),
        ("100000 prefixes", in_document(&reference("", &transform(exclusive, &prefixes)))),
        ("a remote reference", in_document(&reference("http://127.0.0.1:1/", ""))),
        ("a file", in_document(&reference("file:///etc/passwd", ""))),
        ("a remote fragment", in_document(&reference("http://127.0.0.1:1/#a", &transform(exclusive, "")))),
        ("an XPointer", in_document(&reference("#xpointer(//a)", ""))),
        ("100000 references", in_document(&reference("", "").repeat(100_000))),
        ("11000 references", in_document(&reference("", "").repeat(11_000))),
        ("nested references", nested(&signature(&all_nested))),
        ("100000 signatures", format!("<a>{}</a>", signature("").repeat(100_000))),
        ("a million elements", format!("<a>{}</a>", signature("").replace("AAAA", &"<b/>".repeat(1_000_000)))),
        ("100000 timestamps", in_document("").replace("</xades:QualifyingProperties>", &unsigned)),
        ("a reference to two", format!("<a><b Id='p'/>{}</a>", signature(&reference("#p", "")))),
        ("a signature in itself", in_document(&reference("#s", ""))),
        ("no references", in_document("")),
        ("a document type", format!("<!DOCTYPE a [<!ATTLIST a Id ID #IMPLIED>]>{}", in_document(""))),
    ];
    let mut report = String::new();
    for (name, document) in cases {
        let (before, _) = (processor_time(), peak());
        let error = bench.augment_kind("xades", "B-LTA", document.as_bytes(), None);
        let (spent, memory) = (processor_time() - before, peak());
        let error = error.err().unwrap_or_else(|| panic!("{name}"));
        assert_eq!(error.fault(), Fault::Document, "{name}: {error}");
        assert!(spent < VERIFICATION && memory < MEMORY, "{name}: {spent} s, {memory} octets");
        report += &format!("  {name}: {error} ({spent:.2} s, {} MB)\n", memory >> 20);
    }
    tests::report(&format!("not augmented:\n{report}"));
    assert_eq!(bench.pki.asked(), Vec::<String>::new());
}

#[test]
fn much_of_what_is_allowed_takes_its_time_and_no_more() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let declared: String = (0..1000).map(|number| format!(" xmlns:n{number}='urn:n{number}'")).collect();
    let used: String = (0..1000).map(|number| format!("<n{number}:a n{number}:b=''/>")).collect();
    let ids: String = (0..100_000).map(|number| format!("<a Id='i{number}'/>")).collect();
    for (name, document) in [
        ("1000 namespaces in use", format!("<r{declared}>{}</r>", used.repeat(20))),
        ("1000 namespaces and deep", format!("<r{declared}>{}{}</r>", "<n1:a>".repeat(250), "</n1:a>".repeat(250))),
        ("redeclared", format!("<r>{}</r>", "<a xmlns='urn:a'><a xmlns=''><a xmlns='urn:a'/></a></a>".repeat(20_000))),
        ("100000 identifiers", format!("<r>{ids}</r>")),
        (
            "1000 signatures",
            format!("<r{declared}>{}</r>", signature("").replace("Id='s'", "").replace("Id='p'", "").repeat(900)),
        ),
    ] {
        for form in ["", "canonicalization = \"inclusive\""] {
            let (before, _) = (processor_time(), peak());
            sign(&bench, &seal, form, document.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
            let (spent, memory) = (processor_time() - before, peak());
            tests::report(&format!("{name} {form}: {spent:.1} s, {} MB", memory >> 20));
            assert!(spent < VERIFICATION && memory < MEMORY, "{name}: {spent} s, {memory} octets");
        }
    }
}
