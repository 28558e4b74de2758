//! Documents signed over HTTP by keys in a token, judged by foreign programs.

#[path = "signing/bench.rs"]
mod bench;
#[path = "signing/matrix.rs"]
mod matrix;
#[path = "signing/tampering.rs"]
mod tampering;
