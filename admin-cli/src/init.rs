//! `sigillo init`.

use std::path::Path;

use administration::init::init;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::OutputFormat;

pub(crate) fn run(context: &Context) -> Result<(), Failure> {
    let path = context.config().unwrap_or(Path::new("sigillo.toml"));
    let made = init(path, &context.actor, context.runtime().handle().clone())?;
    let name = &made.administrator.name;
    let key = made.administrator.api_key.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    let value = json!({
        "configuration": path, "configurationWritten": made.configuration_written, "name": name, "apiKey": key,
    });
    let what = if made.configuration_written { "written" } else { "kept as it was" };
    let sentence = format!(
        "{} {what}; the database is ready\n\nclient   {name}\nAPI key  {key}\n\nThe key is shown this once; keep it safe.",
        path.display()
    );
    context.output.done(&sentence, &value)?;
    if context.output == OutputFormat::Table && made.configuration_written {
        context.output.next(&format!("describe your token in {}, then run: sigillo token list", path.display()))?;
    }
    Ok(())
}
