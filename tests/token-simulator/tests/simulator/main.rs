//! What the token simulator simulates, seen through the `cryptoki` crate, `pkcs11-tool` and Sigillo's own token; every test in a
//! process of its own with a SoftHSM of its own.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod authorization;
mod authorizer;
mod bench;
mod curves;
mod device;
mod faults;
mod identity;
mod kak;
mod objects;
mod programs;
mod recovery;
mod sessions;
