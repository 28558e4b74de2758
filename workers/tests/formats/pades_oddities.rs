//! PDFs that are odd and that readers take all the same: sealed so that every verifier accepts it that can read the document.

use cryptotoken_api::KeySpec;

use crate::pades_corpus::{Case, judge};
use crate::pades_verifiers::Samples;
use crate::pdf::{PAGES, TREE, document, pdf, pdftotext, qpdf};
use crate::software_key::SoftwareKey;

/// Name, document, and what pyHanko says where it cannot read that.
fn odd() -> [(&'static str, Vec<u8>, &'static str); 7] {
    let plain = document("", &[]);
    let streams = qpdf(&plain, &["--object-streams=generate"]);
    [
        ("an encryption that is null", replaced(&plain, "/Root", "/Encrypt null/Root"), "n/a"),
        ("filters by the names of inline images", replaced(&streams, "/FlateDecode", "/Fl         "), "valid"),
        ("crypt filters in objects of their own", filters_apart(), "n/a"),
        ("encrypted, without an identifier", without_identifier(), "n/a"),
        ("a form field that is listed twice", document(TWICE, &["<</FT/Tx/T(a)/V(Invoice)>>"]), "valid"),
        (
            "a form field in two places",
            document(TWO_PLACES, &[PARENT, "<</FT/Tx/T(b)/V(Invoice)/Parent 7 0 R>>"]),
            "valid",
        ),
        ("a structure tree that is malformed", document("/StructTreeRoot 7 0 R", &[MALFORMED_TREE]), "valid"),
    ]
}

const TWICE: &str = "/AcroForm<</Fields[7 0 R 7 0 R]>>";
const TWO_PLACES: &str = "/AcroForm<</Fields[7 0 R 8 0 R]>>";
const PARENT: &str = "<</T(a)/Kids[8 0 R]>>";
/// A name without its solidus, as people write who make PDFs by hand.
const MALFORMED_TREE: &str = "<</Type/StructTreeRoot/K[<</Type OBJR/Obj 3 0 R>>]>>";

fn replaced(document: &[u8], from: &str, to: &str) -> Vec<u8> {
    let pieces: Vec<&[u8]> = split(document, from.as_bytes());
    assert!(pieces.len() > 1, "it has no {from}");
    pieces.join(to.as_bytes())
}

fn split<'d>(mut document: &'d [u8], separator: &[u8]) -> Vec<&'d [u8]> {
    let mut pieces = Vec::new();
    while let Some(place) = document.windows(separator.len()).position(|window| window == separator) {
        pieces.push(&document[..place]);
        document = &document[place + separator.len()..];
    }
    pieces.push(document);
    pieces
}

/// The crypt filters of qpdf's encryption, moved into an update.
fn filters_apart() -> Vec<u8> {
    let encrypted = qpdf(&document("", &[]), &["--encrypt", "", "owner", "256", "--"]);
    let direct = "/CF << /StdCF << /AuthEvent /DocOpen /CFM /AESV3 /Length 32 >> >>";
    let mut file = replaced(&encrypted, direct, &format!("{:1$}", "/CF 90 0 R", direct.len()));
    let text = String::from_utf8_lossy(&encrypted).into_owned();
    let (_, trailer) = text.rsplit_once("trailer << ").unwrap();
    let (trailer, start) = trailer.split_once(" >>\nstartxref\n").unwrap();
    let start = start.lines().next().unwrap();
    let filters = file.len();
    file.extend(b"90 0 obj\n<</StdCF 91 0 R>>\nendobj\n");
    let filter = file.len();
    file.extend(b"91 0 obj\n<</AuthEvent/DocOpen/CFM/AESV3/Length 32>>\nendobj\n");
    let section = file.len();
    let table = format!("xref\n90 2\n{filters:010} 00000 n \n{filter:010} 00000 n \n");
    // The rest of the trailer as it was.
    let trailer =
        trailer.split_once("/Size ").map(|(before, after)| (before, after.trim_start_matches(char::is_numeric)));
    let (before, after) = trailer.unwrap();
    let trailer = format!("trailer << {before}/Size 92 /Prev {start}{after} >>\nstartxref\n{section}\n%%EOF\n");
    file.extend(format!("{table}{trailer}").into_bytes());
    file
}

/// RC4 of 40 bits; the key of the empty password, and `/U`, are derived without an identifier (ISO 32000-2, 7.6.4.3 and 7.6.4.4).
fn without_identifier() -> Vec<u8> {
    let owner = "55".repeat(32);
    let user = "0b0582e862b7c49b1ef19e85976ddbae42efabce73bb4762d54b6dd535a8b89a";
    let encryption = format!("<</Filter/Standard/V 1/R 2/P -4/O<{owner}>/U<{user}>>>");
    // Nothing in it is a string or a stream.
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 200 200]>>",
        "<</Type/Page/Parent 2 0 R>>",
        &encryption,
    ];
    let file = pdf(&objects);
    let identifier = "<00112233445566778899AABBCCDDEEFF>".repeat(2);
    replaced(&file, &format!("/ID[{identifier}]"), "/Encrypt 4 0 R")
}

#[test]
fn every_verifier_that_reads_an_odd_document_accepts_the_seal_on_it() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let folder = tempfile::tempdir().unwrap();
    key.write_certificates(folder.path());
    let cases = odd().map(|(name, document, of_pyhanko)| {
        let signed = key.sign("kind = \"pades\"", &document).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(signed.contiguous().starts_with(&document), "{name}");
        assert_eq!(pdftotext(&document).unwrap(), pdftotext(&signed.contiguous()).unwrap(), "{name}");
        let path = |when: &str| folder.path().join(format!("{name}-{when}.pdf"));
        let (before, after) = (path("before"), path("after"));
        std::fs::write(&before, &document).unwrap();
        std::fs::write(&after, signed.contiguous()).unwrap();
        (Case { name: name.to_owned(), before, password: None, sealed: Ok(after) }, of_pyhanko)
    });
    let of_pyhanko = cases.each_ref().map(|(_, verdict)| *verdict);
    let cases = cases.map(|(case, _)| case);
    for tool in ["pyhanko", "pdfsig", "dss"] {
        let verdicts = judge(tool, &folder.path().join("root.pem"), &cases);
        for (case, of_pyhanko) in cases.iter().zip(of_pyhanko) {
            let (verdict, why) = &verdicts[case.sealed.as_ref().unwrap()];
            let expected = if tool == "pyhanko" { of_pyhanko } else { "valid" };
            assert_eq!(verdict, expected, "{tool} on {}: {why}", case.name);
        }
    }
}

#[test]
fn a_signature_field_or_a_branch_in_two_places_is_refused() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let branches = [
        (PARENT, "<</FT/Sig/T(b)/Parent 7 0 R>>"),
        ("<</FT/Sig/T(a)/Kids[8 0 R]>>", "<</T(b)/Parent 7 0 R>>"),
        (PARENT, "<</FT/Tx/T(b)/Kids[9 0 R]/Parent 7 0 R>>"),
        // One that is its own parent: pyHanko reads no signature in a document with such a form.
        ("<</FT/Tx/T(a)/Kids[7 0 R]>>", "<</FT/Tx/T(b)>>"),
    ];
    for (first, second) in branches {
        let odd = document(TWO_PLACES, &[first, second, "<</FT/Tx/T(c)/Parent 8 0 R>>"]);
        let refused = key.sign("kind = \"pades\"", &odd).unwrap_err().to_string();
        assert!(refused.contains("occurs twice in the field tree"), "{first}{second}: {refused}");
    }
}

#[test]
fn every_verifier_accepts_a_seal_that_is_seen_on_a_document_whose_structure_tree_is_malformed() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let visible = "kind = \"pades\"\n[appearance]\ntext = \"Sealed\"";
    let mut samples = Samples::new();
    samples.trust(&key);
    let odd = document("/MarkInfo<</Marked true>>/StructTreeRoot 7 0 R", &[MALFORMED_TREE]);
    let signed = key.sign(visible, &odd).unwrap();
    assert!(pdftotext(&signed.contiguous()).unwrap().contains("Sealed"));
    samples.add("a malformed structure tree".to_owned(), &signed.contiguous());
    for tool in ["dss", "pyhanko", "openssl", "pdfsig"] {
        for (verdict, why) in samples.judge(tool) {
            assert_eq!(verdict, "valid", "{tool}: {why}");
        }
    }
}

#[test]
fn a_seal_is_seen_on_its_page_alone_where_pages_share_their_list_of_annotations() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let visible = "kind = \"pades\"\n[appearance]\npage = 2\ntext = \"Sealed\"";
    let [first, second] = [PAGES[0], PAGES[1]].map(|page| page.replace("/Contents", "/Annots 7 0 R/Contents"));
    let shared = |list: &str| {
        let catalog = "<</Type/Catalog/Pages 2 0 R>>";
        pdf(&[catalog, TREE, &first, &second, PAGES[2], PAGES[3], list, "<</Subtype/Link/Rect[9 9 19 19]>>"])
    };
    let mut samples = Samples::new();
    samples.trust(&key);
    for list in ["[]", "[8 0 R]"] {
        let plain = shared(list);
        for document in [qpdf(&plain, &["--object-streams=generate"]), plain] {
            let once = key.sign(visible, &document).unwrap().contiguous().into_owned();
            let twice = key.sign(&visible.replace("Sealed", "Again"), &once).unwrap().contiguous().into_owned();
            for (sealed, seals) in [(&once, 1), (&twice, 2)] {
                let text = pdftotext(sealed).unwrap();
                let pages: Vec<&str> = text.split('\x0c').collect();
                let seen = |page: &str| ["Sealed", "Again"].iter().filter(|seal| page.contains(**seal)).count();
                assert_eq!((seen(pages[0]), seen(pages[1])), (0, seals), "{list}: {text}");
            }
            samples.add(format!("{list}, one seal"), &once);
            samples.add(format!("{list}, two seals"), &twice);
        }
    }
    samples.are_accepted();
    let direct = key.sign(visible, &shared("[<</Subtype/Link/Rect[9 9 19 19]>>]")).err().unwrap().to_string();
    assert!(direct.contains("share their list of annotations"), "{direct}");
}
