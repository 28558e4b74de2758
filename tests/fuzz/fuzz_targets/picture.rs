//! Seal with a caller's picture, PNG or JPEG.
#![no_main]

use fuzz::visible::{octets, seal};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, json};

fuzz_target!(|picture: &[u8]| {
    let mut table = Map::from_iter([("image".into(), octets(picture)), ("font_size".into(), json!(6))]);
    table.insert("image_position".into(), ["left", "above", "behind"][picture.len() % 3].into());
    seal(table);
});
