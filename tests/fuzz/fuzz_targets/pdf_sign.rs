//! Seal a PDF: it is refused, or sealed and nothing before the seal changes.
#![no_main]

use std::sync::LazyLock;

use fuzz::Bench;
use libfuzzer_sys::fuzz_target;
use workers::WorkerError;

static WORKERS: LazyLock<Vec<Bench>> = LazyLock::new(|| {
    let definitions = ["", "field = \"seal\"", "certification = 2\nreason = \"P\u{f5}hjus\"", "level = \"B-LTA\""];
    definitions.iter().map(|lines| Bench::new(&format!("kind = \"pades\"\n{lines}"))).collect()
});

fuzz_target!(|document: &[u8]| {
    match WORKERS[document.len() % 4].sign(document) {
        Ok(signed) => assert!(signed.contiguous().starts_with(document)),
        Err(WorkerError::Pdf(_)) => {}
        Err(other) => panic!("{other}: {other:?}"),
    }
});
