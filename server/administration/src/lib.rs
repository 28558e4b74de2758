//! What administrators do: one function for each verb, audited, for the command line now and an admin API later.
//!
//! Every function blocks and returns values that serialise to the JSON which both print. Nothing here knows how it was
//! asked: no arguments, no HTTP. A change and its audit record are one transaction; what touches a device is announced in
//! the audit chain before it happens.

pub mod actor;
pub mod audit;
pub mod authorization;
pub mod backup;
pub mod certificate;
pub mod client;
pub mod configuration;
pub mod control;
pub mod credential;
pub mod error;
pub mod grant;
pub mod init;
pub mod key;
pub mod memory;
pub mod node;
pub mod qualified;
pub mod replica;
pub mod status;
pub mod token;
pub mod worker;

pub use actor::Actor;
pub use configuration::{Configuration, ConfigurationError};
pub use error::{AdministrationError, Consequence};
pub use node::Node;

use serde::Serialize;

/// A list as every verb that lists returns it.
#[derive(Debug, Serialize)]
pub struct Items<T> {
    /// The things.
    pub items: Vec<T>,
}

impl<T> FromIterator<T> for Items<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self { items: items.into_iter().collect() }
    }
}
