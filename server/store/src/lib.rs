//! Everything the service remembers: credentials, workers, clients, grants, locks of tokens, and the audit chain.
//!
//! Two rules hold this package together. No administrative change is written without the record of who made it, because both are
//! one transaction; and no key is used without a durable record of the intent, because [`AuditedSigner`] is the only way to a
//! key and waits for it. Worker definitions are kept as text and not read here; documents, PKCS#11 and HTTP are unknown here.

pub mod audit;
pub mod audited_signer;
pub mod clients;
pub mod credentials;
mod database;
pub mod error;
pub mod grants;
mod instances;
pub mod key_authorizations;
pub mod key_backups;
mod moment;
pub mod replicas;
mod token_locks;
pub mod workers;

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

pub use audit::{AdministrativeAct, AuditEvent, AuditLog, KeyUse, Receipt};
pub use audited_signer::{AuditedSigner, SigningContext};
pub use clients::{ClientRecord, NewClient};
pub use credentials::{CredentialRecord, KeyEvidence, NewCredential};
pub use error::StoreError;
pub use grants::{ClientGrant, Grant, Role};
pub use key_authorizations::{Authorized, Kak, KakSource, KeyAuthorizationRecord};
pub use key_backups::KeyBackup;
pub use replicas::{KeyPlaces, KeyReplica};
pub use token_locks::LoginTurn;
pub use workers::{NewWorker, WorkerRecord};

use database::{Database, Transaction};

/// Owner of things that nobody else owns.
pub const DEFAULT_OWNER: &str = "default";

/// The database of a service. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
    /// Folder of the lock files that tell which processes live.
    locks: Arc<Path>,
    /// Names this process in the records it writes.
    instance: Uuid,
}

impl Store {
    /// Opens the database that `url` names, creates it where it is missing, and brings its tables up to date.
    ///
    /// `sqlite://PATH`: a relative path starts at `base_dir`; the file is readable by its owner only.
    ///
    /// # Errors
    /// [`StoreError::Url`], [`StoreError::CannotOpen`], [`StoreError::Folder`] and [`StoreError::Migration`]: the operator must
    /// correct the configuration or the file system. [`StoreError::Busy`]: retry.
    pub async fn open(url: &str, base_dir: &Path) -> Result<Self, StoreError> {
        let (database, locks) = Database::open(url, base_dir).await?;
        Ok(Self { database, locks: locks.into(), instance: Uuid::now_v7() })
    }

    /// Name of this process in the audit records it writes.
    #[must_use]
    pub const fn instance(&self) -> Uuid {
        self.instance
    }

    /// Closes all connections but the audit writer's, which closes its own when it ends. The last one to go moves what is in the
    /// write-ahead log into the database's file, so that a copy of that file is whole.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Whether the database answers; for readiness.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Database`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.database.ping().await
    }

    /// Records events that change nothing else, and returns when they are durable.
    ///
    /// # Errors
    /// [`StoreError::Busy`] (retry), [`StoreError::Database`]; then nothing is recorded.
    pub async fn record(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        audit::append(&mut transaction, self.instance, events).await?;
        transaction.commit().await
    }

    /// Ends a change: its record is written and both become durable together.
    async fn commit(&self, mut transaction: Transaction<'_>, act: AdministrativeAct) -> Result<(), StoreError> {
        audit::append(&mut transaction, self.instance, &[AuditEvent::Administration(act)]).await?;
        transaction.commit().await
    }
}
