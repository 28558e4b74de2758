//! Workers: named definitions with their versions. The definition is JSON that others read; here it is text.

use sqlx::{FromRow, query, query_as};
use time::OffsetDateTime;

use crate::audit::AdministrativeAct;
use crate::database::on;
use crate::error::StoreError;
use crate::{Store, moment};

const SELECT: &str = "SELECT w.name, w.owner, w.version, v.definition, v.created_at FROM worker w \
    JOIN worker_version v ON v.worker = w.name AND v.version = w.version \
    WHERE w.removed_at IS NULL AND (CAST($1 AS TEXT) IS NULL OR w.name = $1) ORDER BY w.name";
const UPSERT: &str = "INSERT INTO worker (name, owner, version) VALUES ($1, $2, 1) \
    ON CONFLICT (name) DO UPDATE SET owner = $2, version = worker.version + 1, removed_at = NULL RETURNING version";
const INSERT_VERSION: &str =
    "INSERT INTO worker_version (worker, version, definition, created_at) VALUES ($1, $2, $3, $4)";
const REMOVE: &str = "UPDATE worker SET removed_at = $2 WHERE name = $1 AND removed_at IS NULL";
const REMOVE_GRANTS: &str = "DELETE FROM client_grant WHERE kind = 'worker' AND target = $1";

const NOUN: &str = "worker";

/// The newest version of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRecord {
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub owner: String,
    /// Version of the definition, from 1.
    pub version: i64,
    /// The definition, JSON.
    pub definition: String,
    /// When this version was made.
    pub created_at: OffsetDateTime,
}

/// A worker to be made or changed.
#[derive(Clone, Debug)]
pub struct NewWorker {
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub owner: String,
    /// The definition, JSON.
    pub definition: String,
}

impl Store {
    /// Makes the worker, or a new version of it where the definition or owner differs; old versions are kept. Where nothing differs nothing
    /// is written, not even the act.
    ///
    /// `act` is told the version it makes, so that the record can name it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] (retry), [`StoreError::Database`].
    pub async fn apply_worker(
        &self,
        new: &NewWorker,
        act: impl FnOnce(i64) -> AdministrativeAct,
    ) -> Result<WorkerRecord, StoreError> {
        let mut transaction = self.database.begin().await?;
        let current: Option<WorkerRow> = on!(Transaction, &mut transaction, t => query_as(SELECT)
            .bind(&new.name)
            .fetch_optional(&mut **t)
            .await)?;
        if let Some(row) = current
            && row.definition == new.definition
            && row.owner == new.owner
        {
            transaction.rollback().await?;
            return row.try_into();
        }
        let (version,): (i64,) = on!(Transaction, &mut transaction, t => query_as(UPSERT)
            .bind(&new.name)
            .bind(&new.owner)
            .fetch_one(&mut **t)
            .await)?;
        let created_at = moment::now();
        on!(Transaction, &mut transaction, t => query(INSERT_VERSION)
            .bind(&new.name)
            .bind(version)
            .bind(&new.definition)
            .bind(created_at)
            .execute(&mut **t)
            .await)?;
        self.commit(transaction, act(version)).await?;
        let NewWorker { name, owner, definition } = new.clone();
        WorkerRow { name, owner, version, definition, created_at }.try_into()
    }

    /// The newest version of a worker that is not removed.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn worker(&self, name: &str) -> Result<Option<WorkerRecord>, StoreError> {
        Ok(self.select_workers(Some(name)).await?.pop())
    }

    /// The newest versions of all workers that are not removed, by name.
    ///
    /// # Errors
    /// As [`Store::worker`].
    pub async fn workers(&self) -> Result<Vec<WorkerRecord>, StoreError> {
        self.select_workers(None).await
    }

    /// Removes a worker with the grants to it: a later worker of the same name must not inherit them. Its versions are kept.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Busy`] (retry).
    pub async fn remove_worker(&self, name: &str, act: AdministrativeAct) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let removed = on!(Transaction, &mut transaction, t => query(REMOVE)
            .bind(name)
            .bind(moment::now())
            .execute(&mut **t)
            .await
            .map(|result| result.rows_affected()))?;
        if removed == 0 {
            return Err(StoreError::not_found(NOUN, name));
        }
        on!(Transaction, &mut transaction, t => query(REMOVE_GRANTS).bind(name).execute(&mut **t).await)?;
        self.commit(transaction, act).await
    }

    async fn select_workers(&self, name: Option<&str>) -> Result<Vec<WorkerRecord>, StoreError> {
        let rows: Vec<WorkerRow> =
            on!(Database, &self.database, pool => query_as(SELECT).bind(name).fetch_all(pool).await)?;
        rows.into_iter().map(WorkerRecord::try_from).collect()
    }
}

#[derive(FromRow)]
struct WorkerRow {
    name: String,
    owner: String,
    version: i64,
    definition: String,
    created_at: i64,
}

impl TryFrom<WorkerRow> for WorkerRecord {
    type Error = StoreError;

    fn try_from(row: WorkerRow) -> Result<Self, StoreError> {
        let created_at = moment::from_millis(row.created_at).map_err(StoreError::unreadable(NOUN, &row.name))?;
        let WorkerRow { name, owner, version, definition, .. } = row;
        Ok(Self { name, owner, version, definition, created_at })
    }
}
