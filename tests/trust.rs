//! Whom the service asks about certificates and times, and what it believes of the answers.

#[path = "trust/authority.rs"]
mod authority;
#[path = "trust/clients.rs"]
mod clients;
#[path = "trust/fetch.rs"]
mod fetch;
#[path = "trust/hostile.rs"]
mod hostile;
#[path = "trust/proxy.rs"]
mod proxy;
#[path = "trust/revocation.rs"]
mod revocation;
#[path = "trust/sealing.rs"]
mod sealing;
#[path = "trust/timestamps.rs"]
mod timestamps;
#[path = "trust/validation_data.rs"]
mod validation_data;
