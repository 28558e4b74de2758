//! What `sigillo status` shows: the node at one glance.

use std::collections::BTreeMap;

use cryptotoken_api::{CredentialState, TokenStatus};
use serde::Serialize;

use crate::{AdministrationError, Items, Node, authorization, credential, token};

/// The node at one glance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The tokens of `sigillo.toml`.
    pub tokens: Items<TokenStatus>,
    /// How many credentials are in each state; states without any are left out.
    pub credentials: BTreeMap<&'static str, usize>,
    /// Credentials whose key lacks the backup that a token requires.
    pub backups_missing: Vec<String>,
    /// How many workers there are.
    pub workers: usize,
    /// How many clients may call.
    pub clients: usize,
    /// Uses of a key whose outcome is not on record: being made now, or left by a process that died.
    pub open_intents: u64,
    /// What is worth a look: authorisations of keys that are used up or soon will be.
    pub warnings: Vec<String>,
}

/// Looks at tokens and database.
///
/// # Errors
/// [`AdministrationError::Store`]; a token that is away is told by its state.
pub fn status(node: &Node) -> Result<Status, AdministrationError> {
    let mut credentials = BTreeMap::new();
    let mut backups_missing = Vec::new();
    for credential in credential::list(node)?.items {
        *credentials.entry(CredentialState::name(credential.state)).or_default() += 1;
        backups_missing.extend(credential.backup_missing.map(|_| credential.name));
    }
    let clients = node.wait(node.store().clients())?;
    Ok(Status {
        tokens: token::list(node),
        credentials,
        backups_missing,
        workers: node.wait(node.store().workers())?.len(),
        clients: clients.iter().filter(|client| client.revoked_at.is_none()).count(),
        open_intents: node.wait(node.store().open_intents())?,
        warnings: authorization::warnings(node)?,
    })
}
