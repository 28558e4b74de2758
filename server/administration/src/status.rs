//! What `sigillo status` shows: the node at one glance.

use std::collections::BTreeMap;

use cryptotoken_api::{CredentialState, TokenState, TokenStatus};
use serde::Serialize;

use crate::replica::Availability;
use crate::{AdministrationError, Items, Node, authorization, credential, token};

/// The node at one glance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The tokens of `sigillo.toml`.
    pub tokens: Items<TokenStatus>,
    /// How many credentials are in each state; states without any are left out.
    pub credentials: BTreeMap<&'static str, usize>,
    /// Credentials whose key is on several tokens, as this process sees those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicated: Vec<ReplicatedCredential>,
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

/// A credential whose key is on several tokens.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicatedCredential {
    /// Its name.
    pub credential: String,
    /// Whether it can sign.
    pub state: Availability,
    /// The tokens.
    pub tokens: Vec<String>,
}

/// Looks at tokens and database.
///
/// # Errors
/// [`AdministrationError::Store`]; a token that is away is told by its state.
pub fn status(node: &Node) -> Result<Status, AdministrationError> {
    let tokens = token::list(node);
    let ready =
        |name: &String| tokens.items.iter().any(|token| token.name == *name && token.state == TokenState::Ready);
    let mut credentials = BTreeMap::new();
    let mut replicated = Vec::new();
    let mut backups_missing = Vec::new();
    for credential in credential::list(node)?.items {
        if credential.locations.len() > 1 && credential.state != CredentialState::Retired {
            let tokens: Vec<String> = credential.locations.iter().map(|location| location.token.clone()).collect();
            let (credential, state) = (credential.name.clone(), Availability::of(tokens.iter().map(&ready)));
            replicated.push(ReplicatedCredential { credential, state, tokens });
        }
        *credentials.entry(CredentialState::name(credential.state)).or_default() += 1;
        backups_missing.extend(credential.backup_missing.map(|_| credential.name));
    }
    let clients = node.wait(node.store().clients())?;
    Ok(Status {
        credentials,
        replicated,
        backups_missing,
        workers: node.wait(node.store().workers())?.len(),
        clients: clients.iter().filter(|client| client.revoked_at.is_none()).count(),
        open_intents: node.wait(node.store().open_intents())?,
        tokens,
        warnings: authorization::warnings(node)?,
    })
}
