//! The audit chain: what `sigillo audit` does.

use std::io::Write;

pub use store::audit::{AuditFilter, AuditRecord, ChainVerification, ChainVerified};

use crate::{AdministrationError, Items, Node};

/// The newest records that fit, oldest first.
///
/// # Errors
/// [`AdministrationError::Store`].
pub fn list(node: &Node, filter: &AuditFilter, limit: u32) -> Result<Items<AuditRecord>, AdministrationError> {
    Ok(Items { items: node.wait(node.store().audit_records(filter, limit))? })
}

/// Recomputes the whole chain.
///
/// # Errors
/// [`AdministrationError::Store`] when it cannot be read; a chain that was tampered with is an answer, no error.
pub fn verify(node: &Node) -> Result<ChainVerification, AdministrationError> {
    Ok(node.wait(node.store().verify_audit())?)
}

/// Writes all records after `after` as JSON lines, and returns how many.
///
/// # Errors
/// [`AdministrationError::Store`].
pub fn export(node: &Node, after: i64, output: &mut dyn Write) -> Result<u64, AdministrationError> {
    Ok(node.wait(node.store().export_audit(after, output))?)
}
