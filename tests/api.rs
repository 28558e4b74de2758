//! The HTTP API: what it takes, what it refuses and how, who may call.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "api/native.rs"]
mod native;
#[path = "api/refusals.rs"]
mod refusals;
#[path = "api/sdk.rs"]
mod sdk;
#[path = "api/tls.rs"]
mod tls;
