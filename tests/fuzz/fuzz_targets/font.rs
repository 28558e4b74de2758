//! Seal with a caller's font, TrueType or OpenType.
#![no_main]

use fuzz::visible::{octets, seal};
use libfuzzer_sys::fuzz_target;
use serde_json::Map;

fuzz_target!(|font: &[u8]| {
    let mut table = Map::from_iter([("font".into(), octets(font)), ("text".into(), TEXT.into())]);
    if font.len().is_multiple_of(2) {
        table.insert("font_size".into(), 7.into());
    }
    seal(table);
});

/// What the fonts among the seeds have, from left to right and from right to left, and what only the built-in font has.
const TEXT: &str = "AB fi \u{5d0}\u{5d1} A\u{301}\n{signer}";
