//! The audit chain of a running service: complete after crashes and hang-ups, and never changed unnoticed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "audit/administration.rs"]
mod administration;
#[path = "audit/contents.rs"]
mod contents;
#[path = "audit/crash.rs"]
mod crash;
#[path = "audit/hang_up.rs"]
mod hang_up;
#[path = "audit/records.rs"]
mod records;
#[path = "audit/tampering.rs"]
mod tampering;
