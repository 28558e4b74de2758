//! Authorisations of keys: which KAK a key is bound to, and how often it may still sign (EN 419 221-5).
//!
//! Uses are counted with the intents, in one transaction with them (`audit/authorized_use.rs`), so that what remains is known after
//! any crash.

use cryptotoken_api::{AuthorizationProtocol, CredentialState, KeyLocation};
use sqlx::{FromRow, query, query_as, query_scalar};
use time::OffsetDateTime;

use crate::audit::AdministrativeAct;
use crate::credentials::KeyEvidence;
use crate::database::{Transaction, on};
use crate::error::StoreError;
use crate::{Store, moment};

const SELECT: &str = "SELECT token, key_id, credential, alias, assigned, kak, protocol, kak_source, authorized_at, \
    authorized_count, uses FROM key_authorization WHERE (CAST($1 AS TEXT) IS NULL OR credential = $1) \
    AND (CAST($2 AS TEXT) IS NULL OR (token = $2 AND key_id = $3)) ORDER BY credential, token, key_id";
const INSERT: &str = "INSERT INTO key_authorization (token, key_id, credential, alias, assigned, kak, protocol, kak_source) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const SET_EVIDENCE: &str = "UPDATE credential SET evidence = $2, updated_at = $3 WHERE name = $1";
// What was used while the device was being asked may have been used under the new authorisation, and counts against it.
const AUTHORIZE: &str = "UPDATE key_authorization SET authorized_at = $3, authorized_count = $4, kak_source = $6, \
    uses = CASE WHEN uses < $5 THEN 0 WHEN uses - $5 > $4 THEN $4 ELSE uses - $5 END WHERE token = $1 AND key_id = $2";
const WITHDRAW: &str = "UPDATE key_authorization SET authorized_at = NULL, authorized_count = NULL, uses = 0 \
    WHERE token = $1 AND key_id = $2";
const CHANGE_KAK: &str =
    "UPDATE key_authorization SET kak = $3, protocol = $4, kak_source = $5 WHERE token = $1 AND key_id = $2";
const AUTHORIZED: &str =
    "UPDATE credential SET state = $2, updated_at = $3 WHERE name = $1 AND state = 'awaiting-authorization'";
const AWAIT: &str = "UPDATE credential SET state = 'awaiting-authorization', updated_at = $2 \
    WHERE name = $1 AND state IN ('active', 'scheduled', 'awaiting-certificate')";
const LOCATIONS: &str = "SELECT locations FROM credential WHERE name = $1";
const USELESS: &str = "SELECT token FROM key_authorization \
    WHERE credential = $1 AND (authorized_at IS NULL OR uses >= authorized_count)";

const NOUN: &str = "key authorisation";

/// What is known of one key's authorisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAuthorizationRecord {
    /// The credential of the key.
    pub credential: String,
    /// Where the key is.
    pub location: KeyLocation,
    /// Whether it was initialised as an assigned key.
    pub assigned: bool,
    /// The public half of its KAK.
    pub kak: Kak,
    /// What it may do; `None` where it is not authorised.
    pub authorized: Option<Authorized>,
}

/// The public half of a key authorisation key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kak {
    /// DER `SubjectPublicKeyInfo`.
    pub public_key: Vec<u8>,
    /// How it signs.
    pub protocol: AuthorizationProtocol,
    /// Where its private half was when it was last used.
    pub source: KakSource,
}

/// Where the private half of a KAK is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KakSource {
    /// On a token of `sigillo.toml`.
    Token,
    /// With somebody who signs exported challenges.
    Offline,
    /// In a file, which is not good enough for qualified seals.
    File,
}

impl KakSource {
    /// The name in the database and in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Offline => "offline",
            Self::File => "file",
        }
    }
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorized {
    /// Since when.
    pub at: OffsetDateTime,
    /// How often; `None`: without limit.
    pub count: Option<u64>,
    /// How often it was used since.
    pub uses: u64,
}

impl Authorized {
    /// How often it may still be used; `None`: without limit.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.count.map(|count| count.saturating_sub(self.uses))
    }
}

impl Store {
    /// The authorisations of one credential, or of all.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn key_authorizations(
        &self,
        credential: Option<&str>,
    ) -> Result<Vec<KeyAuthorizationRecord>, StoreError> {
        self.select_key_authorizations(credential, None).await
    }

    /// The authorisation of one key.
    ///
    /// # Errors
    /// As [`Store::key_authorizations`].
    pub async fn key_authorization(&self, key: &KeyLocation) -> Result<Option<KeyAuthorizationRecord>, StoreError> {
        Ok(self.select_key_authorizations(None, Some(key)).await?.pop())
    }

    /// Remembers that a key was initialised, with what that says of the evidence. It is not authorised.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when it was initialised before; [`StoreError::Busy`] (retry).
    pub async fn insert_key_authorization(
        &self,
        new: &KeyAuthorizationRecord,
        evidence: Option<&KeyEvidence>,
        act: AdministrativeAct,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let KeyLocation { token, alias, id } = &new.location;
        on!(Transaction, &mut transaction, t => query(INSERT)
            .bind(token)
            .bind(id.to_string())
            .bind(&new.credential)
            .bind(alias.as_str())
            .bind(i64::from(new.assigned))
            .bind(&new.kak.public_key)
            .bind(new.kak.protocol.name())
            .bind(new.kak.source.name())
            .execute(&mut **t)
            .await
            .map_err(StoreError::on_insert(NOUN, alias.as_str())))?;
        if let Some(evidence) = evidence {
            let json = serde_json::to_string(evidence).map_err(StoreError::unreadable(NOUN, alias.as_str()))?;
            on!(Transaction, &mut transaction, t => query(SET_EVIDENCE)
                .bind(&new.credential)
                .bind(json)
                .bind(moment::now())
                .execute(&mut **t)
                .await)?;
        }
        self.commit(transaction, act).await
    }

    /// Remembers that a key was authorised, `uses_before` being the uses counted when the device was asked. A credential that waits for
    /// it moves to `state`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the key was not initialised here; [`StoreError::Busy`] (retry).
    pub async fn set_key_authorized(
        &self,
        record: &KeyAuthorizationRecord,
        count: Option<u64>,
        source: KakSource,
        uses_before: u64,
        state: CredentialState,
        act: AdministrativeAct,
    ) -> Result<(), StoreError> {
        let number = StoreError::unreadable(NOUN, record.location.alias.as_str());
        let count = count.map(i64::try_from).transpose().map_err(&number)?;
        let before = i64::try_from(uses_before).map_err(&number)?;
        let mut transaction = self.database.begin().await?;
        let changed = on!(Transaction, &mut transaction, t => query(AUTHORIZE)
            .bind(&record.location.token)
            .bind(record.location.id.to_string())
            .bind(moment::now())
            .bind(count)
            .bind(before)
            .bind(source.name())
            .execute(&mut **t)
            .await
            .map(|result| result.rows_affected()))?;
        if changed == 0 {
            return Err(StoreError::not_found(NOUN, record.location.alias.as_str()));
        }
        on!(Transaction, &mut transaction, t => query(AUTHORIZED)
            .bind(&record.credential)
            .bind(state.name())
            .bind(moment::now())
            .execute(&mut **t)
            .await)?;
        self.commit(transaction, act).await
    }

    /// Remembers that a key is not authorised any more, and its new KAK where it has one. Its credential waits for authorisation, unless
    /// the key may sign at another place.
    ///
    /// # Errors
    /// [`StoreError::Busy`] (retry), [`StoreError::Database`].
    pub async fn withdraw_key_authorization(
        &self,
        credential: &str,
        key: &KeyLocation,
        new: Option<&Kak>,
        act: AdministrativeAct,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        on!(Transaction, &mut transaction, t => query(WITHDRAW)
            .bind(&key.token)
            .bind(key.id.to_string())
            .execute(&mut **t)
            .await)?;
        if let Some(kak) = new {
            on!(Transaction, &mut transaction, t => query(CHANGE_KAK)
                .bind(&key.token)
                .bind(key.id.to_string())
                .bind(&kak.public_key)
                .bind(kak.protocol.name())
                .bind(kak.source.name())
                .execute(&mut **t)
                .await)?;
        }
        if !signs_elsewhere(&mut transaction, credential, key).await? {
            await_authorization(&mut transaction, credential).await?;
        }
        self.commit(transaction, act).await
    }

    /// Lets a credential wait for the authorisation of its key; nothing happens, and nothing is recorded, where it does not sign anyway.
    ///
    /// # Errors
    /// [`StoreError::Busy`] (retry), [`StoreError::Database`].
    pub async fn await_key_authorization(&self, credential: &str, act: AdministrativeAct) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        if await_authorization(&mut transaction, credential).await? {
            self.commit(transaction, act).await
        } else {
            transaction.rollback().await
        }
    }

    async fn select_key_authorizations(
        &self,
        credential: Option<&str>,
        key: Option<&KeyLocation>,
    ) -> Result<Vec<KeyAuthorizationRecord>, StoreError> {
        let mut transaction = self.database.snapshot().await?;
        let rows: Vec<Row> = on!(Transaction, &mut transaction, t => query_as(SELECT)
            .bind(credential)
            .bind(key.map(|key| &key.token))
            .bind(key.map(|key| key.id.to_string()))
            .fetch_all(&mut **t)
            .await)?;
        transaction.rollback().await?;
        rows.into_iter().map(Row::into_record).collect()
    }
}

/// Whether the credential has its key at another place where, as far as is known here, it may sign.
async fn signs_elsewhere(
    transaction: &mut Transaction<'_>,
    credential: &str,
    key: &KeyLocation,
) -> Result<bool, StoreError> {
    let locations: Option<String> =
        on!(Transaction, transaction, t => query_scalar(LOCATIONS).bind(credential).fetch_optional(&mut **t).await)?;
    let Some(locations) = locations else { return Ok(false) };
    let locations: Vec<KeyLocation> =
        serde_json::from_str(&locations).map_err(StoreError::unreadable("credential", credential))?;
    let useless: Vec<String> =
        on!(Transaction, transaction, t => query_scalar(USELESS).bind(credential).fetch_all(&mut **t).await)?;
    Ok(locations.iter().any(|location| location.token != key.token && !useless.contains(&location.token)))
}

/// Whether the credential waits from now on.
pub(crate) async fn await_authorization(
    transaction: &mut Transaction<'_>,
    credential: &str,
) -> Result<bool, StoreError> {
    let changed = on!(Transaction, transaction, t => query(AWAIT)
        .bind(credential)
        .bind(moment::now())
        .execute(&mut **t)
        .await
        .map(|result| result.rows_affected()))?;
    Ok(changed == 1)
}

#[derive(FromRow)]
struct Row {
    token: String,
    key_id: String,
    credential: String,
    alias: String,
    assigned: i64,
    kak: Vec<u8>,
    protocol: String,
    kak_source: String,
    authorized_at: Option<i64>,
    authorized_count: Option<i64>,
    uses: i64,
}

impl Row {
    fn into_record(self) -> Result<KeyAuthorizationRecord, StoreError> {
        let name = self.alias.clone();
        let unreadable = || StoreError::unreadable(NOUN, &name);
        let authorized = match self.authorized_at {
            None => None,
            Some(at) => Some(Authorized {
                at: moment::from_millis(at).map_err(StoreError::unreadable(NOUN, &name))?,
                count: self
                    .authorized_count
                    .map(u64::try_from)
                    .transpose()
                    .map_err(StoreError::unreadable(NOUN, &name))?,
                uses: u64::try_from(self.uses).map_err(StoreError::unreadable(NOUN, &name))?,
            }),
        };
        let source = match self.kak_source.as_str() {
            "token" => KakSource::Token,
            "offline" => KakSource::Offline,
            "file" => KakSource::File,
            other => return Err(unreadable()(format!("\"{other}\" is no source of a KAK"))),
        };
        Ok(KeyAuthorizationRecord {
            credential: self.credential,
            location: KeyLocation {
                token: self.token,
                alias: self.alias.parse().map_err(StoreError::unreadable(NOUN, &name))?,
                id: self.key_id.try_into().map_err(|_| unreadable()("its CKA_ID is not hexadecimal".to_owned()))?,
            },
            assigned: self.assigned != 0,
            kak: Kak {
                public_key: self.kak,
                protocol: self.protocol.parse().map_err(StoreError::unreadable(NOUN, &name))?,
                source,
            },
            authorized,
        })
    }
}
