//! Tokens: what `sigillo token` does.

use cryptotoken::conformance;
pub use cryptotoken::conformance::{CheckItem, Verdict};
use cryptotoken::{PinSource, TokenConfig};
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
    /// Who survives the loss of one machine, as the profile has it; a check does not try it.
    pub failover: String,
    /// Whether keys were generated, used and destroyed.
    pub measured: bool,
    /// The profile against the device, field by field.
    pub items: Vec<CheckItem>,
}

impl TokenCheck {
    /// Why this profile is the wrong one for the device, a sentence; `None` where nothing that is required differs.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let refusing = self.items.iter().filter(|item| item.refuses());
        let list: Vec<String> = refusing
            .map(|item| format!("{} should be \"{}\" and is \"{}\"", item.field, item.expected, item.found))
            .collect();
        let (name, profile) = (&self.status.name, &self.status.profile);
        (!list.is_empty()).then(|| {
            format!("the device behind token \"{name}\" is not what profile {profile} describes: {}", list.join("; "))
        })
    }
}

/// Tries the token: connects, logs in if need be, lists its keys, and compares the device with its profile. A token without keys is
/// healthy. With `measure`, every kind of key that the profile does not rule out is generated, used and destroyed; that is recorded. A
/// device that the profile does not describe is not written to.
///
/// # Errors
/// [`AdministrationError::Token`] with what stands in the way. A device that differs is no error here: see [`TokenCheck::refusal`].
pub fn check(node: &Node, actor: &Actor, name: &str, measure: bool) -> Result<TokenCheck, AdministrationError> {
    let token = node.token(name)?;
    token.reconnect()?;
    let mut items = conformance::compare(token.profile(), token.config(), &token.describe()?);
    // A device that says it is another one is not written to.
    let measure = measure && token.status().device_confirmed != Some(false);
    if measure {
        let record = |phase, found| {
            let act =
                actor.act("token check", name).with(json!({ "phase": phase, "keys": "throw-away", "found": found }));
            node.wait(node.store().record(&[AuditEvent::Administration(act)]))
        };
        record("begin", None)?;
        let measured = conformance::measure(token);
        let count = |verdict| measured.iter().filter(|item| item.verdict == verdict).count();
        let (ok, differs, unknown) = (count(Verdict::Ok), count(Verdict::Differs), count(Verdict::Unknown));
        record("end", Some(json!({ "ok": ok, "differs": differs, "unknown": unknown })))?;
        items.extend(measured);
    }
    let ha = &token.profile().ha;
    let failover =
        if ha.note.is_empty() { ha.kind.name().to_owned() } else { format!("{}: {}", ha.kind.name(), ha.note) };
    Ok(TokenCheck { status: token.status(), keys: token.keys()?.len(), failover, measured: measure, items })
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
    if let Some(pin) = pin {
        // The lock goes first: whoever follows it would make the token forget the PIN that is about to be typed.
        if token.config().pin == PinSource::Manual {
            node.wait(node.store().unlock_token(name, None, actor.act("token unlock", name)))?;
        }
        token.unlock(pin)?;
        return Ok(token.status());
    }
    let tried = node.forgiving(name, || token.reconnect());
    // Forgotten only afterwards, and not when it was rejected again: else every other process would try it too.
    let (serial, _) = token.rejection_key();
    let forget = (!matches!(tried, Err(TokenError::PinRejected { .. }))).then_some(serial.as_str());
    node.wait(node.store().unlock_token(name, forget, actor.act("token unlock", name)))?;
    tried?;
    Ok(token.status())
}

/// What is to be typed as PIN of a token, in the words of its profile.
///
/// # Errors
/// As [`show`].
pub fn pin_name(node: &Node, name: &str) -> Result<String, AdministrationError> {
    Ok(node.token(name)?.profile().login.pin.clone())
}

/// Whether a token waits for a PIN that somebody must type.
///
/// # Errors
/// As [`show`].
pub fn needs_pin(node: &Node, name: &str) -> Result<bool, AdministrationError> {
    let token = node.token(name)?;
    Ok(token.config().pin == PinSource::Manual && token.status().state != TokenState::Ready)
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
        device_confirmed: None,
        overridden: !config.overrides.is_empty(),
        sessions: (0, 0),
        hung_calls: 0,
    }
}
