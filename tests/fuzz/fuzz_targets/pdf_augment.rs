//! Augment the signatures of a PDF: it is refused, or only grows.
#![no_main]

use std::sync::LazyLock;

use fuzz::Bench;
use libfuzzer_sys::fuzz_target;
use workers::SigningParameters;

static WORKERS: LazyLock<Vec<Bench>> = LazyLock::new(|| {
    ["B-T", "B-LT", "B-LTA"].iter().map(|level| Bench::new(&format!("kind = \"pades\"\nlevel = \"{level}\""))).collect()
});

fuzz_target!(|document: &[u8]| {
    let password = document.len().is_multiple_of(5).then(|| ("password".into(), fuzz::pdf::PASSWORD.into()));
    let parameters = SigningParameters::new(password.into_iter().collect());
    if let Ok(augmented) = WORKERS[document.len() % 3].augment_with(document, None, parameters) {
        assert!(augmented.contiguous().starts_with(document));
    }
});
