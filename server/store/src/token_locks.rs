//! Why a token is not logged in to: a PIN that was rejected once, or an operator's lock. Shared by all nodes and kept over restarts.
//!
//! A device locks its user out after a few wrong PINs, so a rejected one must never be tried again by itself. Remembered is the
//! name of where the PIN came from; of the PIN nothing is.
//!
//! 2026-11: who tries a PIN holds a lock on a file beside the database, as in `instances`, from the look at the rejections until its
//! own is written; the kernel drops it with the process. Rejected: a row that says so, which outlives its process and would have to
//! be judged by its age. On PostgreSQL an advisory lock will do the same.

use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

use sqlx::{query, query_scalar};

use crate::audit::{self, AdministrativeAct, AuditEvent};
use crate::database::{folder, lock_file, on};
use crate::error::StoreError;
use crate::{Store, moment};

const REJECTED: &str = "SELECT COUNT(*) FROM pin_rejection WHERE serial = $1 AND source = $2";
const REMEMBER: &str = "INSERT INTO pin_rejection (serial, source, rejected_at) VALUES ($1, $2, $3) ON CONFLICT (serial, source) DO NOTHING";
const CLEAR: &str = "DELETE FROM pin_rejection WHERE serial = $1";
const LOCKED: &str = "SELECT COUNT(*) FROM token_lock WHERE token = $1";
const LOCK: &str = "INSERT INTO token_lock (token, locked_at) VALUES ($1, $2) ON CONFLICT (token) DO NOTHING";
const UNLOCK: &str = "DELETE FROM token_lock WHERE token = $1";

/// A login takes milliseconds on most devices.
const PAUSE: Duration = Duration::from_millis(5);

/// The right to try one PIN; ends when it is dropped, or with the process.
#[derive(Debug)]
pub struct LoginTurn {
    // The file stays: whoever removed it could take it from under another who waits for it.
    _locked: File,
}

impl Store {
    /// Waits until no other process or thread tries the PIN from this source on the token with this serial number.
    ///
    /// # Errors
    /// [`StoreError::LoginUnderWay`] when another still does `until` then (retry), [`StoreError::Folder`]; no login must be tried.
    pub async fn login_turn(&self, serial: &str, source: &str, until: Instant) -> Result<LoginTurn, StoreError> {
        // Neither part can be taken for the other, and no byte of them for a path.
        let named = openssl::sha::sha256(format!("{}:{serial}{source}", serial.len()).as_bytes());
        let path = self.locks.join(format!("login-{}", hex::encode(named)));
        let file = lock_file(&path)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(LoginTurn { _locked: file }),
                Err(TryLockError::Error(source)) => return Err(folder(&path)(source)),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => return Err(StoreError::LoginUnderWay),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

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
