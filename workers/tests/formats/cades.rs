//! CAdES signatures, judged by OpenSSL.

use std::path::Path;
use std::process::Command;

use cryptotoken_api::{DtbsRepresentation, KeySpec, SignatureAlgorithm};
use workers::{DocumentContent, SigningParameters, WorkerError};

use crate::software_key::{SoftwareKey, run};

const CASES: [(KeySpec, &str); 6] = [
    (KeySpec::Rsa3072, ""),
    (KeySpec::Rsa3072, "signature_scheme = \"rsa-pss\""),
    (KeySpec::Rsa3072, "signature_scheme = \"rsa-pss\"\ndigest = \"SHA-512\""),
    (KeySpec::EcP256, ""),
    (KeySpec::EcP384, ""),
    (KeySpec::EcP521, ""),
];

fn openssl_accepts(folder: &Path, content: Option<&Path>) -> Result<Vec<u8>, String> {
    let mut command = Command::new("openssl");
    command.args(["cms", "-verify", "-cades", "-binary", "-purpose", "any", "-inform", "DER"]);
    command.arg("-in").arg(folder.join("cms")).arg("-CAfile").arg(folder.join("root.pem"));
    command.arg("-out").arg(folder.join("content"));
    if let Some(content) = content {
        command.arg("-content").arg(content);
    }
    let output = run(&mut command)?;
    if output.contains("CAdES Verification successful") {
        Ok(std::fs::read(folder.join("content")).unwrap())
    } else {
        Err(output)
    }
}

#[test]
fn openssl_accepts_encapsulated_signatures_and_finds_the_document_in_them() {
    for (spec, definition) in CASES {
        let key = SoftwareKey::generate(spec);
        let folder = tempfile::tempdir().unwrap();
        key.write_certificates(folder.path());
        for document in [vec![], b"first line\r\nsecond line\n".to_vec(), vec![0xa5; 300_000]] {
            let signed = key.sign(&format!("kind = \"cades\"\n{definition}"), &document).unwrap();
            assert_eq!(signed.media_type, "application/pkcs7-mime");
            std::fs::write(folder.path().join("cms"), signed.contiguous()).unwrap();
            let content = openssl_accepts(folder.path(), None);
            assert_eq!(content.as_deref(), Ok(document.as_slice()), "{spec} {definition}");
        }
    }
}

#[test]
fn openssl_accepts_detached_signatures_and_rejects_them_for_another_document() {
    for (spec, definition) in CASES {
        let key = SoftwareKey::generate(spec);
        let folder = tempfile::tempdir().unwrap();
        key.write_certificates(folder.path());
        let definition = format!("kind = \"cades\"\npackaging = \"detached\"\n{definition}");
        let signed = key.sign(&definition, b"the document").unwrap();
        std::fs::write(folder.path().join("cms"), signed.contiguous()).unwrap();
        let document = folder.path().join("document");
        std::fs::write(&document, b"the document").unwrap();
        openssl_accepts(folder.path(), Some(&document)).unwrap();
        std::fs::write(&document, b"the dOcument").unwrap();
        openssl_accepts(folder.path(), Some(&document)).unwrap_err();
    }
}

#[test]
fn a_detached_signature_over_a_digest_is_one_over_the_document() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let folder = tempfile::tempdir().unwrap();
    key.write_certificates(folder.path());
    let algorithm = SignatureAlgorithm::for_key(KeySpec::EcP256, None, None).unwrap();
    let digest = DtbsRepresentation::new(algorithm.digest(), algorithm.digest().digest(b"the document")).unwrap();
    let digest = || DocumentContent::Digest(digest.clone());
    let detached = "kind = \"cades\"\npackaging = \"detached\"";
    let signed = key.sign_with(detached, digest(), SigningParameters::default()).unwrap();
    std::fs::write(folder.path().join("cms"), signed.contiguous()).unwrap();
    std::fs::write(folder.path().join("document"), b"the document").unwrap();
    openssl_accepts(folder.path(), Some(&folder.path().join("document"))).unwrap();

    let refused = key.sign_with("kind = \"cades\"", digest(), SigningParameters::default());
    assert!(matches!(refused, Err(WorkerError::DigestNotAllowed { .. })));
}

#[test]
fn openssl_rejects_a_signature_in_which_any_signed_byte_is_changed() {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let folder = tempfile::tempdir().unwrap();
    key.write_certificates(folder.path());
    let document = b"a document to be found again";
    let signed = key.sign("kind = \"cades\"", document).unwrap().contiguous().into_owned();
    let find = |part: &[u8]| signed.windows(part.len()).position(|window| window == part).unwrap();
    let digest = cryptotoken_api::DigestAlgorithm::Sha256.digest(document);
    let certificate = cryptotoken_api::DigestAlgorithm::Sha256.digest(&key.certificate.to_der().unwrap());
    let places = [find(document) + 3, find(&digest) + 5, find(&certificate) + 7, signed.len() - 5];
    for place in places {
        let mut changed = signed.clone();
        changed[place] ^= 0x01;
        std::fs::write(folder.path().join("cms"), changed).unwrap();
        openssl_accepts(folder.path(), None).unwrap_err();
    }
}
