//! Placeholder.

pub mod xades;
