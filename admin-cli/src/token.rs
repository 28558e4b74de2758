//! `sigillo token`.

use std::path::PathBuf;

use administration::control;
use administration::token::{self, CheckItem, TokenCheck};
use clap::Subcommand;
use cryptotoken_api::TokenStatus;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::OutputFormat;
use crate::prompt;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Every token of sigillo.toml with its state.
    List,
    /// One token.
    Show {
        /// Name in sigillo.toml.
        token: String,
    },
    /// Initialise a token that is not initialised yet; nothing is ever erased.
    Init {
        /// Name in sigillo.toml.
        token: String,
        /// File with the security officer's PIN [default: typed].
        #[arg(long, value_name = "FILE")]
        so_pin_file: Option<PathBuf>,
        /// File with the user PIN [default: typed].
        #[arg(long, value_name = "FILE")]
        pin_file: Option<PathBuf>,
    },
    /// Connect, log in, list keys and compare the device with its profile; exit code 3 where it is another device.
    Check {
        /// Name in sigillo.toml.
        token: String,
        /// Measure, too: generate, use and destroy throw-away keys of every kind. Writes to the device and takes a while.
        #[arg(long)]
        keys: bool,
    },
    /// Let a corrected PIN be tried once, take an operator's lock away, or type the PIN of an unlock = "manual" token.
    Unlock {
        /// Name in sigillo.toml.
        token: String,
        /// File with the PIN, for unlock = "manual" [default: typed].
        #[arg(long, value_name = "FILE")]
        pin_file: Option<PathBuf>,
    },
    /// Forbid the use of a token, on every node, until unlock.
    Lock {
        /// Name in sigillo.toml.
        token: String,
    },
}

pub(crate) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    let (node, output) = (context.node()?, context.output);
    let status = match verb {
        Verb::List => return output.list(&token::list(&node), &COLUMNS, row),
        Verb::Check { token, keys } => return check(context, &token::check(&node, &context.actor, &token, keys)?),
        Verb::Show { token } => token::show(&node, &token)?,
        Verb::Init { token, so_pin_file, pin_file } => {
            // Whoever is asked for PINs should not learn afterwards that there is no such token.
            token::show(&node, &token)?;
            let so_pin = prompt::new_secret(so_pin_file.as_deref(), "security officer's PIN", "--so-pin-file")?;
            let pin = prompt::new_secret(pin_file.as_deref(), "user PIN", "--pin-file")?;
            token::init(&node, &context.actor, &token, &so_pin, &pin)?
        }
        Verb::Unlock { token, pin_file } => {
            let needed = pin_file.is_some() || token::needs_pin(&node, &token)?;
            let what = token::pin_name(&node, &token)?;
            let pin = needed.then(|| prompt::secret(pin_file.as_deref(), &what, "--pin-file")).transpose()?;
            match (&pin, node.configuration().control()) {
                (Some(pin), Some(socket)) => match control::unlock(&socket, &token, pin)? {
                    Some(status) => status,
                    None => {
                        eprintln!("warning: no server listens at {}: the PIN is tried and not kept", socket.display());
                        token::unlock(&node, &context.actor, &token, Some(pin))?
                    }
                },
                (pin, _) => token::unlock(&node, &context.actor, &token, pin.as_ref())?,
            }
        }
        Verb::Lock { token } => token::lock(&node, &context.actor, &token)?,
    };
    output.one(&status, &properties(&status))
}

// The table is an answer in either case; whether it refuses is said apart, for people and by the exit code.
fn check(context: &Context, check: &TokenCheck) -> Result<(), Failure> {
    let mut properties = properties(&check.status);
    properties.push(("keys", check.keys.to_string()));
    properties.push(("failover", check.failover.clone()));
    context.output.one(check, &properties)?;
    if context.output == OutputFormat::Table {
        context.output.text("\n")?;
        let items = check.items.iter().collect();
        context.output.list(&items, &["field", "verdict", "profile", "device"], |item: &&CheckItem| {
            let verdict = if item.refuses() { "DIFFERS" } else { item.verdict.name() };
            vec![item.field.clone(), verdict.to_owned(), item.expected.clone(), item.found.clone()]
        })?;
    }
    check.refusal().map_or(Ok(()), |reason| Err(Failure::refused(reason)))
}

/// Columns of [`row`].
pub(crate) const COLUMNS: [&str; 6] = ["token", "profile", "state", "label", "serial", "reason"];

/// A token in a table.
pub(crate) fn row(status: &TokenStatus) -> Vec<String> {
    vec![
        status.name.clone(),
        status.profile.clone(),
        status.state.name().to_owned(),
        status.label.clone().unwrap_or_default(),
        status.serial.clone().unwrap_or_default(),
        status.reason.clone(),
    ]
}

fn properties(status: &TokenStatus) -> Vec<(&'static str, String)> {
    let (used, most) = status.sessions;
    vec![
        ("token", status.name.clone()),
        ("profile", status.profile.clone() + if status.overridden { " (with overrides)" } else { "" }),
        ("state", status.state.name().to_owned()),
        ("reason", status.reason.clone()),
        ("label", status.label.clone().unwrap_or_default()),
        ("serial", status.serial.clone().unwrap_or_default()),
        ("device", status.device.clone().unwrap_or_default()),
        ("qualified device", if status.qscd { "yes" } else { "no" }.to_owned()),
        ("device confirmed", confirmed(status.device_confirmed).to_owned()),
        ("sessions", format!("{used} of {most} in use by this process")),
        ("hung calls", status.hung_calls.to_string()),
    ]
}

const fn confirmed(confirmed: Option<bool>) -> &'static str {
    match confirmed {
        Some(true) => "yes, it is what the profile describes",
        Some(false) => "no, it is another one",
        None => "not known",
    }
}
