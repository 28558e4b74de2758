//! Augment the signatures of an XML document.
#![no_main]

use std::sync::LazyLock;

use fuzz::Bench;
use libfuzzer_sys::fuzz_target;

/// What detached seeds sign.
const DOCUMENT: &[u8] = b"document";

static WORKERS: LazyLock<Vec<Bench>> = LazyLock::new(|| {
    ["B-T", "B-LT", "B-LTA"].iter().map(|level| Bench::new(&format!("kind = \"xades\"\nlevel = \"{level}\""))).collect()
});

fuzz_target!(|signature: &[u8]| {
    let document = signature.len().is_multiple_of(2).then_some(DOCUMENT);
    let _ = WORKERS[signature.len() % 3].augment(signature, document);
});
