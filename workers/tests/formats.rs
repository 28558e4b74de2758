//! Every format with software keys, judged by foreign tools.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up has failed")]

#[path = "formats/cades.rs"]
mod cades;
#[path = "formats/plain.rs"]
mod plain;
#[path = "formats/software_key.rs"]
mod software_key;
#[path = "formats/xades.rs"]
mod xades;
