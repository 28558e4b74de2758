//! Reading the chain: lists for people, pages and JSON lines for auditors.

use std::io::Write;

use serde::Serialize;
use sqlx::{FromRow, query_as, query_scalar};
use time::OffsetDateTime;
use uuid::Uuid;

use super::chain::RecordHash;
use super::event::AuditEvent;
use crate::database::on;
use crate::error::StoreError;
use crate::{Store, moment};

const LIST: &str = "SELECT seq, at, instance, event, previous, hash FROM audit_record \
    WHERE (CAST($1 AS TEXT) IS NULL OR kind = $1) AND (CAST($2 AS TEXT) IS NULL OR request_id = $2) \
    AND (CAST($3 AS TEXT) IS NULL OR client = $3) AND (CAST($4 AS TEXT) IS NULL OR worker = $4) \
    AND (CAST($5 AS TEXT) IS NULL OR credential = $5) AND (CAST($6 AS TEXT) IS NULL OR subject = $6) \
    AND at >= $7 AND at < $8 AND seq < $9 AND (CAST($10 AS TEXT) IS NULL OR event LIKE '%' || $10 || '%') \
    ORDER BY seq DESC LIMIT $11";
pub(super) const PAGE: &str = "SELECT seq, at, instance, event, previous, hash FROM audit_record \
    WHERE seq > $1 ORDER BY seq LIMIT $2";

const COUNT_OPEN_INTENTS: &str = "SELECT COUNT(*) FROM open_intent";

/// Records in one page of an export or a verification.
pub(super) const PAGE_SIZE: i64 = 1000;

/// Which records to list; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Kind of event, as in JSON: `signing-intended`.
    pub kind: Option<String>,
    /// Records of one request.
    pub request_id: Option<Uuid>,
    /// Records that name this client.
    pub client: Option<String>,
    /// Records that name this worker.
    pub worker: Option<String>,
    /// Records that name this credential.
    pub credential: Option<String>,
    /// Administrative acts on this.
    pub subject: Option<String>,
    /// Records that name this digest, of a document, DTBS/R, certificate or signature; lower-case hexadecimal.
    pub digest: Option<String>,
    /// At this time or later.
    pub since: Option<OffsetDateTime>,
    /// Before this time.
    pub until: Option<OffsetDateTime>,
    /// Before this record, to page backwards.
    pub before: Option<i64>,
}

/// A record as stored. As JSON it carries all that an auditor needs to recompute its hash; `event` is the text that was hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditRecord {
    /// Position in the chain, from 1 without gaps.
    pub seq: i64,
    /// When it was written, in milliseconds since 1970 UTC.
    pub at: i64,
    /// The process that wrote it.
    pub instance: String,
    /// The event's JSON text.
    pub event: String,
    /// Hash of the record before.
    pub previous: RecordHash,
    /// Hash of this record.
    pub hash: RecordHash,
}

impl AuditRecord {
    /// The event, parsed.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when it is of a kind that this version does not know, or was tampered with.
    pub fn event(&self) -> Result<AuditEvent, StoreError> {
        serde_json::from_str(&self.event).map_err(StoreError::unreadable("audit record", &self.seq.to_string()))
    }

    /// When it was written.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when the column was tampered with.
    pub fn time(&self) -> Result<OffsetDateTime, StoreError> {
        moment::from_millis(self.at).map_err(StoreError::unreadable("audit record", &self.seq.to_string()))
    }
}

impl Store {
    /// The newest `limit` records that fit the filter, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn audit_records(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let rows: Vec<RecordRow> = on!(Database, &self.database, pool => query_as(LIST)
            .bind(&filter.kind)
            .bind(filter.request_id.map(|id| id.to_string()))
            .bind(&filter.client)
            .bind(&filter.worker)
            .bind(&filter.credential)
            .bind(&filter.subject)
            .bind(filter.since.map_or(i64::MIN, moment::millis))
            .bind(filter.until.map_or(i64::MAX, moment::millis))
            .bind(filter.before.unwrap_or(i64::MAX))
            .bind(&filter.digest)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)?;
        rows.into_iter().rev().map(AuditRecord::try_from).collect()
    }

    /// The first `limit` records after record `after` (0: from the start), in the order of the chain.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn audit_page(&self, after: i64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let rows: Vec<RecordRow> = on!(Database, &self.database, pool => query_as(PAGE)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)?;
        rows.into_iter().map(AuditRecord::try_from).collect()
    }

    /// How many uses of a key have no outcome on record: being made now, or left by a process that died.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn open_intents(&self) -> Result<u64, StoreError> {
        let count: i64 = on!(Database, &self.database, pool => query_scalar(COUNT_OPEN_INTENTS).fetch_one(pool).await)?;
        Ok(count.unsigned_abs())
    }

    /// Writes all records after record `after` as JSON lines and returns how many; `docs/audit.md` says how to recompute them.
    ///
    /// # Errors
    /// [`StoreError::Output`] when `output` fails, and those of [`Store::audit_page`].
    pub async fn export_audit(&self, mut after: i64, output: &mut dyn Write) -> Result<u64, StoreError> {
        let mut written = 0;
        loop {
            let page = self.audit_page(after, 1000).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for record in &page {
                serde_json::to_writer(&mut *output, record).map_err(|error| StoreError::Output(error.into()))?;
                output.write_all(b"\n").map_err(StoreError::Output)?;
                written += 1;
            }
        }
        output.flush().map_err(StoreError::Output)?;
        Ok(written)
    }
}

#[derive(FromRow)]
pub(super) struct RecordRow {
    pub(super) seq: i64,
    at: i64,
    instance: String,
    event: String,
    previous: Vec<u8>,
    hash: Vec<u8>,
}

impl TryFrom<RecordRow> for AuditRecord {
    type Error = StoreError;

    fn try_from(row: RecordRow) -> Result<Self, StoreError> {
        let hash = |octets: Vec<u8>| {
            let octets: Result<[u8; 32], _> = octets.try_into();
            octets.map(RecordHash).map_err(|_| StoreError::Unreadable {
                noun: "audit record",
                name: row.seq.to_string(),
                reason: "a hash has not 32 octets".to_owned(),
            })
        };
        let (previous, own) = (hash(row.previous)?, hash(row.hash)?);
        Ok(Self { seq: row.seq, at: row.at, instance: row.instance, event: row.event, previous, hash: own })
    }
}
