//! Each refusal by its place, and the bounds. That processors agree about the rest is shown where canonical forms are compared.

use std::time::{Duration, Instant};

use crate::xades::document::{InternalSubset, XmlDocument};
use crate::xades::reader::{Event, XmlReader};
use crate::xades::xml_error::XmlError;

/// The attributes of all elements, as they are read; "#" stands before an identifier.
fn read(text: &str) -> Result<String, XmlError> {
    let document = XmlDocument::decode_with(text.as_bytes(), InternalSubset::Allowed)?;
    let mut reader = XmlReader::new(&document);
    let mut found = Vec::new();
    while let Some(event) = reader.next()? {
        let Event::Start(element) = event else { continue };
        for attribute in &element.attributes {
            let mark = if attribute.is_nothing_but_id() { "#" } else { "" };
            found.push(format!("{mark}{}={}", attribute.qualified, attribute.value));
        }
    }
    Ok(found.join(" "))
}

#[test]
fn what_is_declared_about_attributes_is_done_to_them() {
    let subset = "<?xml version='1.0'?> <!-- <!DOCTYPE --> <?p <!DOCTYPE?> <!DOCTYPE r:a [<!ATTLIST a b CDATA #IMPLIED>\
        <!-- ]> --><?p ]>?>\n<!ELEMENT a ((b, c?)+ | (#PCDATA)*)>";
    assert!(read(&format!("{subset}]><a/>")).is_err(), "#PCDATA is not for groups");
    let subset = subset.replace("(#PCDATA)*", "d");
    for (element, expected) in [
        ("<a b=' &lt;\r\nd '/>", "b= < d "),
        ("<a b=''/>", "b="),
        ("<r:a xmlns:r='urn:r'/>", ""),
        ("<a><c n='  x   y ' k=' 1 '/></a>", "#k=1 n=x y"),
        ("<c n='&#32;x&#9; &#32; &#10;y&#32;'/>", "n=x\t \ny"),
        ("<c e=' one '/>", "e=one"),
        ("<f g=' h '/>", "g= h "),
        ("<i xml:lang=' ' j=' k\r\n '/>", "j=k xml:lang="),
        ("<m:n xmlns:m='urn:m' m:o=' x&#32;'/>", "m:o=x"),
    ] {
        let more = "<!ATTLIST c n NMTOKENS #IMPLIED k ID #REQUIRED e (one | two-2|:3) #IMPLIED>\
            <!NOTATION x PUBLIC '-//x'><!NOTATION y SYSTEM \"'\"><!NOTATION z PUBLIC '' '?'><!ELEMENT r:a EMPTY>\
            <!ELEMENT m (#PCDATA|a | r:b)*><!ELEMENT n ( #PCDATA )><!ELEMENT o (a)><!ELEMENT p ((a|b)*,(c))?>\
            <!ATTLIST f g CDATA #IMPLIED>\n\
            <!ATTLIST i j NMTOKENS #IMPLIED xml:lang NMTOKEN #REQUIRED>\
            <!ATTLIST m:n xmlns:m CDATA #IMPLIED m:o NOTATION (x|y) #IMPLIED><!ATTLIST q >";
        let text = format!("{subset}{more}] >{element}");
        assert_eq!(read(&text).unwrap_or_else(|error| panic!("{error} in {text}")), expected, "{element}");
    }
    assert_eq!(read("<!DOCTYPE a><a/>").unwrap(), "");
    assert_eq!(read("<!DOCTYPE a[ ]\n><a/>").unwrap(), "");
}

#[test]
fn a_refusal_says_what_is_wrong_and_where() {
    let malformed = "malformed declaration in the document type declaration";
    let entity = "an entity is declared";
    let reference = "a parameter entity is referred to";
    let external = "the document type declaration refers to an external subset";
    for (text, position, expected) in [
        ("<!DOCTYPE a SYSTEM 'a.dtd'><a/>", (1, 13), external),
        ("<!DOCTYPE a\nPUBLIC '-//a' 'a.dtd' []><a/>", (2, 1), external),
        ("<!DOCTYPE a [\n<!ENTITY e 'x'>]><a>&e;</a>", (2, 1), entity),
        ("<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>", (1, 14), entity),
        ("<!DOCTYPE a [<!ENTITY % e SYSTEM 'http://127.0.0.1:1/'> %e;]><a/>", (1, 14), entity),
        ("<!DOCTYPE a [<!-- -->\n %e;]><a/>", (2, 2), reference),
        ("<!DOCTYPE a [<!ELEMENT b (%e;)>]><a/>", (1, 27), malformed),
        ("<!DOCTYPE a [<!ATTLIST a %e;>]><a/>", (1, 26), malformed),
        ("<!DOCTYPE a [<![INCLUDE[<!ELEMENT a ANY>]]>]><a/>", (1, 14), malformed),
        ("<!DOCTYPE a []><a>&e;</a>", (1, 19), "the reference \"&e;\" is not defined"),
        (
            "<!DOCTYPE a><!DOCTYPE a><a/>",
            (1, 13),
            "a document type declaration (DOCTYPE) is not accepted here; send the document without it",
        ),
        (
            "<a/><!DOCTYPE a>",
            (1, 5),
            "a document type declaration (DOCTYPE) is not accepted here; send the document without it",
        ),
        (
            "<a><!DOCTYPE a></a>",
            (1, 4),
            "a document type declaration (DOCTYPE) is not accepted here; send the document without it",
        ),
        (
            "<!DOCTYPE a [<!ATTLIST dsig-filter2:XPath Filter ID #IMPLIED>]><a/>",
            (1, 43),
            "\"Filter\" is declared with a type of its own for an element of signatures",
        ),
        ("<!DOCTYPE a []>\u{FEFF}<a/>", (1, 16), "text outside the root element"),
        ("<!doctype a><a/>", (1, 1), ""),
        ("<!DOCTYPE><a/>", (1, 10), malformed),
        ("<!DOCTYPE 1><a/>", (1, 11), "\"1\" is not a valid name"),
        ("<!DOCTYPE a:b:c><a/>", (1, 11), "\"a:b:c\" is not a valid name"),
        ("<!DOCTYPE a b><a/>", (1, 13), malformed),
        ("<!DOCTYPE a [", (1, 14), malformed),
        ("<!DOCTYPE a [] ", (1, 16), malformed),
        ("<!DOCTYPE a []]><a/>", (1, 15), malformed),
        ("<!DOCTYPE a [x]><a/>", (1, 14), malformed),
        ("<!DOCTYPE a [<!-- -- -->]><a/>", (1, 14), "\"--\" is not allowed in a comment"),
        ("<!DOCTYPE a [<!-- --->]><a/>", (1, 14), "\"--\" is not allowed in a comment"),
        ("<!DOCTYPE a [<!-- ]><a/>", (1, 18), malformed),
        ("<!DOCTYPE a [<?xml version='1.0'?>]><a/>", (1, 14), "malformed processing instruction"),
        ("<!DOCTYPE a [<?p:i?>]><a/>", (1, 14), "malformed processing instruction"),
        ("<!DOCTYPE a [<!ELEMENT a>]><a/>", (1, 25), malformed),
        ("<!DOCTYPE a [<!ELEMENT a ()>]><a/>", (1, 27), malformed),
        ("<!DOCTYPE a [<!ELEMENT a (b|c,d)>]><a/>", (1, 30), malformed),
        ("<!DOCTYPE a [<!ELEMENT a (b c)>]><a/>", (1, 29), malformed),
        ("<!DOCTYPE a [<!ELEMENT a (b,)>]><a/>", (1, 29), malformed),
        ("<!DOCTYPE a [<!ELEMENT a (b) *>]><a/>", (1, 30), malformed),
        ("<!DOCTYPE a [<!ELEMENT a (#PCDATA|b)>]><a/>", (1, 37), malformed),
        ("<!DOCTYPE a [<!ELEMENT a (#PCDATA,b)*>]><a/>", (1, 34), malformed),
        ("<!DOCTYPE a [<!ELEMENT a any>]><a/>", (1, 26), malformed),
        ("<!DOCTYPE a [<!ATTLIST a b>]><a/>", (1, 27), malformed),
        ("<!DOCTYPE a [<!ATTLIST a b cdata #IMPLIED>]><a/>", (1, 28), malformed),
        ("<!DOCTYPE a [<!ATTLIST a b CDATA>]><a/>", (1, 33), malformed),
        (
            "<!DOCTYPE a [<!ATTLIST a b CDATA #FIXED 'c'>]><a/>",
            (1, 34),
            "the attribute \"b\" is declared with a default",
        ),
        ("<!DOCTYPE a [<!ATTLIST a b CDATA \"c\">]><a/>", (1, 34), "the attribute \"b\" is declared with a default"),
        ("<!DOCTYPE a [<!ATTLIST a b (c) 'c'>]><a/>", (1, 32), "the attribute \"b\" is declared with a default"),
        ("<!DOCTYPE a [<!ATTLIST a b CDATA #implied>]><a/>", (1, 34), malformed),
        ("<!DOCTYPE a [<!ATTLIST a b CDATA #IMPLIEDd CDATA #IMPLIED>]><a/>", (1, 42), malformed),
        ("<!DOCTYPE a [<!ATTLIST a b () #IMPLIED>]><a/>", (1, 29), malformed),
        ("<!DOCTYPE a [<!ATTLIST a b NOTATION c #IMPLIED>]><a/>", (1, 37), malformed),
        ("<!DOCTYPE a [<!NOTATION n>]><a/>", (1, 26), malformed),
        ("<!DOCTYPE a [<!NOTATION n PUBLIC '{'>]><a/>", (1, 34), malformed),
        ("<!DOCTYPE a [<!NOTATION n:m SYSTEM ''>]><a/>", (1, 25), "\"n:m\" is not a valid name"),
        (
            "<!DOCTYPE a [<!ATTLIST a b CDATA #IMPLIED>\n<!ATTLIST a b ID #IMPLIED>]><a/>",
            (2, 13),
            "the attribute \"b\" is declared twice",
        ),
        ("<!DOCTYPE a [<!ATTLIST a xmlns:b ID #IMPLIED>]><a/>", (1, 26), "the namespace declaration \"xmlns:b\" is"),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!((error.position.line, error.position.column), position, "{error} in {text}");
        assert!(error.fault.to_string().starts_with(expected), "{error} in {text}");
    }
}

#[test]
fn hostile_declarations_are_refused_in_no_time() {
    let subset = |declarations: &str| format!("<!DOCTYPE a [{declarations}]><a/>");
    let attributes: String = (0..10_001).map(|number| format!(" b{number} CDATA #IMPLIED")).collect();
    let size = 20_000_000;
    for (text, expected) in [
        (subset(&"<!ELEMENT a ANY>".repeat(size / 16)), "more than 1048576 octets in a document type declaration"),
        (subset(&"<?p?>".repeat(size / 5)), "more than 1048576 octets in a document type declaration"),
        (subset(&format!("<!ELEMENT a {}", "(".repeat(size))), "more than 64 groups inside each other"),
        (subset(&format!("<!ATTLIST a{attributes}>")), "more than 10000 declared attributes"),
        (subset(&format!("<!--{}", "-".repeat(size))), "\"--\" is not allowed in a comment"),
        (
            format!("<!DOCTYPE a [<!ATTLIST a b ({}", "b|".repeat(size / 2)),
            "more than 1048576 octets in a document type declaration",
        ),
        (format!("<!DOCTYPE a [<!--{}", " ".repeat(size)), "malformed declaration"),
        (format!("<!DOCTYPE {}", "a".repeat(size)), "\"aaaa"),
    ] {
        let start = Instant::now();
        let error = read(&text).unwrap_err();
        assert!(error.fault.to_string().starts_with(expected), "{error}");
        assert!(start.elapsed() < Duration::from_secs(30), "{error}: {:?}", start.elapsed());
    }
}
