//! Credentials: what `sigillo credential` does, and what time does to them.

use cryptotoken_api::{Certificate, CredentialState, KeyLocation, KeySpec, Purpose, rfc3339};
use serde::Serialize;
use serde_json::json;
use store::{CredentialRecord, KeyBackup, KeyEvidence};
use time::OffsetDateTime;

use crate::authorization::{self, AuthorizationView};
use crate::certificate::{CertificateView, view as certificate_view};
use crate::replica::{self, ReplicaView};
use crate::{Actor, AdministrationError, Items, Node, backup};

/// A credential as the command line shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialView {
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub owner: String,
    /// What its key may sign.
    pub purpose: Purpose,
    /// Its state.
    pub state: CredentialState,
    /// Kind of key.
    pub spec: KeySpec,
    /// Where its key is.
    pub locations: Vec<KeyLocation>,
    /// Where the key has copies: all of its places, with what is on record of each; empty where there is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaView>,
    /// How often the key was used.
    pub uses: u64,
    /// How often it may be used.
    pub use_limit: Option<u64>,
    /// What is recorded of the key ceremony.
    pub evidence: Option<KeyEvidence>,
    /// Authorisations of its key, where the device wants them; only of a credential that is shown alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorizations: Vec<AuthorizationView>,
    /// Copies of the key on record.
    pub backups: Vec<KeyBackup>,
    /// That a backup is missing which a token requires, and what to do.
    pub backup_missing: Option<String>,
    /// Certificates, leaf first.
    pub chain: Vec<CertificateView>,
}

/// All credentials.
///
/// # Errors
/// [`AdministrationError::Store`].
pub fn list(node: &Node) -> Result<Items<CredentialView>, AdministrationError> {
    let records = node.wait(node.store().credentials())?;
    let backups = node.wait(node.store().key_backups(None))?;
    let of = |name: &str| backups.iter().filter(|backup| backup.credential == name).cloned().collect();
    records
        .into_iter()
        .map(|record| {
            let backups = of(&record.name);
            view(node, record, backups, false)
        })
        .collect()
}

/// One credential. Where its key is on several tokens, they are looked at.
///
/// # Errors
/// Refused when there is none of this name.
pub fn show(node: &Node, name: &str) -> Result<CredentialView, AdministrationError> {
    let mut shown = view(node, find(node, name)?, node.wait(node.store().key_backups(Some(name)))?, true)?;
    shown.authorizations = authorization::of_credential(node, name)?;
    Ok(shown)
}

/// One credential, without a look at its tokens, which may hang.
pub(crate) fn unseen(node: &Node, name: &str) -> Result<CredentialView, AdministrationError> {
    view(node, find(node, name)?, node.wait(node.store().key_backups(Some(name)))?, false)
}

/// Puts an active credential aside.
///
/// # Errors
/// Refused when it is not active.
pub fn suspend(node: &Node, actor: &Actor, name: &str) -> Result<CredentialView, AdministrationError> {
    change(node, actor, "credential suspend", name, |state| {
        matches!(state, CredentialState::Active | CredentialState::Scheduled).then_some(CredentialState::Suspended)
    })
}

/// Takes a suspended or disabled credential back.
///
/// # Errors
/// Refused in every other state, and while a backup is missing that its token requires; a certificate past its end stays expired.
pub fn activate(node: &Node, actor: &Actor, name: &str) -> Result<CredentialView, AdministrationError> {
    let record = find(node, name)?;
    let used_up = |key: &AuthorizationView| !key.authorized;
    let authorizations = authorization::of_credential(node, name)?;
    let target = if !authorizations.is_empty() && authorizations.iter().all(used_up) {
        CredentialState::AwaitingAuthorization
    } else {
        by_certificate(&record, OffsetDateTime::now_utc())
    };
    if backup::gate(node, &record, target)? != target {
        let missing = backup::missing_now(node, &record)?.unwrap_or_default();
        return Err(AdministrationError::Refused(format!("credential \"{name}\" is not activated: {missing}")));
    }
    change(node, actor, "credential activate", name, |state| {
        matches!(state, CredentialState::Suspended | CredentialState::Disabled).then_some(target)
    })
}

/// Switches a credential off.
///
/// # Errors
/// Refused when it is disabled already, and in states that `activate` must not lead out of.
pub fn disable(node: &Node, actor: &Actor, name: &str) -> Result<CredentialView, AdministrationError> {
    change(node, actor, "credential disable", name, |state| may_be_disabled(state).then_some(CredentialState::Disabled))
}

const fn may_be_disabled(state: CredentialState) -> bool {
    match state {
        CredentialState::AwaitingCertificate
        | CredentialState::Scheduled
        | CredentialState::Active
        | CredentialState::Suspended
        | CredentialState::Expired => true,
        // None of these signs, and `disable` followed by `activate` must not make one that does.
        CredentialState::AwaitingAuthorization
        | CredentialState::Revoked
        | CredentialState::Retired
        | CredentialState::Disabled => false,
    }
}

/// Forgets a credential whose key is destroyed. Its records stay.
///
/// # Errors
/// Refused while it is not retired, or a worker names it.
pub fn remove(node: &Node, actor: &Actor, name: &str) -> Result<(), AdministrationError> {
    let record = find(node, name)?;
    if record.state != CredentialState::Retired {
        return Err(AdministrationError::Refused(format!(
            "credential \"{name}\" is {}; destroy its key first (sigillo key destroy), then remove it",
            record.state
        )));
    }
    refuse_used(node, name)?;
    Ok(node.wait(node.store().remove_credential(name, actor.act("credential remove", name)))?)
}

/// Moves credentials whose certificate began or ended to `active` or `expired`.
///
/// # Errors
/// [`AdministrationError::Store`].
pub fn follow_time(node: &Node) -> Result<(), AdministrationError> {
    let now = OffsetDateTime::now_utc();
    for record in node.wait(node.store().credentials())? {
        let due = by_certificate(&record, now);
        let moves = matches!(record.state, CredentialState::Scheduled | CredentialState::Active);
        if moves && due != record.state {
            let due = backup::gate(node, &record, due)?;
            let act = Actor::service().act("credential follow-time", &record.name);
            node.wait(node.store().set_credential_state(&record.name, record.state, due, act))?;
            tracing::info!(credential.name = record.name, "credential \"{}\" is {due} now", record.name);
        }
    }
    Ok(())
}

/// Takes a credential out of use whose certificate was revoked by its issuer. Only a new certificate brings it back.
///
/// # Errors
/// [`AdministrationError::Store`]; also when the credential was not active any more.
pub fn revoked(node: &Node, name: &str, revoked_at: OffsetDateTime) -> Result<(), AdministrationError> {
    let revoked_at = rfc3339(revoked_at);
    let act = Actor::service().act("credential revoked", name).with(json!({ "revokedAt": revoked_at }));
    node.wait(node.store().set_credential_state(name, CredentialState::Active, CredentialState::Revoked, act))?;
    tracing::error!(credential.name = name, "the certificate of credential \"{name}\" was revoked on {revoked_at}");
    Ok(())
}

/// Refuses when a worker names the credential.
pub(crate) fn refuse_used(node: &Node, name: &str) -> Result<(), AdministrationError> {
    for worker in node.wait(node.store().workers())? {
        let uses = workers::WorkerConfig::parse(&worker.definition).is_ok_and(|config| config.credential() == name);
        if uses {
            return Err(AdministrationError::Refused(format!(
                "worker \"{0}\" uses credential \"{name}\"; remove it first: sigillo worker remove {0}",
                worker.name
            )));
        }
    }
    Ok(())
}

/// The state that the certificate gives.
pub(crate) fn by_certificate(record: &CredentialRecord, now: OffsetDateTime) -> CredentialState {
    match record.chain.first().and_then(|der| Certificate::from_der(der).ok()) {
        None => CredentialState::AwaitingCertificate,
        Some(leaf) if now > leaf.not_after() => CredentialState::Expired,
        Some(leaf) if now < leaf.not_before() => CredentialState::Scheduled,
        Some(_) => CredentialState::Active,
    }
}

fn change(
    node: &Node,
    actor: &Actor,
    action: &str,
    name: &str,
    target: impl FnOnce(CredentialState) -> Option<CredentialState>,
) -> Result<CredentialView, AdministrationError> {
    let record = find(node, name)?;
    let target = target(record.state).ok_or_else(|| {
        let verb = action.trim_start_matches("credential ");
        AdministrationError::Refused(format!("credential \"{name}\" is {}; {verb} does not apply", record.state))
    })?;
    node.wait(node.store().set_credential_state(name, record.state, target, actor.act(action, name)))?;
    unseen(node, name)
}

/// The credential of this name.
pub(crate) fn find(node: &Node, name: &str) -> Result<CredentialRecord, AdministrationError> {
    node.wait(node.store().credential(name))?.ok_or_else(|| {
        AdministrationError::Refused(format!("there is no credential \"{name}\"; run: sigillo credential list"))
    })
}

fn view(
    node: &Node,
    record: CredentialRecord,
    backups: Vec<KeyBackup>,
    look: bool,
) -> Result<CredentialView, AdministrationError> {
    let missing = backup::missing(node, &record, &backups);
    let waits = record.state == CredentialState::Suspended;
    let then = if waits { format!(", then: sigillo credential activate {}", record.name) } else { String::new() };
    let chain =
        record.chain.iter().map(|der| certificate_view(&Certificate::from_der(der)?)).collect::<Result<_, _>>()?;
    Ok(CredentialView {
        replicas: replica::views(node, &record, look),
        name: record.name,
        owner: record.owner,
        purpose: record.purpose,
        state: record.state,
        spec: record.spec,
        locations: record.locations,
        uses: record.uses,
        use_limit: record.use_limit,
        evidence: record.evidence,
        authorizations: Vec::new(),
        backups,
        backup_missing: missing.map(|missing| missing + &then),
        chain,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_authority_or_a_device_withholds_is_not_given_by_disabling_and_activating() {
        for state in [CredentialState::Revoked, CredentialState::AwaitingAuthorization, CredentialState::Retired] {
            assert!(!may_be_disabled(state), "{state}");
        }
        assert!(may_be_disabled(CredentialState::Active));
    }
}
