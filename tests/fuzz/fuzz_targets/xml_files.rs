//! Augment an XML signature over several files beside it.
#![no_main]

use std::sync::LazyLock;

use fuzz::{Bench, files};
use libfuzzer_sys::fuzz_target;
use workers::SigningParameters;

static WORKERS: LazyLock<Vec<Bench>> = LazyLock::new(|| {
    ["B-T", "B-LTA"].iter().map(|level| Bench::new(&format!("kind = \"xades\"\nlevel = \"{level}\""))).collect()
});

fuzz_target!(|signature: &[u8]| {
    let _ = WORKERS[signature.len() % 2].augment_content(signature, Some(files()), SigningParameters::default());
});
