//! Augment a CMS signature, and join it with another signer: the other way in for foreign CMS.
#![no_main]

use std::sync::LazyLock;

use fuzz::Bench;
use libfuzzer_sys::fuzz_target;

/// What detached seeds sign.
const DOCUMENT: &[u8] = b"document";

static AUGMENTING: LazyLock<Vec<Bench>> = LazyLock::new(|| {
    ["B-T", "B-LT", "B-LTA"].iter().map(|level| Bench::new(&format!("kind = \"cades\"\nlevel = \"{level}\""))).collect()
});
static JOINING: LazyLock<Vec<Bench>> = LazyLock::new(|| {
    ["co-sign", "counter-sign"].iter().map(|mode| Bench::new(&format!("kind = \"cades\"\nmode = \"{mode}\""))).collect()
});

fuzz_target!(|cms: &[u8]| {
    let document = cms.len().is_multiple_of(2).then_some(DOCUMENT);
    let _ = AUGMENTING[cms.len() % 3].augment(cms, document);
    let _ = JOINING[cms.len() % 2].sign(cms);
});
