//! Seal visibly as a caller says, in JSON: placement, texts, colours, time.
#![no_main]

use fuzz::visible::seal;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|json: &[u8]| {
    let Ok(table) = serde_json::from_slice::<Map<String, Value>>(json) else { return };
    seal(table);
});
