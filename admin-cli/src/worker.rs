//! `sigillo worker`.

mod definition;

use std::path::PathBuf;

use administration::Items;
use administration::worker::{self, WorkerView};
use clap::Subcommand;
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use definition::definition;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make workers, or new versions of them, from definitions in TOML or JSON. All are checked before any is made.
    Apply {
        /// A definition; - is standard input. May be given several times.
        #[arg(short, long = "file", value_name = "FILE", required = true)]
        file: Vec<PathBuf>,
        /// Only say whether it would be accepted; uses neither key nor network.
        #[arg(long)]
        dry_run: bool,
    },
    /// All workers.
    List,
    /// One worker, defaults filled in.
    Show {
        /// Its name.
        worker: String,
    },
    /// Sign a small document and throw the result away; a real signature, on record as every one.
    Test {
        /// Its name.
        worker: String,
    },
    /// Remove a worker with the grants for it.
    Remove {
        /// Its name.
        worker: String,
    },
}

pub(crate) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    let (node, actor, output) = (context.node()?, &context.actor, context.output);
    match verb {
        Verb::Apply { file, dry_run } => {
            let texts: Vec<String> = file.iter().map(|path| definition(path)).collect::<Result<_, _>>()?;
            let apply = |dry_run| -> Result<Items<WorkerView>, Failure> {
                let views = texts.iter().zip(&file).map(|(text, path)| {
                    let refused = |source| Failure::Definition { path: path.display().to_string(), source };
                    worker::apply(&node, actor, text, dry_run).map_err(refused)
                });
                Ok(Items { items: views.collect::<Result<_, Failure>>()? })
            };
            let mut applied = apply(true)?;
            if !dry_run {
                applied = apply(false)?;
            }
            for worker in &applied.items {
                output.warnings(&worker.warnings);
            }
            match applied.items.as_slice() {
                [only] => output.one(only, &properties(only)),
                _ => output.list(&applied, &COLUMNS, row),
            }
        }
        Verb::List => output.list(&worker::list(&node)?, &COLUMNS, row),
        Verb::Show { worker } => {
            let shown = worker::show(&node, &worker)?;
            output.warnings(&shown.warnings);
            output.one(&shown, &properties(&shown))
        }
        Verb::Test { worker } => {
            let tested = worker::test(&node, actor, &worker)?;
            output.done(&format!("worker \"{worker}\" signs"), &tested)
        }
        Verb::Remove { worker } => {
            worker::remove(&node, actor, &worker)?;
            output.done(&format!("worker \"{worker}\" is removed"), &json!({ "name": worker }))
        }
    }
}

const COLUMNS: [&str; 6] = ["worker", "version", "kind", "credential", "algorithm", "warnings"];

fn row(worker: &WorkerView) -> Vec<String> {
    vec![
        worker.name.clone(),
        worker.version.to_string(),
        worker.kind.map(|kind| kind.to_string()).unwrap_or_default(),
        worker.credential.clone(),
        worker.algorithm.clone(),
        worker.warnings.join("; "),
    ]
}

fn properties(worker: &WorkerView) -> Vec<(&str, String)> {
    let version = match worker.version {
        0 => "none: not applied".to_owned(),
        version => version.to_string(),
    };
    let mut properties =
        vec![("worker", worker.name.clone()), ("version", version), ("algorithm", worker.algorithm.clone())];
    // The definition speaks for the rest, whatever its kind has.
    let rest = worker.definition.iter().filter(|(key, _)| key.as_str() != "name");
    properties.extend(rest.map(|(key, value)| match value {
        serde_json::Value::String(text) => (key.as_str(), text.clone()),
        other => (key.as_str(), other.to_string()),
    }));
    properties
}
