//! `sigillo client`.

use std::path::PathBuf;

use administration::client::{self, Authentication, ClientView};
use clap::Subcommand;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;

use crate::certificate::read;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{moment, short};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a client. Without an option it gets an API key, which is shown once.
    Add {
        /// Its name: 1 to 64 of the characters A-Z a-z 0-9 . _ -
        name: String,
        /// Recognise it by this TLS client certificate, PEM or DER.
        #[arg(long, value_name = "FILE")]
        certificate: Option<PathBuf>,
        /// Recognise it by this OIDC subject.
        #[arg(long, value_name = "SUBJECT", conflicts_with = "certificate")]
        oidc_subject: Option<String>,
    },
    /// All clients, revoked ones too.
    List,
    /// Revoke a client for good, with its grants.
    Revoke {
        /// Its name.
        name: String,
    },
}

pub(crate) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    let (node, actor, output) = (context.node()?, &context.actor, context.output);
    match verb {
        Verb::Add { name, certificate, oidc_subject } => {
            let certificate = certificate.map(|path| read(&path)).transpose()?;
            let authentication = match (&certificate, &oidc_subject) {
                (Some(bundle), _) => Authentication::Certificate(bundle),
                (None, Some(subject)) => Authentication::OidcSubject(subject),
                (None, None) => Authentication::ApiKey,
            };
            let added = client::add(&node, actor, &name, &authentication)?;
            match &added.api_key {
                Some(key) => {
                    let key = key.expose_secret();
                    let sentence =
                        format!("client   {name}\nAPI key  {key}\n\nThe key is shown this once; keep it safe.");
                    output.done(&sentence, &WithKey { name: &name, api_key: key })?;
                }
                None => output.done(&format!("client \"{name}\" is made"), &json!({ "name": name }))?,
            }
            output.next(&format!("sigillo grant add {name} --worker WORKER"))
        }
        Verb::List => output.list(&client::list(&node)?, &COLUMNS, row),
        Verb::Revoke { name } => {
            client::revoke(&node, actor, &name)?;
            output.done(&format!("client \"{name}\" is revoked"), &json!({ "name": name }))
        }
    }
}

/// The only answer that carries an API key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WithKey<'a> {
    name: &'a str,
    api_key: &'a str,
}

const COLUMNS: [&str; 5] = ["client", "authentication", "identity", "since", "revoked"];

fn row(client: &ClientView) -> Vec<String> {
    let certificate = client.certificate_sha256.as_deref().map(short);
    vec![
        client.name.clone(),
        client.authentication.join(", "),
        certificate.or_else(|| client.oidc_subject.clone()).unwrap_or_default(),
        moment(client.created_at),
        client.revoked_at.map(moment).unwrap_or_default(),
    ]
}
