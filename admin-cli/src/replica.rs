//! `sigillo credential replica`.

use administration::credential::CredentialView;
use administration::{Actor, Node, replica};
use clap::Subcommand;
use cryptotoken_api::KeyAlias;

use crate::credential;
use crate::failure::Failure;
use crate::key::Evidence;
use crate::output::OutputFormat;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Let a copy of the key on another token, made by the device's own means, sign for the credential too.
    Add {
        /// The credential.
        credential: String,
        /// Token in sigillo.toml that holds the copy.
        #[arg(long)]
        token: String,
        /// Name of the copy on it.
        #[arg(long)]
        alias: KeyAlias,
        /// Why continuity of the service needs this copy, in one line; kept on record (eIDAS, Annex II, point 4).
        #[arg(long, value_name = "TEXT")]
        justification: String,
        #[command(flatten)]
        evidence: Evidence,
    },
    /// Take a copy from the credential; the key stays on its token, which may be away.
    Remove {
        /// The credential.
        credential: String,
        /// Token in sigillo.toml.
        #[arg(long)]
        token: String,
        /// Name of the copy on it.
        #[arg(long)]
        alias: KeyAlias,
    },
}

pub(crate) fn run(node: &Node, actor: &Actor, output: OutputFormat, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Add { credential: name, token, alias, justification, evidence } => {
            let record = evidence.record()?;
            let ceremony = evidence.ceremony(record.as_deref());
            let shown = replica::add(node, actor, &name, &token, &alias, &justification, ceremony.as_ref())?;
            output.one(&shown, &credential::properties(&shown))
        }
        Verb::Remove { credential: name, token, alias } => {
            let shown = replica::remove(node, actor, &name, &token, &alias)?;
            output.one(&shown, &credential::properties(&shown))?;
            output.next(&format!("sigillo key destroy --token {token} --alias {alias}"))
        }
    }
}

/// The replicas of a credential for a table: first where, then why.
pub(crate) fn properties(credential: &CredentialView) -> Vec<(&'static str, String)> {
    let line = |replica: &replica::ReplicaView| {
        let state = replica.token_state.map(|state| format!(" is {}", state.name())).unwrap_or_default();
        let reason = match (&replica.justification, &replica.added_by) {
            (Some(justification), Some(added_by)) => format!(", added by {added_by}: {justification}"),
            _ => String::new(),
        };
        format!("token {}{state}{reason}", replica.token)
    };
    credential.replicas.iter().map(|replica| ("replica", line(replica))).collect()
}
