//! Backups of keys that operators confirmed: where a copy is, of which day, and who says so.
//!
//! A copy that a device wrote is opaque to everybody else, so nothing is verified here; the audit chain keeps who confirmed what.

use serde::Serialize;
use sqlx::{FromRow, query, query_as};
use time::Date;

use crate::audit::AdministrativeAct;
use crate::database::on;
use crate::error::StoreError;
use crate::{Store, moment};

const INSERT: &str =
    "INSERT INTO key_backup (credential, token, place, made_on, made_by, recorded_at) VALUES ($1, $2, $3, $4, $5, $6)";
const SELECT: &str = "SELECT credential, token, place, made_on, made_by FROM key_backup \
    WHERE CAST($1 AS TEXT) IS NULL OR credential = $1 ORDER BY credential, recorded_at, place, made_on";

const NOUN: &str = "key backup";

time::serde::format_description!(iso_date, Date, "[year]-[month]-[day]");

/// A copy of a key, as an operator confirmed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyBackup {
    /// The credential of the key.
    #[serde(skip)]
    pub credential: String,
    /// The token that was backed up, by its name in `sigillo.toml`.
    pub token: String,
    /// Where the copy is kept.
    pub place: String,
    /// The day it was made.
    #[serde(with = "iso_date")]
    pub date: Date,
    /// Who made it.
    pub by: String,
}

impl Store {
    /// Records a copy.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when this copy is on record; [`StoreError::Busy`] (retry).
    pub async fn insert_key_backup(&self, backup: &KeyBackup, act: AdministrativeAct) -> Result<(), StoreError> {
        let name = format!("{} of {}", backup.place, backup.date);
        let mut transaction = self.database.begin().await?;
        on!(Transaction, &mut transaction, t => query(INSERT)
            .bind(&backup.credential)
            .bind(&backup.token)
            .bind(&backup.place)
            .bind(backup.date.to_string())
            .bind(&backup.by)
            .bind(moment::now())
            .execute(&mut **t)
            .await
            .map_err(StoreError::on_insert(NOUN, &name)))?;
        self.commit(transaction, act).await
    }

    /// The copies on record of one credential's key or of all, in the order in which they were confirmed.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn key_backups(&self, credential: Option<&str>) -> Result<Vec<KeyBackup>, StoreError> {
        let rows: Vec<Row> =
            on!(Database, &self.database, pool => query_as(SELECT).bind(credential).fetch_all(pool).await)?;
        rows.into_iter().map(Row::into_backup).collect()
    }
}

#[derive(FromRow)]
struct Row {
    credential: String,
    token: String,
    place: String,
    made_on: String,
    made_by: String,
}

impl Row {
    fn into_backup(self) -> Result<KeyBackup, StoreError> {
        let format = time::macros::format_description!("[year]-[month]-[day]");
        let date = Date::parse(&self.made_on, format).map_err(StoreError::unreadable(NOUN, &self.place))?;
        let Self { credential, token, place, made_by: by, .. } = self;
        Ok(KeyBackup { credential, token, place, date, by })
    }
}
