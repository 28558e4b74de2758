//! Seal a PDF: it is refused, or sealed and nothing before the seal changes.
#![no_main]

use std::sync::LazyLock;

use fuzz::Bench;
use libfuzzer_sys::fuzz_target;
use workers::{SigningParameters, WorkerError};

static WORKERS: LazyLock<Vec<Bench>> = LazyLock::new(|| {
    let definitions = [
        "",
        "field = \"seal\"",
        "certification = 2\nreason = \"P\u{f5}hjus\"",
        "level = \"B-LTA\"",
        "[appearance]\npage = -1\nanchor = \"top-right\"\nwidth = 60\nheight = 20\ntext = \"AB\"",
    ];
    definitions.iter().map(|lines| Bench::new(&format!("kind = \"pades\"\n{lines}"))).collect()
});

fuzz_target!(|document: &[u8]| {
    let password = document.len().is_multiple_of(3).then(|| ("password".into(), fuzz::pdf::PASSWORD.into()));
    match WORKERS[document.len() % 5].sign_with(document, SigningParameters::new(password.into_iter().collect())) {
        Ok(signed) => assert!(signed.contiguous().starts_with(document)),
        Err(WorkerError::Pdf(_)) => {}
        Err(other) => panic!("{other}: {other:?}"),
    }
});
