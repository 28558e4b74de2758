//! `sigillo key`.

use std::path::PathBuf;

use administration::backup::{self, KeyCopies};
use administration::key::{self, Ceremony, KeyView};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use cryptotoken_api::{CredentialState, KeyAlias, KeyAttributes, KeySpec, Purpose};
use time::Date;

use crate::authorization::{self, Authorize};
use crate::context::Context;
use crate::credential;
use crate::failure::Failure;
use crate::output::short;
use crate::prompt;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Generate a key in the device and make its credential, named as the alias.
    Generate {
        #[command(flatten)]
        key: Key,
        /// Kind of key.
        #[arg(long, value_parser = spec())]
        spec: KeySpec,
        #[command(flatten)]
        intake: Intake,
    },
    /// The keys of a token, and those that the database knows there.
    List {
        /// Token in sigillo.toml.
        #[arg(long)]
        token: String,
    },
    /// One key.
    Show(Key),
    /// Sign random data with a key and verify the signature.
    Test(Key),
    /// Make the credential of a key that is on the token already.
    Adopt {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        intake: Intake,
    },
    /// Authorise a key where the device wants that before it signs (EN 419 221-5).
    Authorize(Authorize),
    /// Put on record that there is a copy of a key, as require_backup of a token asks before its credential becomes active.
    BackupConfirm {
        /// Token in sigillo.toml.
        #[arg(long)]
        token: String,
        /// Alias of the key.
        #[arg(long, alias = "alias")]
        key: KeyAlias,
        /// Where the copy is kept.
        #[arg(long)]
        place: String,
        /// The day it was made, YYYY-MM-DD.
        #[arg(long, value_parser = date)]
        date: Date,
        /// Who made it.
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// Destroy a key for good and retire its credential; copies elsewhere are named and stay.
    Destroy {
        #[command(flatten)]
        key: Key,
        /// Do it without asking.
        #[arg(long)]
        yes: bool,
    },
}

/// Which key.
#[derive(Debug, Args)]
pub(crate) struct Key {
    /// Token in sigillo.toml.
    #[arg(long)]
    pub(crate) token: String,
    /// Name of the key: 1 to 64 of the characters A-Z a-z 0-9 . _ -
    #[arg(long, visible_alias = "key")]
    pub(crate) alias: KeyAlias,
}

/// What is said of a key when it becomes a credential.
#[derive(Debug, Args)]
pub(crate) struct Intake {
    /// What it may sign, for good: document = AdES, blind = bytes or digests that callers choose, timestamp = RFC 3161.
    #[arg(long, value_parser = purpose(), default_value = "document")]
    purpose: Purpose,
    #[command(flatten)]
    evidence: Evidence,
}

/// What is known of the ceremony that made or copied a key.
#[derive(Debug, Args)]
pub(crate) struct Evidence {
    /// Record of the key ceremony, of any format; its digest is kept as evidence for qualified seals.
    #[arg(long, value_name = "FILE", requires = "approved_by")]
    evidence: Option<PathBuf>,
    /// Who approved the key.
    #[arg(long, value_name = "NAME", requires = "evidence")]
    approved_by: Option<String>,
    /// The record shows that the device holds the key as an assigned one (EN 419 221-5), as nShield and CP5 tell them apart.
    #[arg(long, requires = "evidence")]
    assigned_key: bool,
}

pub(crate) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    let (node, actor, output) = (context.node()?, &context.actor, context.output);
    match verb {
        Verb::Generate { key: Key { token, alias }, spec, intake } => {
            let record = intake.evidence.record()?;
            let ceremony = intake.evidence.ceremony(record.as_deref());
            let made = key::generate(&node, actor, &token, &alias, spec, intake.purpose, ceremony.as_ref())?;
            output.warnings(&made.warnings);
            output.one(&made, &properties(&made))?;
            output.next(&request_command(&made))
        }
        Verb::Adopt { key: Key { token, alias }, intake } => {
            let record = intake.evidence.record()?;
            let ceremony = intake.evidence.ceremony(record.as_deref());
            let adopted = key::adopt(&node, actor, &token, &alias, intake.purpose, ceremony.as_ref())?;
            output.warnings(&adopted.warnings);
            output.one(&adopted, &properties(&adopted))?;
            output.next(&request_command(&adopted))
        }
        Verb::List { token } => output.list(&key::list(&node, &token)?, &COLUMNS, row),
        Verb::Show(Key { token, alias }) => {
            let shown = key::show(&node, &token, &alias)?;
            output.one(&shown, &properties(&shown))
        }
        Verb::Test(Key { token, alias }) => {
            let tested = key::test(&node, actor, &token, &alias)?;
            output.done(&format!("key \"{alias}\" on token \"{token}\" signs, and its signature verifies"), &tested)
        }
        Verb::Authorize(arguments) => authorization::run(&node, actor, output, arguments),
        Verb::BackupConfirm { token, key, place, date, by } => {
            let shown = backup::confirm(&node, actor, &token, &key, &place, date, &by)?;
            output.one(&shown, &credential::properties(&shown))?;
            match shown.state {
                CredentialState::Suspended => output.next(&format!("sigillo credential activate {}", shown.name)),
                _ => Ok(()),
            }
        }
        Verb::Destroy { key: Key { token, alias }, yes } => {
            key::show(&node, &token, &alias)?;
            let copies = copies(&backup::remaining(&node, &token, &alias)?);
            let what = format!("destroy key \"{alias}\" on token \"{token}\" for good; {copies}");
            prompt::confirm(yes, &what, alias.as_str())?;
            let destroyed = key::destroy(&node, actor, &token, &alias)?;
            output.done(&format!("key \"{alias}\" on token \"{token}\" is destroyed; {copies}"), &destroyed)
        }
    }
}

impl Evidence {
    /// The record's octets.
    pub(crate) fn record(&self) -> Result<Option<Vec<u8>>, Failure> {
        self.evidence.as_deref().map(|path| std::fs::read(path).map_err(Failure::file(path))).transpose()
    }

    /// What is said of the ceremony, where there is a record.
    pub(crate) fn ceremony<'a>(&self, record: Option<&'a [u8]>) -> Option<Ceremony<'a>> {
        let (record, approved_by) = (record?, self.approved_by.clone()?);
        Some(Ceremony { record, approved_by, assigned_key: self.assigned_key })
    }
}

fn spec() -> impl TypedValueParser<Value = KeySpec> {
    PossibleValuesParser::new(KeySpec::ALL.map(KeySpec::name)).try_map(|name| name.parse::<KeySpec>())
}

fn purpose() -> impl TypedValueParser<Value = Purpose> {
    let all = [Purpose::Document, Purpose::Blind, Purpose::Timestamp];
    PossibleValuesParser::new(all.map(Purpose::name)).try_map(|name| name.parse::<Purpose>())
}

fn date(text: &str) -> Result<Date, String> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    Date::parse(text, format).map_err(|_| "write it as in 2026-01-31".to_owned())
}

// What is left of a key, as part of a sentence.
fn copies(copies: &KeyCopies) -> String {
    let replicas = copies.replicas.iter().map(|replica| format!("{} on token {}", replica.alias, replica.token));
    let all: Vec<String> = copies.backups.iter().map(credential::backup).chain(replicas).collect();
    if all.is_empty() { "no copy of it is on record".to_owned() } else { format!("copies remain: {}", all.join("; ")) }
}

fn request_command(key: &KeyView) -> String {
    if key.state == Some(CredentialState::AwaitingAuthorization) {
        return format!(
            "sigillo key authorize --token {} --alias {} --initialize --count N (or --unlimited), with the KAK: --kak-token, \
             --export-challenge or --kak-key",
            key.token, key.alias
        );
    }
    format!(
        "sigillo csr create --token {0} --key {1} --subject \"C=…, O=…, organizationIdentifier=…, CN=…\" --out {1}.csr",
        key.token, key.alias
    )
}

const COLUMNS: [&str; 6] = ["alias", "spec", "place", "purpose", "state", "public key"];

fn row(key: &KeyView) -> Vec<String> {
    vec![
        key.alias.clone(),
        key.spec.map(|spec| spec.to_string()).unwrap_or_default(),
        key.place.to_owned(),
        key.purpose.map(|purpose| purpose.to_string()).unwrap_or_default(),
        key.state.map(|state| state.to_string()).unwrap_or_default(),
        key.public_key_sha256.as_deref().map(short).unwrap_or_default(),
    ]
}

fn properties(key: &KeyView) -> Vec<(&'static str, String)> {
    vec![
        ("alias", key.alias.clone()),
        ("token", key.token.clone()),
        ("id", key.id.clone()),
        ("spec", key.spec.map(|spec| spec.to_string()).unwrap_or_default()),
        ("public key SHA-256", key.public_key_sha256.clone().unwrap_or_default()),
        ("place", key.place.to_owned()),
        ("credential", key.credential.clone().unwrap_or_default()),
        ("purpose", key.purpose.map(|purpose| purpose.to_string()).unwrap_or_default()),
        ("state", key.state.map(|state| state.to_string()).unwrap_or_default()),
        ("attributes", key.attributes.map(attributes).unwrap_or_default()),
    ]
}

// What the device says, in its own words; what it does not know is left out.
fn attributes(attributes: KeyAttributes) -> String {
    let all = [
        ("sensitive", attributes.sensitive),
        ("always sensitive", attributes.always_sensitive),
        ("extractable", attributes.extractable),
        ("never extractable", attributes.never_extractable),
        ("local", attributes.local),
        ("sign", attributes.sign),
        ("decrypt", attributes.decrypt),
        ("unwrap", attributes.unwrap),
        ("derive", attributes.derive),
    ];
    let said =
        all.into_iter().filter_map(|(name, value)| Some(if value? { name.to_owned() } else { format!("not {name}") }));
    said.collect::<Vec<_>>().join(", ")
}
