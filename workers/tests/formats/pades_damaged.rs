//! PDFs whose cross-reference data is damaged: sealed so that every verifier accepts the seal, or refused for what stands in the way.

use cryptotoken_api::KeySpec;
use workers::WorkerError;

use crate::pades::forms;
use crate::pades_verifiers::Samples;
use crate::pdf::{PAGES, TREE, document, pdf, pdftotext};
use crate::software_key::{SoftwareKey, report};

fn last(document: &[u8], text: &str) -> Option<usize> {
    document.windows(text.len()).rposition(|window| window == text.as_bytes())
}

/// With the last of these texts replaced, where it is there at all.
fn replaced(document: &[u8], from: &str, to: &str) -> Option<Vec<u8>> {
    let place = last(document, from)?;
    Some([&document[..place], to.as_bytes(), &document[place + from.len()..]].concat())
}

/// What `startxref` says.
fn section(document: &[u8]) -> usize {
    let place = last(document, "startxref\n").or(last(document, "startxref\r")).unwrap() + 10;
    let digits = document[place..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    String::from_utf8_lossy(&document[place..place + digits]).parse().unwrap()
}

fn with_section(document: &[u8], start: usize) -> Option<Vec<u8>> {
    replaced(document, &section(document).to_string(), &start.to_string())
}

type Damage = fn(&[u8]) -> Option<Vec<u8>>;

/// What happens to files on their way, and what programs get wrong; none where the document has no such part.
const DAMAGES: [(&str, Damage); 13] = [
    ("startxref into nowhere", |document| with_section(document, 17)),
    ("startxref a little off", |document| with_section(document, section(document) - 3)),
    ("startxref beyond the end", |document| with_section(document, 99_999_999)),
    ("no startxref", |document| Some(document[..last(document, "startxref")?].to_vec())),
    ("no mark at the end", |document| replaced(document, "%%EOF", "")),
    ("a byte too many", |document| {
        let place = document.iter().position(|byte| *byte == b'<')?;
        Some([&document[..place], b" ", &document[place..]].concat())
    }),
    ("no end of an object", |document| replaced(document, "endobj", "      ")),
    ("a table that begins with object 1", |document| replaced(document, "xref\n0 ", "xref\n1 ")),
    ("no keyword before the table", |document| replaced(document, "\nxref\n", "\n")),
    ("two kilobytes behind the end", |document| Some([document, &b"\njunk".repeat(400)].concat())),
    ("a section that leads back to itself", |document| {
        replaced(document, "/Root ", &format!("/Prev {}/Root ", section(document)))
    }),
    ("a table that lists a number beyond all", |document| {
        replaced(document, "trailer", "8388608 1\n0000000000 65535 f \ntrailer")
    }),
    ("an earlier section in nowhere", |document| replaced(document, "/Prev ", "/Prev 1")),
];

#[test]
fn every_verifier_accepts_a_seal_on_a_pdf_whose_cross_reference_data_is_damaged() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let mut samples = Samples::new();
    samples.trust(&key);
    // The others differ in what is not damaged here.
    let of_interest = ["cross-reference table", "object streams", "linearized table", "AES-256 with object streams"];
    for (form, document) in forms().into_iter().filter(|(form, _)| of_interest.contains(form)) {
        let text = pdftotext(&document).unwrap();
        for (name, damage) in DAMAGES {
            let Some(damaged) = damage(&document) else { continue };
            let name = format!("{form}, {name}");
            let signed = key.sign("kind = \"pades\"", &damaged).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(signed.contiguous().starts_with(&damaged), "{name}: the document was altered");
            let shown = pdftotext(&signed.contiguous()).unwrap();
            assert_eq!(shown, text, "{name}");
            // Poppler does not open all of them before.
            assert!(pdftotext(&damaged).is_none_or(|before| before == shown), "{name}");
            if name.ends_with("no startxref") {
                samples.add(
                    format!("{name}, two seals"),
                    &key.sign("kind = \"pades\"", &signed.contiguous()).unwrap().contiguous(),
                );
            }
            samples.add(name, &signed.contiguous());
        }
    }
    assert!(samples.names.len() > 35, "{} samples", samples.names.len());
    for tool in ["dss", "pyhanko", "openssl", "pdfsig"] {
        for (name, (verdict, why)) in samples.names.iter().zip(samples.judge(tool)) {
            assert_eq!(verdict, "valid", "{tool} on {name}: {why}");
        }
    }
}

/// A document whose page tree is in an object stream behind so many numbers, and whose cross-reference stream lists next to nothing.
/// Both streams are as `filter` makes them.
fn with_object_stream(numbers: usize, filter: [&'static str; 2]) -> Vec<u8> {
    let mut members: Vec<(usize, String)> = (100..numbers + 100).map(|number| (number, "0".to_owned())).collect();
    let pages = [(1, "<</Type/Catalog/Pages 2 0 R>>"), (2, TREE), (3, PAGES[0]), (4, PAGES[1]), (5, PAGES[2])];
    members.extend(pages.map(|(number, text)| (number, text.to_owned())));
    let (mut index, mut content) = (String::new(), String::new());
    for (number, text) in &members {
        index.push_str(&format!("{number} {} ", content.len()));
        content.push_str(&format!("{text} "));
    }
    let objects = filtered(filter[0], format!("{index}{content}").into_bytes());
    let entries = filtered(filter[1], vec![0; 6]);
    let mut file = format!("%PDF-1.7\n6 0 obj\n{}\nendobj\n7 0 obj\n", PAGES[3]).into_bytes();
    let dictionary = format!("<</Type/ObjStm/N {}/First {}", members.len(), index.len());
    file.extend(stream(&dictionary, filter[0], &objects));
    let section = file.len();
    file.extend(b"8 0 obj\n");
    file.extend(stream("<</Type/XRef/Size 9/W[1 4 1]/Index[8 1]/Root 1 0 R", filter[1], &entries));
    file.extend(format!("startxref\n{section}\n%%EOF\n").into_bytes());
    file
}

fn stream(dictionary: &str, filter: &str, content: &[u8]) -> Vec<u8> {
    let name = if filter.is_empty() { String::new() } else { format!("/Filter/{filter}") };
    let head = format!("{dictionary}{name}/Length {}>>\nstream\n", content.len());
    [head.as_bytes(), content, b"\nendstream\nendobj\n"].concat()
}

/// As Brotli lets octets stand as they are (RFC 7932, 9.2): a window of 64 KiB, one block, and the mark of the end.
fn filtered(filter: &str, content: Vec<u8>) -> Vec<u8> {
    if filter.is_empty() {
        return content;
    }
    let header = ((u32::try_from(content.len()).unwrap() - 1) << 4) | 1 << 20;
    [&header.to_le_bytes()[..3], &content, &[3]].concat()
}

/// More than two octets count.
const LONG: usize = 70_000;

#[test]
fn every_verifier_accepts_a_seal_on_a_damaged_pdf_with_a_long_object_stream() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let mut samples = Samples::new();
    samples.trust(&key);
    let damaged = with_object_stream(LONG, ["", ""]);
    let signed = key.sign("kind = \"pades\"", &damaged).unwrap();
    assert!(pdftotext(&signed.contiguous()).unwrap().contains("Invoice 2026-1"));
    samples.add("one seal".to_owned(), &signed.contiguous());
    let twice = key.sign("kind = \"pades\"", &signed.contiguous()).unwrap();
    samples.add("two seals".to_owned(), &twice.contiguous());
    for tool in ["dss", "pyhanko", "openssl", "pdfsig", "qpdf"] {
        for (name, (verdict, why)) in samples.names.iter().zip(samples.judge(tool)) {
            assert_eq!(verdict, "valid", "{tool} on {name}: {why}");
        }
    }
}

#[test]
fn every_verifier_accepts_a_seal_on_a_pdf_whose_cross_reference_stream_ends_before_the_page_tree() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let mut samples = Samples::new();
    samples.trust(&key);
    let whole = document("", &[]);
    let mut damaged = whole[..last(&whole, "xref\n0").unwrap()].to_vec();
    let section = damaged.len();
    let catalog = last(&whole, "1 0 obj").unwrap();
    // Object 0, which is free, and the catalog; the program that decodes it stops there.
    let entries = format!("0000000001{catalog:06X}");
    let dictionary = "<</Type/XRef/Size 8/W[1 3 0]/Index[0 8]/Root 1 0 R/Filter/ASCIIHexDecode";
    let stream = format!("7 0 obj\n{dictionary}/Length {}>>\nstream\n{entries}\nendstream\nendobj\n", entries.len());
    damaged.extend(format!("{stream}startxref\n{section}\n%%EOF\n").into_bytes());
    let signed = key.sign("kind = \"pades\"", &damaged).unwrap();
    assert!(signed.contiguous().starts_with(&damaged));
    assert_eq!(pdftotext(&signed.contiguous()), pdftotext(&whole));
    samples.add("hexadecimal".to_owned(), &signed.contiguous());
    for tool in ["dss", "pyhanko", "openssl", "pdfsig"] {
        for (verdict, why) in samples.judge(tool) {
            assert_eq!(verdict, "valid", "{tool}: {why}");
        }
    }
}

#[test]
fn what_only_brotli_tells_is_no_part_of_a_document_for_most_readers() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    // Found all the same, so every reader shows it from then on.
    let signed = key.sign("kind = \"pades\"", &with_object_stream(3, ["", "BrotliDecode"])).unwrap();
    assert!(pdftotext(&signed.contiguous()).unwrap().contains("Invoice 2026-1"));
    let mut samples = Samples::new();
    samples.trust(&key);
    samples.add("a cross-reference stream".to_owned(), &signed.contiguous());
    for tool in ["dss", "pyhanko", "openssl", "pdfsig", "qpdf"] {
        for (verdict, why) in samples.judge(tool) {
            assert_eq!(verdict, "valid", "{tool}: {why}");
        }
    }
    let Err(WorkerError::Pdf(refusal)) = key.sign("kind = \"pades\"", &with_object_stream(3, ["BrotliDecode"; 2]))
    else {
        panic!("sealed although most readers find no page in it");
    };
    let refusal = refusal.to_string();
    assert!(refusal.contains("object stream 7 cannot be read"), "{refusal}");
    assert!(refusal.contains("cannot be decoded"), "{refusal}");
}

#[test]
fn where_readers_could_find_different_documents_the_defect_is_named() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let refused = |document: &[u8]| match key.sign("kind = \"pades\"", document) {
        Err(WorkerError::Pdf(refusal)) => refusal.to_string(),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was sealed"),
    };
    let whole = document("", &[]);
    let text = String::from_utf8_lossy(&whole).into_owned();
    let table = last(&whole, "xref\n0").unwrap();
    let signed = key.sign("kind = \"pades\"", &whole).unwrap().contiguous().into_owned();
    let second_page = format!("4 0 obj\n{}\nendobj\n", PAGES[0]);
    let [_, _, font, content] = PAGES;
    let two_catalogs = pdf(&[
        "<</Type/Catalog/Pages 2 0 R>>",
        TREE,
        PAGES[0],
        PAGES[1],
        font,
        content,
        "<</Type/Catalog/Pages 2 0 R>>",
    ]);
    let inner = "BT /F1 24 Tf 72 700 Td (Invoice 2026-2) Tj ET";
    // In the last object, which is more than what readers find in it.
    let within = |text: &str| {
        let stream = format!("<</Length {}>>\nstream\n{text}\nendstream", text.len());
        with_section(&document("", &[&stream]), 17).unwrap()
    };
    let cases = [
        (within(&format!("\n6 0 obj\n<</Length 46>>\nstream\n{inner}\n")), "only some readers take for an object"),
        (
            within(&format!("{}6 0 obj<</Length 46>>stream {inner}", "a ".repeat(99))),
            "only some readers take for an object",
        ),
        (within("\ntrailer <</Root 7 0 R>>\n"), "only some readers take for a trailer"),
        (with_section(&document("", &["(\n6 0 obj null)"]), 17).unwrap(), "only some readers take for an object"),
        (
            with_section(&replaced(&whole, "\nxref", "\n%6 0 obj null\nxref").unwrap(), 17).unwrap(),
            "only some readers take for an object",
        ),
        (
            with_section(&replaced(&whole, "\nxref", "\n8400000 0 obj\n(image)\nendobj\nxref").unwrap(), 17).unwrap(),
            "object numbers beyond 8388607",
        ),
        (with_section(&signed, 17).unwrap(), "is signed, and its cross-reference data is damaged"),
        (whole[..last(&whole, "endstream").unwrap()].to_vec(), "cut off: it ends within object 6"),
        (
            format!("{}{second_page}", text.replace("5 0 obj", "5 0 obx")).into_bytes(),
            "object 4 is defined several times",
        ),
        (
            format!("{}trailer<</Root 2 0 R>>\ntrailer<</Root 1 0 R>>", &text[..table]).into_bytes(),
            "different catalogs",
        ),
        (format!("{}trailer<</Root 2 0 R>>", &text[..table]).into_bytes(), "is not there"),
        (two_catalogs[..last(&two_catalogs, "xref\n0").unwrap()].to_vec(), "several catalogs"),
        (whole[..last(&whole, "4 0 obj").unwrap()].to_vec(), "page object 4 is missing"),
        (whole[..last(&whole, "6 0 obj").unwrap()].to_vec(), "object 6, what is on a page, is missing"),
        (text[..last(&whole, "2 0 obj").unwrap()].replace("/Catalog", "/Catalan").into_bytes(), "it has no catalog"),
        (
            format!("{}{}", &text[..table], "7 0 obj<</Filter/Standard/V 1/O()/U()/P -4>>endobj").into_bytes(),
            "encrypted",
        ),
        (
            format!(
                "{}{}",
                &text[..table],
                "8 0 obj<</Type/ObjStm/N 2/First 8/Length 14>>stream\n7 0 8 3 (a)(b)\nendstream endobj"
            )
            .into_bytes(),
            "object stream 8 is another object too",
        ),
    ];
    for (document, expected) in cases {
        let message = refused(&document);
        assert!(message.contains(expected), "expected \"{expected}\": {message}");
    }
}

#[test]
fn every_verifier_rejects_a_changed_byte_in_a_seal_that_repaired_its_document() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let mut samples = Samples::new();
    samples.trust(&key);
    let of_interest = ["cross-reference table", "object streams"];
    for (form, document) in forms().into_iter().filter(|(form, _)| of_interest.contains(form)) {
        for (name, damage) in DAMAGES.iter().filter(|(name, _)| name.starts_with("no ") || name.ends_with("nowhere")) {
            let Some(damaged) = damage(&document) else { continue };
            let signed = key.sign("kind = \"pades\"", &damaged).unwrap().contiguous().into_owned();
            let contents = last(&signed, "/Contents <").unwrap() + "/Contents <".len();
            let end = contents + signed[contents..].iter().position(|byte| *byte == b'>').unwrap();
            let zeros = signed[contents..end].iter().rev().take_while(|digit| **digit == b'0').count();
            // All over the document and the update; of the CMS what is at its end, the value of the signature.
            let outside = (0..contents).chain(end..signed.len()).step_by((signed.len() - (end - contents)) / 16);
            for place in outside.chain([end - zeros - 9]) {
                let mut changed = signed.clone();
                changed[place] ^= 0x01;
                samples.add(format!("{form}, {name}: byte {place} of {}", signed.len()), &changed);
            }
        }
    }
    assert!(samples.names.len() > 100, "{} samples", samples.names.len());
    let judged = std::thread::scope(|scope| {
        let samples = &samples;
        let judges =
            ["dss", "pyhanko", "openssl", "pdfsig"].map(|tool| scope.spawn(move || (tool, samples.judge(tool))));
        judges.map(|judge| judge.join().unwrap())
    });
    for (tool, verdicts) in judged {
        for (name, (verdict, why)) in samples.names.iter().zip(verdicts) {
            assert_eq!(verdict, "invalid", "{tool} on {name}: {why}");
        }
    }
    report(&format!("{} files with a changed byte, all rejected by all", samples.names.len()));
}
