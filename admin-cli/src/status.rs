//! `sigillo status`.

use administration::status;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::OutputFormat;
use crate::token;

pub(crate) fn run(context: &Context) -> Result<(), Failure> {
    let output = context.output;
    let node = context.node()?;
    let status = status::status(&node)?;
    let credentials: Vec<String> = status.credentials.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let credentials = if credentials.is_empty() { "none".to_owned() } else { credentials.join(", ") };
    let replicated = status.replicated.iter();
    let replicated: Vec<String> =
        replicated.map(|one| format!("{} {} ({})", one.credential, one.state.name(), one.tokens.join(", "))).collect();
    output.one(
        &status,
        &[
            ("credentials", credentials),
            ("backups missing", missing(&status.backups_missing)),
            ("workers", status.workers.to_string()),
            ("clients", status.clients.to_string()),
            ("open intents", status.open_intents.to_string()),
            ("tokens", status.tokens.items.len().to_string()),
            ("replicated credentials", if replicated.is_empty() { "none".to_owned() } else { replicated.join(", ") }),
        ],
    )?;
    output.warnings(&status.warnings);
    if output == OutputFormat::Table && !status.tokens.items.is_empty() {
        output.text("\n")?;
        output.list(&status.tokens, &token::COLUMNS, token::row)?;
    }
    Ok(())
}

// Said only where some are.
fn missing(credentials: &[String]) -> String {
    match credentials.first() {
        Some(first) => format!("{}; see: sigillo credential show {first}", credentials.join(", ")),
        None => String::new(),
    }
}
