//! Seal visibly, as callers ask for it.

use std::sync::LazyLock;

use openssl::base64::encode_block;
use serde_json::{Map, Value};
use workers::{SigningParameters, WorkerError};

use crate::{Bench, pdf};

/// Seals a page with this `appearance`: it is refused, or sealed with numbers that are some.
///
/// # Panics
/// When it is refused for another reason than what was asked for, or has no numbers where a PDF must have them.
pub fn seal(table: Map<String, Value>) {
    static WORKER: LazyLock<Bench> = LazyLock::new(|| {
        let_the_subsetter_panic();
        Bench::new("kind = \"pades\"\nreason = \"AB\"\ncaller_may_set = [\"appearance\"]")
    });
    static PAGE: LazyLock<Vec<u8>> = LazyLock::new(pdf::page);
    let parameters = SigningParameters::new(Map::from_iter([("appearance".into(), Value::Object(table))]));
    match WORKER.sign_with(&PAGE, parameters) {
        Ok(sealed) => {
            let sealed = sealed.contiguous();
            assert!(sealed.starts_with(&PAGE));
            // Every other piece is a stream.
            for piece in String::from_utf8_lossy(&sealed).split("stream").step_by(2) {
                assert!(!ODD.iter().any(|odd| piece.contains(odd)), "{piece}");
            }
        }
        Err(WorkerError::Parameter { .. } | WorkerError::Pdf(_)) => {}
        Err(other) => panic!("{other}: {other:?}"),
    }
}

/// The library that takes glyphs out of fonts panics at damaged ones, which is caught and costs the seal alone. The fuzzer's own hook would
/// end the process before.
fn let_the_subsetter_panic() {
    let end = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|place| place.file().contains("/subsetter-")) {
            end(panic);
        }
    }));
}

/// Octets as callers send them.
#[must_use]
pub fn octets(octets: &[u8]) -> Value {
    encode_block(octets).into()
}

/// As no number of a PDF is written.
const ODD: [&str; 5] = [" NaN", "[NaN", " inf", "[inf", "-inf"];
