//! `sigillo sign`: lets a server sign files, or augment signatures, several at a time.
//!
//! One line for each file that was not signed, on standard error; the answer is a summary, or with JSON what became of each file.

mod files;
mod service;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use administration::Items;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::failure::Failure;
use crate::output::OutputFormat;
use crate::prompt::secret_from_file;
use files::{Input, Inputs};
use service::{Refusal, Service, Tls, Verdict};

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The worker that signs.
    #[arg(long)]
    worker: String,
    /// Files, or folders with all that is in them (these need --out-dir).
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where signed documents go, with the paths they have in their folders; made if missing.
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
    /// The files are signatures, of this service or of others: bring them to the worker's level. No key is used. Of a detached
    /// one, NAME.p7s, NAME beside it is the document.
    #[arg(long)]
    augment: bool,
    /// One signature over all files together, from a xades worker with detached or enveloping signatures, written to this file.
    #[arg(long, value_name = "SIGNATURE", conflicts_with_all = ["augment", "out_dir"])]
    together: Option<PathBuf>,
    /// JSON file with what the worker lets its callers choose, the same for every file, such as {"reason": "Paid", "password": "…"};
    /// at most 64 KiB. Keep one with a password unreadable for others.
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// How many requests at the same time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    parallel: u8,
    /// The server.
    #[arg(
        long,
        value_name = "URL",
        env = "SIGILLO_SERVER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080"
    )]
    server: String,
    /// File with the API key [default: the environment variable SIGILLO_API_KEY].
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// PEM certificates of the CAs that the server's certificate may come from [default: those of the system].
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// PEM chain of a TLS client certificate.
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// Its private key, PEM (PKCS #8), not encrypted.
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Names: with --out-dir as the input, without it NAME-signed.EXT beside it; both for PDF and XML. Other answers are \
NAME.p7m (CMS with the document), NAME.p7s (CMS without it) or NAME.sig (plain signature). With --augment an output is named as \
the input, without --out-dir NAME-augmented.EXT. An output of an earlier run is replaced, an input never.

Exit codes: 0 all signed; 1 some were not, or for different reasons; 2 wrong usage; 3 none signed, all refused (grant, document, \
credential); 4 none signed, the service was unavailable (try again later). A busy service (503, 429) is asked up to five times.";

pub(crate) fn run(output: OutputFormat, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let task = match &arguments.together {
        Some(_) => Task::Together,
        None if arguments.augment => Task::Augment,
        None => Task::Sign,
    };
    let parameters = arguments.parameters.as_deref().map(parameters).transpose()?;
    let service = Service::new(&arguments.server, &arguments.worker, task, api_key(arguments)?, &tls(arguments))?
        .with_parameters(parameters);
    let mut inputs = Inputs::collect(&arguments.files, arguments.out_dir.as_deref(), task)?;
    if let Some(output) = &arguments.together {
        inputs = inputs.together(output)?;
    }
    let reports = sign_all(output, &service, &inputs, arguments.parallel);
    let tally = Tally::of(&reports);
    let exit_code = tally.exit_code();
    output.done(&tally.sentence(task, &reports), &Items { items: reports })?;
    Ok(ExitCode::from(exit_code))
}

/// What is to be done with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Sign,
    Augment,
    /// One signature over all files.
    Together,
}

impl Task {
    const fn done(self) -> &'static str {
        match self {
            Self::Sign | Self::Together => "signed",
            Self::Augment => "augmented",
        }
    }
}

/// What became of one file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Refusal>,
}

fn sign_all(output: OutputFormat, service: &Service, inputs: &Inputs, parallel: u8) -> Vec<Report> {
    let bar = ProgressBar::new(inputs.items.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    let (next, unreachable) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done = Mutex::new(Vec::with_capacity(inputs.items.len()));
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = inputs.items.get(index) else { break };
            let outcome = if unreachable.load(Ordering::Relaxed) {
                Err(Refusal::not_tried())
            } else {
                sign_one(service, inputs, input)
            };
            if let Err(refusal) = &outcome {
                unreachable.fetch_or(refusal.unreachable, Ordering::Relaxed);
                let detail = format!("{}: {}", input.path.display(), refusal.detail);
                bar.suspend(|| output.complaint(&refusal.name, &detail));
            }
            bar.inc(1);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, report(input, outcome)));
        }
    };
    std::thread::scope(|scope| (0..parallel).for_each(|_| drop(scope.spawn(work))));
    bar.finish_and_clear();
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, report)| report).collect()
}

fn sign_one(service: &Service, inputs: &Inputs, input: &Input) -> Result<(PathBuf, Option<String>), Refusal> {
    let mut signed = service.send(input)?;
    let output =
        inputs.write(input, &signed.media_type, &mut signed.content).map_err(|error| Refusal::local(&error))?;
    Ok((output, signed.level))
}

fn report(input: &Input, outcome: Result<(PathBuf, Option<String>), Refusal>) -> Report {
    let file = input.path.clone();
    match outcome {
        Ok((output, level)) => Report { file, output: Some(output), level, problem: None },
        Err(refusal) => Report { file, output: None, level: None, problem: Some(refusal) },
    }
}

/// How many files met which end.
#[derive(Debug, Default)]
struct Tally {
    signed: usize,
    refused: usize,
    unavailable: usize,
    failed: usize,
}

impl Tally {
    fn of(reports: &[Report]) -> Self {
        let mut tally = Self::default();
        for report in reports {
            *match report.problem.as_ref().map(|problem| problem.verdict) {
                None => &mut tally.signed,
                Some(Verdict::Refused) => &mut tally.refused,
                Some(Verdict::Unavailable) => &mut tally.unavailable,
                Some(Verdict::Failed) => &mut tally.failed,
            } += 1;
        }
        tally
    }

    const fn exit_code(&self) -> u8 {
        match self {
            Self { refused: 0, unavailable: 0, failed: 0, .. } => 0,
            Self { signed: 0, unavailable: 0, failed: 0, .. } => 3,
            Self { signed: 0, refused: 0, failed: 0, .. } => 4,
            _ => 1,
        }
    }

    fn sentence(&self, task: Task, reports: &[Report]) -> String {
        let done = task.done();
        if let [Report { file, output: Some(output), .. }] = reports {
            return format!("{} {done}: {}", file.display(), output.display());
        }
        let Self { signed, refused, unavailable, failed } = self;
        let others = [(refused, "refused"), (unavailable, "unavailable"), (failed, "failed")];
        let others = others.iter().filter(|(count, _)| **count > 0).map(|(count, what)| format!(", {count} {what}"));
        format!("{signed} of {} {done}{}", reports.len(), others.collect::<String>())
    }
}

/// The parameters as they are sent; a mistake in them is found before the first file is.
fn parameters(path: &Path) -> Result<SecretString, Failure> {
    let text = secret_from_file(path)?;
    match serde_json::from_str::<HashMap<String, IgnoredAny>>(text.expose_secret()) {
        Ok(_) => Ok(text),
        // What stands in the file is not said: it may be a password.
        Err(error) => Err(Failure::Usage(format!(
            "{} is no JSON object of parameters: line {}, column {}",
            path.display(),
            error.line(),
            error.column()
        ))),
    }
}

fn api_key(arguments: &Arguments) -> Result<Option<SecretString>, Failure> {
    if let Some(path) = &arguments.api_key_file {
        return secret_from_file(path).map(Some);
    }
    match std::env::var("SIGILLO_API_KEY") {
        Ok(key) => Ok(Some(SecretString::from(key))),
        Err(_) if arguments.client_certificate.is_some() => Ok(None),
        Err(_) => Err(Failure::Usage(
            "who calls is missing: set SIGILLO_API_KEY, or name --api-key-file or --client-certificate".into(),
        )),
    }
}

fn tls(arguments: &Arguments) -> Tls<'_> {
    let identity = arguments.client_certificate.as_deref().zip(arguments.client_key.as_deref());
    Tls { ca: arguments.ca.as_deref(), identity }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(signed: usize, refused: usize, unavailable: usize, failed: usize) -> u8 {
        Tally { signed, refused, unavailable, failed }.exit_code()
    }

    #[test]
    fn the_exit_code_tells_what_became_of_the_batch() {
        assert_eq!(code(2, 0, 0, 0), 0);
        assert_eq!(code(0, 2, 0, 0), 3);
        assert_eq!(code(0, 0, 2, 0), 4);
        for mixed in [code(1, 1, 0, 0), code(1, 0, 1, 0), code(0, 1, 1, 0), code(0, 0, 0, 1), code(1, 0, 0, 1)] {
            assert_eq!(mixed, 1);
        }
    }
}
