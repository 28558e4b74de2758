//! Backups of keys: what `sigillo key backup-confirm` puts on record, and what `require_backup` of a token asks for.
//!
//! A device writes its copies itself and lets nobody look into them, so this service keeps who confirmed which copy. A credential that
//! waits for that is `suspended`: nothing but an operator's act takes it out of there.

use cryptotoken_api::{CredentialState, KeyAlias, KeyLocation};
use serde::Serialize;
use serde_json::json;
use store::CredentialRecord;
pub use store::KeyBackup;
use time::{Date, Duration, OffsetDateTime};

use crate::credential::CredentialView;
use crate::key::by_location;
use crate::{Actor, AdministrationError, Node};

/// What there is of a key beside the one on a token.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyCopies {
    /// Copies on record.
    pub backups: Vec<KeyBackup>,
    /// The same key on other tokens.
    pub replicas: Vec<KeyLocation>,
}

/// Puts on record that there is a copy of a key: where, of which day, and who made it. The same copy is recorded once.
///
/// # Errors
/// Refused when the key has no credential, when the date is yet to come, or when place or name cannot be read by people.
pub fn confirm(
    node: &Node,
    actor: &Actor,
    token_name: &str,
    alias: &KeyAlias,
    place: &str,
    date: Date,
    by: &str,
) -> Result<CredentialView, AdministrationError> {
    let credential = by_location(node, token_name, alias)?.name;
    // Somewhere on earth it is tomorrow already.
    if date > (OffsetDateTime::now_utc() + Duration::days(1)).date() {
        return Err(AdministrationError::Refused(format!("the date {date} of the backup lies in the future")));
    }
    let (place, by) = (legible("place", place)?, legible("name of who made it", by)?);
    let backup = KeyBackup { credential, token: token_name.to_owned(), place, date, by };
    let act = actor.act("key backup-confirm", &backup.credential).with(json!(backup));
    node.wait(node.store().insert_key_backup(&backup, act))?;
    crate::credential::show(node, &backup.credential)
}

/// What remains of a key when the one on this token is gone.
///
/// # Errors
/// [`AdministrationError::Store`].
pub fn remaining(node: &Node, token_name: &str, alias: &KeyAlias) -> Result<KeyCopies, AdministrationError> {
    let here = |location: &KeyLocation| location.token == token_name && location.alias == *alias;
    let credentials = node.wait(node.store().credentials())?;
    // A key that nobody adopted has no copy on record.
    let Some(record) = credentials.into_iter().find(|record| record.locations.iter().any(here)) else {
        return Ok(KeyCopies { backups: Vec::new(), replicas: Vec::new() });
    };
    let backups = node.wait(node.store().key_backups(Some(&record.name)))?;
    Ok(KeyCopies { backups, replicas: record.locations.into_iter().filter(|location| !here(location)).collect() })
}

/// The state that a credential gets which is about to become `state`: `suspended` where the backup is missing that a token requires.
pub(crate) fn gate(
    node: &Node,
    record: &CredentialRecord,
    state: CredentialState,
) -> Result<CredentialState, AdministrationError> {
    let signs = matches!(state, CredentialState::Active | CredentialState::Scheduled);
    let held = signs && record.state != CredentialState::Active && missing_now(node, record)?.is_some();
    Ok(if held { CredentialState::Suspended } else { state })
}

/// As [`missing`], with what is on record now.
pub(crate) fn missing_now(node: &Node, record: &CredentialRecord) -> Result<Option<String>, AdministrationError> {
    let backups = node.wait(node.store().key_backups(Some(&record.name)))?;
    Ok(missing(node, record, &backups))
}

/// That a backup is missing, and what to do, in a sentence; `None` where none is required or one is on record.
pub(crate) fn missing(node: &Node, record: &CredentialRecord, backups: &[KeyBackup]) -> Option<String> {
    if !backups.is_empty() || matches!(record.state, CredentialState::Retired | CredentialState::Revoked) {
        return None;
    }
    // Of the configuration and not of the token, which need not be opened for this.
    let requires =
        |name: &str| node.configuration().tokens.iter().any(|token| token.name == name && token.require_backup);
    let location = record.locations.iter().find(|location| requires(&location.token))?;
    Some(format!(
        "no backup of the key is on record, and token \"{0}\" requires one; make a copy by the device's own means, then run: sigillo key \
         backup-confirm --token {0} --key {1} --place PLACE --date YYYY-MM-DD --by NAME",
        location.token, location.alias
    ))
}

fn legible(what: &str, text: &str) -> Result<String, AdministrationError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        return Err(AdministrationError::Refused(format!(
            "the {what} of the backup must be 1 to {LONGEST} characters on one line"
        )));
    }
    Ok(text.to_owned())
}

const LONGEST: usize = 200;
