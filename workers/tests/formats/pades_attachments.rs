//! PDFs of which attachments alone are encrypted (ISO 32000-2, 7.6.6): they open without a password, and are sealed without one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use cryptotoken_api::KeySpec;
use lopdf::encryption::crypt_filters::{Aes128CryptFilter, Aes256CryptFilter, CryptFilter, Rc4CryptFilter};
use lopdf::encryption::encrypt_object;
use lopdf::{Dictionary, Document, EncryptionState, EncryptionVersion, Object, Permissions, Stream, StringFormat};
use workers::{SignedDocument, WorkerError};

use crate::pades_corpus::{Case, judge};
use crate::pdf::{document, pdftotext};
use crate::software_key::{SoftwareKey, run};

const USER: &str = "open sesame";
const OWNER: &str = "Ali Baba";
const ATTACHMENT: &str = "The treasure is behind the third rock.";
/// The objects after the pages: the attachment's description, its content, the encryption.
const CONTENT: u32 = 8;

/// The ways of encryption that have crypt filters.
const METHODS: [&str; 3] = ["V2", "AESV2", "AESV3"];
/// What an author writes who wants attachments alone encrypted.
const ATTACHMENTS_ALONE: &str = "/StmF/Identity/StrF/Identity/EFF/StdCF";
const OPENS_WITHOUT: &str = "/AuthEvent/EFOpen";

fn state(method: &str, permissions: Permissions) -> EncryptionState {
    let filter: Arc<dyn CryptFilter> = match method {
        "V2" => Arc::new(Rc4CryptFilter),
        "AESV2" => Arc::new(Aes128CryptFilter),
        _ => Arc::new(Aes256CryptFilter),
    };
    let crypt_filters = BTreeMap::from([(b"StdCF".to_vec(), filter)]);
    let (stream_filter, string_filter) = (b"StdCF".to_vec(), b"StdCF".to_vec());
    let (owner_password, user_password, encrypt_metadata) = (OWNER, USER, true);
    let mut document = Document::new();
    let identifier = || Object::string_literal((0..=15).map(|n| n * 0x11).collect::<Vec<u8>>());
    document.trailer.set("ID", vec![identifier(), identifier()]);
    let version = if method == "AESV3" {
        let file_encryption_key = &[7; 32];
        EncryptionVersion::V5 {
            encrypt_metadata,
            crypt_filters,
            file_encryption_key,
            stream_filter,
            string_filter,
            owner_password,
            user_password,
            permissions,
        }
    } else {
        EncryptionVersion::V4 {
            document: &document,
            encrypt_metadata,
            crypt_filters,
            stream_filter,
            string_filter,
            owner_password,
            user_password,
            permissions,
        }
    };
    EncryptionState::try_from(version).unwrap()
}

/// A document with an encrypted attachment; `filters` says what its filters are for, `event` when they ask for the password.
fn with_attachment(method: &str, filters: &str, event: &str, permissions: Permissions) -> Vec<u8> {
    let state = state(method, permissions);
    let mut content = Object::Stream(Stream::new(Dictionary::new(), ATTACHMENT.into()));
    encrypt_object(&state, (CONTENT, 0), &mut content).unwrap();
    let content = &content.as_stream().unwrap().content;
    let mut entries = String::new();
    for (key, value) in state.encode().unwrap().iter_mut() {
        if ["CF", "StmF", "StrF"].iter().any(|filter| filter.as_bytes() == key) {
            continue;
        }
        if let Object::String(_, format) = value {
            *format = StringFormat::Hexadecimal;
        }
        let mut text = Vec::new();
        lopdf::Writer::write_object(&mut text, value).unwrap();
        entries.push_str(&format!("/{} {}", String::from_utf8_lossy(key), String::from_utf8(text).unwrap()));
    }
    let room = "~".repeat(content.len());
    let objects = [
        "<</Type/Filespec/F(map.txt)/UF(map.txt)/EF<</F 8 0 R>>>>".to_owned(),
        format!(
            "<</Type/EmbeddedFile/Filter/Crypt/DecodeParms<</Type/CryptFilterDecodeParms/Name/StdCF>>/Length {}>>\nstream\n{room}\nendstream",
            content.len()
        ),
        format!(
            "<<{entries}/CF<</StdCF<</CFM/{method}/Length {}{event}>>>>{filters}>>",
            if method == "AESV3" { 32 } else { 16 }
        ),
    ];
    let catalog = "/Names<</EmbeddedFiles<</Names[(map.txt)7 0 R]>>>>";
    let mut file = document(catalog, &objects.each_ref().map(String::as_str));
    let place = file.windows(room.len()).position(|window| window == room.as_bytes()).unwrap();
    file[place..place + room.len()].copy_from_slice(content);
    let trailer = file.windows(5).rposition(|window| window == b"/Root").unwrap();
    file.splice(trailer..trailer, *b"/Encrypt 9 0 R");
    file
}

fn sign(key: &SoftwareKey, document: &[u8], password: Option<&str>) -> Result<SignedDocument, WorkerError> {
    key.sign_opened("kind = \"pades\"\n[appearance]\ntext = \"Sealed\"", document, password)
}

#[test]
fn every_verifier_accepts_a_seal_on_a_pdf_of_which_attachments_alone_are_encrypted() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let folder = tempfile::tempdir().unwrap();
    key.write_certificates(folder.path());
    let mut cases = Vec::new();
    for method in METHODS {
        let document = with_attachment(method, ATTACHMENTS_ALONE, OPENS_WITHOUT, Permissions::all());
        // A document that opens without a password takes any.
        for (given, reader) in [(None, None), (None, Some(USER)), (Some(USER), Some(USER)), (Some("open barley"), None)]
        {
            let name = format!("{method}, sealed with {given:?}, read with {reader:?}");
            let signed = sign(&key, &document, given).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(signed.contiguous().starts_with(&document), "{name}");
            assert!(pdftotext(&signed.contiguous()).unwrap().contains("Sealed"), "{name}");
            let path = |when: &str| folder.path().join(format!("{}-{when}.pdf", cases.len()));
            let (before, after): (PathBuf, PathBuf) = (path("before"), path("after"));
            std::fs::write(&before, &document).unwrap();
            std::fs::write(&after, signed.contiguous()).unwrap();
            let mut qpdf = Command::new("qpdf");
            qpdf.arg(format!("--password={USER}")).arg("--show-attachment=map.txt").arg(&after);
            assert_eq!(run(&mut qpdf).unwrap(), ATTACHMENT, "{name}");
            cases.push(Case { name, before, password: reader, sealed: Ok(after) });
        }
    }
    for tool in ["pyhanko", "pdfsig", "dss", "qpdf"] {
        let verdicts = judge(tool, &folder.path().join("root.pem"), &cases);
        for case in &cases {
            let (verdict, why) = &verdicts[case.sealed.as_ref().unwrap()];
            // EU DSS and qpdf open no such document without a password.
            let expected = if case.password.is_none() && ["dss", "qpdf"].contains(&tool) { "n/a" } else { "valid" };
            assert_eq!(verdict, expected, "{tool} on {}: {why}", case.name);
        }
    }
}

#[test]
fn a_pdf_that_asks_for_the_password_when_it_is_opened_needs_it() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let ways = [
        (ATTACHMENTS_ALONE, "/AuthEvent/DocOpen"),
        // That is what is meant where nothing is written.
        (ATTACHMENTS_ALONE, ""),
        ("/StmF/StdCF/StrF/Identity/EFF/StdCF", OPENS_WITHOUT),
        ("/StmF/Identity/StrF/StdCF/EFF/StdCF", OPENS_WITHOUT),
    ];
    for (filters, event) in ways {
        for method in METHODS {
            let document = with_attachment(method, filters, event, Permissions::all());
            let refused = sign(&key, &document, None).unwrap_err().to_string();
            assert!(refused.contains("opens only with a password"), "{method}{filters}{event}: {refused}");
            let refused = sign(&key, &document, Some("open barley")).unwrap_err().to_string();
            assert!(refused.contains("does not open it"), "{method}{filters}{event}: {refused}");
        }
    }
}

#[test]
fn the_access_permissions_bind_who_does_not_open_the_attachments() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let none = with_attachment("AESV3", ATTACHMENTS_ALONE, OPENS_WITHOUT, Permissions::PRINTABLE);
    let place = none.windows(3).position(|window| window == b"/P ").unwrap();
    let unreadable = [&none[..place], b"/p ", &none[place + 3..]].concat();
    let refused = sign(&key, &unreadable, None).unwrap_err().to_string();
    assert!(refused.contains("access permissions, /P, are no number"), "{refused}");
    for method in METHODS {
        let document = with_attachment(method, ATTACHMENTS_ALONE, OPENS_WITHOUT, Permissions::PRINTABLE);
        for password in [None, Some(USER), Some("open barley")] {
            let refused = sign(&key, &document, password).unwrap_err().to_string();
            assert!(refused.contains("access permissions"), "{method}, {password:?}: {refused}");
        }
        sign(&key, &document, Some(OWNER)).unwrap_or_else(|error| panic!("{method}: {error}"));
    }
}
