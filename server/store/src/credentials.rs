//! Credentials: where a key is, what it may sign, its certificates, its state, its use counter.

use cryptotoken_api::{CredentialState, KeyAttributes, KeyLocation, KeySpec, Purpose};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, query, query_as, query_scalar};
use time::OffsetDateTime;

use crate::audit::AdministrativeAct;
use crate::database::{Transaction, on};
use crate::error::StoreError;
use crate::replicas::KeyReplica;
use crate::{Store, moment};

const INSERT: &str = "INSERT INTO credential (name, owner, purpose, state, locations, spec, public_key, attributes, evidence, \
    use_limit, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)";
const SELECT: &str = "SELECT name, owner, purpose, state, locations, spec, public_key, attributes, evidence, uses, use_limit, \
    created_at, updated_at, replicas FROM credential WHERE CAST($1 AS TEXT) IS NULL OR name = $1 ORDER BY name";
const OF_KEY: &str = "SELECT name FROM credential WHERE public_key = $1";
const SELECT_STATE: &str = "SELECT state FROM credential WHERE name = $1";
const SET_STATE: &str = "UPDATE credential SET state = $2, updated_at = $3 WHERE name = $1 AND state = $4";
const DELETE: &str = "DELETE FROM credential WHERE name = $1";
const SELECT_CHAIN: &str = "SELECT certificate FROM credential_certificate WHERE credential = $1 ORDER BY position";
const DELETE_CHAIN: &str = "DELETE FROM credential_certificate WHERE credential = $1";
const INSERT_CERTIFICATE: &str =
    "INSERT INTO credential_certificate (credential, position, certificate) VALUES ($1, $2, $3)";

const NOUN: &str = "credential";

/// A credential as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRecord {
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub owner: String,
    /// What its key may sign.
    pub purpose: Purpose,
    /// Its state.
    pub state: CredentialState,
    /// Where its key is; several are replicas of one key.
    pub locations: Vec<KeyLocation>,
    /// Kind of key.
    pub spec: KeySpec,
    /// Public half, DER `SubjectPublicKeyInfo`.
    pub public_key: Vec<u8>,
    /// What the token said of the key when it was generated or adopted.
    pub attributes: KeyAttributes,
    /// What is recorded of the key ceremony.
    pub evidence: Option<KeyEvidence>,
    /// Certificates, DER, leaf first; empty until one is imported.
    pub chain: Vec<Vec<u8>>,
    /// How often the key was used.
    pub uses: u64,
    /// How often it may be used.
    pub use_limit: Option<u64>,
    /// What is on record of the locations that were added to the first.
    pub replicas: Vec<KeyReplica>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When its state or chain last changed.
    pub updated_at: OffsetDateTime,
}

/// A credential to be made. The fields are those of [`CredentialRecord`].
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub owner: String,
    /// What its key may sign.
    pub purpose: Purpose,
    /// Its first state.
    pub state: CredentialState,
    /// Where its key is.
    pub locations: Vec<KeyLocation>,
    /// Kind of key.
    pub spec: KeySpec,
    /// Public half, DER `SubjectPublicKeyInfo`.
    pub public_key: Vec<u8>,
    /// What the token said of the key.
    pub attributes: KeyAttributes,
    /// What is recorded of the key ceremony.
    pub evidence: Option<KeyEvidence>,
    /// How often it may be used.
    pub use_limit: Option<u64>,
}

/// What is recorded of a key ceremony (promise 9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyEvidence {
    /// SHA-256 of the ceremony's record in hexadecimal.
    pub record_sha256: String,
    /// Serial number of the device.
    pub device_serial: String,
    /// Its firmware.
    pub device_firmware: String,
    /// Profile it was used with.
    pub profile: String,
    /// Who approved the key.
    pub approved_by: String,
    /// Whether it is an assigned key, where the device has that notion (EN 419 221-5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_key: Option<bool>,
    /// Where the key's KAK was when the key was initialised, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kak_source: Option<crate::KakSource>,
    /// When this was recorded.
    #[serde(with = "time::serde::rfc3339")]
    pub recorded_at: OffsetDateTime,
}

impl Store {
    /// Makes a credential. A key has one, whatever it is called on its token: with a second one of another purpose the
    /// first one's signatures could be forged.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] for its name, [`StoreError::KeyInUse`] for its key; [`StoreError::Busy`] (retry).
    pub async fn insert_credential(&self, new: &NewCredential, act: AdministrativeAct) -> Result<(), StoreError> {
        let json = StoreError::unreadable(NOUN, &new.name);
        let locations = serde_json::to_string(&new.locations).map_err(&json)?;
        let attributes = serde_json::to_string(&new.attributes).map_err(&json)?;
        let evidence = new.evidence.as_ref().map(serde_json::to_string).transpose().map_err(&json)?;
        let use_limit = new.use_limit.map(i64::try_from).transpose();
        let use_limit = use_limit.map_err(StoreError::unreadable(NOUN, &new.name))?;
        let mut transaction = self.database.begin().await?;
        let of_key: Option<String> = on!(Transaction, &mut transaction, t => query_scalar(OF_KEY)
            .bind(&new.public_key)
            .fetch_optional(&mut **t)
            .await)?;
        if let Some(credential) = of_key.filter(|name| *name != new.name) {
            return Err(StoreError::KeyInUse { credential });
        }
        on!(Transaction, &mut transaction, t => query(INSERT)
            .bind(&new.name)
            .bind(&new.owner)
            .bind(new.purpose.name())
            .bind(new.state.name())
            .bind(locations)
            .bind(new.spec.name())
            .bind(&new.public_key)
            .bind(attributes)
            .bind(evidence)
            .bind(use_limit)
            .bind(moment::now())
            .execute(&mut **t)
            .await
            .map_err(StoreError::on_insert(NOUN, &new.name)))?;
        self.commit(transaction, act).await
    }

    /// The credential of this name.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn credential(&self, name: &str) -> Result<Option<CredentialRecord>, StoreError> {
        Ok(self.select_credentials(Some(name)).await?.pop())
    }

    /// All credentials, by name.
    ///
    /// # Errors
    /// As [`Store::credential`].
    pub async fn credentials(&self) -> Result<Vec<CredentialRecord>, StoreError> {
        self.select_credentials(None).await
    }

    /// Moves a credential from one state to another.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::StateChanged`] when it is not in state `expected` (any more).
    pub async fn set_credential_state(
        &self,
        name: &str,
        expected: CredentialState,
        state: CredentialState,
        act: AdministrativeAct,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        set_state(&mut transaction, name, expected, state).await?;
        self.commit(transaction, act).await
    }

    /// Replaces the certificates (DER, leaf first) and moves the credential from one state to another.
    ///
    /// # Errors
    /// As [`Store::set_credential_state`].
    pub async fn set_certificate_chain(
        &self,
        name: &str,
        chain: &[Vec<u8>],
        expected: CredentialState,
        state: CredentialState,
        act: AdministrativeAct,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        set_state(&mut transaction, name, expected, state).await?;
        on!(Transaction, &mut transaction, t => query(DELETE_CHAIN).bind(name).execute(&mut **t).await)?;
        for (position, certificate) in (0_i64..).zip(chain) {
            on!(Transaction, &mut transaction, t => query(INSERT_CERTIFICATE)
                .bind(name)
                .bind(position)
                .bind(certificate)
                .execute(&mut **t)
                .await)?;
        }
        self.commit(transaction, act).await
    }

    /// Forgets a credential; its records stay. Whether a worker uses it is the caller's question.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Busy`] (retry).
    pub async fn remove_credential(&self, name: &str, act: AdministrativeAct) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let removed = on!(Transaction, &mut transaction, t => query(DELETE)
            .bind(name)
            .execute(&mut **t)
            .await
            .map(|result| result.rows_affected()))?;
        if removed == 0 {
            return Err(StoreError::not_found(NOUN, name));
        }
        self.commit(transaction, act).await
    }

    async fn select_credentials(&self, name: Option<&str>) -> Result<Vec<CredentialRecord>, StoreError> {
        // One snapshot, so that a chain belongs to the state beside it.
        let mut transaction = self.database.snapshot().await?;
        let rows: Vec<CredentialRow> =
            on!(Transaction, &mut transaction, t => query_as(SELECT).bind(name).fetch_all(&mut **t).await)?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let chain = on!(Transaction, &mut transaction, t => query_scalar(SELECT_CHAIN)
                .bind(&row.name)
                .fetch_all(&mut **t)
                .await)?;
            records.push(row.into_record(chain)?);
        }
        transaction.rollback().await?;
        Ok(records)
    }
}

async fn set_state(
    transaction: &mut Transaction<'_>,
    name: &str,
    expected: CredentialState,
    state: CredentialState,
) -> Result<(), StoreError> {
    let changed = on!(Transaction, &mut *transaction, t => query(SET_STATE)
        .bind(name)
        .bind(state.name())
        .bind(moment::now())
        .bind(expected.name())
        .execute(&mut **t)
        .await
        .map(|result| result.rows_affected()))?;
    if changed == 1 {
        return Ok(());
    }
    let actual: Option<String> =
        on!(Transaction, transaction, t => query_scalar(SELECT_STATE).bind(name).fetch_optional(&mut **t).await)?;
    let actual = actual.ok_or_else(|| StoreError::not_found(NOUN, name))?;
    let actual = actual.parse().map_err(StoreError::unreadable(NOUN, name))?;
    Err(StoreError::StateChanged { credential: name.to_owned(), expected, actual })
}

#[derive(FromRow)]
struct CredentialRow {
    name: String,
    owner: String,
    purpose: String,
    state: String,
    locations: String,
    spec: String,
    public_key: Vec<u8>,
    attributes: String,
    evidence: Option<String>,
    uses: i64,
    use_limit: Option<i64>,
    created_at: i64,
    updated_at: i64,
    replicas: Option<String>,
}

impl CredentialRow {
    fn into_record(self, chain: Vec<Vec<u8>>) -> Result<CredentialRecord, StoreError> {
        let name = self.name.as_str();
        let json = StoreError::unreadable(NOUN, name);
        let number = StoreError::unreadable(NOUN, name);
        let time = StoreError::unreadable(NOUN, name);
        Ok(CredentialRecord {
            purpose: self.purpose.parse().map_err(StoreError::unreadable(NOUN, name))?,
            state: self.state.parse().map_err(StoreError::unreadable(NOUN, name))?,
            locations: serde_json::from_str(&self.locations).map_err(&json)?,
            spec: self.spec.parse().map_err(StoreError::unreadable(NOUN, name))?,
            public_key: self.public_key,
            attributes: serde_json::from_str(&self.attributes).map_err(&json)?,
            evidence: self.evidence.as_deref().map(serde_json::from_str).transpose().map_err(&json)?,
            chain,
            uses: self.uses.try_into().map_err(&number)?,
            use_limit: self.use_limit.map(u64::try_from).transpose().map_err(&number)?,
            replicas: self
                .replicas
                .as_deref()
                .map(serde_json::from_str)
                .transpose()
                .map_err(&json)?
                .unwrap_or_default(),
            created_at: moment::from_millis(self.created_at).map_err(&time)?,
            updated_at: moment::from_millis(self.updated_at).map_err(&time)?,
            owner: self.owner,
            name: self.name,
        })
    }
}
