//! `sigillo-server [--config FILE]`: arguments, log, run, exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use administration::Configuration;
use sigillo_server::{app, openapi, renderer};
use tracing_subscriber::EnvFilter;

const USAGE: &str = "usage: sigillo-server [--config FILE]
       sigillo-server --openapi      prints the OpenAPI document of the native API
       sigillo-server --version

Without --config: SIGILLO_CONFIG, ./sigillo.toml, /etc/sigillo/sigillo.toml.
Logs are JSON lines on standard error; SIGILLO_LOG sets the level (error, warn, info, debug).";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let config = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, _, _) => None,
        (Some("--config"), Some(path), None) => Some(PathBuf::from(path)),
        // Of the server itself only: the process in which a page is rendered.
        (Some("--render"), Some(page), Some(dpi)) => return renderer::page::run(&page, &dpi),
        (Some("--openapi"), None, _) => return print(openapi::yaml()),
        (Some("--version"), None, _) => return print(Ok(format!("sigillo-server {}\n", env!("CARGO_PKG_VERSION")))),
        (Some("--help" | "-h"), None, _) => return print(Ok(format!("{USAGE}\n"))),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = administration::memory::protect() {
        eprintln!("sigillo-server: core dumps cannot be turned off: {error}");
    }
    // `cryptoki` calls every mechanism of a vendor that it has no name for an error; it speaks only when it is asked by name.
    let asked_for = std::env::var("SIGILLO_LOG").ok();
    let filter = asked_for
        .and_then(|levels| EnvFilter::try_new(format!("cryptoki=off,{levels}")).ok())
        .unwrap_or_else(|| EnvFilter::new("info,actix_server=warn,cryptoki=off"));
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(std::io::stderr).init();
    let outcome = Configuration::load(config.as_deref()).map_err(anyhow::Error::from).and_then(app::run);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("cannot run: {error:#}");
            eprintln!("sigillo-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: Result<String, Box<dyn std::error::Error>>) -> ExitCode {
    match text {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("sigillo-server: {error}");
            ExitCode::FAILURE
        }
    }
}
