//! PAdES over a corpus of foreign PDFs, where one is at hand: every file is sealed so that poppler accepts it, or refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cryptotoken_api::KeySpec;
use workers::WorkerError;

use crate::pdf::{LAST, pdfsig, qpdf_check};
use crate::software_key::SoftwareKey;

/// `SIGILLO_CORPUS`, else `shared/corpus` beside the repository.
fn corpus() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    std::env::var_os("SIGILLO_CORPUS").map_or_else(beside, PathBuf::from).join("pdf")
}

#[test]
fn poppler_rejects_no_seal_on_any_pdf_of_the_corpus() {
    let Ok(entries) = std::fs::read_dir(corpus()) else {
        crate::software_key::report(&format!(
            "no corpus at {}: nothing was sealed; set SIGILLO_CORPUS to its folder",
            corpus().display()
        ));
        return;
    };
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signed.pdf");
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rejected = Vec::new();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "pdf")) {
        let name = path.file_name().unwrap().to_string_lossy();
        let document = std::fs::read(path).unwrap();
        let mut reason = String::new();
        let outcome = match key.sign("kind = \"pades\"", &document) {
            Ok(signed) => {
                std::fs::write(&file, signed.contiguous()).unwrap();
                let intact = |file: &Path| pdfsig(file).iter().filter(|verdict| verdict.intact).count();
                // The new one, and the earlier ones as before.
                let accepted = pdfsig(&file).contains(&LAST) && intact(&file) == intact(path) + 1;
                let clean = qpdf_check(&file).is_ok() || qpdf_check(path).is_err();
                match (accepted, clean) {
                    (true, true) => "accepted",
                    (true, false) => "REJECTED by qpdf",
                    (false, _) => "REJECTED by poppler",
                }
            }
            Err(WorkerError::Pdf(refusal)) => {
                reason = refusal.to_string();
                "refused"
            }
            Err(error) => panic!("{name}: {error}"),
        };
        println!("{name:70} {outcome:10} {reason}");
        *outcomes.entry(outcome).or_default() += 1;
        if outcome.starts_with("REJECTED") {
            rejected.push(format!("{name}: {outcome}"));
        }
    }
    crate::software_key::report(&format!("{outcomes:?}"));
    assert!(rejected.is_empty(), "{rejected:#?}");
}
