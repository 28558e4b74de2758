//! `sigillo sign`: lets a server sign files.

use std::process::ExitCode;

use clap::Args;

use crate::failure::Failure;
use crate::output::OutputFormat;

#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_output: OutputFormat, _arguments: &Arguments) -> Result<ExitCode, Failure> {
    Err(Failure::Client("not in this version".to_owned()))
}
