//! Tokens on SoftHSM: every test in a process of its own with a SoftHSM of its own, since the library and its configuration belong to
//! the process. `openssl` and `pkcs11-tool` judge and interfere from outside.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bench;
mod certificates;
mod conformance;
mod faults;
mod keys;
mod login;
mod outage;
