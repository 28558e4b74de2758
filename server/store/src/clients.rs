//! Clients: who may call, recognised by API key, TLS certificate or OIDC subject.
//!
//! Of an API key only its SHA-256 is kept. A slow password hash would add nothing: the key is 256 random bits, so nobody who
//! reads the table can search for it, and every request must be checked in microseconds. For the same reason the look-up by an
//! index is harmless: what its timing could tell is about the hash, not the key.

use sqlx::{FromRow, query, query_as};
use time::OffsetDateTime;

use crate::audit::AdministrativeAct;
use crate::database::on;
use crate::error::StoreError;
use crate::{Store, moment};

const INSERT: &str = "INSERT INTO client (name, owner, api_key_sha256, certificate_sha256, oidc_subject, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const LIST: &str = "SELECT name, owner, certificate_sha256, oidc_subject, api_key_sha256 IS NOT NULL AS has_api_key, \
    revoked_at, created_at FROM client ORDER BY name";
const BY_API_KEY: &str = "SELECT name, owner, certificate_sha256, oidc_subject, TRUE AS has_api_key, revoked_at, \
    created_at FROM client WHERE api_key_sha256 = $1 AND revoked_at IS NULL";
const BY_CERTIFICATE: &str = "SELECT name, owner, certificate_sha256, oidc_subject, api_key_sha256 IS NOT NULL AS has_api_key, \
    revoked_at, created_at FROM client WHERE certificate_sha256 = $1 AND revoked_at IS NULL";
const BY_OIDC_SUBJECT: &str = "SELECT name, owner, certificate_sha256, oidc_subject, api_key_sha256 IS NOT NULL AS has_api_key, \
    revoked_at, created_at FROM client WHERE oidc_subject = $1 AND revoked_at IS NULL";
const REVOKE: &str = "UPDATE client SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL";
const REMOVE_GRANTS: &str = "DELETE FROM client_grant WHERE client = $1";

const NOUN: &str = "client";

/// A client as stored; its API key is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRecord {
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub owner: String,
    /// SHA-256 of its TLS client certificate (DER), lower-case hexadecimal.
    pub certificate_sha256: Option<String>,
    /// Its OIDC subject.
    pub oidc_subject: Option<String>,
    /// Whether it has an API key.
    pub has_api_key: bool,
    /// Since when it may not call any more.
    pub revoked_at: Option<OffsetDateTime>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A client to be made.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub owner: String,
    /// SHA-256 of its API key.
    pub api_key_sha256: Option<[u8; 32]>,
    /// SHA-256 of its TLS client certificate (DER), hexadecimal.
    pub certificate_sha256: Option<String>,
    /// Its OIDC subject.
    pub oidc_subject: Option<String>,
}

impl Store {
    /// Makes a client.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when its name, key, certificate or subject is taken, also by a revoked client.
    pub async fn add_client(&self, new: &NewClient, act: AdministrativeAct) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        on!(Transaction, &mut transaction, t => query(INSERT)
            .bind(&new.name)
            .bind(&new.owner)
            .bind(new.api_key_sha256.map(|hash| hash.to_vec()))
            .bind(new.certificate_sha256.as_deref().map(str::to_ascii_lowercase))
            .bind(&new.oidc_subject)
            .bind(moment::now())
            .execute(&mut **t)
            .await
            .map_err(StoreError::on_insert(NOUN, &new.name)))?;
        self.commit(transaction, act).await
    }

    /// The client with this API key (its SHA-256), unless revoked.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn client_by_api_key(&self, sha256: &[u8; 32]) -> Result<Option<ClientRecord>, StoreError> {
        let row: Option<ClientRow> = on!(Database, &self.database, pool => query_as(BY_API_KEY)
            .bind(sha256.as_slice())
            .fetch_optional(pool)
            .await)?;
        row.map(ClientRecord::try_from).transpose()
    }

    /// The client with this TLS certificate (SHA-256 of its DER, hexadecimal), unless revoked.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn client_by_certificate(&self, sha256: &str) -> Result<Option<ClientRecord>, StoreError> {
        let row: Option<ClientRow> = on!(Database, &self.database, pool => query_as(BY_CERTIFICATE)
            .bind(sha256.to_ascii_lowercase())
            .fetch_optional(pool)
            .await)?;
        row.map(ClientRecord::try_from).transpose()
    }

    /// The client with this OIDC subject, unless revoked.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn client_by_oidc_subject(&self, subject: &str) -> Result<Option<ClientRecord>, StoreError> {
        let row: Option<ClientRow> = on!(Database, &self.database, pool => query_as(BY_OIDC_SUBJECT)
            .bind(subject)
            .fetch_optional(pool)
            .await)?;
        row.map(ClientRecord::try_from).transpose()
    }

    /// All clients by name, revoked ones too.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn clients(&self) -> Result<Vec<ClientRecord>, StoreError> {
        let rows: Vec<ClientRow> = on!(Database, &self.database, pool => query_as(LIST).fetch_all(pool).await)?;
        rows.into_iter().map(ClientRecord::try_from).collect()
    }

    /// Revokes a client for good, with its grants. Its name stays taken, so that records name one client only.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none or it is revoked already.
    pub async fn revoke_client(&self, name: &str, act: AdministrativeAct) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let revoked = on!(Transaction, &mut transaction, t => query(REVOKE)
            .bind(name)
            .bind(moment::now())
            .execute(&mut **t)
            .await
            .map(|result| result.rows_affected()))?;
        if revoked == 0 {
            return Err(StoreError::not_found(NOUN, name));
        }
        on!(Transaction, &mut transaction, t => query(REMOVE_GRANTS).bind(name).execute(&mut **t).await)?;
        self.commit(transaction, act).await
    }
}

#[derive(FromRow)]
struct ClientRow {
    name: String,
    owner: String,
    certificate_sha256: Option<String>,
    oidc_subject: Option<String>,
    has_api_key: bool,
    revoked_at: Option<i64>,
    created_at: i64,
}

impl TryFrom<ClientRow> for ClientRecord {
    type Error = StoreError;

    fn try_from(row: ClientRow) -> Result<Self, StoreError> {
        let time = StoreError::unreadable(NOUN, &row.name);
        let created_at = moment::from_millis(row.created_at).map_err(&time)?;
        let revoked_at = row.revoked_at.map(moment::from_millis).transpose().map_err(&time)?;
        let ClientRow { name, owner, certificate_sha256, oidc_subject, has_api_key, .. } = row;
        Ok(Self { name, owner, certificate_sha256, oidc_subject, has_api_key, revoked_at, created_at })
    }
}
