//! Augment the signatures of a PDF: it is refused, or only grows.
#![no_main]

use std::sync::LazyLock;

use fuzz::Bench;
use libfuzzer_sys::fuzz_target;

static WORKERS: LazyLock<Vec<Bench>> = LazyLock::new(|| {
    ["B-T", "B-LT", "B-LTA"].iter().map(|level| Bench::new(&format!("kind = \"pades\"\nlevel = \"{level}\""))).collect()
});

fuzz_target!(|document: &[u8]| {
    if let Ok(augmented) = WORKERS[document.len() % 3].augment(document, None) {
        assert!(augmented.contiguous().starts_with(document));
    }
});
