//! Certification requests and certificates: what `sigillo csr` and `sigillo certificate` do.

use cryptotoken::lifecycle::{CertificationRequest, Subject, certification_request, check_certificate};
use cryptotoken_api::certificate::read_bundle;
use cryptotoken_api::qualified::QualifiedStatements;
use cryptotoken_api::{Certificate, CredentialState, CryptoToken, KeyAlias, PublicKey, rfc3339};
use serde::Serialize;
use serde_json::json;
use store::{CredentialRecord, KeyUse, SigningContext};
use time::OffsetDateTime;

use crate::error::causes;
use crate::key::{by_location, default_algorithm, signer};
use crate::{Actor, AdministrationError, Node, authorization, backup};

/// What a certificate says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateView {
    /// RFC 4514.
    pub subject: String,
    /// RFC 4514.
    pub issuer: String,
    /// Hexadecimal.
    pub serial_number: String,
    /// Kind of key.
    pub key: String,
    /// Key usage in words.
    pub key_usage: Vec<String>,
    /// Start of validity.
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    /// End of validity.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// EU qualified statements.
    pub qualified: QualifiedStatements,
    /// SHA-256 over the DER.
    pub sha256: String,
}

/// What an import came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// The credential.
    pub credential: String,
    /// Its state now.
    pub state: CredentialState,
    /// The chain, leaf first.
    pub chain: Vec<CertificateView>,
    /// Whether the certificate was written to the token too.
    pub on_token: bool,
    /// What is worth a look.
    pub warnings: Vec<String>,
}

/// Makes a certification request for a key: signed by it, verified before it is returned.
///
/// # Errors
/// Refused when the subject cannot be encoded; [`AdministrationError::Request`] when the key does not sign.
pub fn request(
    node: &Node,
    actor: &Actor,
    token_name: &str,
    alias: &KeyAlias,
    subject: &str,
) -> Result<CertificationRequest, AdministrationError> {
    let subject =
        Subject::parse(subject).map_err(|error| AdministrationError::Refused(format!("the subject: {error}")))?;
    let credential = by_location(node, token_name, alias)?;
    authorization::refuse_awaiting(&credential)?;
    let public_key = public_key(&credential)?;
    let key_location = credential
        .locations
        .iter()
        .find(|location| location.token == token_name)
        .ok_or_else(|| AdministrationError::Refused(format!("credential \"{}\" has no key", credential.name)))?;
    let algorithm = default_algorithm(credential.spec)?;
    let context =
        SigningContext::without_worker(KeyUse::CertificationRequest, actor.to_string(), credential.name.clone());
    let signer = signer(node, key_location, algorithm, credential.spec, context)?;
    let request = certification_request(&signer, &public_key, &subject, credential.purpose, node.deadline());
    signer.settle()?;
    Ok(request?)
}

/// Imports the certificate that a CA made for a key: chain put in order, key, key usage and dates checked.
///
/// # Errors
/// [`AdministrationError::Import`] when the certificate does not fit.
pub fn import(
    node: &Node,
    actor: &Actor,
    token_name: &str,
    alias: &KeyAlias,
    bundle: &[u8],
) -> Result<Imported, AdministrationError> {
    let credential = by_location(node, token_name, alias)?;
    let public_key = public_key(&credential)?;
    let checked = check_certificate(bundle, &public_key, credential.purpose, OffsetDateTime::now_utc())?;
    let state = match credential.state {
        // A renewal does not undo what an operator decided.
        state @ (CredentialState::Suspended | CredentialState::Disabled | CredentialState::AwaitingAuthorization) => {
            state
        }
        CredentialState::Retired => {
            return Err(AdministrationError::Refused(format!("credential \"{}\" is retired", credential.name)));
        }
        CredentialState::Active if checked.state == CredentialState::Scheduled => {
            let from = rfc3339(checked.chain.leaf().not_before());
            return Err(AdministrationError::Refused(format!(
                "the certificate is valid from {from}, and until then credential \"{}\", which is active, could not sign; \
                 import it when it is valid",
                credential.name
            )));
        }
        _ => backup::gate(node, &credential, checked.state)?,
    };
    let ders: Vec<Vec<u8>> = checked.chain.certificates().iter().map(|c| c.der().to_vec()).collect();
    let leaf = checked.chain.leaf();
    let act = actor.act("certificate import", &credential.name).with(json!({
        "sha256": leaf.fingerprint(), "subject": leaf.subject(), "issuer": leaf.issuer(),
        "serialNumber": leaf.serial_number(), "state": state,
    }));
    node.wait(node.store().set_certificate_chain(&credential.name, &ders, credential.state, state, act))?;
    let mut warnings = checked.warnings;
    if let Some(missing) = crate::credential::show(node, &credential.name)?.backup_missing {
        warnings.push(format!("credential \"{}\" is {state}: {missing}", credential.name));
    }
    warnings.extend(crate::key::unseen(node, token_name)?);
    let on_token = write_to_token(node, &credential, leaf, &mut warnings);
    Ok(Imported {
        credential: credential.name,
        state,
        chain: checked.chain.certificates().iter().map(view).collect::<Result<_, _>>()?,
        on_token,
        warnings,
    })
}

// The database is authoritative; a token that does not take the certificate is worth a warning and no more.
fn write_to_token(node: &Node, credential: &CredentialRecord, leaf: &Certificate, warnings: &mut Vec<String>) -> bool {
    let mut written = false;
    for location in &credential.locations {
        let outcome = node.token(&location.token).and_then(|token| Ok(token.store_certificate(location, leaf.der())?));
        match outcome {
            Ok(stored) => written |= stored,
            Err(error) => {
                warnings.push(format!("the certificate is not on token \"{}\": {}", location.token, causes(&error)))
            }
        }
    }
    written
}

/// What the certificates of a file say.
///
/// # Errors
/// [`AdministrationError::Certificate`].
pub fn show(bundle: &[u8]) -> Result<Vec<CertificateView>, AdministrationError> {
    read_bundle(bundle)?.iter().map(view).collect()
}

/// What one certificate says.
pub(crate) fn view(certificate: &Certificate) -> Result<CertificateView, AdministrationError> {
    let usage = certificate.key_usage();
    Ok(CertificateView {
        subject: certificate.subject(),
        issuer: certificate.issuer(),
        serial_number: certificate.serial_number(),
        key: certificate.key().name().to_owned(),
        key_usage: usage
            .map(|usage| usage.0.into_iter().map(|usage| format!("{usage:?}")).collect())
            .unwrap_or_default(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
        qualified: certificate.qualified_statements()?,
        sha256: certificate.fingerprint(),
    })
}

fn public_key(credential: &CredentialRecord) -> Result<PublicKey, AdministrationError> {
    PublicKey::from_spki_der(&credential.public_key)
        .map_err(|error| AdministrationError::Refused(format!("credential \"{}\": {error}", credential.name)))
}
