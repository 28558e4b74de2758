//! Sign a document in each packaging of XAdES: it is refused, or signed so that the signature is right.
#![no_main]

use std::sync::LazyLock;

use fuzz::Bench;
use libfuzzer_sys::fuzz_target;
use workers::WorkerError;

static WORKERS: LazyLock<Vec<Bench>> = LazyLock::new(|| {
    let packagings = ["enveloped", "internally-detached", "enveloping", "detached"];
    packagings.iter().map(|each| Bench::new(&format!("kind = \"xades\"\npackaging = \"{each}\""))).collect()
});

fuzz_target!(|document: &[u8]| {
    let number = if document.len() % 2 == 0 { 0 } else { document.len() / 2 % 4 };
    match WORKERS[number].sign(document) {
        Ok(_) | Err(WorkerError::Xml(_)) => {}
        Err(other) => panic!("{other}: {other:?}"),
    }
});
