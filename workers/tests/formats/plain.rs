//! Plain signatures, judged by OpenSSL.

use std::path::Path;
use std::process::Command;

use cryptotoken_api::{DigestAlgorithm, DtbsRepresentation, KeySpec};
use workers::{DocumentContent, SigningParameters, WorkerError};

use crate::software_key::{SoftwareKey, run};

fn openssl_accepts(folder: &Path, spec: KeySpec, options: &[&str]) -> Result<String, String> {
    let mut command = Command::new("openssl");
    if spec == KeySpec::Ed25519 {
        command.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]).arg(folder.join("key.pub"));
        command.arg("-sigfile").arg(folder.join("signature")).arg("-in").arg(folder.join("document"));
    } else {
        command.arg("dgst").args(options).arg("-verify").arg(folder.join("key.pub"));
        command.arg("-signature").arg(folder.join("signature")).arg(folder.join("document"));
    }
    run(&mut command)
}

#[test]
fn openssl_accepts_plain_signatures_of_every_algorithm() {
    let pss = ["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
    let cases: [(KeySpec, &str, &[&str]); 6] = [
        (KeySpec::Rsa3072, "", &["-sha256"]),
        (KeySpec::Rsa3072, "signature_scheme = \"rsa-pss\"", &pss),
        (KeySpec::EcP256, "", &["-sha256"]),
        (KeySpec::EcP384, "", &["-sha384"]),
        (KeySpec::EcP521, "", &["-sha512"]),
        (KeySpec::Ed25519, "", &[]),
    ];
    for (spec, definition, options) in cases {
        let key = SoftwareKey::generate(spec);
        let folder = tempfile::tempdir().unwrap();
        key.write_certificates(folder.path());
        let signed = key.sign(&format!("kind = \"plain\"\n{definition}"), b"any bytes").unwrap();
        std::fs::write(folder.path().join("signature"), signed.contiguous()).unwrap();
        std::fs::write(folder.path().join("document"), b"any bytes").unwrap();
        openssl_accepts(folder.path(), spec, options).unwrap();
        std::fs::write(folder.path().join("document"), b"any Bytes").unwrap();
        openssl_accepts(folder.path(), spec, options).unwrap_err();
    }
}

#[test]
fn a_fixed_width_ecdsa_signature_is_two_coordinates_long() {
    let key = SoftwareKey::generate(KeySpec::EcP521);
    let signed = key.sign("kind = \"plain\"\necdsa_encoding = \"fixed\"", b"any bytes").unwrap();
    assert_eq!(signed.length(), 132);
}

#[test]
fn digests_are_signed_only_where_the_worker_allows_it() {
    let key = SoftwareKey::generate(KeySpec::Rsa3072);
    let folder = tempfile::tempdir().unwrap();
    key.write_certificates(folder.path());
    let digest = |algorithm: DigestAlgorithm| {
        DocumentContent::Digest(DtbsRepresentation::new(algorithm, algorithm.digest(b"any bytes")).unwrap())
    };
    let sign = |definition, content| key.sign_with(definition, content, SigningParameters::default());
    let refused = sign("kind = \"plain\"", digest(DigestAlgorithm::Sha256));
    assert!(matches!(refused, Err(WorkerError::DigestNotAllowed { .. })));
    let allowed = "kind = \"plain\"\nallow_client_hash = true";
    let refused = sign(allowed, digest(DigestAlgorithm::Sha384));
    assert!(matches!(refused, Err(WorkerError::DigestAlgorithm { .. })));

    let signed = sign(allowed, digest(DigestAlgorithm::Sha256)).unwrap();
    std::fs::write(folder.path().join("signature"), signed.contiguous()).unwrap();
    std::fs::write(folder.path().join("document"), b"any bytes").unwrap();
    openssl_accepts(folder.path(), KeySpec::Rsa3072, &["-sha256"]).unwrap();
}
