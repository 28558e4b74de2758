//! The audit writer: one thread with its own connection that commits the records of many requests as one group.
//!
//! While a group is being committed (the time of an fsync) further submissions gather and become the next group. Nobody is
//! delayed to wait for company.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use cryptotoken_api::Signer;
use uuid::Uuid;

use super::append::Appender;
use super::event::AuditEvent;
use super::receipt::{Acknowledgement, Receipt, receipt};
use crate::Store;
use crate::audited_signer::{AuditedSigner, SigningContext};
use crate::database::{Connection, Database};
use crate::error::StoreError;
use crate::instances::{self, Presence};

/// Submissions that may wait before new intents are refused; outcomes of admitted intents are always taken.
const MAX_WAITING: usize = 4096;
/// Submissions in one transaction, so that the first of a crowd does not wait for all of it.
const MAX_GROUP: usize = 256;

/// The way to the audit chain for requests. Clones share the writer, which ends with the last of them, after all is written.
#[derive(Clone, Debug)]
pub struct AuditLog(Arc<Handle>);

/// What the writer has done so far; for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterStatistics {
    /// Submissions answered with success.
    pub submissions: u64,
    /// Records written.
    pub records: u64,
    /// Transactions committed, each with its fsync.
    pub commits: u64,
}

#[derive(Debug)]
struct Handle {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
    instance: Uuid,
    _presence: Presence,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    submissions: AtomicU64,
    records: AtomicU64,
    commits: AtomicU64,
    /// The last group was not committed.
    failing: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    submissions: VecDeque<Submission>,
    closed: bool,
}

#[derive(Debug)]
struct Submission {
    events: Vec<AuditEvent>,
    acknowledgement: Acknowledgement,
}

impl Store {
    /// Registers this process as one that signs and starts its audit writer. Once per store; clone the log.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when this store has a running writer already; [`StoreError::Folder`],
    /// [`StoreError::Busy`] and [`StoreError::Database`] as they say.
    pub async fn audit_log(&self) -> Result<AuditLog, StoreError> {
        let presence = instances::register(&self.database, &self.locks, self.instance).await?;
        let queue = Arc::<Queue>::default();
        let writer = Writer { database: self.database.clone(), instance: self.instance, connection: None };
        // Its own runtime, so that an executor that is busy or blocked never holds up the chain.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| StoreError::Database(source.into()))?;
        let thread = std::thread::Builder::new()
            .name("audit-writer".to_owned())
            .spawn({
                let queue = Arc::clone(&queue);
                move || write(&runtime, writer, &queue)
            })
            .map_err(|source| StoreError::Database(source.into()))?;
        Ok(AuditLog(Arc::new(Handle { queue, writer: Some(thread), instance: self.instance, _presence: presence })))
    }
}

impl AuditLog {
    /// Hands events over to be recorded, all or none; never blocks. Submissions of one thread are recorded in their order.
    ///
    /// An intent ([`AuditEvent::SigningIntended`]) counts as a use of its credential and is refused, alone, when the credential is
    /// not active or its limit is reached. The receipt tells.
    pub fn submit(&self, events: Vec<AuditEvent>) -> Receipt {
        let (acknowledgement, receipt) = receipt();
        let mut waiting = self.0.queue.lock();
        if waiting.closed {
            drop(acknowledgement);
        } else if waiting.submissions.len() >= MAX_WAITING && events.iter().any(AuditEvent::is_intent) {
            acknowledgement.answer(Err(StoreError::Overloaded));
        } else {
            waiting.submissions.push_back(Submission { events, acknowledgement });
            self.0.queue.arrived.notify_one();
        }
        receipt
    }

    /// Goes the way of a record and records nothing; for readiness. The receipt tells whether the writer lives and can write: where the
    /// last group was not committed, something that means nothing is written to find out.
    pub fn probe(&self) -> Receipt {
        self.submit(Vec::new())
    }

    /// A signer that records every attempt at `inner`.
    #[must_use]
    pub fn signer(&self, inner: Box<dyn Signer>, context: SigningContext) -> AuditedSigner {
        AuditedSigner::new(self.clone(), inner, context)
    }

    /// Name of this process in its records.
    #[must_use]
    pub fn instance(&self) -> Uuid {
        self.0.instance
    }

    /// What the writer has done so far.
    #[must_use]
    pub fn statistics(&self) -> WriterStatistics {
        let Queue { submissions, records, commits, .. } = &*self.0.queue;
        WriterStatistics {
            submissions: submissions.load(Ordering::Relaxed),
            records: records.load(Ordering::Relaxed),
            commits: commits.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.arrived.notify_one();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has told all who wait by dropping their acknowledgements.
            let _ = writer.join();
        }
    }
}

impl Queue {
    // Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits now, or `None` when there will be no more.
    fn next_group(&self) -> Option<Vec<Submission>> {
        let mut waiting = self.lock();
        while waiting.submissions.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let size = waiting.submissions.len().min(MAX_GROUP);
        Some(waiting.submissions.drain(..size).collect())
    }
}

/// Closes the queue when the writer ends, however it ends, so that nobody waits for a writer that is gone.
struct ClosesQueue<'a>(&'a Queue);

impl Drop for ClosesQueue<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        waiting.submissions.clear();
    }
}

fn write(runtime: &tokio::runtime::Runtime, mut writer: Writer, queue: &Queue) {
    let _closes = ClosesQueue(queue);
    while let Some(group) = queue.next_group() {
        runtime.block_on(writer.record(group, queue));
    }
    runtime.block_on(writer.retire());
}

struct Writer {
    database: Database,
    instance: Uuid,
    connection: Option<Connection>,
}

/// Why a group was not committed.
struct Failure {
    error: StoreError,
    /// It failed at one of its records, so that the others may succeed without that one.
    at_a_record: bool,
}

impl Writer {
    async fn record(&mut self, group: Vec<Submission>, queue: &Queue) {
        match self.commit(&group, queue).await {
            Ok(answers) => answer(group, answers),
            Err(failure) if failure.at_a_record && group.len() > 1 => {
                for submission in group {
                    let alone = [submission];
                    let answers = self.commit(&alone, queue).await;
                    let answers = answers.unwrap_or_else(|failure| not_committed(failure, 1));
                    answer(alone, answers);
                }
            }
            Err(failure) => {
                let answers = not_committed(failure, group.len());
                answer(group, answers);
            }
        }
    }

    /// One transaction; answers per submission, which hold only because it was committed.
    async fn commit(&mut self, group: &[Submission], queue: &Queue) -> Result<Vec<Result<(), StoreError>>, Failure> {
        let result = self.try_commit(group, queue).await;
        if result.is_err() {
            queue.failing.store(true, Ordering::Relaxed);
            // Whatever went wrong, the next group starts on a fresh connection.
            self.connection = None;
        }
        result
    }

    async fn try_commit(
        &mut self,
        group: &[Submission],
        queue: &Queue,
    ) -> Result<Vec<Result<(), StoreError>>, Failure> {
        let whole = |error| Failure { error, at_a_record: false };
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.database.connect().await.map_err(whole)?),
        };
        let mut transaction = connection.begin().await.map_err(whole)?;
        let mut appender = Appender::start(&mut transaction, self.instance).await.map_err(whole)?;
        let mut answers = Vec::with_capacity(group.len());
        for submission in group {
            let answer = appender.append_or_refuse(&mut transaction, &submission.events).await;
            answers.push(answer.map_err(|error| Failure { error, at_a_record: true })?);
        }
        let records = appender.appended();
        appender.finish(&mut transaction).await.map_err(whole)?;
        if records == 0 && queue.failing.load(Ordering::Relaxed) {
            instances::touch(&mut transaction, self.instance).await.map_err(whole)?;
        }
        transaction.commit().await.map_err(whole)?;
        queue.failing.store(false, Ordering::Relaxed);

        let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
        queue.submissions.fetch_add(accepted.try_into().unwrap_or_default(), Ordering::Relaxed);
        queue.records.fetch_add(records.try_into().unwrap_or_default(), Ordering::Relaxed);
        queue.commits.fetch_add(1, Ordering::Relaxed);
        Ok(answers)
    }

    async fn retire(mut self) {
        if let Err(error) = self.try_retire().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "this process stays listed as one that signs; the next start removes it");
        }
    }

    async fn try_retire(&mut self) -> Result<(), StoreError> {
        // Not a connection of the pool: that one would go back to it by a task of a runtime that ends here.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.database.connect().await?,
        };
        instances::retire(&mut connection, self.instance).await?;
        connection.close().await
    }
}

fn answer(group: impl IntoIterator<Item = Submission>, answers: Vec<Result<(), StoreError>>) {
    for (submission, answer) in group.into_iter().zip(answers) {
        submission.acknowledgement.answer(answer);
    }
}

fn not_committed(failure: Failure, submissions: usize) -> Vec<Result<(), StoreError>> {
    tracing::error!(error = &failure.error as &dyn std::error::Error, submissions, "audit records were not committed");
    let error = Arc::new(failure.error);
    (0..submissions).map(|_| Err(StoreError::NotCommitted(Arc::clone(&error)))).collect()
}
