//! Tokens: what `sigillo token` does.

use cryptotoken::TokenConfig;
use cryptotoken_api::{CryptoToken, TokenError, TokenState, TokenStatus};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use store::AuditEvent;

use crate::error::causes;
use crate::{Actor, AdministrationError, Items, Node};

/// Every token of `sigillo.toml` with its status. One that is configured wrongly says so and hides no other.
#[must_use]
pub fn list(node: &Node) -> Items<TokenStatus> {
    let tokens = &node.configuration().tokens;
    tokens
        .iter()
        .map(|config| node.token(&config.name).map_or_else(|error| misconfigured(config, &error), |t| t.status()))
        .collect()
}

/// One token with its status.
///
/// # Errors
/// When there is none of this name, or it is configured wrongly.
pub fn show(node: &Node, name: &str) -> Result<TokenStatus, AdministrationError> {
    Ok(node.token(name)?.status())
}

/// Initialises a token that is not initialised yet. Nothing is ever erased.
///
/// # Errors
/// [`AdministrationError::Token`]; refused when it is initialised already.
pub fn init(
    node: &Node,
    actor: &Actor,
    name: &str,
    so_pin: &SecretString,
    user_pin: &SecretString,
) -> Result<TokenStatus, AdministrationError> {
    let token = node.token(name)?;
    let record = |phase| {
        let act = actor.act("token init", name).with(json!({ "phase": phase }));
        node.wait(node.store().record(&[AuditEvent::Administration(act)]))
    };
    record("begin")?;
    token.initialize(so_pin, user_pin)?;
    record("end")?;
    if let Err(error) = token.reconnect() {
        tracing::debug!("token \"{name}\" is initialised and not ready yet: {error}");
    }
    Ok(token.status())
}

/// What a check found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenCheck {
    /// The token as it is.
    #[serde(flatten)]
    pub status: TokenStatus,
    /// Key pairs found.
    pub keys: usize,
}

/// Tries the token: connects, logs in if need be, and lists its keys. A token without keys is healthy.
///
/// # Errors
/// [`AdministrationError::Token`] with what stands in the way.
pub fn check(node: &Node, name: &str) -> Result<TokenCheck, AdministrationError> {
    let token = node.token(name)?;
    token.reconnect()?;
    let keys = token.keys()?.len();
    Ok(TokenCheck { status: token.status(), keys })
}

/// Forbids the use of a token until `unlock`, on every node that shares the database.
///
/// # Errors
/// [`AdministrationError::Store`].
pub fn lock(node: &Node, actor: &Actor, name: &str) -> Result<TokenStatus, AdministrationError> {
    let token = node.token(name)?;
    node.wait(node.store().lock_token(name, actor.act("token lock", name)))?;
    token.lock();
    Ok(token.status())
}

/// Takes an operator's lock away and lets a corrected PIN be tried, once. For `unlock = "manual"`, `pin` is the PIN typed.
///
/// # Errors
/// [`AdministrationError::Token`]: the PIN was rejected again, or the device is away.
pub fn unlock(
    node: &Node,
    actor: &Actor,
    name: &str,
    pin: Option<&SecretString>,
) -> Result<TokenStatus, AdministrationError> {
    let token = node.token(name)?;
    let tried = node.forgiving(name, || match pin {
        Some(pin) => token.unlock(pin),
        None => token.reconnect(),
    });
    // Forgotten only afterwards, and not when it was rejected again: else every other process would try it too.
    let (serial, _) = token.rejection_key();
    let forget = (!matches!(tried, Err(TokenError::PinRejected { .. }))).then_some(serial.as_str());
    node.wait(node.store().unlock_token(name, forget, actor.act("token unlock", name)))?;
    tried?;
    Ok(token.status())
}

/// Whether a token waits for a PIN that somebody must type.
///
/// # Errors
/// As [`show`].
pub fn needs_pin(node: &Node, name: &str) -> Result<bool, AdministrationError> {
    let token = node.token(name)?;
    Ok(token.config().pin == cryptotoken::PinSource::Manual && token.status().state != TokenState::Ready)
}

fn misconfigured(config: &TokenConfig, error: &AdministrationError) -> TokenStatus {
    TokenStatus {
        name: config.name.clone(),
        profile: config.profile.clone(),
        state: TokenState::Unavailable,
        reason: causes(error),
        label: None,
        serial: None,
        device: None,
        qscd: false,
        overridden: !config.overrides.is_empty(),
        sessions: (0, 0),
        hung_calls: 0,
    }
}
