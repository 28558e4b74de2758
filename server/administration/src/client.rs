//! Clients: what `sigillo client` does.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cryptotoken_api::certificate::read_bundle;
use secrecy::SecretString;
use serde::Serialize;
use store::{ClientRecord, DEFAULT_OWNER, NewClient, StoreError};
use time::OffsetDateTime;

use crate::{Actor, AdministrationError, Items, Node};

/// A client as the command line shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientView {
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub owner: String,
    /// How it proves who it is: `api-key`, `certificate`, `oidc`.
    pub authentication: Vec<&'static str>,
    /// SHA-256 of its TLS client certificate.
    pub certificate_sha256: Option<String>,
    /// Its OIDC subject.
    pub oidc_subject: Option<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Since when it may not call any more.
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
}

/// How a new client proves who it is.
#[derive(Debug)]
pub enum Authentication<'a> {
    /// A key that is generated here and shown once.
    ApiKey,
    /// A TLS client certificate, PEM or DER.
    Certificate(&'a [u8]),
    /// The subject of an OIDC token.
    OidcSubject(&'a str),
}

/// A client that was made.
#[derive(Debug)]
pub struct Added {
    /// Its name.
    pub name: String,
    /// Its API key, shown once; the database has only a digest of it.
    pub api_key: Option<SecretString>,
}

/// Makes a client.
///
/// # Errors
/// Refused when name, certificate or subject are taken.
pub fn add(
    node: &Node,
    actor: &Actor,
    name: &str,
    authentication: &Authentication<'_>,
) -> Result<Added, AdministrationError> {
    check_name(name)?;
    let mut new = NewClient {
        name: name.to_owned(),
        owner: DEFAULT_OWNER.to_owned(),
        api_key_sha256: None,
        certificate_sha256: None,
        oidc_subject: None,
    };
    let mut api_key = None;
    match authentication {
        Authentication::ApiKey => {
            let key = generate_key()?;
            new.api_key_sha256 = Some(openssl::sha::sha256(key.as_bytes()));
            api_key = Some(SecretString::from(key));
        }
        Authentication::Certificate(bundle) => {
            let certificates = read_bundle(bundle)?;
            let [certificate] = certificates.as_slice() else {
                return Err(AdministrationError::Refused(
                    "the file has several certificates; give the client's only".into(),
                ));
            };
            new.certificate_sha256 = Some(certificate.fingerprint());
        }
        Authentication::OidcSubject(subject) => new.oidc_subject = Some((*subject).to_owned()),
    }
    refuse_taken(node, &new)?;
    node.wait(node.store().add_client(&new, actor.act("client add", name)))?;
    Ok(Added { name: name.to_owned(), api_key })
}

/// All clients, revoked ones too.
///
/// # Errors
/// [`AdministrationError::Store`].
pub fn list(node: &Node) -> Result<Items<ClientView>, AdministrationError> {
    Ok(node.wait(node.store().clients())?.into_iter().map(view).collect())
}

/// Revokes a client for good, with its grants.
///
/// # Errors
/// Refused when there is none of this name.
pub fn revoke(node: &Node, actor: &Actor, name: &str) -> Result<(), AdministrationError> {
    known(node, name)?;
    Ok(node.wait(node.store().revoke_client(name, actor.act("client revoke", name)))?)
}

/// Says of a client that cannot be used whether it never was or is revoked.
///
/// # Errors
/// Refused unless there is a client of this name that is not revoked.
pub(crate) fn known(node: &Node, name: &str) -> Result<(), AdministrationError> {
    let clients = node.wait(node.store().clients())?;
    match clients.iter().find(|client| client.name == name) {
        Some(client) if client.revoked_at.is_none() => Ok(()),
        Some(_) => Err(AdministrationError::Refused(format!("client \"{name}\" is revoked, which is for good"))),
        None => Err(StoreError::NotFound { noun: "client", name: name.to_owned() }.into()),
    }
}

// What the database alone would call "exists already": the name of a revoked client, and another client's certificate or subject.
fn refuse_taken(node: &Node, new: &NewClient) -> Result<(), AdministrationError> {
    let refused = |sentence| Err(AdministrationError::Refused(sentence));
    for client in node.wait(node.store().clients())? {
        let (name, revoked) = (&client.name, if client.revoked_at.is_some() { "the revoked client" } else { "client" });
        if *name == new.name && client.revoked_at.is_some() {
            return refused(format!("client \"{name}\" is revoked, and its name stays its own; choose another name"));
        }
        if *name != new.name
            && client.certificate_sha256.is_some()
            && client.certificate_sha256 == new.certificate_sha256
        {
            return refused(format!(
                "{revoked} \"{name}\" has this certificate; give each client a certificate of its own"
            ));
        }
        if *name != new.name && client.oidc_subject.is_some() && client.oidc_subject == new.oidc_subject {
            return refused(format!("{revoked} \"{name}\" has this subject; give each client a subject of its own"));
        }
    }
    Ok(())
}

// The prefix lets scanners find a key that got into a place where it does not belong.
fn generate_key() -> Result<String, AdministrationError> {
    let mut octets = [0; 32];
    openssl::rand::rand_bytes(&mut octets)
        .map_err(|error| AdministrationError::Refused(format!("there is no randomness for an API key: {error}")))?;
    Ok(format!("sigillo_{}", URL_SAFE_NO_PAD.encode(octets)))
}

fn check_name(name: &str) -> Result<(), AdministrationError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(AdministrationError::Refused(format!(
            "\"{name}\" is no name for a client: use 1 to 64 of the characters A-Z a-z 0-9 . _ -"
        )))
    }
}

fn view(record: ClientRecord) -> ClientView {
    let ways = [
        (record.has_api_key, "api-key"),
        (record.certificate_sha256.is_some(), "certificate"),
        (record.oidc_subject.is_some(), "oidc"),
    ];
    ClientView {
        name: record.name,
        owner: record.owner,
        authentication: ways.into_iter().filter(|(has, _)| *has).map(|(_, way)| way).collect(),
        certificate_sha256: record.certificate_sha256,
        oidc_subject: record.oidc_subject,
        created_at: record.created_at,
        revoked_at: record.revoked_at,
    }
}
