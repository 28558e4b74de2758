//! Replicas: the same key on several tokens, why it is there, and where the keys of all credentials are.

use cryptotoken_api::{CredentialState, KeyAttributes, KeyLocation};
use serde::{Deserialize, Serialize};
use sqlx::{query, query_as};
use time::OffsetDateTime;

use crate::audit::AdministrativeAct;
use crate::credentials::{CredentialRecord, KeyEvidence};
use crate::database::on;
use crate::error::StoreError;
use crate::{Store, moment};

// The locations that the decision was made on are the condition: nobody else's change is lost.
const SET_LOCATIONS: &str =
    "UPDATE credential SET locations = $2, replicas = $3, updated_at = $4 WHERE name = $1 AND locations = $5";
// What another key has on that token one day does not begin with what this one had.
const FORGET_AUTHORIZATION: &str = "DELETE FROM key_authorization WHERE credential = $1 AND token = $2";
const EXISTS: &str = "SELECT name FROM credential WHERE name = $1";
const PLACES: &str = "SELECT name, state, locations FROM credential WHERE state <> 'retired' ORDER BY name";

const NOUN: &str = "credential";

/// What is on record of a location that was added to a credential: its key is a copy, made by the device's own means.
///
/// Copies are to be no more than continuity of the service needs (Regulation (EU) No 910/2014, Annex II, point 4), so each says why it is
/// there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyReplica {
    /// Name of the token; a credential has one key on it at most.
    pub token: String,
    /// Why the service needs it.
    pub justification: String,
    /// Who added it.
    pub added_by: String,
    /// When it was added.
    #[serde(with = "time::serde::rfc3339")]
    pub added_at: OffsetDateTime,
    /// What the token said of the key then.
    pub attributes: KeyAttributes,
    /// What is recorded of the ceremony that copied the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<KeyEvidence>,
}

/// Where the key of a credential is, and no more of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlaces {
    /// Name of the credential.
    pub credential: String,
    /// Its state, which is not `retired`.
    pub state: CredentialState,
    /// Names of the tokens, in the order of its locations.
    pub tokens: Vec<String>,
}

impl CredentialRecord {
    /// What is on record of the location on this token, where it was added to the credential.
    #[must_use]
    pub fn replica(&self, token: &str) -> Option<&KeyReplica> {
        self.replicas.iter().find(|replica| replica.token == token)
    }

    /// What the token said of the key at this location.
    #[must_use]
    pub fn attributes_on(&self, token: &str) -> &KeyAttributes {
        self.replica(token).map_or(&self.attributes, |replica| &replica.attributes)
    }

    /// The evidence of the key at this location.
    #[must_use]
    pub fn evidence_on(&self, token: &str) -> Option<&KeyEvidence> {
        self.replica(token).map_or(self.evidence.as_ref(), |replica| replica.evidence.as_ref())
    }
}

impl Store {
    /// Puts other locations in the place of those that `before` has, and forgets the authorisations of keys that are no more among them.
    /// Uses and their limit are the credential's, so they count all replicas together.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::LocationsChanged`] when somebody else was faster: look again, then decide again.
    pub async fn set_locations(
        &self,
        before: &CredentialRecord,
        locations: &[KeyLocation],
        replicas: &[KeyReplica],
        act: AdministrativeAct,
    ) -> Result<(), StoreError> {
        let name = before.name.as_str();
        let json = StoreError::unreadable(NOUN, name);
        let expected = serde_json::to_string(&before.locations).map_err(&json)?;
        let left = before.locations.iter().filter(|location| !locations.contains(location));
        let locations = serde_json::to_string(locations).map_err(&json)?;
        let replicas = if replicas.is_empty() { None } else { Some(serde_json::to_string(replicas).map_err(&json)?) };
        let mut transaction = self.database.begin().await?;
        let changed = on!(Transaction, &mut transaction, t => query(SET_LOCATIONS)
            .bind(name)
            .bind(locations)
            .bind(replicas)
            .bind(moment::now())
            .bind(expected)
            .execute(&mut **t)
            .await
            .map(|result| result.rows_affected()))?;
        if changed == 1 {
            for KeyLocation { token, .. } in left {
                on!(Transaction, &mut transaction, t => query(FORGET_AUTHORIZATION)
                    .bind(name)
                    .bind(token)
                    .execute(&mut **t)
                    .await
                    .map(drop))?;
            }
            return self.commit(transaction, act).await;
        }
        let exists = on!(Transaction, &mut transaction, t => query(EXISTS).bind(name).fetch_optional(&mut **t).await)?;
        if exists.is_some() {
            Err(StoreError::LocationsChanged { credential: name.to_owned() })
        } else {
            Err(StoreError::not_found(NOUN, name))
        }
    }

    /// Where the keys of all credentials are that are not retired, by name.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn key_places(&self) -> Result<Vec<KeyPlaces>, StoreError> {
        let rows: Vec<(String, String, String)> =
            on!(Database, &self.database, pool => query_as(PLACES).fetch_all(pool).await)?;
        let places = |(credential, state, locations): (String, String, String)| {
            let locations: Vec<KeyLocation> =
                serde_json::from_str(&locations).map_err(StoreError::unreadable(NOUN, &credential))?;
            Ok(KeyPlaces {
                state: state.parse().map_err(StoreError::unreadable(NOUN, &credential))?,
                tokens: locations.into_iter().map(|location| location.token).collect(),
                credential,
            })
        };
        rows.into_iter().map(places).collect()
    }
}
