//! Whom the service asks about certificates and times, and what it believes of the answers.

#[path = "trust/authority.rs"]
mod authority;
