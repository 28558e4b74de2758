//! Sign a document in each packaging of XAdES: it is refused, or signed so that the signature is right and libxml2 reads it.
#![no_main]

use std::sync::LazyLock;

use fuzz::{Bench, libxml2};
use libfuzzer_sys::fuzz_target;
use workers::WorkerError;

static WORKERS: LazyLock<Vec<Bench>> = LazyLock::new(|| {
    let definitions = [
        "allow_internal_subset = true",
        "",
        "packaging = \"internally-detached\"",
        "packaging = \"enveloping\"",
        "packaging = \"detached\"",
        "mode = \"counter-sign\"",
        "packaging = \"internally-detached\"\nelements = [\"a\"]",
        "place = { xpath = \"/a/n:b[2]\", namespaces = { n = \"urn:n\" }, position = \"first\" }",
        "canonicalization = \"inclusive\"",
    ];
    definitions.iter().map(|lines| Bench::new(&format!("kind = \"xades\"\n{lines}"))).collect()
});

fuzz_target!(|document: &[u8]| {
    let number = if document.len().is_multiple_of(2) { 0 } else { document.len() / 2 % WORKERS.len() };
    match WORKERS[number].sign(document) {
        Ok(signed) => assert!(libxml2::reads(&signed.contiguous()), "{signed:?}"),
        Err(WorkerError::Xml(_) | WorkerError::Augmentation(_)) => {}
        Err(other) => panic!("{other}: {other:?}"),
    }
});
