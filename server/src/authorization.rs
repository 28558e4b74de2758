//! May this caller use this worker? The answer is a [`Grant`], without which nothing can be dispatched.

use store::{Store, WorkerRecord};

use crate::authentication::Principal;
use crate::error::ApiError;

/// Proof that a client may sign with a worker, and the worker's definition at that moment.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    principal: Principal,
    worker: WorkerRecord,
}

impl Grant {
    /// Looks the grant up.
    ///
    /// # Errors
    /// [`ApiError::NoGrant`], also for workers that do not exist: a client learns nothing of workers that are not its own.
    /// Those with a role may know; they get [`ApiError::UnknownWorker`].
    pub(crate) async fn find(principal: Principal, worker: &str, store: &Store) -> Result<Self, ApiError> {
        let record = store.worker(worker).await?;
        let granted = store.may_sign(&principal.client, worker).await?;
        match record {
            Some(record) if granted => Ok(Self { principal, worker: record }),
            None if !store.roles(&principal.client).await?.is_empty() => {
                Err(ApiError::UnknownWorker(worker.to_owned()))
            }
            _ => Err(ApiError::NoGrant { client: principal.client, worker: worker.to_owned() }),
        }
    }

    /// The same grant as it is now, with the newest version of the worker.
    ///
    /// # Errors
    /// As [`Self::find`], when it was taken away or its client revoked meanwhile.
    pub(crate) async fn renewed(&self, store: &Store) -> Result<Self, ApiError> {
        Self::find(self.principal.clone(), &self.worker.name, store).await
    }

    /// Name of the client.
    pub(crate) fn client(&self) -> &str {
        &self.principal.client
    }

    /// The worker.
    pub(crate) const fn worker(&self) -> &WorkerRecord {
        &self.worker
    }
}
