//! Each refusal by name. That they agree with libxml2 is shown where canonical forms are compared.

use super::XmlReader;
use crate::xades::document::XmlDocument;
use crate::xades::xml_error::{XmlError, XmlFault};

fn read(octets: &[u8]) -> Result<(), XmlError> {
    let document = XmlDocument::decode(octets)?;
    let mut reader = XmlReader::new(&document);
    while reader.next()?.is_some() {}
    Ok(())
}

fn refusal(text: &str) -> String {
    read(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_refusal_says_what_is_wrong_and_where() {
    for (text, expected) in [
        ("", "line 1, column 1: there is no root element"),
        ("<!-- only -->", "line 1, column 14: there is no root element"),
        ("<a>\n<b></a>", "line 2, column 4: the end tag \"a\" does not match"),
        ("<a>\n<b>", "line 2, column 4: the element \"b\" is not closed"),
        ("<a/><b/>", "line 1, column 5: more than one root element"),
        ("<a/></a>", "line 1, column 5: the end tag \"a\" does not match"),
        ("é<a/>", "line 1, column 1: text outside the root element"),
        ("<a/>&#32;", "line 1, column 5: text outside the root element"),
        ("<a/><![CDATA[]]>", "line 1, column 5: text outside the root element"),
        ("\u{FEFF}\u{FEFF}<a/>", "line 1, column 1: text outside the root element"),
        ("<a>é]]></a>", "line 1, column 5: \"]]>\" is not allowed in text"),
        ("<a><!-- -- --></a>", "line 1, column 4: \"--\" is not allowed in a comment"),
        ("<a><!-- ---></a>", "line 1, column 4: \"--\" is not allowed in a comment"),
        ("<a><?XmL x?></a>", "line 1, column 4: malformed processing instruction"),
        ("<a><? x?></a>", "line 1, column 4: malformed processing instruction"),
        ("<a><?p:i x?></a>", "line 1, column 4: malformed processing instruction"),
        (" <?xml version='1.0'?><a/>", "line 1, column 2: malformed processing instruction"),
        ("<!DOCTYPE a><a/>", "line 1, column 1: a document type declaration (DOCTYPE) is not accepted"),
        (
            "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
            "line 1, column 1: a document type declaration (DOCTYPE) is not accepted",
        ),
        ("<a>&nbsp;</a>", "line 1, column 4: the reference \"&nbsp;\" is not defined"),
        ("<a>&#0;</a>", "line 1, column 4: the reference \"&#0;\" is not defined"),
        ("<a>&#xFFFF;</a>", "line 1, column 4: the reference \"&#xFFFF;\" is not defined"),
        ("<a>&#xD800;</a>", "line 1, column 4: the reference \"&#xD800;\" is not defined"),
        ("<a b='&#99999999999;'/>", "line 1, column 4: the reference \"&#99999999999;\" is not defined"),
        ("<a>& b</a>", "line 1, column 4: malformed markup"),
        ("<a b='c", "line 1, column 1: malformed markup"),
        ("<a b=c/>", "line 1, column 4: malformed attribute"),
        ("<a b/>", "line 1, column 4: malformed attribute"),
        ("<a b='1'c='2'/>", "line 1, column 9: malformed attribute"),
        ("<a b='<'/>", "line 1, column 4: \"<\" is not allowed in an attribute value"),
        ("<a b='1' b='2'/>", "line 1, column 10: the attribute \"b\" appears twice"),
        (
            "<a xmlns:x='urn:1' xmlns:y='urn:1' x:b='1' y:b='2'/>",
            "line 1, column 44: the attribute \"y:b\" appears twice",
        ),
        ("<a><b c='' d=''/><b c='' d=''/><b c='' c=''/></a>", "line 1, column 40: the attribute \"c\" appears twice"),
        (
            "<a xmlns:x='urn:1' xmlns:y='urn:2'><b x:c='' y:c=''/><b xmlns:y='urn:1' x:c='' y:c=''/></a>",
            "line 1, column 80: the attribute \"y:c\" appears twice",
        ),
        (
            "<a><b xmlns:x='urn:1' c=''/><b xmlns:x='urn:2' x:c='' c='' c=''/></a>",
            "line 1, column 60: the attribute \"c\" appears twice",
        ),
        ("<a xmlns:x='urn:1' xmlns:x='urn:1'/>", "line 1, column 20: the attribute \"xmlns:x\" appears twice"),
        ("<x:a/>", "line 1, column 1: the namespace prefix \"x\" is not declared"),
        ("<a x:b='1'/>", "line 1, column 4: the namespace prefix \"x\" is not declared"),
        ("<a><b xmlns:x='urn:1'/><x:b/></a>", "line 1, column 24: the namespace prefix \"x\" is not declared"),
        ("<xmlns:a/>", "line 1, column 1: the namespace prefix \"xmlns\" is not declared"),
        ("<a xmlns:x=''/>", "line 1, column 4: the namespace declaration of \"x\" is not allowed"),
        ("<a xmlns:xml='urn:1'/>", "line 1, column 4: the namespace declaration of \"xml\" is not allowed"),
        ("<a xmlns:xmlns='urn:1'/>", "line 1, column 4: the namespace declaration of \"xmlns\" is not allowed"),
        (
            "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
            "line 1, column 4: the namespace declaration of \"\" is not allowed",
        ),
        (
            "<a xmlns:p='http://www.w3.org/2000/xmlns/'/>",
            "line 1, column 4: the namespace declaration of \"p\" is not allowed",
        ),
        ("<1/>", "line 1, column 1: \"1\" is not a valid name"),
        ("<a:b:c/>", "line 1, column 1: \"a:b:c\" is not a valid name"),
        ("<:a/>", "line 1, column 1: \":a\" is not a valid name"),
        ("<a \u{D7}='1'/>", "line 1, column 4: \"\u{D7}\" is not a valid name"),
        ("<a>\u{FFFE}</a>", "line 1, column 4: the character U+FFFE is not allowed in XML"),
        ("<a>\u{1}</a>", "line 1, column 4: the character U+0001 is not allowed in XML"),
    ] {
        assert_eq!(refusal(text), expected, "{text:?}");
    }
}

#[test]
fn namespace_names_without_a_canonical_form_are_refused() {
    for uri in
        ["relative", "../up", "#x", "urn:é", "urn:a b", "http://[x", "urn:%zz", "1:a", "http://a@@b", "x://a@b@c"]
    {
        let fault = read(format!("<a xmlns='{uri}'/>").as_bytes()).unwrap_err().fault;
        assert!(matches!(fault, XmlFault::RelativeNamespace { .. }), "{uri}: {fault}");
    }
    for uri in ["x:@@", "x://a/@@", "x://@a", "x://a:b@c:1", "x://a@"] {
        assert_eq!(read(format!("<a xmlns='{uri}'/>").as_bytes()), Ok(()), "{uri}");
    }
    let fault = read(b"<a xmlns:p='urn:a?b&amp;c'/>").unwrap_err().fault;
    assert!(matches!(fault, XmlFault::AmpersandInNamespace { .. }));
}

#[test]
fn depth_attributes_and_declarations_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert_eq!(read(nested(256).as_bytes()), Ok(()));
    assert!(refusal(&nested(257)).ends_with("more than 256 elements inside each other"));
    let attributes = |count: usize| {
        let attributes: String = (0..count).map(|number| format!(" a{number}=''")).collect();
        format!("<a{attributes}/>")
    };
    assert_eq!(read(attributes(1024).as_bytes()), Ok(()));
    assert!(refusal(&attributes(1025)).ends_with("more than 1024 attributes in one element"));
    let declarations = |count: usize| {
        let half: String = (0..count).map(|number| format!(" xmlns:a{number}='urn:a'")).collect();
        format!("<a{half}><b{half}/><b{half}/></a>")
    };
    assert_eq!(read(declarations(512).as_bytes()), Ok(()));
    assert!(refusal(&declarations(513)).ends_with("more than 1024 namespace declarations in scope"));
}

#[test]
fn arbitrary_octets_never_cause_a_panic() {
    const PIECES: &[&[u8]] = &[
        b"<",
        b">",
        b"<!",
        b"<!-",
        b"<!--",
        b"-->",
        b"--",
        b"<![CDATA[",
        b"]]>",
        b"<?",
        b"?>",
        b"/>",
        b"</",
        b"a",
        b"'",
        b"\"",
        b"=",
        b"&",
        b"&#",
        b";",
        b" ",
        b"xmlns",
        b":",
        b"<!DOCTYPE",
        b"[",
        b"]",
        b"<?xml version='1.0'",
        b"\xEF\xBB\xBF",
        b"\xFF\xFE",
        b"\0",
        b"\xC3",
        b"\xA9",
        b"<!d",
        b"<!>",
        b"<!-->",
        b"<!--->",
        b"<??>",
        b"<?>",
    ];
    let mut state = 1_u64;
    for _ in 0..200_000 {
        let mut octets = Vec::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            octets.extend_from_slice(PIECES[usize::try_from(state >> 33).unwrap() % PIECES.len()]);
            let _ = read(&octets);
        }
    }
}
