//! A whole service for tests: a SoftHSM token, a certification authority, a server process, clients, foreign verifiers.
//!
//! Everything is made by the programs an operator uses (`sigillo`, `sigillo-server`, `softhsm2-util`, `openssl`), in a temporary
//! folder, on a free port of loopback. Nothing here is skipped when a program is missing: it fails and says how to install it.

pub mod device;
pub mod http;
pub mod kryoptic;
pub mod live_pki;
pub mod measure;
pub mod picture;
pub mod pki;
pub mod programs;
pub mod raw;
pub mod remote_device;
pub mod server;
pub mod service;
pub mod token;
pub mod verifiers;

pub use device::Device;
pub use http::{Answer, Client};
pub use live_pki::LivePki;
pub use pki::TestPki;
pub use raw::{Broken, RawConnection};
pub use remote_device::RemoteDevice;
pub use service::{TestService, TestServiceBuilder};
pub use token::TestToken;
pub use verifiers::{Question, Verdict};

/// Shows a result whether the test passes or not. What a test prints otherwise is shown of failing tests only.
pub fn report(result: &str) {
    use std::io::Write;
    // One write, so that the lines of tests that run at the same time do not mix.
    let _ = std::io::stdout().write_all(format!("{result}\n").as_bytes());
}
