//! Appends records to the chain inside a transaction, with what belongs to them: use counters and open intents.

use cryptotoken_api::CredentialState;
use sqlx::{query, query_as};
use uuid::Uuid;

use super::authorized_use::{self, Left};
use super::chain::RecordHash;
use super::event::{AdministrativeAct, AuditEvent, KeyUse, SigningIntended};
use crate::database::{Transaction, on};
use crate::error::StoreError;
use crate::key_authorizations::await_authorization;
use crate::moment;

const HEAD: &str = "SELECT seq, hash FROM audit_head WHERE id = 1";
const ADVANCE_HEAD: &str = "UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1";
const INSERT_RECORD: &str =
    "INSERT INTO audit_record (seq, at, instance, event, previous, hash) VALUES ($1, $2, $3, $4, $5, $6)";
const COUNT_USE: &str = "UPDATE credential SET uses = uses + 1 \
    WHERE name = $1 AND (state = $2 OR $3) AND (use_limit IS NULL OR uses < use_limit)";
const USE_REFUSED: &str = "SELECT state, use_limit FROM credential WHERE name = $1";
const OPEN_INTENT: &str = "INSERT INTO open_intent (attempt, request_id, seq, instance) VALUES ($1, $2, $3, $4)";
const CLOSE_INTENT: &str = "DELETE FROM open_intent WHERE attempt = $1";

/// Appends `events` and advances the head.
///
/// # Errors
/// As [`Appender::append`]; the transaction must be given up then.
pub(crate) async fn append(
    transaction: &mut Transaction<'_>,
    instance: Uuid,
    events: &[AuditEvent],
) -> Result<(), StoreError> {
    let mut appender = Appender::start(transaction, instance).await?;
    appender.append(transaction, events).await?;
    appender.finish(transaction).await
}

/// The end of the chain while a transaction extends it. The transaction holds the write lock, so nobody else can.
#[derive(Clone)]
pub(crate) struct Appender {
    instance: String,
    start: i64,
    seq: i64,
    hash: RecordHash,
}

impl Appender {
    /// Reads the head.
    pub(crate) async fn start(transaction: &mut Transaction<'_>, instance: Uuid) -> Result<Self, StoreError> {
        let (seq, hash): (i64, Vec<u8>) = on!(Transaction, transaction, t => query_as(HEAD).fetch_one(&mut **t).await)?;
        let hash = hash.try_into().map_err(|_| StoreError::Unreadable {
            noun: "head",
            name: "audit chain".to_owned(),
            reason: "its hash has not 32 octets".to_owned(),
        })?;
        Ok(Self { instance: instance.to_string(), start: seq, seq, hash: RecordHash(hash) })
    }

    /// Appends the events in order.
    ///
    /// # Errors
    /// [`StoreError::CredentialNotActive`], [`StoreError::UseLimitReached`], [`StoreError::KeyNotAuthorized`] and
    /// [`StoreError::NotFound`] refuse an intent: a single event is then not written, of several the earlier ones are. Others mean that the transaction must be given up.
    pub(crate) async fn append(
        &mut self,
        transaction: &mut Transaction<'_>,
        events: &[AuditEvent],
    ) -> Result<(), StoreError> {
        for event in events {
            let mut left = Left::More;
            if let AuditEvent::SigningIntended(intent) = event {
                left = authorized_use::check(transaction, intent).await?;
                count_use(transaction, intent).await?;
                authorized_use::count(transaction, intent).await?;
            }
            self.write(transaction, event).await?;
            if let AuditEvent::SigningIntended(intent) = event {
                on!(Transaction, transaction, t => query(OPEN_INTENT)
                    .bind(intent.attempt.to_string())
                    .bind(intent.request_id.to_string())
                    .bind(self.seq)
                    .bind(&self.instance)
                    .execute(&mut **t)
                    .await
                    .map(drop))?;
                if left == Left::Nothing {
                    self.used_up(transaction, &intent.credential).await?;
                }
            } else if let Some(attempt) = event.outcome_of() {
                on!(Transaction, transaction, t => query(CLOSE_INTENT)
                    .bind(attempt.to_string())
                    .execute(&mut **t)
                    .await
                    .map(drop))?;
            }
        }
        Ok(())
    }

    /// The last use that a key was authorised for: from now on its credential waits for an authorised person, on record.
    async fn used_up(&mut self, transaction: &mut Transaction<'_>, credential: &str) -> Result<(), StoreError> {
        if await_authorization(transaction, credential).await? {
            let act = AdministrativeAct::new("service", "credential await-authorization", credential);
            let act = act
                .with(serde_json::json!({ "reason": "the key makes the last signature that it was authorised for" }));
            self.write(transaction, &AuditEvent::Administration(act)).await?;
        }
        Ok(())
    }

    /// Appends the events or, refused by rule, none of them; the transaction goes on either way.
    ///
    /// # Errors
    /// The outer error means that the transaction must be given up; the inner one that these events were refused.
    pub(crate) async fn append_or_refuse(
        &mut self,
        transaction: &mut Transaction<'_>,
        events: &[AuditEvent],
    ) -> Result<Result<(), StoreError>, StoreError> {
        let refusable = |result: Result<(), StoreError>| match result {
            Err(error) if !error.is_refusal() => Err(error),
            answer => Ok(answer),
        };
        if events.len() == 1 || !events.iter().any(AuditEvent::is_intent) {
            // Nothing is written before a single intent is refused, so there is nothing to take back.
            return refusable(self.append(transaction, events).await);
        }
        let before = self.clone();
        let mut savepoint = transaction.savepoint().await?;
        let answer = refusable(self.append(&mut savepoint, events).await)?;
        if answer.is_ok() {
            savepoint.commit().await?;
        } else {
            savepoint.rollback().await?;
            *self = before;
        }
        Ok(answer)
    }

    /// Writes the head where records were appended.
    pub(crate) async fn finish(self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        if self.seq > self.start {
            on!(Transaction, transaction, t => query(ADVANCE_HEAD)
                .bind(self.seq)
                .bind(self.hash.as_bytes().as_slice())
                .execute(&mut **t)
                .await
                .map(drop))?;
        }
        Ok(())
    }

    /// Number of records appended so far.
    pub(crate) const fn appended(&self) -> i64 {
        self.seq - self.start
    }

    async fn write(&mut self, transaction: &mut Transaction<'_>, event: &AuditEvent) -> Result<(), StoreError> {
        let text = serde_json::to_string(event).map_err(StoreError::unreadable("event", "to be recorded"))?;
        let (seq, at) = (self.seq + 1, moment::now());
        let hash = RecordHash::of(self.hash.as_bytes(), seq, at, &self.instance, &text);
        on!(Transaction, transaction, t => query(INSERT_RECORD)
            .bind(seq)
            .bind(at)
            .bind(&self.instance)
            .bind(&text)
            .bind(self.hash.as_bytes().as_slice())
            .bind(hash.as_bytes().as_slice())
            .execute(&mut **t)
            .await
            .map(drop))?;
        (self.seq, self.hash) = (seq, hash);
        Ok(())
    }
}

/// Counts the use of the credential, or refuses it. Checked and counted in the transaction of the intent: between a check and
/// the use nobody can suspend the credential or take its last use.
async fn count_use(transaction: &mut Transaction<'_>, intent: &SigningIntended) -> Result<(), StoreError> {
    // Self-tests and certification requests come before there is a certificate, and some before there is a credential.
    let any_state = intent.key_use != KeyUse::Request;
    let counted = on!(Transaction, transaction, t => query(COUNT_USE)
        .bind(&intent.credential)
        .bind(CredentialState::Active.name())
        .bind(any_state)
        .execute(&mut **t)
        .await
        .map(|result| result.rows_affected()))?;
    if counted == 1 {
        return Ok(());
    }
    let found: Option<(String, Option<i64>)> = on!(Transaction, transaction, t => query_as(USE_REFUSED)
        .bind(&intent.credential)
        .fetch_optional(&mut **t)
        .await)?;
    let credential = intent.credential.clone();
    match found {
        None if any_state => Ok(()),
        None => Err(StoreError::NotFound { noun: "credential", name: credential }),
        Some((state, limit)) => {
            let state: CredentialState =
                state.parse().map_err(StoreError::unreadable("credential", &intent.credential))?;
            if !any_state && state != CredentialState::Active {
                Err(StoreError::CredentialNotActive { credential, state })
            } else {
                let limit = limit.and_then(|limit| u64::try_from(limit).ok()).unwrap_or_default();
                Err(StoreError::UseLimitReached { credential, limit })
            }
        }
    }
}
