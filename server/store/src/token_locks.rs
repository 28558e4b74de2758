//! Why a token is not logged in to: a PIN that was rejected once, or an operator's lock. Shared by all nodes and kept over restarts.
//!
//! A device locks its user out after a few wrong PINs, so a rejected one must never be tried again by itself. Remembered is the
//! name of where the PIN came from; of the PIN nothing is.

use sqlx::{query, query_scalar};

use crate::audit::{self, AdministrativeAct, AuditEvent};
use crate::database::on;
use crate::error::StoreError;
use crate::{Store, moment};

const REJECTED: &str = "SELECT COUNT(*) FROM pin_rejection WHERE serial = $1 AND source = $2";
const REMEMBER: &str = "INSERT INTO pin_rejection (serial, source, rejected_at) VALUES ($1, $2, $3) ON CONFLICT (serial, source) DO NOTHING";
const CLEAR: &str = "DELETE FROM pin_rejection WHERE serial = $1";
const LOCKED: &str = "SELECT COUNT(*) FROM token_lock WHERE token = $1";
const LOCK: &str = "INSERT INTO token_lock (token, locked_at) VALUES ($1, $2) ON CONFLICT (token) DO NOTHING";
const UNLOCK: &str = "DELETE FROM token_lock WHERE token = $1";

impl Store {
    /// Whether the PIN from this source was rejected by the token with this serial number.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`]; no login must be tried then.
    pub async fn pin_rejected(&self, serial: &str, source: &str) -> Result<bool, StoreError> {
        let rejections: i64 = on!(Database, &self.database, pool => query_scalar(REJECTED)
            .bind(serial)
            .bind(source)
            .fetch_one(pool)
            .await)?;
        Ok(rejections > 0)
    }

    /// Remembers a rejection, together with the records of it (the failed login).
    ///
    /// # Errors
    /// [`StoreError::Busy`] (retry), [`StoreError::Database`].
    pub async fn remember_pin_rejection(
        &self,
        serial: &str,
        source: &str,
        events: &[AuditEvent],
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        on!(Transaction, &mut transaction, t => query(REMEMBER)
            .bind(serial)
            .bind(source)
            .bind(moment::now())
            .execute(&mut **t)
            .await)?;
        audit::append(&mut transaction, self.instance, events).await?;
        transaction.commit().await
    }

    /// Whether an operator has locked the token of this name.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`]; no login must be tried then.
    pub async fn token_locked(&self, token: &str) -> Result<bool, StoreError> {
        let locks: i64 = on!(Database, &self.database, pool => query_scalar(LOCKED).bind(token).fetch_one(pool).await)?;
        Ok(locks > 0)
    }

    /// Locks a token; one that is locked stays so.
    ///
    /// # Errors
    /// [`StoreError::Busy`] (retry), [`StoreError::Database`].
    pub async fn lock_token(&self, token: &str, act: AdministrativeAct) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        on!(Transaction, &mut transaction, t => query(LOCK).bind(token).bind(moment::now()).execute(&mut **t).await)?;
        self.commit(transaction, act).await
    }

    /// Takes an operator's lock away, and forgets all PIN rejections by the token with this serial number where one is given.
    ///
    /// # Errors
    /// [`StoreError::Busy`] (retry), [`StoreError::Database`].
    pub async fn unlock_token(
        &self,
        token: &str,
        forget: Option<&str>,
        act: AdministrativeAct,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        on!(Transaction, &mut transaction, t => query(UNLOCK).bind(token).execute(&mut **t).await)?;
        if let Some(serial) = forget {
            on!(Transaction, &mut transaction, t => query(CLEAR).bind(serial).execute(&mut **t).await)?;
        }
        self.commit(transaction, act).await
    }
}
