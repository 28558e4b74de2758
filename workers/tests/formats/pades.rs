//! PAdES signatures, judged by poppler, qpdf and OpenSSL.

use std::path::Path;
use std::process::Command;

use cryptotoken_api::KeySpec;
use serde_json::json;
use workers::pades::refusal::PdfRefusal;
use workers::{DocumentContent, SignerDocument, SigningParameters, WorkerError};

use crate::pdf::{EARLIER, LAST, PAGES, TREE, document, pdf, pdfsig, qpdf, qpdf_check};
use crate::software_key::{SoftwareKey, report, run};

const PADES: &str = "kind = \"pades\"";

/// The same small document in every outer form that writers give it.
pub(crate) fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let plain = document("", &[]);
    let mut no_final_newline = plain.clone();
    no_final_newline.pop();
    let streams = ["--object-streams=generate"];
    vec![
        ("cross-reference table", plain.clone()),
        ("no final newline", no_final_newline),
        ("carriage returns", carriage_returns(&plain)),
        ("object streams", qpdf(&plain, &streams)),
        ("linearized table", qpdf(&plain, &["--linearize"])),
        ("linearized streams", qpdf(&plain, &["--linearize", "--object-streams=generate"])),
        ("AES-256", qpdf(&plain, &["--encrypt", "", "owner", "256", "--"])),
        ("AES-256 with object streams", qpdf(&qpdf(&plain, &["--encrypt", "", "owner", "256", "--"]), &streams)),
        ("AES-128", qpdf(&plain, &["--encrypt", "", "owner", "128", "--use-aes=y", "--"])),
        ("RC4-128", qpdf(&plain, &["--allow-weak-crypto", "--encrypt", "", "owner", "128", "--use-aes=n", "--"])),
        ("RC4-40", qpdf(&plain, &["--allow-weak-crypto", "--encrypt", "", "owner", "40", "--"])),
        ("indirect annotations and form", indirect()),
        ("direct annotations and form", direct()),
    ]
}

/// One byte for one byte, so that the offsets stay right.
fn carriage_returns(document: &[u8]) -> Vec<u8> {
    let mut ended: Vec<u8> = document.iter().map(|byte| if *byte == b'\n' { b'\r' } else { *byte }).collect();
    // ISO 32000-2, 7.3.8.1: not after `stream`.
    let keyword = ended.windows(9).position(|window| window == b">>\rstream").unwrap() + 9;
    ended[keyword] = b'\n';
    ended
}

fn indirect() -> Vec<u8> {
    let page = "<</Type/Page/Parent 2 0 R/Annots 9 0 R/Contents 6 0 R>>";
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm 7 0 R>>";
    let [_, second, font, content] = PAGES;
    let form = ["<</Fields 8 0 R/DA(/Helv 0 Tf 0 g)>>", "[10 0 R]", "[10 0 R]"];
    let field = "<</Type/Annot/Subtype/Widget/FT/Tx/T(Signature1)/Rect[10 10 90 30]/F 4/P 3 0 R>>";
    pdf(&[catalog, TREE, page, second, font, content, form[0], form[1], form[2], field])
}

fn direct() -> Vec<u8> {
    let page = "<</Type/Page/Parent 2 0 R/Annots[7 0 R]/Contents 6 0 R>>";
    let catalog = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[7 0 R]/SigFlags 1>>>>";
    let [_, second, font, content] = PAGES;
    let field = "<</Type/Annot/Subtype/Widget/FT/Tx/T(Name)/Rect[10 10 90 30]/F 4/P 3 0 R>>";
    pdf(&[catalog, TREE, page, second, font, content, field])
}

fn refusal(result: Result<workers::SignedDocument, WorkerError>) -> PdfRefusal {
    match result {
        Err(WorkerError::Pdf(refusal)) => refusal,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("the document was signed"),
    }
}

/// The offsets of `/ByteRange` and the CMS of the last signature, found as text.
fn last_signature(signed: &[u8]) -> (Vec<usize>, Vec<u8>) {
    let find = |text: &[u8]| signed.windows(text.len()).rposition(|window| window == text).unwrap() + text.len();
    let range = &signed[find(b"/ByteRange [")..];
    let range = std::str::from_utf8(&range[..range.iter().position(|byte| *byte == b']').unwrap()]).unwrap();
    let numbers: Vec<usize> = range.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let digits = &signed[numbers[1] + 1..numbers[2] - 1];
    let cms = hex::decode(digits).unwrap();
    let length = 4 + usize::from(u16::from_be_bytes([cms[2], cms[3]]));
    (numbers, cms[..length].to_vec())
}

fn openssl_accepts(key: &SoftwareKey, signed: &[u8], folder: &Path) -> Result<String, String> {
    let (range, cms) = last_signature(signed);
    key.write_certificates(folder);
    std::fs::write(folder.join("cms"), cms).unwrap();
    let content = [&signed[..range[1]], &signed[range[2]..range[2] + range[3]]].concat();
    std::fs::write(folder.join("content"), content).unwrap();
    let mut command = Command::new("openssl");
    command.args(["cms", "-verify", "-cades", "-binary", "-purpose", "any", "-inform", "DER", "-out", "/dev/null"]);
    command.arg("-in").arg(folder.join("cms")).arg("-content").arg(folder.join("content"));
    run(command.arg("-CAfile").arg(folder.join("root.pem")))
}

#[test]
fn poppler_and_qpdf_accept_one_and_two_seals_on_every_outer_form_of_a_pdf() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signed.pdf");
    for (form, document) in forms() {
        let once =
            key.sign(PADES, &document).unwrap_or_else(|error| panic!("{form}: {error}")).contiguous().into_owned();
        assert!(once.starts_with(&document), "{form}: the document was altered");
        std::fs::write(&file, &once).unwrap();
        assert_eq!(pdfsig(&file), [LAST], "{form}");
        qpdf_check(&file).unwrap_or_else(|output| panic!("{form}: {output}"));

        let twice = key.sign(PADES, &once).unwrap_or_else(|error| panic!("{form}: {error}")).contiguous().into_owned();
        assert!(twice.starts_with(&once), "{form}: the document was altered");
        std::fs::write(&file, &twice).unwrap();
        assert_eq!(pdfsig(&file), [EARLIER, LAST], "{form}");
        qpdf_check(&file).unwrap_or_else(|output| panic!("{form}: {output}"));
    }
}

#[test]
fn openssl_accepts_the_cms_of_every_algorithm_and_finds_no_signing_time_in_it() {
    let cases = [
        (KeySpec::Rsa3072, ""),
        (KeySpec::Rsa3072, "signature_scheme = \"rsa-pss\""),
        (KeySpec::EcP256, ""),
        (KeySpec::EcP384, ""),
        (KeySpec::EcP521, ""),
    ];
    for (spec, definition) in cases {
        let key = SoftwareKey::generate(spec);
        let folder = tempfile::tempdir().unwrap();
        let definition = format!("{PADES}\n{definition}");
        let signed = key.sign(&definition, &document("", &[])).unwrap().contiguous().into_owned();
        let output = openssl_accepts(&key, &signed, folder.path()).unwrap();
        assert!(output.contains("CAdES Verification successful"), "{definition}: {output}");
        let mut print = Command::new("openssl");
        print.args(["cms", "-cmsout", "-print", "-inform", "DER", "-in"]).arg(folder.path().join("cms"));
        let structure = run(&mut print).unwrap();
        assert!(structure.contains("id-smime-aa-signingCertificateV2") && !structure.contains("signingTime"));
        assert!(structure.contains("eContent: <ABSENT>"), "{structure}");
        std::fs::write(folder.path().join("signed.pdf"), &signed).unwrap();
        assert_eq!(pdfsig(&folder.path().join("signed.pdf")), [LAST], "{definition}");
    }
}

#[test]
fn poppler_rejects_a_sealed_pdf_in_which_any_signed_byte_is_changed() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signed.pdf");
    let signed = key.sign(PADES, &document("", &[])).unwrap().contiguous().into_owned();
    let find = |text: &[u8]| signed.windows(text.len()).position(|window| window == text).unwrap();
    let attribute = hex::encode(cryptotoken_api::DigestAlgorithm::Sha256.digest(&key.certificate.to_der().unwrap()));
    let places = [find(b"Invoice"), find(b"/M(D:") + 6, find(b"/Rect[0 0 0 0]") + 6, find(attribute.as_bytes())];
    for place in places {
        let mut changed = signed.clone();
        changed[place] = if changed[place] == b'1' { b'2' } else { b'1' };
        std::fs::write(&file, changed).unwrap();
        assert!(pdfsig(&file).iter().all(|verdict| !verdict.intact), "byte {place} was changed");
    }
}

#[test]
fn objects_that_the_seal_extends_keep_their_bytes() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    for (form, document) in [("table", indirect()), ("streams", qpdf(&direct(), &["--object-streams=generate"]))] {
        let signed = key.sign(PADES, &document).unwrap();
        let update = String::from_utf8_lossy(&signed.segments[1]).into_owned();
        assert!(!update.contains("/Kids"), "{form}: the page tree was written again");
        assert!(!update.contains("Helvetica"), "{form}: the font was written again");
    }
    let update = key.sign(PADES, &indirect()).unwrap().segments[1].clone();
    let update = String::from_utf8_lossy(&update).into_owned();
    assert!(update.contains("7 0 obj\n<</Fields 8 0 R/DA(/Helv 0 Tf 0 g)/SigFlags 3>>\n"), "{update}");
    assert!(update.contains("8 0 obj\n[10 0 R 12 0 R]\n"), "{update}");
    assert!(update.contains("9 0 obj\n[10 0 R 12 0 R]\n"), "{update}");
    assert!(!update.contains("\n3 0 obj"), "the page itself need not change: {update}");
    assert!(update.contains("/T(Signature2)"), "Signature1 is taken: {update}");
}

#[test]
fn reason_and_location_are_in_the_dictionary_in_any_script_and_encrypted_where_the_file_is() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let definition = "kind = \"pades\"\nreason = \"Kinnitatud (õige)\"\ncaller_may_set = [\"location\"]";
    let parameters = json!({"location": "Αθήνα"}).as_object().unwrap().clone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signed.pdf");
    let encrypted = qpdf(&document("", &[]), &["--encrypt", "", "owner", "256", "--"]);
    for document in [document("", &[]), encrypted] {
        let content = DocumentContent::Memory(document.into());
        let signed = key.sign_with(definition, content, SigningParameters::new(parameters.clone())).unwrap();
        std::fs::write(&file, signed.contiguous()).unwrap();
        assert_eq!(pdfsig(&file), [LAST]);
        let objects = run(Command::new("qpdf").args(["--json", "--json-key=qpdf"]).arg(&file)).unwrap();
        assert!(objects.contains("\"/Reason\": \"u:Kinnitatud (õige)\""), "{objects}");
        assert!(objects.contains("\"/Location\": \"u:Αθήνα\""), "{objects}");
    }
}

#[test]
fn an_empty_signature_field_is_used_by_name_and_other_fields_are_refused() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let form = "/AcroForm<</Fields[7 0 R 8 0 R]>>";
    let widget = "/Type/Annot/Subtype/Widget/F 4/P 3 0 R/Rect[10 10 90 30]";
    let fields = [
        "<</T(contract)/Kids[9 0 R 10 0 R]/FT/Sig>>".to_owned(),
        format!("<</T(name)/FT/Tx{widget}>>"),
        format!("<</T(buyer)/Parent 7 0 R{widget}>>"),
        format!("<</T(seller)/Parent 7 0 R/Lock<</Type/SigFieldLock/Action/All>>{widget}>>"),
    ];
    let document = document(form, &fields.each_ref().map(String::as_str));
    let sign = |field: &str, document: &[u8]| key.sign(&format!("{PADES}\nfield = \"{field}\""), document);

    let signed = sign("contract.buyer", &document).unwrap();
    let update = String::from_utf8_lossy(&signed.segments[1]).into_owned();
    assert!(update.contains("9 0 obj\n<</T(buyer)") && !update.contains("/FT/Sig"), "{update}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signed.pdf");
    std::fs::write(&file, signed.contiguous()).unwrap();
    assert_eq!(pdfsig(&file), [LAST]);
    qpdf_check(&file).unwrap();

    let reason = |field: &str, document: &[u8]| match refusal(sign(field, document)) {
        PdfRefusal::FieldUnusable { reason, .. } => reason,
        other => panic!("{field}: {other}"),
    };
    assert_eq!(reason("contract.buyer", &signed.contiguous()), "it is signed already");
    assert_eq!(reason("name", &document), "it is no signature field");
    // What is below it would inherit the signature, and neither poppler nor EU DSS finds that.
    assert_eq!(reason("contract", &document), "it has other fields below it");
    let locking = sign("contract.seller", &document).unwrap().segments[1].clone();
    let locking = String::from_utf8_lossy(&locking).into_owned();
    let transform = "/TransformMethod/FieldMDP/Data 1 0 R/TransformParams<</Type/TransformParams/V/1.2/Action/All>>";
    assert!(locking.contains(transform), "{locking}");
    assert!(reason("contract.witness", &document).starts_with("there is none of that name"));

    let signed = sign("approval", &document).unwrap();
    assert!(String::from_utf8_lossy(&signed.segments[1]).contains("/T(approval)"));
}

#[test]
fn a_certified_pdf_takes_further_seals_as_its_level_allows() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signed.pdf");
    for level in 1..=3 {
        let certification = format!("{PADES}\ncertification = {level}");
        let certified = key.sign(&certification, &document("", &[])).unwrap().contiguous().into_owned();
        std::fs::write(&file, &certified).unwrap();
        assert_eq!(pdfsig(&file), [LAST]);
        qpdf_check(&file).unwrap();
        if level == 1 {
            assert_eq!(refusal(key.sign(PADES, &certified)), PdfRefusal::ChangesForbidden);
        } else {
            std::fs::write(&file, key.sign(PADES, &certified).unwrap().contiguous()).unwrap();
            assert_eq!(pdfsig(&file), [EARLIER, LAST]);
            let visible = format!("{PADES}\nappearance = {{ text = \"Sealed\" }}");
            assert_eq!(refusal(key.sign(&visible, &certified)), PdfRefusal::NewVisibleField);
            assert_eq!(refusal(key.sign(&certification, &certified)), PdfRefusal::AlreadySigned);
        }
    }
}

#[test]
fn a_field_locked_by_an_earlier_signature_is_refused() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let locked = |action: &str| {
        let reference = format!(
            "<</Type/Sig/Reference[<</TransformMethod/FieldMDP/TransformParams<</Action{action}>>>>]\
             /ByteRange[0 1 2 3]/Contents<00>>>"
        );
        let field = "<</T(first)/FT/Sig/V 8 0 R/Type/Annot/Subtype/Widget/Rect[0 0 0 0]/P 3 0 R>>";
        document("/AcroForm<</Fields[7 0 R]/SigFlags 3>>", &[field, &reference])
    };
    let refused = PdfRefusal::FieldLocked { field: "Signature1".into() };
    assert_eq!(refusal(key.sign(PADES, &locked("/All"))), refused);
    assert_eq!(refusal(key.sign(PADES, &locked("/Include/Fields[(Signature1)]"))), refused);
    assert_eq!(refusal(key.sign(PADES, &locked("/Exclude/Fields[(other)]"))), refused);
    key.sign(PADES, &locked("/Include/Fields[(other)]")).unwrap();
    key.sign(PADES, &locked("/Exclude/Fields[(Signature1)]")).unwrap();
    assert_eq!(refusal(key.sign(PADES, &locked("/Include"))), refused);
    assert_eq!(refusal(key.sign(PADES, &locked("/Include/Fields[(other)]/P 1"))), PdfRefusal::ChangesForbidden);
    key.sign(PADES, &locked("/Include/Fields[(other)]/P 2")).unwrap();
}

#[test]
fn the_lock_of_a_signed_field_counts_though_its_signer_did_not_repeat_it() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let locked = |lock: &str| {
        let first =
            format!("<</T(first)/FT/Sig/V 8 0 R/Lock<<{lock}>>/Type/Annot/Subtype/Widget/Rect[0 0 0 0]/P 3 0 R>>");
        let signature = "<</Type/Sig/ByteRange[0 1 2 3]/Contents<00>>>";
        document("/AcroForm<</Fields[7 0 R]/SigFlags 3>>", &[&first, signature])
    };
    let refused = PdfRefusal::FieldLocked { field: "Signature1".into() };
    assert_eq!(refusal(key.sign(PADES, &locked("/Action/All"))), refused);
    assert_eq!(refusal(key.sign(PADES, &locked("/Action/Include/Fields[]/P 1"))), PdfRefusal::ChangesForbidden);
    key.sign(PADES, &locked("/Action/Include/Fields[(Signature)]/P 2")).unwrap();
}

#[test]
fn the_lock_of_the_field_and_that_of_the_worker_must_agree() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let with = |lock: &str| {
        let field = format!("<</T(seal)/FT/Sig{lock}/Type/Annot/Subtype/Widget/Rect[0 0 0 0]/P 3 0 R>>");
        document("/AcroForm<</Fields[7 0 R]>>", &[&field])
    };
    let sign = |lock: &str, document: &[u8]| key.sign(&format!("{PADES}\nfield = \"seal\"\nlock = {lock}"), document);
    let update =
        |lock: &str, document: &[u8]| String::from_utf8_lossy(&sign(lock, document).unwrap().segments[1]).into_owned();
    let include = "/Lock<</Action/Include/Fields[(a)]/P 2>>";
    assert!(update("{ include = [\"a\"] }", &with(include)).contains("/Action/Include/Fields[(a)]/P 2>>>>"));
    // A field that locks nothing of its own stays as it is; the signature alone says what the worker locks.
    let alone = update("\"all\"", &with(""));
    assert!(alone.contains("/Action/All>>>>") && !alone.contains("/Lock"), "{alone}");
    for (lock, document) in [("\"all\"", with(include)), ("\"all\"", with("/Lock<</Action/Some>>"))] {
        assert!(matches!(refusal(sign(lock, &document)), PdfRefusal::FieldUnusable { .. }));
    }
    for (lock, part) in
        [("{ include = [] }", "names no field"), ("\"none\"", "all"), ("{ exclude = [\"a\\tb\"] }", "control")]
    {
        let text = format!("name = \"a\"\ncredential = \"c\"\n{PADES}\nlock = {lock}");
        let error = workers::WorkerConfig::parse(&text).unwrap_err().to_string();
        assert!(error.contains(part), "{lock}: {error}");
    }
}

#[test]
fn a_reference_to_no_object_does_not_come_to_mean_one_of_the_seal() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let text = String::from_utf8_lossy(&document("", &[])).replace("/Root 1 0 R", "/Root 1 0 R/Extra[7 0 R]");
    let update = key.sign(PADES, text.as_bytes()).unwrap().segments[1].clone();
    let update = String::from_utf8_lossy(&update).into_owned();
    assert!(update.starts_with("8 0 obj\n<</Type/Sig") && !update.contains("\n7 0 obj"), "{update}");
}

#[test]
fn what_readers_take_for_nothing_is_taken_for_nothing() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let [page, second, font, content] = PAGES;
    let tree = "<</Kids[null 9 0 R 3 0 R 4 0 R]>>";
    let untyped = page.replace("/Type/Page", "");
    let with_annotations = |annotations: &str| page.replace("/Contents", &format!("/Annots {annotations}/Contents"));
    let document = |catalog: &str, tree: &str, page: &str| {
        pdf(&[&format!("<</Type/Catalog/Pages 2 0 R{catalog}>>"), tree, page, second, font, content])
    };
    let documents = [
        document("", tree, page),
        document("", "<</Kids[3 0 R]/Count 1>>", &untyped),
        document("", TREE, &with_annotations("(no array)")),
        document("", TREE, &with_annotations("5 0 R")),
        document("", TREE, &with_annotations("null")),
        document("/AcroForm null", TREE, page),
        document("/AcroForm[]", TREE, page),
        document("/AcroForm 9 0 R", TREE, page),
        document("/AcroForm<<>>", TREE, page),
        document("/AcroForm<</Fields null>>", TREE, page),
        document("/AcroForm<</Fields<<>>>>", TREE, page),
        document("/AcroForm<</Fields 5 0 R>>/Perms[]", TREE, page),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signed.pdf");
    for (number, document) in documents.iter().enumerate() {
        let signed = key.sign(PADES, document).unwrap_or_else(|error| panic!("number {number}: {error}"));
        std::fs::write(&file, signed.contiguous()).unwrap();
        assert_eq!(pdfsig(&file), [LAST], "number {number}");
    }
}

#[test]
fn a_signature_with_an_odd_byte_range_is_refused() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let field = "<</T(first)/FT/Sig/V 8 0 R/Type/Annot/Subtype/Widget/Rect[0 0 0 0]/P 3 0 R>>";
    let signature = "<</Type/Sig/Filter/Adobe.PPKLite/ByteRange[0 9]/Contents<00>>>";
    let refused = refusal(key.sign(PADES, &document("/AcroForm<</Fields[7 0 R]>>", &[field, signature])));
    assert!(refused.to_string().contains("\"first\" has an odd /ByteRange"), "{refused}");
}

#[test]
fn what_readers_cannot_open_or_take_differently_is_refused_with_its_defect() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let refused = |document: &[u8]| refusal(key.sign(PADES, document)).to_string();
    let whole = document("", &[]);
    let replaced = |from: &str, to: &str| {
        let text = String::from_utf8_lossy(&whole).into_owned();
        assert!(text.contains(from));
        text.replacen(from, to, 1).into_bytes()
    };
    let encrypted = |bits: &str, from: &str, to: &str| {
        let aes: &[&str] = if bits == "128" { &["--use-aes=y"] } else { &[] };
        let mut document = qpdf(&whole, &[&["--encrypt", "", "owner", bits], aes, &["--"]].concat());
        let place = document.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        document.splice(place..place + from.len(), to.bytes());
        document
    };
    let cases = [
        (b"<html></html>".to_vec(), "is no PDF"),
        (Vec::new(), "is no PDF"),
        ([b"junk\n", whole.as_slice()].concat(), "5 bytes precede"),
        (whole[..whole.len() / 2].to_vec(), "damaged"),
        (qpdf(&whole, &["--encrypt", "user", "owner", "256", "--"]), "opens only with a password"),
        (qpdf(&whole, &["--encrypt", "", "owner", "256", "--modify=none", "--"]), "access permissions"),
        (encrypted("256", "trailer <<", "trailer << /AuthCode <</MACLocation /Standalone>>"), "authentication code"),
        (encrypted("128", "/StrF /StdCF", "/StrF /StdCG"), "crypt filter"),
        (encrypted("128", "/CFM /AESV2", "/CFM /AESV9"), "crypt filter"),
        (replaced("/Kids[3 0 R 4 0 R]", "/Kids[           ]"), "no pages"),
    ];
    for (document, expected) in cases {
        let message = refused(&document);
        assert!(message.contains(expected), "expected \"{expected}\": {message}");
    }
}

#[test]
fn other_media_types_and_long_texts_are_refused() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let sign = |definition: &str, parameters: serde_json::Value| {
        let content = DocumentContent::Memory(document("", &[]).into());
        key.sign_with(definition, content, SigningParameters::new(parameters.as_object().unwrap().clone()))
    };
    let open = "kind = \"pades\"\ncaller_may_set = [\"reason\"]";
    let refused = |result| matches!(result, Err(WorkerError::Parameter { .. }));
    assert!(refused(sign(open, json!({"reason": "x".repeat(501)}))));
    assert!(refused(sign(open, json!({"reason": "a\nb"}))));
    assert!(refused(sign(open, json!({"reason": 7}))));
    assert!(refused(sign(open, json!({"location": "here"}))));
    let content = DocumentContent::Memory(document("", &[]).into());
    let xml = SignerDocument { content, media_type: Some("text/xml; charset=utf-8".into()), signature: None };
    assert!(matches!(key.sign_document(PADES, xml), Err(WorkerError::MediaType { .. })));
}

#[test]
fn a_definition_that_asks_for_what_is_not_built_is_refused() {
    let parse = |options: &str| {
        let text = format!("name = \"a\"\ncredential = \"c\"\nkind = \"pades\"\n{options}");
        workers::WorkerConfig::parse(&text)
    };

    assert!(parse("certification = 4").unwrap_err().to_string().contains("form filling"));
    assert!(parse("reason = \"\"").is_err());
    assert!(parse("signature_scheme = \"eddsa\"").is_err());
    let refused = SoftwareKey::generate(KeySpec::Ed25519).sign(PADES, &document("", &[]));
    assert!(matches!(refused, Err(WorkerError::Algorithm { .. })));
    let config = parse(
        "reason = \"r\"\ncertification = 2\nfield = \"f\"\nlock = { exclude = [\"g\"] }\ncaller_may_set = [\"reason\"]",
    )
    .unwrap();
    let stored = serde_json::to_string(&config.to_json().unwrap()).unwrap();
    assert_eq!(workers::WorkerConfig::parse(&stored).unwrap(), config);
}

/// Takes a minute, and as much disk for a moment where files have no holes.
#[test]
fn poppler_accepts_a_seal_on_a_pdf_of_more_than_4_gib() {
    if std::env::var_os("SIGILLO_BIG").is_none() {
        report("set SIGILLO_BIG=1 to seal a PDF of 4.2 GiB too");
        return;
    }
    let length = 4_500_000_000_usize;
    let [_, _, font, content] = PAGES;
    let [tree, page] = ["<</Type/Pages/Kids[3 0 R]/Count 1>>", "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>"];
    let objects = ["<</Type/Catalog/Pages 2 0 R>>", tree, page, font, content];
    let mut table = "xref\n0 7\n0000000000 65535 f \n".to_owned();
    let mut head = b"%PDF-1.7\n".to_vec();
    for (number, object) in (1..).zip(objects) {
        table.push_str(&format!("{:010} 00000 n \n", head.len()));
        head.extend(format!("{number} 0 obj\n{object}\nendobj\n").as_bytes());
    }
    table.push_str(&format!("{:010} 00000 n \n", head.len()));
    head.extend(format!("6 0 obj\n<</Length {length}>>\nstream\n").as_bytes());
    let behind = "\nendstream\nendobj\n";
    let start = head.len() + length + behind.len();
    let tail = format!("{behind}{table}trailer\n<</Size 7/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n");
    // Memory that nobody writes to is none.
    let mut document = vec![0; head.len() + length + tail.len()];
    document[..head.len()].copy_from_slice(&head);
    document[head.len() + length..].copy_from_slice(tail.as_bytes());
    let size = document.len();
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let content = DocumentContent::Memory(document.into());
    let signed = key.sign_with(PADES, content, SigningParameters::default()).unwrap();
    let [document, update] = signed.segments.as_slice() else { panic!("{} segments", signed.segments.len()) };
    assert_eq!(document.len(), size);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signed.pdf");
    let file = std::fs::File::create(&path).unwrap();
    let write = |octets: &[u8], offset: usize| {
        std::os::unix::fs::FileExt::write_all_at(&file, octets, u64::try_from(offset).unwrap()).unwrap();
    };
    write(&head, 0);
    write(tail.as_bytes(), head.len() + length);
    write(update, size);
    assert_eq!(pdfsig(&path), [LAST]);
}
