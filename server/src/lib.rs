//! `sigillo-server`: the HTTP side of the signing service. The life of a request:
//!
//! 1. [`request_id`] names it; every error below becomes a problem document there ([`error`]).
//! 2. [`authentication`] tells who is calling, [`authorization`] whether they may use the worker: a `Grant`.
//! 3. [`frontend`] reads the body within the limits and makes a `SigningRequest` of it.
//! 4. [`dispatch`] is the one door to the workers: from there on synchronous, on blocking threads, every use of a key recorded.
//!    [`replicas`] chooses between the tokens that hold the key.
//! 5. The front end turns the signed document into an answer.
//!
//! [`app`] wires configuration, database, tokens and routes; [`router`] is every URL on one page.

pub mod app;
mod authentication;
mod authorization;
mod connection;
mod dispatch;
mod error;
pub mod fetch;
mod frontend;
mod local_tsa;
pub mod openapi;
pub mod renderer;
mod replicas;
mod request_id;
pub mod revocation_client;
mod router;
mod service;
pub mod timestamp_client;
mod tls;
mod trust;
