//! Read a worker's definition, TOML or JSON: what is accepted is written as JSON and read again to be the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use workers::WorkerConfig;

fuzz_target!(|text: &[u8]| {
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(config) = WorkerConfig::parse(text) {
        let json = serde_json::to_string(&config.to_json().unwrap()).unwrap();
        assert_eq!(WorkerConfig::parse(&json).unwrap(), config);
    }
});
