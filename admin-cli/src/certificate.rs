//! `sigillo csr` and `sigillo certificate`.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use administration::certificate::{self, CertificateView};
use administration::{AdministrationError, Items, Node, credential};
use clap::{Args, Subcommand};
use cryptotoken_api::KeyAlias;
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::moment;

#[derive(Debug, Subcommand)]
pub(crate) enum CsrVerb {
    /// Make a certification request, signed by the key.
    Create {
        /// Token in sigillo.toml.
        #[arg(long)]
        token: String,
        /// Alias of the key.
        #[arg(long)]
        key: KeyAlias,
        /// Most general part first: "C=EE, O=Acme AS, organizationIdentifier=NTREE-12345678, CN=Acme e-Seal".
        #[arg(long, value_name = "DN")]
        subject: String,
        /// Where to write it, PEM; - is standard output.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Replace a file that exists.
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Import the certificate that a CA made for a key; the order of the chain does not matter, and certificates that are no part of it
    /// are refused.
    Import {
        #[command(flatten)]
        key: CertifiedKey,
        /// PEM or DER certificates; - is standard input.
        #[arg(long, value_name = "FILE")]
        chain: PathBuf,
    },
    /// What certificates say: names, dates, key usage, qualified statements.
    Show {
        /// PEM or DER certificates; - is standard input.
        file: PathBuf,
    },
}

/// Which key: by token and alias, or by its credential.
#[derive(Debug, Args)]
pub(crate) struct CertifiedKey {
    /// Token in sigillo.toml.
    #[arg(long, requires = "key", required_unless_present = "credential")]
    token: Option<String>,
    /// Alias of the key.
    #[arg(long, requires = "token")]
    key: Option<KeyAlias>,
    /// The credential of the key, instead of --token and --key.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["token", "key"])]
    credential: Option<String>,
}

pub(crate) fn run_csr(context: &Context, verb: CsrVerb) -> Result<(), Failure> {
    let CsrVerb::Create { token, key, subject, out, force } = verb;
    let (node, output) = (context.node()?, context.output);
    let to_stdout = out.as_os_str() == "-";
    // Before the key is used.
    if !to_stdout && !force && out.exists() {
        return Err(exists(&out));
    }
    let request = certificate::request(&node, &context.actor, &token, &key, &subject)?;
    if to_stdout {
        return output.text(request.pem());
    }
    write(&out, request.pem().as_bytes(), force)?;
    output.done(&format!("{} written", out.display()), &json!({ "token": token, "key": key, "out": out }))?;
    output.next(&format!(
        "let the CA certify {}, then run: sigillo certificate import --token {token} --key {key} --chain chain.pem",
        out.display()
    ))
}

pub(crate) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    let output = context.output;
    match verb {
        Verb::Show { file } => {
            let shown = Items { items: certificate::show(&read(&file)?)? };
            output.each(&shown, properties)
        }
        Verb::Import { key, chain } => {
            let bundle = read(&chain)?;
            let node = context.node()?;
            let (token, alias) = key.location(&node)?;
            let imported = certificate::import(&node, &context.actor, &token, &alias, &bundle)?;
            output.warnings(&imported.warnings);
            let mut shown = vec![
                ("credential", imported.credential.clone()),
                ("state", imported.state.to_string()),
                ("certificates", imported.chain.len().to_string()),
                ("on token too", if imported.on_token { "yes" } else { "no" }.to_owned()),
            ];
            shown.extend(imported.chain.first().map(properties).unwrap_or_default());
            output.one(&imported, &shown)?;
            output.next(&format!(
                "write a worker definition with credential = \"{}\", then run: sigillo worker apply -f FILE",
                imported.credential
            ))
        }
    }
}

impl CertifiedKey {
    fn location(self, node: &Node) -> Result<(String, KeyAlias), Failure> {
        if let (Some(token), Some(key)) = (self.token, self.key) {
            return Ok((token, key));
        }
        let name = self.credential.unwrap_or_default();
        let location = credential::show(node, &name)?.locations.into_iter().next();
        let location = location.ok_or_else(|| Failure::refused(format!("credential \"{name}\" has no key")))?;
        Ok((location.token, location.alias))
    }
}

/// Properties of a certificate in a table.
pub(crate) fn properties(certificate: &CertificateView) -> Vec<(&'static str, String)> {
    vec![
        ("subject", certificate.subject.clone()),
        ("issuer", certificate.issuer.clone()),
        ("serial number", certificate.serial_number.clone()),
        ("key", certificate.key.clone()),
        ("key usage", certificate.key_usage.join(", ")),
        ("valid from", moment(certificate.not_before)),
        ("valid until", moment(certificate.not_after)),
        ("qualified", qualified(certificate)),
        ("SHA-256", certificate.sha256.clone()),
    ]
}

fn qualified(certificate: &CertificateView) -> String {
    let statements = &certificate.qualified;
    let mut said = Vec::new();
    if statements.compliance {
        said.push("QcCompliance".to_owned());
    }
    if statements.sscd {
        said.push("QcSSCD".to_owned());
    }
    if !statements.types.is_empty() {
        said.push(format!("QcType {}", statements.types.join(", ")));
    }
    if said.is_empty() { "no statements".to_owned() } else { said.join(", ") }
}

/// A file, or standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() != "-" {
        return std::fs::read(path).map_err(Failure::file(path));
    }
    let mut content = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut content).map_err(Failure::file(path))?;
    Ok(content)
}

/// Writes a file that does not exist yet, or any with `force`.
pub(crate) fn create(path: &Path, force: bool) -> Result<File, Failure> {
    let file = if force { File::create(path) } else { File::create_new(path) };
    file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => AdministrationError::File { path: path.display().to_string(), source: error }.into(),
    })
}

fn write(path: &Path, content: &[u8], force: bool) -> Result<(), Failure> {
    create(path, force)?.write_all(content).map_err(Failure::file(path))
}

fn exists(path: &Path) -> Failure {
    Failure::refused(format!("{} exists already; choose another name or say --force", path.display()))
}
