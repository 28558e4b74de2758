//! Grants: what `sigillo grant` does.

use serde::Serialize;
pub use store::{Grant, Role};
use time::OffsetDateTime;

use crate::client::known;
use crate::{Actor, AdministrationError, Items, Node};

/// A grant as the command line shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantView {
    /// Name of the client.
    pub client: String,
    /// The worker it may sign with.
    pub worker: Option<String>,
    /// The part it has in administration.
    pub role: Option<Role>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// Lets a client sign with a worker, or gives it a role.
///
/// # Errors
/// Refused when client or worker do not exist, or the client would be signer and administrator.
pub fn add(node: &Node, actor: &Actor, client: &str, grant: &Grant) -> Result<(), AdministrationError> {
    known(node, client)?;
    let act = actor.act("grant add", client).with(detail(grant));
    Ok(node.wait(node.store().add_grant(client, grant, act))?)
}

/// Takes a grant away.
///
/// # Errors
/// Refused when there is no such grant.
pub fn remove(node: &Node, actor: &Actor, client: &str, grant: &Grant) -> Result<(), AdministrationError> {
    let act = actor.act("grant remove", client).with(detail(grant));
    Ok(node.wait(node.store().remove_grant(client, grant, act))?)
}

/// All grants, or those of one client.
///
/// # Errors
/// Refused when there is no such client.
pub fn list(node: &Node, client: Option<&str>) -> Result<Items<GrantView>, AdministrationError> {
    client.map_or(Ok(()), |name| known(node, name))?;
    let grants = node.wait(node.store().grants(client))?;
    Ok(grants
        .into_iter()
        .map(|granted| {
            let (worker, role) = match granted.grant {
                Grant::Worker(worker) => (Some(worker), None),
                Grant::Role(role) => (None, Some(role)),
            };
            GrantView { client: granted.client, worker, role, created_at: granted.created_at }
        })
        .collect())
}

fn detail(grant: &Grant) -> serde_json::Value {
    match grant {
        Grant::Worker(worker) => serde_json::json!({ "worker": worker }),
        Grant::Role(role) => serde_json::json!({ "role": role }),
    }
}
