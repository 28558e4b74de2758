//! What people see of authorisations, and the warning before one is used up.

use cryptotoken_api::CredentialState;
use serde::Serialize;
use store::{KakSource, KeyAuthorizationRecord};
use time::OffsetDateTime;

use crate::{AdministrationError, Node};

/// The authorisation of one key as the command line shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationView {
    /// Name of the token.
    pub token: String,
    /// Alias of the key.
    pub key: String,
    /// Whether it was initialised as an assigned key.
    pub assigned: bool,
    /// SHA-256 over the public half of its KAK.
    pub kak_sha256: String,
    /// How the KAK signs.
    pub protocol: &'static str,
    /// Where the KAK was when it was last used.
    pub kak_source: KakSource,
    /// Whether it may sign.
    pub authorized: bool,
    /// Since when.
    #[serde(with = "time::serde::rfc3339::option")]
    pub authorized_at: Option<OffsetDateTime>,
    /// For how many signatures; absent: without limit, or not authorised.
    pub count: Option<u64>,
    /// Signatures since.
    pub uses: u64,
    /// How many are left; absent: without limit, or not authorised.
    pub remaining: Option<u64>,
    /// What is worth a look.
    pub warning: Option<String>,
}

/// Below which part of what was authorised a warning is due: a tenth.
const LOW: u64 = 10;

/// The authorisations of a credential's keys.
pub(crate) fn of_credential(node: &Node, credential: &str) -> Result<Vec<AuthorizationView>, AdministrationError> {
    let records = node.wait(node.store().key_authorizations(Some(credential)))?;
    Ok(records.iter().map(view).collect())
}

/// Every warning about authorisations that are used up or soon will be.
///
/// # Errors
/// [`AdministrationError::Store`].
pub fn warnings(node: &Node) -> Result<Vec<String>, AdministrationError> {
    Ok(in_service(node)?.iter().filter_map(warning).collect())
}

/// How many authorised signatures are left: credential, token, number. Those without limit are left out; none are left of what is not
/// authorised.
///
/// # Errors
/// [`AdministrationError::Store`].
pub fn remaining(node: &Node) -> Result<Vec<(String, String, u64)>, AdministrationError> {
    let records = in_service(node)?;
    let left = |record: &KeyAuthorizationRecord| match &record.authorized {
        None => Some(0),
        Some(authorized) => authorized.remaining(),
    };
    Ok(records
        .into_iter()
        .filter_map(|record| left(&record).map(|left| (record.credential, record.location.token, left)))
        .collect())
}

/// Those of credentials that sign, or would if their key were authorised.
fn in_service(node: &Node) -> Result<Vec<KeyAuthorizationRecord>, AdministrationError> {
    let records = node.wait(node.store().key_authorizations(None))?;
    if records.is_empty() {
        return Ok(records);
    }
    let gone = |state| matches!(state, CredentialState::Retired | CredentialState::Revoked | CredentialState::Expired);
    let credentials = node.wait(node.store().credentials())?;
    let gone = |name: &str| credentials.iter().any(|credential| credential.name == name && gone(credential.state));
    Ok(records.into_iter().filter(|record| !gone(&record.credential)).collect())
}

/// One authorisation.
pub(crate) fn view(record: &KeyAuthorizationRecord) -> AuthorizationView {
    let authorized = record.authorized;
    AuthorizationView {
        token: record.location.token.clone(),
        key: record.location.alias.to_string(),
        assigned: record.assigned,
        kak_sha256: hex::encode(openssl::sha::sha256(&record.kak.public_key)),
        protocol: record.kak.protocol.name(),
        kak_source: record.kak.source,
        authorized: authorized.is_some_and(|authorized| authorized.remaining() != Some(0)),
        authorized_at: authorized.map(|authorized| authorized.at),
        count: authorized.and_then(|authorized| authorized.count),
        uses: authorized.map_or(0, |authorized| authorized.uses),
        remaining: authorized.and_then(|authorized| authorized.remaining()),
        warning: warning(record),
    }
}

fn warning(record: &KeyAuthorizationRecord) -> Option<String> {
    let (credential, alias, token) = (&record.credential, &record.location.alias, &record.location.token);
    let said = match record.authorized {
        None => "is not authorised".to_owned(),
        Some(authorized) => match (authorized.count?, authorized.remaining()?) {
            (count, 0) => format!("has made all {count} signatures that it was authorised for"),
            (count, left) if left <= count.div_ceil(LOW) => {
                format!("has {left} left of {count} authorised signatures")
            }
            _ => return None,
        },
    };
    Some(format!(
        "credential \"{credential}\": key \"{alias}\" on token \"{token}\" {said}; an authorised person must run: sigillo key authorize \
         --token {token} --alias {alias} --count N"
    ))
}

#[cfg(test)]
mod tests {
    use cryptotoken_api::{AuthorizationProtocol, KeyId, KeyLocation};
    use store::{Authorized, Kak};

    use super::*;

    fn record(authorized: Option<(Option<u64>, u64)>) -> KeyAuthorizationRecord {
        KeyAuthorizationRecord {
            credential: "seal".into(),
            location: KeyLocation { token: "hsm".into(), alias: "seal".parse().unwrap(), id: KeyId::new([1]) },
            assigned: true,
            kak: Kak { public_key: vec![1], protocol: AuthorizationProtocol::RsaPssSha256, source: KakSource::Offline },
            authorized: authorized.map(|(count, uses)| Authorized { at: OffsetDateTime::UNIX_EPOCH, count, uses }),
        }
    }

    #[test]
    fn a_warning_comes_with_the_last_tenth_and_names_the_next_step() {
        for (authorized, warns) in [
            (None, true),
            (Some((None, 1_000_000)), false),
            (Some((Some(100), 89)), false),
            (Some((Some(100), 90)), true),
            (Some((Some(5), 3)), false),
            (Some((Some(5), 4)), true),
            (Some((Some(5), 5)), true),
        ] {
            let warning = view(&record(authorized)).warning;
            assert_eq!(warning.is_some(), warns, "{authorized:?}: {warning:?}");
            assert!(warning.is_none_or(|warning| warning.contains("sigillo key authorize --token hsm --alias seal")));
        }
    }
}
