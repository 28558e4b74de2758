//! Recomputes the whole chain and finds the first record that is not as it was written.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sqlx::{query_as, query_scalar};
use uuid::Uuid;

use super::chain::RecordHash;
use super::read::{AuditRecord, PAGE, PAGE_SIZE, RecordRow};
use crate::Store;
use crate::database::{Transaction, on};
use crate::error::StoreError;

const HEAD: &str = "SELECT seq, hash FROM audit_head WHERE id = 1";
const OPEN_INTENTS: &str = "SELECT attempt FROM open_intent";

/// The end of a chain. Kept elsewhere, it shows later that the chain was not rewritten as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AuditHead {
    /// Number of the last record, and of all records.
    pub seq: i64,
    /// Its hash.
    pub hash: RecordHash,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainVerification {
    /// Every record is as it was written.
    Verified(ChainVerified),
    /// The first that is not.
    Faulty(ChainFault),
}

/// A chain in which every record is as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainVerified {
    /// Number of records.
    pub records: i64,
    /// Its end.
    pub head: AuditHead,
    /// Attempts without an outcome: being made now, or left by a process that died since the last service start.
    pub open_intents: Vec<Uuid>,
}

/// The first place where the chain is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainFault {
    /// Number of the record.
    pub seq: i64,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a record or the end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A column is not what was hashed.
    Changed,
    /// The record is gone.
    Missing,
    /// The record is whole, but does not follow the one before it.
    NotConnected,
    /// The row cannot be read at all.
    Unreadable,
    /// The head names another end than the last record: records were removed or added at the end, or the head was changed.
    HeadMismatch,
    /// The list of open intents is not what the records say.
    OpenIntentsMismatch,
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match self.fault {
            Fault::Changed => write!(f, "record {seq} was changed"),
            Fault::Missing => write!(f, "record {seq} is missing"),
            Fault::NotConnected => write!(f, "record {seq} does not follow the record before it"),
            Fault::Unreadable => write!(f, "record {seq} cannot be read"),
            Fault::HeadMismatch => write!(f, "the head of the chain does not name record {seq}, the last one"),
            Fault::OpenIntentsMismatch => {
                write!(f, "the list of open intents does not fit the records up to {seq}")
            }
        }
    }
}

impl Store {
    /// Recomputes every record. Sees the chain as it is at one moment and does not hinder those who write.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Database`] when the database cannot be read; a chain that is not right is no error.
    pub async fn verify_audit(&self) -> Result<ChainVerification, StoreError> {
        let mut transaction = self.database.snapshot().await?;
        let verification = verify(&mut transaction).await;
        transaction.rollback().await?;
        verification
    }
}

async fn verify(transaction: &mut Transaction<'_>) -> Result<ChainVerification, StoreError> {
    let faulty = |seq, fault| Ok(ChainVerification::Faulty(ChainFault { seq, fault }));
    let (head_seq, head_hash): (i64, Vec<u8>) = match on!(Transaction, &mut *transaction, t => query_as(HEAD).fetch_optional(&mut **t).await)?
    {
        Some(head) => head,
        None => return faulty(0, Fault::HeadMismatch),
    };
    let mut walk = Walk { last: AuditHead { seq: 0, hash: RecordHash::NONE }, open: BTreeSet::new() };
    // Also what somebody put before the first record.
    let mut after = i64::MIN;
    let mut limit = PAGE_SIZE;
    loop {
        let rows: Result<Vec<RecordRow>, sqlx::Error> = on!(Transaction, &mut *transaction, t => query_as(PAGE)
            .bind(after)
            .bind(limit)
            .fetch_all(&mut **t)
            .await);
        let rows = match rows {
            Ok(rows) => rows,
            // One of the page: from here on one by one, so that the record can be named.
            Err(error) if is_damage(&error) && limit > 1 => {
                limit = 1;
                continue;
            }
            Err(error) if is_damage(&error) => return faulty(walk.last.seq + 1, Fault::Unreadable),
            Err(error) => return Err(error.into()),
        };
        if rows.is_empty() {
            break;
        }
        for row in rows {
            after = row.seq;
            if let Err(fault) = walk.step(row) {
                return Ok(ChainVerification::Faulty(fault));
            }
        }
    }
    if head_seq != walk.last.seq || head_hash != walk.last.hash.as_bytes() {
        // More records promised than found: the first of those is missing.
        return if head_seq > walk.last.seq {
            faulty(walk.last.seq + 1, Fault::Missing)
        } else {
            faulty(walk.last.seq, Fault::HeadMismatch)
        };
    }
    let listed: Vec<String> =
        on!(Transaction, &mut *transaction, t => query_scalar(OPEN_INTENTS).fetch_all(&mut **t).await)?;
    let listed: Option<BTreeSet<Uuid>> = listed.iter().map(|attempt| attempt.parse().ok()).collect();
    if listed.as_ref() != Some(&walk.open) {
        return faulty(walk.last.seq, Fault::OpenIntentsMismatch);
    }
    Ok(ChainVerification::Verified(ChainVerified {
        records: walk.last.seq,
        head: walk.last,
        open_intents: walk.open.into_iter().collect(),
    }))
}

/// The part of the chain that is verified.
struct Walk {
    last: AuditHead,
    open: BTreeSet<Uuid>,
}

/// What this needs of an event, also of kinds that only a newer version knows.
#[derive(Deserialize)]
struct Mark {
    event: String,
    attempt: Option<Uuid>,
}

impl Walk {
    fn step(&mut self, row: RecordRow) -> Result<(), ChainFault> {
        let expected = self.last.seq + 1;
        let seq = row.seq;
        let fault = |fault| ChainFault { seq, fault };
        if seq > expected {
            return Err(ChainFault { seq: expected, fault: Fault::Missing });
        }
        let record = AuditRecord::try_from(row).map_err(|_| fault(Fault::Changed))?;
        let own = RecordHash::of(record.previous.as_bytes(), seq, record.at, &record.instance, &record.event);
        if own != record.hash {
            return Err(fault(Fault::Changed));
        }
        if seq != expected || record.previous != self.last.hash {
            return Err(fault(Fault::NotConnected));
        }
        let mark: Mark = serde_json::from_str(&record.event).map_err(|_| fault(Fault::Changed))?;
        if let Some(attempt) = mark.attempt {
            if mark.event == "signing-intended" {
                self.open.insert(attempt);
            } else {
                self.open.remove(&attempt);
            }
        }
        self.last = AuditHead { seq, hash: record.hash };
        Ok(())
    }
}

/// Whether the row is at fault and not the access to the database.
fn is_damage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
        // SQLITE_CORRUPT and SQLITE_NOTADB.
        error => error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "11" || code == "26"),
    }
}
