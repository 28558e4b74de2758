//! PDFs made to hurt: each is refused, or sealed, in little time.

use std::time::{Duration, Instant};

use cryptotoken_api::KeySpec;
use lopdf::{Object, Stream};

use crate::pdf::{PAGES, TREE, document, pdf};
use crate::software_key::SoftwareKey;

const CATALOG: &str = "<</Type/Catalog/Pages 2 0 R>>";

fn with_page(page: &str) -> Vec<u8> {
    let [_, second, font, content] = PAGES;
    pdf(&[CATALOG, TREE, page, second, font, content])
}

/// An object stream of which every byte is a hundred thousand.
fn bomb() -> Vec<u8> {
    let mut stream = Stream::new(lopdf::dictionary! {"Type" => "ObjStm", "N" => 1, "First" => 4}, vec![b' '; 80 << 20]);
    stream.compress().unwrap();
    let mut text = Vec::new();
    lopdf::Writer::write_object(&mut text, &Object::Stream(stream)).unwrap();
    let mut file = b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n3 0 obj\n".to_vec();
    file.extend(&text);
    file.extend(b"\nendobj\n");
    let start = file.len();
    let table = "xref\n0 2\n0000000000 65535 f \n0000000009 00000 n \n3 1\n0000000053 00000 n \n";
    file.extend(format!("{table}trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n").as_bytes());
    file
}

#[test]
fn hostile_pdfs_are_refused_in_little_time() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000));
    let loops = |catalog: &str, objects: &[&str]| document(catalog, objects);
    let cases = [
        ("deep array", with_page(&format!("<</Type/Page/Parent 2 0 R/Annots{}>>", deep("[", "]"))), "damaged"),
        ("deep dictionary", with_page(&format!("<</Type/Page/Parent 2 0 R/A{}>>", deep("<</A", ">>"))), "damaged"),
        ("unclosed strings", with_page(&"(".repeat(1_000_000)), "damaged"),
        ("page tree that is its own child", with_page("<</Type/Pages/Kids[2 0 R]/Count 1>>"), "cycle"),
        ("references in a ring", loops("/AcroForm 7 0 R", &["8 0 R", "7 0 R"]), ""),
        ("field that is its own child", loops("/AcroForm<</Fields[7 0 R]>>", &["<</T(a)/Kids[7 0 R]>>"]), "twice"),
        ("annotations that are the page", with_page("<</Type/Page/Parent 2 0 R/Annots 3 0 R>>"), "malformed"),
        ("bomb", bomb(), "too large"),
    ];
    for (name, document, expected) in cases {
        let start = Instant::now();
        let result = key.sign("kind = \"pades\"", &document);
        let took = start.elapsed();
        println!("{name}: {took:?} {:?}", result.as_ref().err().map(ToString::to_string));
        match result {
            Ok(_) => assert!(expected.is_empty(), "{name} was sealed"),
            Err(error) => assert!(error.to_string().contains(expected), "{name}: {error}"),
        }
        assert!(took < Duration::from_secs(20), "{name} took {took:?}");
    }
}
