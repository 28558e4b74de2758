//! Which processes sign with this database, which of them are dead, and what becomes of the intents they left open.
//!
//! 2026-11: a process lives as long as it holds a lock on its file beside the database. The kernel drops the lock when the
//! process dies, however it dies. Rejected: process number with start time and boot id, which says nothing between containers
//! that share a volume (each has its own number 1) and needs care where numbers are used again. On PostgreSQL an advisory lock
//! will do the same.

use std::fs::TryLockError;
use std::path::{Path, PathBuf};

use sqlx::{query, query_as, query_scalar};
use uuid::Uuid;

use crate::audit::{Appender, AuditEvent};
use crate::database::{Connection, Database, Transaction, folder, lock_file, on};
use crate::error::StoreError;
use crate::{Store, moment};

const REGISTER: &str = "INSERT INTO instance (id, host, boot_id, pid, started_at) VALUES ($1, $2, $3, $4, $5)";
const RETIRE: &str =
    "DELETE FROM instance WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM open_intent WHERE instance = $1)";
// By a millisecond, since SQLite writes no page that stays the same.
const TOUCH: &str = "UPDATE instance SET started_at = started_at + 1 WHERE id = $1";
const ALL: &str = "SELECT id FROM instance";
const OPEN_INTENTS: &str = "SELECT attempt, request_id FROM open_intent WHERE instance = $1 ORDER BY seq";

/// Proof that this process lives: the lock on its file, and the file.
#[derive(Debug)]
pub(crate) struct Presence {
    path: PathBuf,
    _locked: std::fs::File,
}

impl Drop for Presence {
    fn drop(&mut self) {
        // A file left behind only means a lock that is free, which says the same.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Registers this process as one that signs.
pub(crate) async fn register(database: &Database, locks: &Path, id: Uuid) -> Result<Presence, StoreError> {
    // Locked before the row exists: whoever sees the row sees the lock.
    let path = locks.join(id.to_string());
    let file = lock_file(&path)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => StoreError::AlreadyExists { noun: "audit writer of", name: id.to_string() },
        TryLockError::Error(source) => folder(&path)(source),
    })?;
    let presence = Presence { path, _locked: file };
    let about = |file: &str| std::fs::read_to_string(file).map(|text| text.trim().to_owned()).unwrap_or_default();
    let mut transaction = database.begin().await?;
    on!(Transaction, &mut transaction, t => query(REGISTER)
        .bind(id.to_string())
        // For people who look into the table; no decision rests on them.
        .bind(about("/proc/sys/kernel/hostname"))
        .bind(about("/proc/sys/kernel/random/boot_id"))
        .bind(i64::from(std::process::id()))
        .bind(moment::now())
        .execute(&mut **t)
        .await
        .map_err(StoreError::on_insert("audit writer of", &id.to_string())))?;
    transaction.commit().await?;
    Ok(presence)
}

/// Writes something that means nothing.
pub(crate) async fn touch(transaction: &mut Transaction<'_>, id: Uuid) -> Result<(), StoreError> {
    on!(Transaction, transaction, t => query(TOUCH).bind(id.to_string()).execute(&mut **t).await.map(drop))?;
    Ok(())
}

/// Takes this process off the list, unless one of its intents is still open.
pub(crate) async fn retire(connection: &mut Connection, id: Uuid) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    on!(Transaction, &mut transaction, t => query(RETIRE).bind(id.to_string()).execute(&mut **t).await)?;
    transaction.commit().await
}

impl Store {
    /// Closes the intents that dead processes left open, as *outcome unknown*, and returns their attempts. For service start.
    ///
    /// Intents of processes that live (another server, a command beside it) are left alone.
    ///
    /// # Errors
    /// [`StoreError::Busy`] (retry), [`StoreError::Folder`], [`StoreError::Database`]; nothing is closed then.
    pub async fn close_open_intents(&self) -> Result<Vec<Uuid>, StoreError> {
        let mut transaction = self.database.begin().await?;
        let instances: Vec<String> =
            on!(Transaction, &mut transaction, t => query_scalar(ALL).fetch_all(&mut **t).await)?;
        let mut appender = Appender::start(&mut transaction, self.instance()).await?;
        let mut closed = Vec::new();
        let mut dead = Vec::new();
        for instance in instances {
            // Parsed, because a row must not be able to name any other file.
            let id: Uuid = instance.parse().map_err(StoreError::unreadable("instance", &instance))?;
            let path = self.locks.join(id.to_string());
            if lives(&path)? {
                continue;
            }
            let intents: Vec<(String, String)> = on!(Transaction, &mut transaction, t => query_as(OPEN_INTENTS)
                .bind(&instance)
                .fetch_all(&mut **t)
                .await)?;
            for (attempt, request_id) in intents {
                let parse = |text: &str| text.parse().map_err(StoreError::unreadable("open intent", &attempt));
                let (attempt, request_id) = (parse(&attempt)?, parse(&request_id)?);
                let reason = "the process ended before the outcome was recorded".to_owned();
                appender
                    .append(&mut transaction, &[AuditEvent::OutcomeUnknown { attempt, request_id, reason }])
                    .await?;
                closed.push(attempt);
            }
            on!(Transaction, &mut transaction, t => query(RETIRE).bind(&instance).execute(&mut **t).await)?;
            dead.push(path);
        }
        appender.finish(&mut transaction).await?;
        transaction.commit().await?;
        for path in dead {
            // As in `Presence`: a file left behind harms nothing.
            let _ = std::fs::remove_file(path);
        }
        Ok(closed)
    }
}

/// Whether somebody holds the lock.
fn lives(path: &Path) -> Result<bool, StoreError> {
    match std::fs::File::open(path) {
        Ok(file) => match file.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(folder(path)(source)),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(folder(path)(source)),
    }
}
