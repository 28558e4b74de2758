//! The database behind the store: an enum with one variant per kind, and `on!`, which writes a query once for all of them.
//!
//! 2026-11: native pools and not sqlx's `Any`, which has neither pragmas nor advisory locks. The SQL is shared text with `$n`
//! placeholders. PostgreSQL becomes a second variant of the three enums here and a second arm of `on!`.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite, SqliteConnection, SqlitePool};

use crate::error::StoreError;

/// Runs one expression on whatever kind of database it is: `on!(Database, &self.database, pool => query(SQL).fetch_all(pool).await)`.
macro_rules! on {
    ($enum:ident, $target:expr, $bound:ident => $body:expr) => {
        match $target {
            $crate::database::$enum::Sqlite($bound) => $body,
        }
    };
}
pub(crate) use on;

/// A pool of connections.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// One file on this machine.
    Sqlite(SqlitePool),
}

/// One connection outside the pool, for the audit writer.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(Box<SqliteConnection>),
}

/// A transaction that writes. It is alone from its begin on, so that what it reads cannot change before it commits.
pub(crate) enum Transaction<'c> {
    Sqlite(sqlx::Transaction<'c, Sqlite>),
}

/// The lock is taken at once: one that starts by reading would fail when it wants to write after another has written.
const BEGIN: &str = "BEGIN IMMEDIATE";
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an administrative change waits for them. SQLite keeps no queue: who waits tries again and again, and a service that
/// signs without pause leaves few gaps. An administrator can wait longer than a signature.
const PATIENT_BUSY_TIMEOUT: Duration = Duration::from_secs(30);

static SQLITE_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/sqlite");

impl Database {
    /// Opens or creates the database and migrates it; also returns the folder for lock files.
    pub(crate) async fn open(url: &str, base_dir: &Path) -> Result<(Self, PathBuf), StoreError> {
        let refused = |reason: &str| StoreError::Url { reason: reason.to_owned() };
        match url.split_once("://") {
            Some(("sqlite", path)) if path.is_empty() || path.contains('?') => {
                Err(refused("write sqlite:// and the path of the file, without parameters"))
            }
            Some(("sqlite", path)) => open_sqlite(base_dir.join(path)).await,
            Some(("postgres" | "postgresql", _)) => {
                Err(refused("this version does not support PostgreSQL yet; use sqlite://sigillo.db"))
            }
            _ => Err(refused("it must begin with sqlite://")),
        }
    }

    pub(crate) async fn begin(&self) -> Result<Transaction<'static>, StoreError> {
        match self {
            Self::Sqlite(pool) => Ok(Transaction::Sqlite(pool.begin_with(BEGIN).await?)),
        }
    }

    /// A transaction that only reads, and sees the database as it is now until its end.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static>, StoreError> {
        match self {
            // In WAL mode the first read fixes the snapshot; it blocks no writer.
            Self::Sqlite(pool) => Ok(Transaction::Sqlite(pool.begin().await?)),
        }
    }

    pub(crate) async fn connect(&self) -> Result<Connection, StoreError> {
        match self {
            Self::Sqlite(pool) => {
                let options = SqliteConnectOptions::clone(&pool.connect_options()).busy_timeout(BUSY_TIMEOUT);
                Ok(Connection::Sqlite(Box::new(SqliteConnection::connect_with(&options).await?)))
            }
        }
    }

    pub(crate) async fn close(&self) {
        on!(Database, self, pool => pool.close().await);
    }

    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        on!(Database, self, pool => sqlx::query("SELECT 1 FROM audit_head").fetch_one(pool).await.map(drop))?;
        Ok(())
    }
}

impl Connection {
    pub(crate) async fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        match self {
            Self::Sqlite(connection) => Ok(Transaction::Sqlite(connection.begin_with(BEGIN).await?)),
        }
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        on!(Connection, self, connection => connection.close().await)?;
        Ok(())
    }
}

impl Transaction<'_> {
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        on!(Transaction, self, transaction => transaction.commit().await)?;
        Ok(())
    }

    /// A part that can be rolled back alone.
    pub(crate) async fn savepoint(&mut self) -> Result<Transaction<'_>, StoreError> {
        match self {
            Self::Sqlite(transaction) => Ok(Transaction::Sqlite(transaction.begin().await?)),
        }
    }

    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        on!(Transaction, self, transaction => transaction.rollback().await)?;
        Ok(())
    }
}

async fn open_sqlite(path: PathBuf) -> Result<(Database, PathBuf), StoreError> {
    let locks = beside(&path, "-locks");
    DirBuilder::new().recursive(true).mode(0o700).create(&locks).map_err(folder(&locks))?;

    // Two programs that create or migrate the same file at once would get in each other's way; SQLite has no lock for that.
    let opening = lock_file(&locks.join("open"))?;
    let opening = tokio::task::spawn_blocking(move || opening.lock().map(|()| opening))
        .await
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(folder(&locks))?;

    // The file is made here because SQLite would make it readable for everybody. One that exists must not even be opened:
    // closing it again would drop SQLite's own locks in this process (POSIX locks belong to the process, not the handle).
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(_) => {}
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(StoreError::CannotOpen { path, source: source.into() }),
    }
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: a commit returns after its fsync. Promise 1 (an intent is durable before the key is used) rests on it.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENT_BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new()
        .max_connections(8)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(|source| StoreError::CannotOpen { path, source })?;
    SQLITE_MIGRATIONS.run(&pool).await?;
    drop(opening);
    Ok((Database::Sqlite(pool), locks))
}

/// A file to lock; its content means nothing.
pub(crate) fn lock_file(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(folder(path))
}

pub(crate) fn folder(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Folder { path, source }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 is FULL. The pool is what administration commits on, the connection what the audit writer commits on.
    #[tokio::test]
    async fn every_commit_waits_for_its_fsync_and_readers_do_not_wait_for_writers() {
        let folder = tempfile::tempdir().unwrap();
        let (database, _) = Database::open("sqlite://sigillo.db", folder.path()).await.unwrap();
        let mut writer = database.connect().await.unwrap();
        for (pragma, expected) in
            [("PRAGMA synchronous", "2"), ("PRAGMA journal_mode", "wal"), ("PRAGMA foreign_keys", "1")]
        {
            let ask = |row: sqlx::sqlite::SqliteRow| {
                use sqlx::Row as _;
                row.try_get_unchecked::<String, _>(0).unwrap()
            };
            let of_pool = on!(Database, &database, pool => sqlx::query(pragma).fetch_one(pool).await.map(ask).unwrap());
            let of_writer =
                on!(Connection, &mut writer, c => sqlx::query(pragma).fetch_one(&mut **c).await.map(ask).unwrap());
            assert_eq!((of_pool.as_str(), of_writer.as_str()), (expected, expected), "{pragma}");
        }
    }
}
