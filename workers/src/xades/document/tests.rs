//! Encodings, judged by xmllint.

use std::process::Command;

use super::{CHARSETS, XmlDocument};
use crate::xades::xml_error::XmlFault;

/// What xmllint makes of a document, as UTF-8.
fn read_by_xmllint(octets: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("document.xml");
    std::fs::write(&path, octets).unwrap();
    let output = Command::new("xmllint").args(["--nonet", "--c14n"]).arg(&path).output();
    let output = output.unwrap_or_else(|error| panic!("xmllint: {error}; install it with scripts/install-tools"));
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

fn fault(octets: &[u8]) -> XmlFault {
    XmlDocument::decode(octets).unwrap_err().fault
}

fn utf16(text: &str, little_endian: bool) -> Vec<u8> {
    let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
    units.flat_map(|unit: u16| if little_endian { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[test]
fn every_octet_of_every_single_octet_encoding_means_what_xmllint_takes_it_for() {
    let names = CHARSETS.iter().map(|&(name, _)| name).chain(["ISO-8859-1", "US-ASCII"]);
    let mut compared = 0;
    for name in names {
        for octet in 0x80..=0xFF_u8 {
            let mut document = format!("<?xml version='1.0' encoding='{name}'?><a>").into_bytes();
            document.push(octet);
            document.extend_from_slice(b"</a>");
            // Refusing what xmllint reads would be safe; reading it otherwise would not.
            if let Ok(decoded) = XmlDocument::decode(&document) {
                let content = &decoded.text()[decoded.content_offset()..];
                assert_eq!(Some(content), read_by_xmllint(&document).as_deref(), "{name} {octet:#X}");
                compared += 1;
            }
        }
    }
    assert!(compared > 2000, "{compared}");
}

#[test]
fn a_place_in_the_text_is_found_in_the_octets_of_every_encoding() {
    let text = "<?xml version='1.0' encoding='ENCODING'?><é>ü&#x20AC;</é>";
    for (name, octets) in [
        ("UTF-8", text.replace("ENCODING", "utf-8").into_bytes()),
        ("UTF-8 with mark", [b"\xEF\xBB\xBF", text.replace("ENCODING", "UTF-8").as_bytes()].concat()),
        ("UTF-16LE", utf16(&text.replace("ENCODING", "UTF-16"), true)),
        ("UTF-16BE", utf16(&text.replace("ENCODING", "utf-16"), false)),
        ("Latin-1", encoding_rs::mem::encode_latin1_lossy(&text.replace("ENCODING", "ISO-8859-1")).into_owned()),
    ] {
        let document = XmlDocument::decode(&octets).unwrap();
        let end_tag = document.text().find("</é>").unwrap();
        let place = document.octet_offset(end_tag);
        let signed = [&octets[..place], &document.width().encode_ascii("<b/>"), &octets[place..]].concat();
        assert_eq!(read_by_xmllint(&signed).as_deref(), Some("<é>ü€<b></b></é>"), "{name}");
    }
}

#[test]
fn characters_beyond_the_basic_plane_count_twice_in_utf_16() {
    let octets = utf16("<a>\u{1F600}</a>", true);
    let document = XmlDocument::decode(&octets).unwrap();
    assert_eq!(document.octet_offset(document.text().find("</a>").unwrap()), 2 + 2 * 5);
}

#[test]
fn a_declaration_that_contradicts_the_octets_is_refused() {
    let utf8_with_mark = [b"\xEF\xBB\xBF".as_slice(), b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>"].concat();
    assert!(matches!(fault(&utf8_with_mark), XmlFault::ConflictingEncoding { .. }));
    let wide = utf16("<?xml version='1.0' encoding='UTF-8'?><a/>", true);
    assert!(matches!(fault(&wide), XmlFault::ConflictingEncoding { .. }));
    assert!(matches!(fault(b"<?xml version='1.0' encoding='UTF-16'?><a/>"), XmlFault::ConflictingEncoding { .. }));
}

#[test]
fn undecodable_octets_are_refused_with_their_place() {
    let error = XmlDocument::decode(b"<a>\r\n\xC3\xA9\xFF</a>").unwrap_err();
    assert_eq!(error.to_string(), "line 2, column 2: the document is not valid UTF-8");
    assert_eq!(fault(&utf16("<a/>", true)[..9]), XmlFault::Undecodable { encoding: "UTF-16" });
    assert_eq!(fault(b"\xFE\xFF\xD8\x00\x00<"), XmlFault::Undecodable { encoding: "UTF-16" });
    assert_eq!(
        fault(b"<?xml version='1.0' encoding='us-ascii'?><a>\xE9</a>"),
        XmlFault::Undecodable { encoding: "US-ASCII" }
    );
}

#[test]
fn encodings_and_versions_that_others_may_read_otherwise_are_refused() {
    for name in ["UTF-7", "Shift_JIS", "windows-1258", "latin1", "EBCDIC-CP-US", "UTF-32", "ISO-8859-16"] {
        let document = format!("<?xml version='1.0' encoding='{name}'?><a/>");
        assert!(matches!(fault(document.as_bytes()), XmlFault::UnsupportedEncoding { .. }), "{name}");
    }
    assert!(matches!(fault(b"<?xml version='1.1'?><a/>"), XmlFault::Version { .. }));
    // UTF-16 must have its mark.
    assert!(XmlDocument::decode(b"<\0a\0/\0>\0").is_err());
}

#[test]
fn malformed_declarations_are_refused() {
    for declaration in [
        "<?xml ?>",
        "<?xml encoding='UTF-8'?>",
        "<?xml version=1.0?>",
        "<?xml version='1.0'encoding='UTF-8'?>",
        "<?xml version='1.0' encoding='-'?>",
        "<?xml version='1.0' encoding=''?>",
        "<?xml version='1.0' standalone='maybe'?>",
        "<?xml version='1.0' standalone='yes' encoding='UTF-8'?>",
        "<?xml version='1.0' other='x'?>",
        "<?xml version='1.0'",
    ] {
        assert_eq!(fault(format!("{declaration}<a/>").as_bytes()), XmlFault::Declaration, "{declaration}");
        assert_eq!(read_by_xmllint(format!("{declaration}<a/>").as_bytes()), None, "{declaration}");
    }
}
