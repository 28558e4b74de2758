//! `sigillo grant`.

use administration::grant::{self, Grant, GrantView, Role};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::output::moment;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Let a client sign with a worker, or give it a role. No client that signs can be administrator.
    Add(Arguments),
    /// Take a grant away.
    Remove(Arguments),
    /// All grants, or those of one client.
    List {
        /// Name of the client.
        client: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the client.
    client: String,
    #[command(flatten)]
    what: What,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The worker to sign with.
    #[arg(long)]
    worker: Option<String>,
    /// The part in administration.
    #[arg(long, value_parser = role())]
    role: Option<Role>,
}

pub(crate) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    let (node, actor, output) = (context.node()?, &context.actor, context.output);
    match verb {
        Verb::Add(arguments) => {
            let (client, grant) = arguments.grant()?;
            grant::add(&node, actor, &client, &grant)?;
            output.done(&format!("client \"{client}\" {}", may(&grant)), &value(&client, &grant))
        }
        Verb::Remove(arguments) => {
            let (client, grant) = arguments.grant()?;
            grant::remove(&node, actor, &client, &grant)?;
            output.done(&format!("no more: client \"{client}\" {}", may(&grant)), &value(&client, &grant))
        }
        Verb::List { client } => output.list(&grant::list(&node, client.as_deref())?, &COLUMNS, row),
    }
}

impl Arguments {
    fn grant(self) -> Result<(String, Grant), Failure> {
        match (self.what.worker, self.what.role) {
            (Some(worker), None) => Ok((self.client, Grant::Worker(worker))),
            (None, Some(role)) => Ok((self.client, Grant::Role(role))),
            _ => Err(Failure::Usage("say either --worker or --role".into())),
        }
    }
}

fn may(grant: &Grant) -> String {
    match grant {
        Grant::Worker(worker) => format!("may sign with worker \"{worker}\""),
        Grant::Role(role) => format!("is {role}"),
    }
}

fn value(client: &str, grant: &Grant) -> Value {
    match grant {
        Grant::Worker(worker) => json!({ "client": client, "worker": worker }),
        Grant::Role(role) => json!({ "client": client, "role": role }),
    }
}

fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::name)).try_map(|name| name.parse::<Role>())
}

const COLUMNS: [&str; 4] = ["client", "worker", "role", "since"];

fn row(grant: &GrantView) -> Vec<String> {
    vec![
        grant.client.clone(),
        grant.worker.clone().unwrap_or_default(),
        grant.role.map(|role| role.to_string()).unwrap_or_default(),
        moment(grant.created_at),
    ]
}
