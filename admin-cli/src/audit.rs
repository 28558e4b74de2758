//! `sigillo audit`.

use std::io::Write;
use std::path::PathBuf;

use administration::audit::{self, AuditFilter, AuditRecord, ChainVerification};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::certificate::create;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::moment;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The newest records that fit, oldest first.
    List(Filter),
    /// Recompute the whole chain: exit code 0 when every record is as it was written, 1 with the first one that is not.
    Verify,
    /// Write all records as JSON lines, hashes included.
    Export {
        /// Where to write them [default: standard output].
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Only records after this number.
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: i64,
        /// Replace a file that exists.
        #[arg(long)]
        force: bool,
    },
}

const KINDS: [&str; 10] = [
    "signing-intended",
    "signature-created",
    "signing-failed",
    "outcome-unknown",
    "request-completed",
    "request-refused",
    "token-login",
    "administration",
    "service-started",
    "service-stopped",
];

#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Kind of event: signing-intended, signature-created, request-refused, administration, …
    #[arg(long, value_parser = KINDS, hide_possible_values = true)]
    kind: Option<String>,
    /// Records that name this SHA-256 (hexadecimal): of a document as it was sent, of a certificate, of a signature.
    #[arg(long, value_name = "DIGEST", value_parser = sha256_of)]
    sha256: Option<String>,
    /// Records of this request.
    #[arg(long, value_name = "ID")]
    request: Option<Uuid>,
    /// Records that name this client.
    #[arg(long)]
    client: Option<String>,
    /// Records that name this worker.
    #[arg(long)]
    worker: Option<String>,
    /// Records that name this credential.
    #[arg(long)]
    credential: Option<String>,
    /// Administrative acts on this.
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// At this time or later: 2026-11-20T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time_of)]
    since: Option<OffsetDateTime>,
    /// Before this time.
    #[arg(long, value_name = "TIME", value_parser = time_of)]
    until: Option<OffsetDateTime>,
    /// Before the record of this number, to page backwards.
    #[arg(long, value_name = "NUMBER")]
    before: Option<i64>,
    /// How many at most.
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

pub(crate) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    let (node, output) = (context.node()?, context.output);
    match verb {
        Verb::List(filter) => {
            let limit = filter.limit;
            output.list(&audit::list(&node, &filter.into(), limit)?, &["number", "time", "event", "what"], row)
        }
        Verb::Verify => match audit::verify(&node)? {
            ChainVerification::Verified(verified) => output.one(
                &verified,
                &[
                    ("the audit chain", "verifies".to_owned()),
                    ("records", verified.records.to_string()),
                    ("last hash", verified.head.hash.to_string()),
                    ("open intents", verified.open_intents.len().to_string()),
                ],
            ),
            ChainVerification::Faulty(fault) => Err(Failure::AuditChain(fault.to_string())),
        },
        Verb::Export { out: None, after, force: _ } => {
            audit::export(&node, after, &mut std::io::stdout().lock())?;
            Ok(())
        }
        Verb::Export { out: Some(path), after, force } => {
            let mut file = std::io::BufWriter::new(create(&path, force)?);
            let written = audit::export(&node, after, &mut file)?;
            file.flush().map_err(Failure::file(&path))?;
            let sentence = format!("{written} records written to {}", path.display());
            output.done(&sentence, &json!({ "records": written, "out": path }))
        }
    }
}

impl From<Filter> for AuditFilter {
    fn from(filter: Filter) -> Self {
        let Filter { kind, sha256, request, client, worker, credential, subject, since, until, before, limit: _ } =
            filter;
        Self { kind, digest: sha256, request_id: request, client, worker, credential, subject, since, until, before }
    }
}

fn time_of(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "write a time as 2026-11-20T12:00:00Z".to_owned())
}

fn sha256_of(text: &str) -> Result<String, String> {
    let hexadecimal = text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
    hexadecimal
        .then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "write 64 hexadecimal digits, as sha256sum does".to_owned())
}

fn row(record: &AuditRecord) -> Vec<String> {
    let event: Map<String, Value> = serde_json::from_str(&record.event).unwrap_or_default();
    let kind = event.get("event").and_then(Value::as_str).unwrap_or("unreadable").to_owned();
    let time = record.time().map(moment).unwrap_or_default();
    vec![record.seq.to_string(), time, kind, what(&event)]
}

// Who did what to what, of whatever members an event of this kind has.
fn what(event: &Map<String, Value>) -> String {
    const TOLD: [&str; 14] = [
        "actor",
        "action",
        "subject",
        "client",
        "worker",
        "credential",
        "token",
        "algorithm",
        "outcome",
        "level",
        "problem",
        "reason",
        "version",
        "requestId",
    ];
    let told = TOLD.iter().filter_map(|name| {
        let text = match event.get(*name)? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (text != "-").then_some(text)
    });
    // Work on a device is announced and told again when it is done.
    let phase = event.get("detail").and_then(|detail| detail.get("phase")?.as_str()).map(str::to_owned);
    told.chain(phase).collect::<Vec<_>>().join(" · ")
}
