//! The audit chain of a running service: complete after crashes and hang-ups, and never changed unnoticed.

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
