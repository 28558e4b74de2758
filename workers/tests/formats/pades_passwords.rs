//! Encrypted PDFs that open with a password only: sealed as they are, and the password goes nowhere.

use std::path::PathBuf;

use cryptotoken_api::KeySpec;
use serde_json::json;
use workers::{DocumentContent, SignedDocument, SigningParameters, WorkerError};

use crate::pades_corpus::{Case, judge};
use crate::pdf::{document, qpdf};
use crate::software_key::SoftwareKey;

const USER: &str = "open sesame";
const OWNER: &str = "Ali Baba";

/// The same document, encrypted in every way that there is.
fn encrypted(more: &[&str]) -> Vec<(&'static str, Vec<u8>)> {
    let ways: [(&str, &[&str], &[&str]); 7] = [
        ("RC4-40", &["40"], &[]),
        ("RC4-128", &["128"], &["--use-aes=n"]),
        ("AES-128", &["128"], &["--use-aes=y"]),
        ("AES-128, metadata in clear", &["128"], &["--use-aes=y", "--cleartext-metadata"]),
        ("AES-256 of Adobe (R5)", &["256"], &["--force-R5"]),
        ("AES-256", &["256"], &[]),
        ("AES-256, metadata in clear", &["256"], &["--cleartext-metadata"]),
    ];
    let encrypt = |bits: &[&str], options: &[&str]| {
        let start = ["--allow-weak-crypto", "--object-streams=generate", "--encrypt", USER, OWNER];
        // That way has no such option.
        let more = if bits == ["40"] { &[] } else { more };
        qpdf(&document("", &[]), &[&start, bits, options, more, &["--"]].concat())
    };
    ways.map(|(name, bits, options)| (name, encrypt(bits, options))).into()
}

fn sign(key: &SoftwareKey, document: &[u8], password: Option<&str>) -> Result<SignedDocument, WorkerError> {
    key.sign_opened("kind = \"pades\"", document, password)
}

#[test]
fn every_verifier_accepts_a_seal_on_a_pdf_that_a_password_opens() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let folder = tempfile::tempdir().unwrap();
    key.write_certificates(folder.path());
    let mut cases = Vec::new();
    for (name, document) in encrypted(&[]) {
        for password in [USER, OWNER] {
            let signed = sign(&key, &document, Some(password)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(signed.contiguous().starts_with(&document), "{name}");
            let path = |when: &str| folder.path().join(format!("{}-{when}.pdf", cases.len()));
            let (before, after): (PathBuf, PathBuf) = (path("before"), path("after"));
            std::fs::write(&before, &document).unwrap();
            std::fs::write(&after, signed.contiguous()).unwrap();
            let name = format!("{name}, {password}");
            cases.push(Case { name, before, password: Some(password), sealed: Ok(after) });
        }
    }
    for tool in ["pyhanko", "pdfsig", "dss", "qpdf"] {
        let verdicts = judge(tool, &folder.path().join("root.pem"), &cases);
        for case in &cases {
            let (verdict, why) = &verdicts[case.sealed.as_ref().unwrap()];
            // pyHanko does not read what came before the standard.
            let expected = if tool == "pyhanko" && case.name.contains("R5") { "n/a" } else { "valid" };
            assert_eq!(verdict, expected, "{tool} on {}: {why}", case.name);
        }
    }
}

#[test]
fn a_wrong_or_missing_password_is_refused_and_never_repeated() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    for (name, document) in encrypted(&[]) {
        let missing = sign(&key, &document, None).unwrap_err().to_string();
        assert!(missing.contains("opens only with a password"), "{name}: {missing}");
        let wrong = sign(&key, &document, Some("open barley")).unwrap_err().to_string();
        assert!(wrong.contains("does not open it") && !wrong.contains("barley"), "{name}: {wrong}");
    }
    // One that opens without takes any; there is nothing to open in one that is not encrypted.
    sign(&key, &document("", &[]), Some("open barley")).unwrap();
    let parameters = SigningParameters::new(json!({"password": USER}).as_object().unwrap().clone());
    assert!(!format!("{parameters:?}").contains("sesame"));
    assert_eq!(parameters.names().count(), 0);
    for no_text in [json!([USER]), json!({ "user": USER })] {
        let parameters = SigningParameters::new(json!({"password": no_text}).as_object().unwrap().clone());
        assert!(!format!("{parameters:?}").contains("sesame"));
    }
}

#[test]
fn the_access_permissions_bind_the_user_and_not_the_owner() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    for (name, document) in encrypted(&["--modify=none"]).into_iter().filter(|(name, _)| *name != "RC4-40") {
        let refused = sign(&key, &document, Some(USER)).unwrap_err().to_string();
        assert!(refused.contains("access permissions"), "{name}: {refused}");
        sign(&key, &document, Some(OWNER)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn where_only_a_field_of_the_document_may_be_signed_it_is_named_and_then_sealed() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let folder = tempfile::tempdir().unwrap();
    key.write_certificates(folder.path());
    let widget = |name: &str| format!("<</T({name})/FT/Sig/Type/Annot/Subtype/Widget/Rect[0 0 0 0]/P 3 0 R/F 132>>");
    let form = document("/AcroForm<</Fields[7 0 R 8 0 R]>>", &[&widget("buyer"), &widget("seller")]);
    let encrypt = ["--allow-weak-crypto", "--encrypt", "", OWNER, "128", "--use-aes=y", "--modify=form", "--"];
    let other = "kind = \"pades\"\nfield = \"seller\"\nlock = { exclude = [\"buyer\"] }";
    let locked = key.sign(other, &form).unwrap().contiguous().into_owned();
    let cases = [("its access permissions", qpdf(&form, &encrypt)), ("earlier signatures (FieldMDP)", locked)];
    let cases = cases.map(|(forbids, document)| {
        let refused = key.sign("kind = \"pades\"", &document).unwrap_err().to_string();
        let expected = format!("({forbids} forbid new ones); name one, such as \"buyer\"");
        assert!(refused.ends_with(&expected), "{refused}");
        let signed = key.sign("kind = \"pades\"\nfield = \"buyer\"", &document).unwrap();
        let path = |when: &str| folder.path().join(format!("{}-{when}.pdf", document.len()));
        let (before, after) = (path("before"), path("after"));
        std::fs::write(&before, &document).unwrap();
        std::fs::write(&after, signed.contiguous()).unwrap();
        Case { name: forbids.to_owned(), before, password: None, sealed: Ok(after) }
    });
    for tool in ["pyhanko", "pdfsig", "dss", "qpdf"] {
        let verdicts = judge(tool, &folder.path().join("root.pem"), &cases);
        for case in &cases {
            let (verdict, why) = &verdicts[case.sealed.as_ref().unwrap()];
            assert_eq!(verdict, "valid", "{tool} on {}: {why}", case.name);
        }
    }
    // Nothing can be named where filling in is forbidden too.
    let none =
        qpdf(&form, &["--allow-weak-crypto", "--encrypt", "", OWNER, "128", "--use-aes=y", "--modify=none", "--"]);
    let refused = key.sign("kind = \"pades\"", &none).unwrap_err().to_string();
    assert!(refused.contains("do not allow new signature fields"), "{refused}");
}

#[test]
fn a_password_that_is_no_text_or_for_another_kind_of_document_is_refused() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let sign = |definition: &str, parameters: serde_json::Value| {
        let parameters = SigningParameters::new(parameters.as_object().unwrap().clone());
        key.sign_with(definition, DocumentContent::Memory(document("", &[]).into()), parameters)
    };
    let message = sign("kind = \"pades\"", json!({"password": 7})).unwrap_err().to_string();
    assert!(message.contains("it must be a text"), "{message}");
    let message = sign("kind = \"cades\"", json!({"password": "x"})).unwrap_err().to_string();
    assert!(message.contains("only PDFs are opened with one"), "{message}");
}
