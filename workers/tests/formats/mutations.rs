//! Damaged documents: each is refused, or sealed so that foreign tools accept the seal; nothing panics.
//!
//! A few hundred of each format by default; `SIGILLO_MUTATIONS` says how many, `SIGILLO_MUTATIONS_SEED` where to begin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cryptotoken_api::KeySpec;
use workers::WorkerError;

use crate::pades::forms;
use crate::pdf::{LAST, PAGES, TREE, pdf, pdfsig, qpdf_check};
use crate::software_key::{SoftwareKey, run};

/// A small generator (xorshift64*), so that every run damages alike.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % bound.max(1)
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

fn fixtures(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Changes some places: a byte, a token in place of as many bytes, a token inserted, bytes taken out or doubled.
fn damage(random: &mut Random, mut document: Vec<u8>, tokens: &[&str]) -> Vec<u8> {
    for _ in 0..=random.below(3) {
        let place = random.below(document.len());
        let token = random.one_of(tokens).as_bytes();
        let end = (place + token.len()).min(document.len());
        match random.below(8) {
            0 | 1 => document[place] = u8::try_from(random.below(256)).unwrap(),
            2 => document[place] ^= 1 << random.below(8),
            3 | 4 => document[place..end].copy_from_slice(&token[..end - place]),
            5 => drop(document.splice(place..place, token.iter().copied())),
            6 => drop(document.drain(place..end)),
            _ => {
                let piece = document[place..(place + 1 + random.below(40)).min(document.len())].to_vec();
                document.splice(place..place, piece);
            }
        }
    }
    document
}

const PDF_TOKENS: [&str; 36] = [
    "null",
    "[]",
    "<<>>",
    "0",
    "1",
    "-1",
    "65535",
    "9999999999",
    "1 0 R",
    "2 0 R",
    "3 0 R",
    "7 0 R",
    "8 1 R",
    "/Kids",
    "/Type/Page",
    "/Type/Pages",
    "/Annots",
    "/AcroForm",
    "/Fields",
    "/Prev 0",
    "/XRefStm 9",
    "/Size 3",
    "%",
    "(",
    ")",
    "<",
    ">>",
    "]",
    "\0",
    "\r",
    "#41",
    "endobj",
    "stream",
    "endstream",
    "trailer",
    "xref",
];

/// Objects damaged before the file is written, so that all offsets are right.
fn damaged_objects(random: &mut Random) -> Vec<u8> {
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm 7 0 R/Perms<<>>>>".to_owned();
    let page = "<</Type/Page/Parent 2 0 R/Annots 8 0 R/Resources<</Font<</F1 5 0 R>>>>/Contents 6 0 R>>".to_owned();
    let [_, second, font, content] = PAGES.map(str::to_owned);
    let form = "<</Fields[9 0 R 10 0 R]/DA(/Helv 0 Tf 0 g)/SigFlags 1>>".to_owned();
    let field = |name: &str, kind: &str| {
        format!("<</Type/Annot/Subtype/Widget/FT/{kind}/T({name})/Rect[10 10 90 30]/F 4/P 3 0 R>>")
    };
    let annotations = "[9 0 R 10 0 R]".to_owned();
    let (text, empty) = (field("name", "Tx"), field("seal", "Sig"));
    let mut objects = vec![catalog, TREE.to_owned(), page, second, font, content, form, annotations, text, empty];
    for _ in 0..=random.below(2) {
        let number = random.below(objects.len());
        // The content stream would only be broken.
        if number != 5 {
            let damaged = damage(random, objects[number].clone().into_bytes(), &PDF_TOKENS);
            objects[number] = String::from_utf8_lossy(&damaged).into_owned();
        }
    }
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    pdf(&objects)
}

#[test]
fn a_damaged_pdf_is_refused_or_sealed_so_that_poppler_and_qpdf_accept_it() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let mut originals: Vec<Vec<u8>> = forms().into_iter().map(|(_, document)| document).collect();
    originals.extend(fixtures("pdf"));
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before.pdf"), folder.path().join("after.pdf"));
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let seed = setting("SIGILLO_MUTATIONS_SEED", 0);
    for number in seed..seed + setting("SIGILLO_MUTATIONS", 600) {
        let mut random = Random((number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let document = match random.below(2) {
            0 => damaged_objects(&mut random),
            _ => {
                let original = random.one_of(&originals).clone();
                damage(&mut random, original, &PDF_TOKENS)
            }
        };
        let definition = *random.one_of(&["kind = \"pades\"", "kind = \"pades\"\nfield = \"seal\""]);
        let start = Instant::now();
        let result = key.sign(definition, &document);
        assert!(start.elapsed() < Duration::from_secs(10), "number {number} took {:?}", start.elapsed());
        let outcome = match result {
            Err(WorkerError::Pdf(_)) => "refused".to_owned(),
            Err(error) => panic!("number {number}: {error}"),
            Ok(signed) => {
                std::fs::write(&before, &document).unwrap();
                std::fs::write(&after, signed.contiguous()).unwrap();
                let intact = |file: &Path| pdfsig(file).iter().filter(|verdict| verdict.intact).count();
                let accepted = pdfsig(&after).contains(&LAST) && intact(&after) == intact(&before) + 1;
                let clean = qpdf_check(&after).is_ok() || qpdf_check(&before).is_err();
                if let Some(keep) = std::env::var_os("SIGILLO_MUTATIONS_KEEP").filter(|_| !accepted || !clean) {
                    std::fs::copy(&before, Path::new(&keep).join(format!("{number}-before.pdf"))).unwrap();
                    std::fs::copy(&after, Path::new(&keep).join(format!("{number}-after.pdf"))).unwrap();
                }
                match (accepted, clean) {
                    (true, true) => "accepted".to_owned(),
                    (accepted, clean) => {
                        println!("number {number}: poppler {accepted}, qpdf {clean}");
                        "REJECTED".to_owned()
                    }
                }
            }
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{outcomes:?}");
    assert!(!outcomes.contains_key("REJECTED"), "{outcomes:?}");
    assert!(outcomes.len() == 2, "both must occur, or nothing is tested: {outcomes:?}");
}

const XML_TOKENS: [&str; 34] = [
    "<a>",
    "</a>",
    "<a/>",
    "&amp;",
    "&#13;",
    "&#x9;",
    "&#10;",
    "<!-- c -->",
    "<?p i?>",
    "<![CDATA[x]]>",
    " xmlns=\"\"",
    " xmlns:a=\"urn:a\"",
    " xmlns=\"urn:b\"",
    " xml:space=\"preserve\"",
    " xml:id=\" x  y\"",
    " Id='a'",
    "\r",
    "\r\n",
    "\t",
    "\u{85}",
    "\u{2028}",
    "\u{e9}",
    "\u{1F600}",
    "]]>",
    "\"",
    "'",
    ">",
    "=",
    " ",
    "\u{FEFF}",
    "xml:",
    "&lt;",
    " a:b='\n'",
    "\u{FFFD}",
];

#[test]
fn damaged_xml_is_refused_or_sealed_so_that_xmlsec1_accepts_it() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let originals = fixtures("xml");
    let folder = tempfile::tempdir().unwrap();
    key.write_certificates(folder.path());
    let file = folder.path().join("signed.xml");
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    let seed = setting("SIGILLO_MUTATIONS_SEED", 0);
    for number in seed..seed + setting("SIGILLO_MUTATIONS", 600) {
        let mut random = Random((number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let original = random.one_of(&originals).clone();
        let document = damage(&mut random, original, &XML_TOKENS);
        let outcome = match key.sign("kind = \"xades\"", &document) {
            Err(WorkerError::Xml(_)) => "refused",
            Err(error) => panic!("number {number}: {error}"),
            Ok(signed) => {
                std::fs::write(&file, signed.contiguous()).unwrap();
                let mut command = Command::new("xmlsec1");
                command.args(["--verify", "--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]);
                command.args(["--node-xpath", "(//*[local-name()='Signature'])[last()]"]);
                command.arg("--trusted-pem").arg(folder.path().join("root.pem")).arg(&file);
                match run(&mut command) {
                    Ok(output) if output.contains("SignedInfo References (ok/all): 2/2") => "accepted",
                    Ok(output) | Err(output) => {
                        println!("number {number}: {output}");
                        if let Some(keep) = std::env::var_os("SIGILLO_MUTATIONS_KEEP") {
                            std::fs::copy(&file, Path::new(&keep).join(format!("{number}.xml"))).unwrap();
                        }
                        "REJECTED"
                    }
                }
            }
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{outcomes:?}");
    assert!(!outcomes.contains_key("REJECTED"), "{outcomes:?}");
    assert!(outcomes.len() == 2, "both must occur, or nothing is tested: {outcomes:?}");
}
