//! Replicas: the same key on several tokens, cloned by the devices' own means. What `sigillo credential replica` does.

use cryptotoken::lifecycle::SelfTestFailure;
use cryptotoken_api::{CredentialState, CryptoToken, KeyAlias, KeyId, KeyLocation, PublicKey, SignerError, TokenState};
use serde::Serialize;
use serde_json::json;
use store::{CredentialRecord, KeyEvidence, KeyReplica};
use time::OffsetDateTime;

use crate::credential::{CredentialView, find as find_credential, show, unseen};
use crate::key::{self, Ceremony};
use crate::{Actor, AdministrationError, Node, qualified};

/// One of several places of a key, as the command line shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaView {
    /// Name of the token.
    pub token: String,
    /// `CKA_LABEL`.
    pub alias: KeyAlias,
    /// `CKA_ID`.
    pub id: KeyId,
    /// State of the token as this process sees it, where it looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_state: Option<TokenState>,
    /// Why it was added; absent for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    /// Who added it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_by: Option<String>,
    /// When it was added.
    #[serde(skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub added_at: Option<OffsetDateTime>,
    /// What is recorded of the ceremony that copied the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<KeyEvidence>,
}

/// Whether a credential with several replicas can sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Availability {
    /// Every replica can be used.
    Ready,
    /// At least one can be used, and at least one cannot.
    Degraded,
    /// None can be used.
    Unavailable,
}

impl Availability {
    /// Of replicas that can or cannot be used.
    pub fn of(usable: impl IntoIterator<Item = bool>) -> Self {
        let (mut any, mut all) = (false, true);
        for usable in usable {
            any |= usable;
            all &= usable;
        }
        match (any, all) {
            (true, true) => Self::Ready,
            (true, false) => Self::Degraded,
            (false, _) => Self::Unavailable,
        }
    }

    /// The name in answers and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Adds a replica to a credential: the same key on another token, put there by the device's own means. It is judged as an adopted key
/// is, and signs once to prove itself, before anything is written.
///
/// # Errors
/// Refused when the justification is empty, the credential has a key on that token already, the key there is another one, may leave its
/// device or decrypt, unwrap or derive, or a worker that makes qualified seals could not use it.
pub fn add(
    node: &Node,
    actor: &Actor,
    name: &str,
    token_name: &str,
    alias: &KeyAlias,
    justification: &str,
    ceremony: Option<&Ceremony<'_>>,
) -> Result<CredentialView, AdministrationError> {
    let justification = legible(justification)?;
    let record = find_credential(node, name)?;
    if record.state == CredentialState::Retired {
        return Err(AdministrationError::Refused(format!("credential \"{name}\" is retired: its key was destroyed")));
    }
    if let Some(location) = record.locations.iter().find(|location| location.token == token_name) {
        return Err(AdministrationError::Refused(format!(
            "credential \"{name}\" has its key \"{}\" on token \"{token_name}\" already; a replica is on another token",
            location.alias
        )));
    }
    let found = key::find(node, token_name, alias)?;
    let public_key = key::readable(&found, alias)?;
    same_key(&record, public_key, token_name, alias)?;
    key::refuse_wrong_attributes(&found, token_name, alias)?;
    let evidence = ceremony.map(|ceremony| key::evidence(node, token_name, ceremony)).transpose()?;

    let location = KeyLocation { token: token_name.to_owned(), alias: alias.clone(), id: found.id.clone() };
    let mut after = record.clone();
    after.locations.push(location.clone());
    after.replicas.push(KeyReplica {
        token: token_name.to_owned(),
        justification: justification.clone(),
        added_by: actor.to_string(),
        added_at: OffsetDateTime::now_utc(),
        attributes: found.attributes,
        evidence,
    });
    refuse_closing_the_gate(node, &after)?;
    match key::prove(node, actor, name, &location, public_key) {
        // Where the device wants each copy authorised, that comes when the credential knows this one; until then others sign.
        Err(AdministrationError::SelfTest(SelfTestFailure::Signer(SignerError::NotAuthorized { .. }))) => {}
        proven => proven?,
    }

    let act = actor.act("credential replica add", name).with(json!({
        "token": token_name, "alias": alias, "id": found.id, "justification": justification, "replicas": after.locations.len(),
        "publicKeySha256": public_key.fingerprint(), "attributes": found.attributes,
        "evidenceSha256": after.evidence_on(token_name).map(|evidence| evidence.record_sha256.clone()),
    }));
    node.wait(node.store().set_locations(&record, &after.locations, &after.replicas, act))?;
    show(node, name)
}

/// Takes a replica from a credential. The key stays on its token, which may be away or lost.
///
/// # Errors
/// Refused when the credential has no such key, or no other one.
pub fn remove(
    node: &Node,
    actor: &Actor,
    name: &str,
    token_name: &str,
    alias: &KeyAlias,
) -> Result<CredentialView, AdministrationError> {
    let record = find_credential(node, name)?;
    let here = |location: &KeyLocation| location.token == token_name && location.alias == *alias;
    let Some(removed) = record.locations.iter().find(|location| here(location)) else {
        return Err(AdministrationError::Refused(format!(
            "credential \"{name}\" has no key \"{alias}\" on token \"{token_name}\"; run: sigillo credential show {name}"
        )));
    };
    if record.locations.len() == 1 {
        return Err(AdministrationError::Refused(format!(
            "this is the only key of credential \"{name}\"; to end its life run: sigillo key destroy --token {token_name} --alias {alias}"
        )));
    }
    let locations: Vec<KeyLocation> = record.locations.iter().filter(|location| !here(location)).cloned().collect();
    let replicas: Vec<KeyReplica> =
        record.replicas.iter().filter(|replica| replica.token != token_name).cloned().collect();
    let act = actor.act("credential replica remove", name).with(json!({
        "token": token_name, "alias": alias, "id": removed.id, "replicas": locations.len(),
    }));
    node.wait(node.store().set_locations(&record, &locations, &replicas, act))?;
    unseen(node, name)
}

/// Whether the credential has other keys when one is gone.
pub(crate) fn is_one_of_several(node: &Node, name: &str) -> Result<bool, AdministrationError> {
    Ok(node.wait(node.store().credential(name))?.is_some_and(|record| record.locations.len() > 1))
}

/// The location that an administrator's use of the key asks: the first whose token is ready, else the first.
pub(crate) fn nearest<'a>(node: &Node, record: &'a CredentialRecord) -> Result<&'a KeyLocation, AdministrationError> {
    let ready = |location: &&KeyLocation| token_state(node, &location.token) == Some(TokenState::Ready);
    let several = record.locations.len() > 1;
    let nearest = several.then(|| record.locations.iter().find(ready)).flatten();
    nearest
        .or_else(|| record.locations.first())
        .ok_or_else(|| AdministrationError::Refused(format!("credential \"{}\" has no key", record.name)))
}

/// The places of a credential's key; with `look`, the state of each token, which is opened for that.
pub(crate) fn views(node: &Node, record: &CredentialRecord, look: bool) -> Vec<ReplicaView> {
    if record.locations.len() < 2 {
        return Vec::new();
    }
    let view = |location: &KeyLocation| {
        let replica = record.replica(&location.token);
        ReplicaView {
            token: location.token.clone(),
            alias: location.alias.clone(),
            id: location.id.clone(),
            token_state: look.then(|| token_state(node, &location.token).unwrap_or(TokenState::Unavailable)),
            justification: replica.map(|replica| replica.justification.clone()),
            added_by: replica.map(|replica| replica.added_by.clone()),
            added_at: replica.map(|replica| replica.added_at),
            evidence: replica.and_then(|replica| replica.evidence.clone()),
        }
    };
    record.locations.iter().map(view).collect()
}

fn token_state(node: &Node, name: &str) -> Option<TokenState> {
    node.token(name).ok().map(|token| token.status().state)
}

/// Regulation (EU) No 910/2014, Annex II, point 4: no more copies than continuity needs, so somebody has to say why.
fn legible(justification: &str) -> Result<String, AdministrationError> {
    let justification = justification.trim();
    if justification.is_empty()
        || justification.chars().count() > JUSTIFICATION
        || justification.contains(char::is_control)
    {
        return Err(AdministrationError::Refused(format!(
            "the justification says in one line, of at most {JUSTIFICATION} characters, why continuity needs this replica"
        )));
    }
    Ok(justification.to_owned())
}

const JUSTIFICATION: usize = 500;

fn same_key(
    record: &CredentialRecord,
    found: &PublicKey,
    token_name: &str,
    alias: &KeyAlias,
) -> Result<(), AdministrationError> {
    let own = PublicKey::from_spki_der(&record.public_key).map_err(|error| {
        AdministrationError::Refused(format!("the public key of credential \"{}\": {error}", record.name))
    })?;
    if own.same_key(found) {
        return Ok(());
    }
    Err(AdministrationError::Refused(format!(
        "key \"{alias}\" on token \"{token_name}\" is another key ({}) than that of credential \"{}\" ({}); clone that one with the \
         device's own tools",
        found.fingerprint(),
        record.name,
        own.fingerprint()
    )))
}

/// The worst replica decides over qualified seals, so one that is not good enough would stop the workers that make them.
fn refuse_closing_the_gate(node: &Node, after: &CredentialRecord) -> Result<(), AdministrationError> {
    for worker in node.wait(node.store().workers())? {
        if let Ok(config) = workers::WorkerConfig::parse(&worker.definition)
            && config.credential() == after.name
        {
            qualified::check(node, &config, after)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_replica_that_can_be_used_is_enough_and_one_that_cannot_degrades() {
        assert_eq!(Availability::of([true, true]), Availability::Ready);
        assert_eq!(Availability::of([false, true]), Availability::Degraded);
        assert_eq!(Availability::of([false, false]), Availability::Unavailable);
    }

    #[test]
    fn a_justification_says_something_in_one_line() {
        assert_eq!(legible("  second site \n").unwrap(), "second site");
        for bad in ["", " \t", "two\nlines", &"x".repeat(501)] {
            assert!(legible(bad).is_err(), "{bad:?}");
        }
    }
}
