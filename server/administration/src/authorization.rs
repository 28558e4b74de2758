//! Authorisation of keys (EN 419 221-5): what `sigillo key authorize` does, and what the service does after a restart of a device.
//!
//! The order for every device: generate, attributes read back, initialise with a key authorisation key (KAK), authorise, self-test,
//! certification request. `ceremony` has the steps with a person, `kak` the
//! holders of KAKs, `renewal` what happens without a person, `view` what people see, `qualified` what qualified seals ask.

mod ceremony;
mod kak;
mod qualified;
mod renewal;
mod view;

use cryptotoken::Pkcs11Token;
use cryptotoken::profile::KeyAuthorizationKind;
use cryptotoken_api::{
    AuthorizationProtocol, AuthorizationStep, CredentialState, CryptoToken, KeyAlias, KeyAuthorizer, KeyLocation,
    PublicKey,
};
use openssl::pkey::PKey;
use serde::Serialize;
use serde_json::{Value, json};
use store::{AuditEvent, CredentialRecord};

use ceremony::Ceremony;
pub use kak::{ExportedChallenge, KakChoice, OfflineExchange};
pub(crate) use qualified::missing_for_eseal;
pub(crate) use renewal::Gates;
pub use renewal::renewing;
pub(crate) use view::of_credential;
pub use view::{AuthorizationView, remaining, warnings};

use crate::{Actor, AdministrationError, Node, key};

/// What is asked for one key.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    /// How the key came or comes to its KAK.
    pub initialization: Initialization,
    /// What it is authorised for: `Some(None)` is without limit; `None`: nothing is authorised now.
    pub count: Option<Option<u64>>,
    /// The KAK that it is changed to: public half, and how it signs.
    pub change: Option<(PublicKey, AuthorizationProtocol)>,
}

/// How a key is bound to its KAK.
#[derive(Clone, Copy, Debug)]
pub enum Initialization {
    /// It is, on record here.
    Done,
    /// It is bound now.
    Now {
        /// How the KAK signs.
        protocol: AuthorizationProtocol,
        /// Whether it becomes an assigned key.
        assigned: bool,
    },
    /// The vendor's tool has done it; the KAK is put on record when it has authorised the key.
    Elsewhere {
        /// How the KAK signs.
        protocol: AuthorizationProtocol,
    },
}

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizedKey {
    /// Name of the token.
    pub token: String,
    /// The key.
    pub alias: String,
    /// Its credential.
    pub credential: String,
    /// The credential's state now.
    pub state: CredentialState,
    /// The authorisation now.
    pub authorization: Option<AuthorizationView>,
    /// What is worth a look: numbers of the vendor that nobody verified, what is left.
    pub warnings: Vec<String>,
}

/// What an operator does about a key that is not authorised.
pub(crate) fn next_step(token: &str, alias: &KeyAlias) -> String {
    format!("an authorised person must run: sigillo key authorize --token {token} --alias {alias} --count N")
}

/// Whether keys of this token sign only when they are authorised from here.
pub(crate) fn needed(token: &Pkcs11Token) -> bool {
    token.key_authorizer().is_some()
}

/// Refuses what would use a key that waits for its authorisation.
pub(crate) fn refuse_awaiting(credential: &CredentialRecord) -> Result<(), AdministrationError> {
    match credential.locations.first() {
        Some(location) if credential.state == CredentialState::AwaitingAuthorization => {
            Err(AdministrationError::Refused(awaiting(credential, location)))
        }
        _ => Ok(()),
    }
}

/// Why a credential does not sign, with the next step.
#[must_use]
pub fn awaiting(credential: &CredentialRecord, location: &KeyLocation) -> String {
    let next = next_step(&location.token, &location.alias);
    format!("credential \"{}\" is {}: {next}", credential.name, credential.state)
}

/// Binds a key to its KAK, authorises it, or changes its KAK, as asked, in that order. A key without certificate proves then that it signs.
///
/// # Errors
/// Refused where the device needs none of this, the KAK is not the right one, or is in a file and the key makes qualified seals;
/// [`AdministrationError::Token`] with what the device says. What was done before the error is on record.
pub fn authorize(
    node: &Node,
    actor: &Actor,
    token_name: &str,
    alias: &KeyAlias,
    request: &AuthorizationRequest,
    choice: &KakChoice<'_>,
) -> Result<AuthorizedKey, AdministrationError> {
    let ceremony = Ceremony::begin(node, actor, token_name, alias, request, choice)?;
    let mut warnings = Vec::new();
    if let Initialization::Now { protocol, assigned } = request.initialization {
        let kak = &ceremony.kak;
        let step = AuthorizationStep::Initialize { kak, protocol, assigned };
        warnings.extend(ceremony.perform(step)?);
        ceremony.remember_initialized(protocol, assigned)?;
    }
    if let Some(count) = request.count {
        warnings.extend(ceremony.authorize(count)?);
    }
    if let Some((kak, protocol)) = &request.change {
        warnings.extend(ceremony.change(kak, *protocol)?);
    }
    if request.count.is_some() && request.change.is_none() && ceremony.credential.chain.is_empty() {
        // Before any certificate exists; afterwards it would be a real seal, which `key test` makes when it is asked to.
        key::test(node, actor, token_name, alias)?;
    }
    warnings.dedup();
    result(node, &ceremony.location, &ceremony.credential.name, warnings)
}

/// Lets a key be authorised again that wrong signatures of its KAK have blocked. It is not authorised afterwards.
///
/// # Errors
/// As [`authorize`].
pub fn unblock(
    node: &Node,
    actor: &Actor,
    token_name: &str,
    alias: &KeyAlias,
) -> Result<AuthorizedKey, AdministrationError> {
    let token = node.token(token_name)?;
    let authorizer = authorizer(token, alias)?;
    let (location, credential) = located(node, token_name, alias)?;
    record(node, actor, &location, json!({ "phase": "begin", "step": "unblock" }))?;
    authorizer.unblock(&location)?;
    let act = act(actor, &location, json!({ "phase": "end", "step": "unblock" }));
    node.wait(node.store().withdraw_key_authorization(&credential.name, &location, None, act))?;
    result(node, &location, &credential.name, Vec::new())
}

/// A public key that an operator names as KAK: PEM or DER.
///
/// # Errors
/// Refused where it is none, or no RSA key of a usual size.
pub fn public_kak(octets: &[u8]) -> Result<PublicKey, AdministrationError> {
    let der = PKey::public_key_from_pem(octets).or_else(|_| PKey::public_key_from_der(octets));
    let der = der.and_then(|key| key.public_key_to_der());
    let der =
        der.map_err(|_| AdministrationError::Refused("the KAK's public half is neither PEM nor DER".to_owned()))?;
    let key = PublicKey::from_spki_der(&der).map_err(|error| AdministrationError::Refused(error.to_string()))?;
    AuthorizationProtocol::default().algorithm(&key).map_err(AdministrationError::Refused)?;
    Ok(key)
}

fn authorizer<'a>(token: &'a Pkcs11Token, alias: &KeyAlias) -> Result<&'a dyn KeyAuthorizer, AdministrationError> {
    token.key_authorizer().ok_or_else(|| {
        let (name, profile) = (token.name(), &token.config().profile);
        AdministrationError::Refused(match token.profile().key_authorization.kind {
            KeyAuthorizationKind::NshieldExternal => format!(
                "key \"{alias}\" is not authorised from here (profile {profile} of token \"{name}\"): the login or preload does that; when its \
                 time or number of uses is over, load it anew, then run: sigillo token lock {name}, and: sigillo token unlock {name}"
            ),
            _ => format!("key \"{alias}\" needs no authorisation: profile {profile} of token \"{name}\" knows none"),
        })
    })
}

fn located(
    node: &Node,
    token_name: &str,
    alias: &KeyAlias,
) -> Result<(KeyLocation, CredentialRecord), AdministrationError> {
    let key = key::find(node, token_name, alias)?;
    let credential = key::by_location(node, token_name, alias)?;
    Ok((KeyLocation { token: token_name.to_owned(), alias: alias.clone(), id: key.id }, credential))
}

fn result(
    node: &Node,
    location: &KeyLocation,
    credential: &str,
    mut warnings: Vec<String>,
) -> Result<AuthorizedKey, AdministrationError> {
    let known = node.wait(node.store().key_authorization(location))?;
    let authorization = known.as_ref().map(view::view);
    warnings.extend(authorization.as_ref().and_then(|authorization| authorization.warning.clone()));
    let record = node.wait(node.store().credential(credential))?;
    Ok(AuthorizedKey {
        token: location.token.clone(),
        alias: location.alias.to_string(),
        credential: credential.to_owned(),
        state: record.map_or(CredentialState::AwaitingAuthorization, |record| record.state),
        authorization,
        warnings,
    })
}

fn act(actor: &Actor, location: &KeyLocation, mut detail: Value) -> store::AdministrativeAct {
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("token".to_owned(), json!(location.token));
        detail.insert("id".to_owned(), json!(location.id.to_string()));
    }
    actor.act("key authorize", location.alias.as_str()).with(detail)
}

fn record(node: &Node, actor: &Actor, location: &KeyLocation, detail: Value) -> Result<(), AdministrationError> {
    Ok(node.wait(node.store().record(&[AuditEvent::Administration(act(actor, location, detail))]))?)
}
