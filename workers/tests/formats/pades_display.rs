//! PDFs that readers could take for different documents: what poppler shows is the same before and after the seal, or there is none.

use std::collections::BTreeMap;
use std::process::Command;

use cryptotoken_api::KeySpec;

use crate::software_key::{SoftwareKey, run};

const CATALOG: &str = "<</Type/Catalog/Pages 2 0 R>>";
const CATALOG_OF_FORM: &str = "<</Type/Catalog/Pages 2 0 R/AcroForm 5 0 R>>";
const PAGES: &str = "<</Type/Pages/Count 1/Kids[6 0 R]>>";
const FIELD: &str = "<</Type/Annot/Subtype/Widget/F 4/FT/Tx/T(amount)/V(100 EUR)/Rect[10 10 200 30]>>";
const FONT: &str = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>";
const FORM: &str = "<</Fields[7 0 R]/DR<</Font<</F1 8 0 R>>>>/DA(/F1 12 Tf 0 g)>>";

fn stream(dictionary: &str, content: &str) -> String {
    format!("<<{dictionary}/Length {}>>\nstream\n{content}\nendstream", content.len())
}

fn page(parent: u32, content: u32, more: &str) -> String {
    let resources = "/Resources<</Font<</F1 8 0 R>>>>";
    format!("<</Type/Page/Parent {parent} 0 R/MediaBox[0 0 400 100]{resources}/Contents {content} 0 R{more}>>")
}

fn text(text: &str) -> String {
    stream("", &format!("BT /F1 12 Tf 10 50 Td ({text}) Tj ET"))
}

/// A file of these objects, of which the first of each number is listed, and of `/Prev` where the section itself is.
fn ring(objects: &[(u32, String)]) -> Vec<u8> {
    let (mut file, mut offsets) = ("%PDF-1.7\n".to_owned(), BTreeMap::new());
    for (number, object) in objects {
        offsets.entry(*number).or_insert(file.len());
        file += &format!("{number} 0 obj\n{object}\nendobj\n");
    }
    let start = file.len();
    file += "xref\n0 1\n0000000000 65535 f \n";
    for (number, offset) in &offsets {
        file += &format!("{number} 1\n{offset:010} 00000 n \n");
    }
    file += &format!("trailer\n<</Size 100/Root 1 0 R/Prev {start}>>\nstartxref\n{start}\n%%EOF\n");
    file.into_bytes()
}

/// A file of these objects, and of one that is in object stream 4 at this place, as a cross-reference stream says.
fn compressed(objects: &[(u32, String)], (number, place): (u32, u8)) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let offset = |file: &Vec<u8>| u16::try_from(file.len()).unwrap().to_be_bytes();
    let mut rows = BTreeMap::from([(0, [0, 0, 0, 0xff]), (number, [2, 0, 4, place])]);
    for (number, object) in objects {
        let [high, low] = offset(&file);
        rows.insert(*number, [1, high, low, 0]);
        file.extend(format!("{number} 0 obj\n{object}\nendobj\n").as_bytes());
    }
    let start = file.len();
    let [high, low] = offset(&file);
    rows.insert(19, [1, high, low, 0]);
    let index: String = rows.keys().map(|number| format!("{number} 1 ")).collect();
    let content: Vec<u8> = rows.into_values().flatten().collect();
    let dictionary = format!("/Type/XRef/Size 20/W[1 2 1]/Index[{index}]/Root 1 0 R/Length {}", content.len());
    file.extend(format!("19 0 obj\n<<{dictionary}>>\nstream\n").as_bytes());
    file.extend(content);
    file.extend(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n").as_bytes());
    file
}

/// A document whose form is in this object stream.
fn form(object_stream: String, more: &[(u32, String)]) -> Vec<u8> {
    let mut objects = vec![
        (1, CATALOG_OF_FORM.to_owned()),
        (2, PAGES.to_owned()),
        (4, object_stream),
        (6, page(2, 9, "/Annots[7 0 R]")),
        (7, FIELD.to_owned()),
        (8, FONT.to_owned()),
        (9, text("form")),
    ];
    objects.extend_from_slice(more);
    compressed(&objects, (5, 0))
}

fn documents() -> Vec<(&'static str, Vec<u8>)> {
    let other = CATALOG.replace('2', "3");
    let head = format!("1 0 1 {} ", CATALOG.len() + 1);
    let twice = [
        (2, PAGES.to_owned()),
        (3, PAGES.replace('6', "7")),
        (4, stream(&format!("/Type/ObjStm/N 2/First {}", head.len()), &format!("{head}{CATALOG} {other}"))),
        (6, page(2, 9, "")),
        (7, page(3, 10, "")),
        (8, FONT.to_owned()),
        (9, text("FIRST")),
        (10, text("SECOND")),
    ];
    let defined_again = [
        (1, CATALOG.to_owned()),
        (2, PAGES.to_owned()),
        (6, page(2, 9, "")),
        (8, FONT.to_owned()),
        (9, text("LISTED")),
        (9, text("NOT LISTED")),
    ];
    let hexadecimal: String = format!("5 0 {FORM}").bytes().map(|octet| format!("{octet:02x}")).collect();
    let filtered = stream("/Type/ObjStm/N 1/First 4/Filter 11 0 R", &format!("{hexadecimal}>"));
    let with_end = FORM.replace("/DA", "/X(endstream)/DA");
    let blank = stream("/Type/ObjStm/N 1/First 4", &format!("5 0 {with_end}"));
    let blank = blank.replace("\nendstream", &format!("{}\nendstream", " ".repeat(70)));
    let long = FORM.replace("/DA", &format!("/X/{}/DA", "a".repeat(70_000)));
    vec![
        ("the first of two catalogs in an object stream", compressed(&twice, (1, 0))),
        ("the second of two catalogs in an object stream", compressed(&twice, (1, 1))),
        ("an object defined again, in a ring of sections", ring(&defined_again)),
        ("a filter in an object of its own", form(filtered, &[(11, "/ASCIIHexDecode".to_owned())])),
        ("much white space after a stream", form(blank, &[])),
        ("a comment in an object stream", form(stream("/Type/ObjStm/N 1/First 9", &format!("%ab\n5 0  {FORM}")), &[])),
        ("a form with a name of 70,000 octets", long_name(&long)),
    ]
}

/// In a file whose offsets need more than two octets.
fn long_name(form: &str) -> Vec<u8> {
    let mut objects = vec![
        (1, CATALOG_OF_FORM.to_owned()),
        (2, PAGES.to_owned()),
        (6, page(2, 9, "/Annots[7 0 R]")),
        (7, FIELD.to_owned()),
        (8, FONT.to_owned()),
        (9, text("form")),
    ];
    objects.push((5, form.to_owned()));
    let ring = String::from_utf8(ring(&objects)).unwrap();
    let start = ring.rfind("/Prev ").unwrap();
    let end = start + ring[start..].find(">>").unwrap();
    [&ring[..start], &ring[end..]].concat().into_bytes()
}

/// What poppler shows of the page.
fn shown(document: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("document.pdf");
    std::fs::write(&path, document).unwrap();
    run(Command::new("pdftotext").arg(path).arg("-")).unwrap_or_else(|output| panic!("{output}"))
}

#[test]
fn a_seal_does_not_change_which_of_two_documents_readers_show() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let mut wrong = Vec::new();
    for (name, document) in documents() {
        let before = shown(&document);
        assert!(!before.trim().is_empty(), "{name} shows nothing, so nothing is seen here");
        match key.sign("kind = \"pades\"", &document) {
            Ok(signed) => {
                let after = shown(&signed.segments.concat());
                crate::software_key::report(&format!("{name}: sealed"));
                if after != before {
                    wrong.push(format!("{name}: {before:?} became {after:?}"));
                }
            }
            Err(error) => crate::software_key::report(&format!("{name}: refused: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
