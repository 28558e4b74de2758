//! `sigillo`: administration and signing on the command line.
//!
//! Arguments in, table or JSON out; what happens in between is `administration`, or for `sign` a server. One file per noun.

mod audit;
mod authorization;
mod certificate;
mod cli;
mod client;
mod context;
mod credential;
mod failure;
mod grant;
mod init;
mod key;
mod output;
mod prompt;
mod replica;
mod sign;
mod status;
mod token;
mod worker;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::OutputFormat;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse_arguments(&error),
    };
    log(cli.output);
    if let Err(error) = administration::memory::protect() {
        tracing::warn!("core dumps cannot be turned off: {error}");
    }
    let output = cli.output;
    match cli.run() {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}

// Help and version are "errors" of the parser too; they go to standard output with success.
fn refuse_arguments(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && OutputFormat::wanted_by(std::env::args_os()) == OutputFormat::Json {
        let text = error.to_string();
        let sentence = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let failure = Failure::Usage(sentence.to_owned());
        OutputFormat::Json.failure(&failure);
        return failure.exit_code();
    }
    // Nothing helps when the terminal is gone.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

// The log is for people: with JSON, standard error carries the problem document and nothing else unless it was asked for.
fn log(output: OutputFormat) {
    let default = match output {
        // Why a token is away is in the answer.
        OutputFormat::Table => "warn,cryptoki=off,cryptotoken::pkcs11::link=error",
        OutputFormat::Json => "off",
    };
    // `cryptoki` calls every mechanism of a vendor that it has no name for an error; it speaks only when it is asked by name.
    let asked_for = std::env::var("SIGILLO_LOG").ok();
    let filter = asked_for
        .and_then(|levels| EnvFilter::try_new(format!("cryptoki=off,{levels}")).ok())
        .unwrap_or_else(|| EnvFilter::new(default));
    let to_people = tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().with_target(false);
    to_people.with_ansi(std::io::stderr().is_terminal()).with_env_filter(filter).init();
}
