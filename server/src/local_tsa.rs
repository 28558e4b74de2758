//! Timestamps from a worker of this service, for other workers of it: `timestamp = { worker = "…" }`.
//!
//! The key of the time-stamping unit is used as for a request over HTTP: under the same checks, with an intent and an outcome on record,
//! which are the outer request's. The client needs no grant for this worker; whoever defined the outer one chose it.

use std::time::Instant;

use cryptotoken_api::DtbsRepresentation;
use workers::{
    DocumentContent, SignerDocument, SigningEnvironment, SigningParameters, SigningRequest, SystemClock,
    TimestampError, TimestampSource, TimestampToken, WorkerError, WorkerKind,
};

use crate::dispatch::{Shared, definition};
use crate::error::ApiError;
use crate::request_id::RequestId;

/// A timestamp worker of this service, for one request.
pub(crate) struct LocalTsa<'a> {
    shared: &'a Shared,
    worker: &'a str,
    client: &'a str,
    request_id: RequestId,
}

impl<'a> LocalTsa<'a> {
    /// The worker of this name, on behalf of a client and its request.
    pub(crate) const fn new(shared: &'a Shared, worker: &'a str, client: &'a str, request_id: RequestId) -> Self {
        Self { shared, worker, client, request_id }
    }

    fn stamp(&self, imprint: &DtbsRepresentation, deadline: Instant) -> Result<TimestampToken, ApiError> {
        let node = &self.shared.node;
        let (store, runtime) = (node.store(), node.runtime());
        let record = runtime.block_on(store.worker(self.worker))?;
        let record =
            record.ok_or_else(|| ApiError::Misconfigured(format!("there is no worker \"{}\"", self.worker)))?;
        let config = definition(&record)?;
        if config.kind() != WorkerKind::Timestamp {
            return Err(ApiError::Misconfigured(format!(
                "worker \"{}\" is of kind {} and makes no timestamps",
                self.worker,
                config.kind()
            )));
        }
        let credential = runtime.block_on(store.credential(config.credential()))?;
        let prepared = self.shared.prepare(&record, credential)?;
        let document = SignerDocument { content: DocumentContent::Digest(imprint.clone()), media_type: None };
        let request = SigningRequest { document, parameters: SigningParameters::default() };
        let signer = self.shared.lend(&prepared, self.client, &record, self.request_id, &request)?;
        let environment =
            SigningEnvironment { credential: &prepared.credential, signer: &signer, clock: &SystemClock, deadline };
        let signed = prepared.worker.process(&request, &environment);
        // What the outer request does with the token rests on it.
        signer.settle()?;
        let der = signed?.segments.concat();
        let time = workers::tsa::token_time(&der)
            .map_err(|error| ApiError::Internal(format!("our own token cannot be read: {error}")))?;
        Ok(TimestampToken { der: der.into(), time })
    }
}

impl TimestampSource for LocalTsa<'_> {
    fn timestamp(&self, imprint: &DtbsRepresentation, deadline: Instant) -> Result<TimestampToken, TimestampError> {
        self.stamp(imprint, deadline).map_err(|error| {
            let (authority, reason) = (format!("worker \"{}\"", self.worker), error.causes());
            match error {
                ApiError::Worker(WorkerError::Withheld(_)) => TimestampError::Invalid { authority, reason },
                // As a client over HTTP is told: what it is no use to ask again for, is a refusal.
                error if error.failure_info().is_some() => TimestampError::Refused { authority, reason },
                _ => TimestampError::Unavailable { authority, reason },
            }
        })
    }
}
