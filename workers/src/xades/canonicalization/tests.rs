//! Canonical forms and refusals, judged by xmllint and, for subtrees, by xmlsec1.

use super::{EXCLUSIVE, Omission, Part};
use crate::xades::xml_error::XmlFault;

mod generator;
mod oracle;
mod santuario;

use generator::Random;
use oracle::{accepted_by_xmllint, assert_same_as_xmllint, ours};
use santuario::assert_same_as_santuario;

/// How many generated documents a test tries; xmllint takes most of the time.
fn cases() -> u64 {
    std::env::var("SIGILLO_XML_CASES").ok().map_or(300, |cases| cases.parse().unwrap())
}

#[test]
fn generated_documents_have_the_canonical_form_that_xmllint_writes() {
    let documents: Vec<Vec<u8>> =
        (0..cases()).map(|seed| generator::document(&mut Random::new(seed)).into_bytes()).collect();
    for batch in documents.chunks(300) {
        assert_same_as_xmllint(batch);
    }
}

#[test]
fn generated_documents_with_an_internal_subset_have_the_canonical_form_that_xmllint_and_santuario_write() {
    let document = |seed| generator::document_with_subset(&mut Random::new(seed)).into_bytes();
    let documents: Vec<Vec<u8>> = (0..cases()).map(document).collect();
    let without_declarations = |document: &Vec<u8>| {
        let text = std::str::from_utf8(document).unwrap();
        text.replace("ATTLIST ", "ATTLIST no-").into_bytes()
    };
    let form = |document: &[u8]| ours(document, &EXCLUSIVE).unwrap();
    let changed = documents.iter().filter(|each| form(each) != form(&without_declarations(each)));
    assert!(changed.count() > documents.len() / 20);
    for batch in documents.chunks(300) {
        assert_same_as_xmllint(batch);
    }
    assert_same_as_santuario(&documents, false);
}

#[test]
fn spoilt_documents_that_are_accepted_have_the_canonical_form_that_xmllint_writes() {
    let mut accepted = Vec::new();
    let mut refused = Vec::new();
    for seed in 0..cases() * 10 {
        let random = &mut Random::new(seed);
        let document = generator::document(random);
        let octets = generator::spoil(random, &document);
        match ours(&octets, &EXCLUSIVE) {
            // libxml2 drops an empty `xml:base` even where nothing around it is omitted; Canonical XML 1.1 does not.
            Ok(_) if octets.windows(8).any(|window| window == b"xml:base") => {}
            Ok(_) => accepted.push(octets),
            Err(error) => refused.push((octets, error)),
        }
    }
    assert!(accepted.len() > 100 && refused.len() > 1000, "{} accepted, {} refused", accepted.len(), refused.len());
    for batch in accepted.chunks(300) {
        assert_same_as_xmllint(batch);
    }
    // Where we refuse and libxml2 does not, we must mean it.
    for batch in refused.chunks(500) {
        let octets: Vec<Vec<u8>> = batch.iter().map(|(octets, _)| octets.clone()).collect();
        for number in accepted_by_xmllint(&octets) {
            let (octets, error) = &batch[number];
            let intended = matches!(
                error.fault,
                XmlFault::ExternalSubset
                    | XmlFault::RelativeNamespace { .. }
                    | XmlFault::AmpersandInNamespace { .. }
                    | XmlFault::UnsupportedEncoding { .. }
                    | XmlFault::Version { .. }
                    // libxml2 does not miss a blank between two values.
                    | XmlFault::Declaration
                    // libxml2 ends reading at a NUL after the root element.
                    | XmlFault::Character { code: 0 }
            );
            assert!(intended, "{error} in {:?}", String::from_utf8_lossy(octets));
        }
    }
}

#[test]
fn subtrees_have_the_canonical_form_that_xmlsec1_digests() {
    for seed in 0..cases() / 6 {
        let random = &mut Random::new(seed);
        let name = ["target", "a:target", "é:target"][random.below(3)];
        let references = oracle::references();
        let document = generator::subtree(random, name, &oracle::signature_template(&references));
        let digested = oracle::digested_by_xmlsec1(&document);
        assert_eq!(digested.len(), references.len());
        for (reference, expected) in references.iter().zip(digested) {
            let ours =
                oracle::part(document.as_bytes(), reference.part, reference.omission, &reference.method).unwrap();
            let shown = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
            assert_eq!(
                shown(&expected),
                shown(&ours),
                "{:?} {} of {document:?}",
                reference.method,
                reference.transforms
            );
        }
    }
}

#[test]
fn generated_documents_and_subtrees_have_the_canonical_form_that_santuario_writes_with_comments_and_without() {
    let document = |seed| generator::document(&mut Random::new(seed)).into_bytes();
    let documents: Vec<Vec<u8>> = (0..cases() * 10).map(document).collect();
    assert_same_as_santuario(&documents, false);
    let subtree = |seed| {
        let random = &mut Random::new(seed);
        let name = ["target", "a:target", "é:target"][random.below(3)];
        generator::subtree(random, name, "").into_bytes()
    };
    let subtrees: Vec<Vec<u8>> = (0..cases() * 4).map(subtree).collect();
    assert_same_as_santuario(&subtrees, true);
}

#[test]
fn the_documents_of_the_corpus_have_the_canonical_form_that_xmllint_and_santuario_write() {
    let beside_repository = || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("SIGILLO_CORPUS").map_or_else(beside_repository, Into::into).join("xml");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("the corpus is absent: {}", folder.display());
        return;
    };
    let mut documents = Vec::new();
    for entry in entries {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        match ours(&octets, &EXCLUSIVE) {
            Ok(_) => documents.push(octets),
            Err(error) => {
                assert!(matches!(error.fault, XmlFault::ExternalSubset | XmlFault::EntityDeclaration), "{error}");
            }
        }
    }
    println!("{} documents of the corpus", documents.len());
    assert_same_as_xmllint(&documents);
    assert_same_as_santuario(&documents, false);
}

#[test]
fn the_examples_of_the_w3c_have_the_canonical_form_that_xmllint_and_santuario_write() {
    // Canonical XML 1.0 and 1.1, section 3, without entities and default values; Exclusive XML Canonicalization, sections 1 and 2.
    let documents = [
        "<?xml version=\"1.0\"?>\n\n<?xml-stylesheet   href=\"doc.xsl\"\n   type=\"text/xsl\"   ?>\n\n<doc>Hello, world!<!-- Comment 1 -->\
         </doc>\n\n<?pi-without-data     ?>\n\n<!-- Comment 2 -->\n\n<!-- Comment 3 -->",
        "<doc>\n   <clean>   </clean>\n   <dirty>   A   B   </dirty>\n   <mixed>\n      A\n      <clean>   </clean>\n      B\n      \
         <dirty>   A   B   </dirty>\n      C\n   </mixed>\n</doc>",
        "<!DOCTYPE doc>\n<doc>\n   <e1   />\n   <e2   ></e2>\n   <e3   name = \"elem3\"   id=\"elem3\"   />\n   <e4   name=\"elem4\"   \
         id=\"elem4\"   ></e4>\n   <e5 a:attr=\"out\" b:attr=\"sorted\" attr2=\"all\" attr=\"I'm\"\n      \
         xmlns:b=\"http://www.ietf.org\"\n      xmlns:a=\"http://www.w3.org\"\n      xmlns=\"http://example.org\"/>\n   \
         <e6 xmlns=\"\" xmlns:a=\"http://www.w3.org\">\n      <e7 xmlns=\"http://www.ietf.org\">\n         \
         <e8 xmlns=\"\" xmlns:a=\"http://www.w3.org\">\n            <e9 xmlns=\"\" xmlns:a=\"http://www.ietf.org\"/>\n         \
         </e8>\n      </e7>\n   </e6>\n</doc>",
        "<!DOCTYPE doc [\n<!ATTLIST normId id ID #IMPLIED>\n<!ATTLIST normNames attr NMTOKENS #IMPLIED>\n]>\n<doc>\n   <text>First line&#x0d;&#10;Second line</text>\n   <value>&#x32;</value>\n   <compute><![CDATA[value>\"0\" && \
         value<\"10\" ?\"valid\":\"error\"]]></compute>\n   <compute expr='value>\"0\" &amp;&amp; value&lt;\"10\" \
         ?\"valid\":\"error\"'>valid</compute>\n   <norm attr=' &apos;   &#x20;&#13;&#xa;&#9;   &apos; '/>\n   \
         <normNames attr='   A   &#x20;&#13;&#xa;&#9;   B   '/>\n   \
         <normId id=' &apos;   &#x20;&#13;&#xa;&#9;   &apos; '/>\n</doc>",
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<doc>&#169;</doc>",
        "<doc xmlns=\"http://www.ietf.org\" xmlns:w3c=\"http://www.w3.org\" xml:base=\"http://www.example.com/something/else\">\n   \
         <e1>\n      <e2 xmlns=\"\" xml:id=\"abc\" xml:base=\"../bar/\">\n         <e3 Id=\"T\" xml:base=\"foo\"/>\n      \
         </e2>\n   </e1>\n</doc>",
        "<n0:pdu xmlns:n0='http://a.example'><n1:elem1 Id=\"T\" xmlns:n1='http://b.example'>content</n1:elem1></n0:pdu>",
        "<n2:pdu xmlns:n1='http://example.com' xmlns:n2='http://foo.example' xml:lang='fr' xml:space='retain'>\
         <n1:elem2 Id=\"T\" xmlns:n0='http://bar.example' xmlns:n1='http://example.net' xml:space='preserve'>\
         <n3:stuff xmlns:n3='ftp://example.org'/></n1:elem2></n2:pdu>",
    ]
    .map(|document| document.as_bytes().to_vec());
    assert_same_as_xmllint(&documents);
    let (whole, parts) = documents.split_at(5);
    assert_same_as_santuario(whole, false);
    assert_same_as_santuario(parts, true);
}

#[test]
fn documents_written_to_be_difficult_have_the_canonical_form_that_xmllint_and_santuario_write() {
    let documents = [
            // Instructions and comments around the root, in the way of Canonical XML, section 3.1.
            "<?xml version='1.0'?>\n\n<?style a='b'   \n?>\n<!--one-->\n<doc>x<!-- in --></doc>\n\n<?after?>\n<!--two-->\n<!--three-->",
            // White space and empty elements.
            "<doc>\n  <a   />\r\n<b\n></b\t>\r<c> \t</c>&#13;&#10;</doc >",
            // Order of declarations and attributes, by namespace name and not by prefix.
            "<e xmlns:b='http://a.example' xmlns:a='http://b.example' xmlns='urn:z' b:x='1' a:x='2' x='3' a:a='4' B='5' \u{E9}='6'/>",
            // The same names in one tag after another, in the same order and in others.
            "<a><r z='1' b='2' a='3'/><r z='4' b='5' a='6'/><r a='7' b='8' z='9'/><r xmlns:p='urn:p' p:z='' z='1' a='2'/><r/>\
             <r z='1' b='2' a='3'/><r xmlns='urn:r' z='' a=''/><r xmlns='urn:s' z='' a=''/><r xmlns='urn:s' a='' z=''/></a>",
            // Superfluous, hidden and withdrawn declarations.
            "<a xmlns='urn:1' xmlns:p='urn:1'><a xmlns='urn:1'><b xmlns=''><b xmlns=''><c xmlns='urn:1' xmlns:p='urn:2'/></b></b></a></a>",
            "<a xmlns:p='urn:1'><b xmlns:p='urn:2'><p:c xmlns:p='urn:1' p:d=''/><p:e/></b><p:f/></a>",
            "<p:a xmlns:p='urn:1' xmlns:q='urn:1' q:b='' c=''><q:d xmlns:p='urn:1'/></p:a>",
            "<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='' xml:space='default' xml:id='i1'/>",
            // Every character that is written as a reference, and those that are not.
            "<a b='&#9;&#10;&#13;&#32;&amp;&lt;&gt;&quot;&apos;\t\r\n\r \"' c=\"'&#x22;\">&#9;&#10;&#13;&amp;&lt;&gt;&quot;'\"]]&gt;</a>",
            "<a><![CDATA[<b>&amp;&#13;\r\n\r]]]]><![CDATA[>]]></a>",
            // Characters of two, three and four octets, and some that look like line ends.
            "<\u{3b1}\u{4e00} \u{10400}='\u{85}\u{2028}'>\u{7ff}\u{800}\u{fffd}\u{10000}\u{10ffff}\u{7f}\u{9f}</\u{3b1}\u{4e00}>",
            "\u{feff}<a>\u{feff}</a>",
            "<a b='  x  y\n z '>&#x000041;&#0065;</a>",
        ]
        .map(|document| document.as_bytes().to_vec());
    assert_same_as_xmllint(&documents);
    // Java's parser knows the names of the fourth edition of XML 1.0 only.
    let readable: Vec<Vec<u8>> =
        documents.into_iter().filter(|each| !String::from_utf8_lossy(each).contains('\u{10400}')).collect();
    assert_same_as_santuario(&readable, false);
}

#[test]
fn one_given_signature_can_be_left_out_and_the_others_stay() {
    let signature =
        |id| format!("<s:Signature xmlns:s='http://www.w3.org/2000/09/xmldsig#' Id='{id}'><b/></s:Signature>");
    let document = format!("<a>{}<c/>{}</a>", signature(1), signature(2));
    let without = |omission| {
        let canonical = oracle::part(document.as_bytes(), Part::Document, omission, &EXCLUSIVE).unwrap();
        String::from_utf8(canonical).unwrap()
    };
    let second = Omission::ElementAt(document.rfind("<s:Signature").unwrap());
    let expected = ours(format!("<a>{}<c/></a>", signature(1)).as_bytes(), &EXCLUSIVE).unwrap();
    assert_eq!(without(second).as_bytes(), expected);
    assert_eq!(without(Omission::Signatures), "<a><c></c></a>");
}
