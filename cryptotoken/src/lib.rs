//! Crypto tokens: keys in PKCS#11 devices, and the life of these keys.
//!
//! [`pkcs11::Pkcs11Token`] is [`cryptotoken_api::CryptoToken`] over a vendor's library; what differs between vendors is data in `profile/`.
//! [`lifecycle`] holds the only doors for key management. Nothing here knows documents, HTTP or SQL.
//!
//! **A new vendor** is one file in `profile/`, named in the list of `profile.rs`: what it does not say is taken from `generic.toml`. Where
//! data cannot say it, an enum of `profile.rs` gets a variant, handled in one `match`.

pub mod config;
pub mod conformance;
mod held_pin;
pub mod identity;
pub mod kak_file;
pub mod lifecycle;
pub mod login;
pub mod pkcs11;
pub mod profile;

pub use config::{KakLocation, KeyAuthorizationConfig, PinSource, SlotSelector, TokenConfig};
pub use kak_file::KakFile;
pub use login::{LoginMemory, LoginOutcome, LoginTurn, MemoryError, ProcessMemory};
pub use pkcs11::Pkcs11Token;
pub use profile::TokenProfile;
