//! What can be asked: `sigillo NOUN VERB`. The verbs of a noun are in its own file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::OutputFormat;
use crate::{audit, certificate, client, credential, grant, init, key, sign, status, token, worker};

/// Remote electronic seals: keys in PKCS#11 devices, workers, clients, audit.
#[derive(Debug, Parser)]
#[command(name = "sigillo", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Configuration of this node [default: ./sigillo.toml, then /etc/sigillo/sigillo.toml].
    #[arg(long, global = true, value_name = "FILE", env = "SIGILLO_CONFIG", hide_env_values = true, help_heading = EVERYWHERE)]
    config: Option<PathBuf>,

    /// Tables for people, or JSON: lists are {"items":[…]}, errors problem documents (RFC 9457) on standard error.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table, help_heading = EVERYWHERE)]
    pub(crate) output: OutputFormat,

    #[command(subcommand)]
    noun: Noun,
}

const EVERYWHERE: &str = "Options of every command";
const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 refused, 4 unavailable (try again later)";

#[derive(Debug, Subcommand)]
enum Noun {
    /// Write a commented sigillo.toml (an existing one is kept), make the database and the first administrator.
    Init,
    /// Devices that hold keys, as sigillo.toml names them.
    #[command(subcommand)]
    Token(token::Verb),
    /// Keys on a token.
    #[command(subcommand)]
    Key(key::Verb),
    /// Certification requests (PKCS#10).
    #[command(subcommand)]
    Csr(certificate::CsrVerb),
    /// Certificates.
    #[command(subcommand)]
    Certificate(certificate::Verb),
    /// Credentials: a key with its certificate, its purpose and its state.
    #[command(subcommand)]
    Credential(credential::Verb),
    /// Workers: named signing services.
    #[command(subcommand)]
    Worker(worker::Verb),
    /// Clients: who may call.
    #[command(subcommand)]
    Client(client::Verb),
    /// Grants: what a client may do.
    #[command(subcommand)]
    Grant(grant::Verb),
    /// The audit chain.
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Let a server sign files.
    Sign(sign::Arguments),
    /// Tokens, credentials, workers and open intents at one glance; needs no server.
    Status,
    /// Print the OpenAPI document of the native API.
    Openapi,
    /// Print a completion script.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let context = Context::new(self.config, self.output)?;
        let done = match self.noun {
            Noun::Init => init::run(&context),
            Noun::Token(verb) => token::run(&context, verb),
            Noun::Key(verb) => key::run(&context, verb),
            Noun::Csr(verb) => certificate::run_csr(&context, verb),
            Noun::Certificate(verb) => certificate::run(&context, verb),
            Noun::Credential(verb) => credential::run(&context, verb),
            Noun::Worker(verb) => worker::run(&context, verb),
            Noun::Client(verb) => client::run(&context, verb),
            Noun::Grant(verb) => grant::run(&context, verb),
            Noun::Audit(verb) => audit::run(&context, verb),
            Noun::Sign(arguments) => return sign::run(self.output, &arguments),
            Noun::Status => status::run(&context),
            Noun::Openapi => self.output.text(include_str!("../../openapi/native-v1.yaml")),
            Noun::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "sigillo", &mut script);
                self.output.text(&String::from_utf8_lossy(&script))
            }
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_noun() {
        for line in
            ["sigillo --output json token list", "sigillo token --output json list", "sigillo token list --output json"]
        {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.output, OutputFormat::Json, "{line}");
        }
    }

    #[test]
    fn a_grant_is_for_a_worker_or_a_role_and_never_both_or_neither() {
        assert!(Cli::try_parse_from("sigillo grant add erp --worker invoices".split(' ')).is_ok());
        assert!(Cli::try_parse_from("sigillo grant add erp --role auditor".split(' ')).is_ok());
        assert!(Cli::try_parse_from("sigillo grant add erp".split(' ')).is_err());
        assert!(Cli::try_parse_from("sigillo grant add erp --worker invoices --role auditor".split(' ')).is_err());
    }

    #[test]
    fn evidence_and_its_approver_come_together() {
        let generate = "sigillo key generate --token t --alias a --spec ec-p256";
        assert!(Cli::try_parse_from(generate.split(' ')).is_ok());
        assert!(Cli::try_parse_from(format!("{generate} --evidence f").split(' ')).is_err());
        assert!(Cli::try_parse_from(format!("{generate} --approved-by B").split(' ')).is_err());
        assert!(Cli::try_parse_from(format!("{generate} --evidence f --approved-by B").split(' ')).is_ok());
    }

    #[test]
    fn an_unknown_kind_of_key_is_wrong_usage() {
        let error =
            Cli::try_parse_from("sigillo key generate --token t --alias a --spec rsa-1024".split(' ')).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
