//! Documents signed over HTTP by keys in a token, judged by foreign programs.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "signing/bench.rs"]
mod bench;
#[path = "signing/matrix.rs"]
mod matrix;
#[path = "signing/tampering.rs"]
mod tampering;
