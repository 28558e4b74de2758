//! `sigillo credential`.

use administration::backup::KeyBackup;
use administration::credential::{self, CredentialView};
use clap::Subcommand;
use serde_json::json;

use crate::authorization::summary as authorization;
use crate::certificate;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::moment;
use crate::prompt;
use crate::replica;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// All credentials.
    List,
    /// One credential.
    Show {
        /// Its name.
        credential: String,
    },
    /// Put an active credential aside.
    Suspend {
        /// Its name.
        credential: String,
    },
    /// Take a suspended or disabled credential back.
    Activate {
        /// Its name.
        credential: String,
    },
    /// Switch a credential off.
    Disable {
        /// Its name.
        credential: String,
    },
    /// Copies of the key on other tokens, for continuity of the service.
    #[command(subcommand)]
    Replica(replica::Verb),
    /// Forget a credential whose key is destroyed; its audit records stay.
    Remove {
        /// Its name.
        credential: String,
        /// Do it without asking.
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    let (node, actor, output) = (context.node()?, &context.actor, context.output);
    let shown = match verb {
        Verb::List => return output.list(&credential::list(&node)?, &COLUMNS, row),
        Verb::Replica(verb) => return replica::run(&node, actor, output, verb),
        Verb::Remove { credential: name, yes } => {
            credential::show(&node, &name)?;
            prompt::confirm(yes, &format!("forget credential \"{name}\""), &name)?;
            credential::remove(&node, actor, &name)?;
            return output.done(&format!("credential \"{name}\" is forgotten"), &json!({ "name": name }));
        }
        Verb::Show { credential } => credential::show(&node, &credential)?,
        Verb::Suspend { credential } => credential::suspend(&node, actor, &credential)?,
        Verb::Activate { credential } => credential::activate(&node, actor, &credential)?,
        Verb::Disable { credential } => credential::disable(&node, actor, &credential)?,
    };
    let warnings: Vec<String> = shown.authorizations.iter().filter_map(|key| key.warning.clone()).collect();
    output.warnings(&warnings);
    output.one(&shown, &properties(&shown))
}

const COLUMNS: [&str; 6] = ["credential", "state", "purpose", "spec", "uses", "valid until"];

fn row(credential: &CredentialView) -> Vec<String> {
    vec![
        credential.name.clone(),
        credential.state.to_string(),
        credential.purpose.to_string(),
        credential.spec.to_string(),
        uses(credential),
        credential.chain.first().map(|leaf| moment(leaf.not_after)).unwrap_or_default(),
    ]
}

/// A credential in a table.
pub(crate) fn properties(credential: &CredentialView) -> Vec<(&'static str, String)> {
    let keys: Vec<String> = credential
        .locations
        .iter()
        .map(|location| format!("{} on token {} ({})", location.alias, location.token, location.id))
        .collect();
    let evidence = credential.evidence.as_ref().map(|evidence| {
        format!(
            "approved by {}, device {}, {}",
            evidence.approved_by,
            evidence.device_serial,
            moment(evidence.recorded_at)
        )
    });
    let mut properties = vec![
        ("credential", credential.name.clone()),
        ("state", credential.state.to_string()),
        ("purpose", credential.purpose.to_string()),
        ("spec", credential.spec.to_string()),
        ("owner", credential.owner.clone()),
        ("keys", keys.join("; ")),
        ("uses", uses(credential)),
        ("evidence", evidence.unwrap_or_default()),
        ("authorisation", credential.authorizations.iter().map(authorization).collect::<Vec<_>>().join("; ")),
        ("backups", credential.backups.iter().map(backup).collect::<Vec<_>>().join("; ")),
        ("backup missing", credential.backup_missing.clone().unwrap_or_default()),
        ("certificates", credential.chain.len().to_string()),
    ];
    properties.extend(replica::properties(credential));
    properties.extend(credential.chain.first().map(certificate::properties).unwrap_or_default());
    properties
}

/// A copy of a key in a table or sentence.
pub(crate) fn backup(backup: &KeyBackup) -> String {
    format!("{} ({}, by {})", backup.place, backup.date, backup.by)
}

fn uses(credential: &CredentialView) -> String {
    match credential.use_limit {
        Some(limit) => format!("{} of {limit}", credential.uses),
        None => credential.uses.to_string(),
    }
}
