//! PDFs made to hurt: each is refused, or sealed, in little time.

use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Duration;

use cryptotoken_api::KeySpec;
use lopdf::{Object, Stream};
use proptest::prelude::*;
use workers::WorkerError;

use crate::pades::forms;
use crate::pdf::{PAGES, TREE, document, pdf};
use crate::software_key::{SoftwareKey, processor_time};

const CATALOG: &str = "<</Type/Catalog/Pages 2 0 R>>";

fn with_page(page: &str) -> Vec<u8> {
    let [_, second, font, content] = PAGES;
    pdf(&[CATALOG, TREE, page, second, font, content])
}

/// A cross-reference table of a hundred thousand objects that are all the same one.
fn one_object_for_all() -> Vec<u8> {
    let mut file = format!("%PDF-1.7\n1 0 obj\n[{}]\nendobj\n", "0 ".repeat(100_000));
    let start = file.len();
    file.push_str("xref\n0 100000\n0000000000 65535 f \n");
    for _ in 1..100_000 {
        file.push_str("0000000009 00000 n \n");
    }
    write!(file, "trailer\n<</Size 100000/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n").unwrap();
    file.into_bytes()
}

/// Objects inside the strings of other objects, and a field tree that visits them all.
fn one_in_another() -> Vec<u8> {
    let count = 20_000;
    let mut file = format!("%PDF-1.7\n1 0 obj\n{CATALOG}\nendobj\n2 0 obj\n{TREE}\nendobj\n");
    file = file.replace("/Pages 2 0 R", "/Pages 2 0 R/AcroForm<</Fields 3 0 R>>");
    let mut offsets = vec![9, file.find("2 0 obj").unwrap(), file.len()];
    let fields: Vec<String> = (4..count).map(|number| format!("{number} 0 R")).collect();
    write!(file, "3 0 obj\n[{}]\nendobj\n", fields.join(" ")).unwrap();
    for number in 4..count {
        offsets.push(file.len());
        write!(file, "{number} 0 obj\n({}", " ".repeat(100)).unwrap();
    }
    file.push_str(&")".repeat(count));
    let start = file.len();
    write!(file, "xref\n0 {count}\n0000000000 65535 f \n").unwrap();
    for offset in offsets {
        writeln!(file, "{offset:010} 00000 n ").unwrap();
    }
    write!(file, "trailer\n<</Size {count}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n").unwrap();
    file.into_bytes()
}

/// Cross-reference streams inside cross-reference streams, each naming the next.
fn sections_in_sections() -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let start = file.len();
    for number in 1..20_000 {
        // Each is as long as the one before, without a bit.
        let next = file.len() + 120;
        let text = format!("{number} 0 obj<</W[1 4 2]/Size 9/Root 1 0 R/Prev {next}>>stream\n");
        file.extend(format!("{text:120}").as_bytes());
    }
    file.extend([0; 1000]);
    file.extend(format!("endstream\nstartxref\n{start}\n%%EOF\n").as_bytes());
    file
}

/// A cross-reference stream of which every byte is a thousand.
fn bomb() -> Vec<u8> {
    let entries = lopdf::dictionary! {"Type" => "XRef", "Size" => 9, "W" => vec![1.into(), 4.into(), 2.into()]};
    let mut stream = Stream::new(entries, vec![0; 80 << 20]);
    stream.compress().unwrap();
    let mut file = b"%PDF-1.7\n1 0 obj\n".to_vec();
    lopdf::Writer::write_object(&mut file, &Object::Stream(stream)).unwrap();
    file.extend(b"\nendobj\nstartxref\n9\n%%EOF\n");
    file
}

/// A string in the trailer of which every other byte must be escaped when it is written again.
fn string_in_trailer() -> Vec<u8> {
    let file = document("", &[]);
    let place = file.windows(4).rposition(|window| window == b"/ID[").unwrap();
    let string = format!("/X({})", "\\(".repeat(1_000_000));
    [&file[..place], string.as_bytes(), &file[place..]].concat()
}

#[test]
fn hostile_pdfs_are_refused_in_little_time() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000));
    let loops = |catalog: &str, objects: &[&str]| document(catalog, objects);
    let cases = [
        ("deep array", with_page(&format!("<</Type/Page/Parent 2 0 R/Annots{}>>", deep("[", "]"))), "cannot be read"),
        (
            "deep dictionary",
            with_page(&format!("<</Type/Page/Parent 2 0 R/A{}>>", deep("<</A", ">>"))),
            "cannot be read",
        ),
        ("unclosed strings", with_page(&"(".repeat(1_000_000)), "cannot be read"),
        ("page tree that is its own child", with_page("<</Type/Pages/Kids[2 0 R]/Count 1>>"), "cycle"),
        ("references in a ring", loops("/AcroForm 7 0 R", &["8 0 R", "7 0 R"]), ""),
        ("field that is its own child", loops("/AcroForm<</Fields[7 0 R]>>", &["<</T(a)/Kids[7 0 R]>>"]), "twice"),
        ("annotations that are the page", with_page("<</Type/Page/Parent 2 0 R/Annots 3 0 R>>"), ""),
        ("one object for all", one_object_for_all(), "damaged"),
        ("one object in another", one_in_another(), "overlap"),
        ("sections in sections", sections_in_sections(), "overlap"),
        ("bomb", bomb(), "cannot be decoded"),
        ("string in the trailer", string_in_trailer(), ""),
    ];
    for (name, document, expected) in cases {
        let start = processor_time();
        let result = key.sign("kind = \"pades\"", &document);
        let took = processor_time() - start;
        println!("{name}: {took:?} {:?}", result.as_ref().err().map(ToString::to_string));
        match result {
            Ok(_) => assert!(expected.is_empty(), "{name} was sealed"),
            Err(error) => assert!(error.to_string().contains(expected), "{name}: {error}"),
        }
        let seconds = if cfg!(debug_assertions) { 30 } else { 1 };
        assert!(took < Duration::from_secs(seconds), "{name} took {took:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_pdf_is_sealed_or_refused_and_never_a_panic(
        form in 0..FORMS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut document = FORMS[form].clone();
        for (place, byte) in changes {
            let place = place.index(document.len());
            document[place] = byte;
        }
        if cut {
            document.truncate(length.index(document.len()));
        }
        match KEY.sign("kind = \"pades\"", &document) {
            Ok(signed) => prop_assert!(signed.contiguous().starts_with(&document)),
            Err(WorkerError::Pdf(_)) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

static KEY: LazyLock<SoftwareKey> = LazyLock::new(|| SoftwareKey::generate(KeySpec::EcP256));
static FORMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| forms().into_iter().map(|(_, document)| document).collect());
