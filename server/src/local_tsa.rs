//! Timestamps from a worker of this service, for other workers of it: `timestamp = { worker = "…" }`.
//!
//! The key of the time-stamping unit is used as for a request over HTTP: under the same checks, with an intent and an outcome on record,
//! which are the outer request's. The client needs no grant for this worker; whoever defined the outer one chose it.

use std::time::Instant;

use const_oid::ObjectIdentifier;
use cryptotoken_api::DtbsRepresentation;
use workers::timestamp::TimestampRequest;
use workers::{
    DocumentContent, SignedDocument, SignerDocument, SigningEnvironment, SigningParameters, SigningRequest,
    SystemClock, TimestampError, TimestampSource, TimestampToken, WorkerError, WorkerKind,
};

use crate::dispatch::{Job, Shared, definition};
use crate::error::ApiError;

/// A timestamp worker of this service, for one request.
pub(crate) struct LocalTsa<'a> {
    shared: &'a Shared,
    worker: &'a str,
    policy: Option<ObjectIdentifier>,
    job: &'a Job<'a>,
}

impl<'a> LocalTsa<'a> {
    /// The worker of this name, asked for tokens of a policy or of its own, on behalf of a request.
    pub(crate) const fn new(
        shared: &'a Shared,
        worker: &'a str,
        policy: Option<ObjectIdentifier>,
        job: &'a Job<'a>,
    ) -> Self {
        Self { shared, worker, policy, job }
    }

    fn stamp(
        &self,
        imprint: &DtbsRepresentation,
        deadline: Instant,
    ) -> Result<(TimestampRequest, SignedDocument), ApiError> {
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
        let prepared = self.shared.prepare(&record, credential.as_ref(), deadline)?;
        let asked = TimestampRequest::new(imprint.clone(), self.policy).map_err(WorkerError::from)?;
        let query = asked.to_der().map_err(WorkerError::from)?;
        let document =
            SignerDocument { content: DocumentContent::Memory(query.into()), media_type: None, signature: None };
        let request = SigningRequest { document, parameters: SigningParameters::default() };
        let signer = self.shared.lend(&prepared, self.job, &record, &request)?;
        let environment = SigningEnvironment {
            credential: &prepared.credential,
            signer: &signer,
            clock: &SystemClock,
            deadline,
            timestamps: None,
            revocation: None,
            level: prepared.worker.config().level(),
        };
        // Before the key can be asked: whatever comes of it, and however it ends, is remembered.
        let stamping = self.job.ending.stamping(&signer);
        let signed = prepared.worker.process(&request, &environment);
        drop(stamping);
        // What the outer request does with the token rests on it.
        signer.settle()?;
        Ok((asked, signed?))
    }
}

impl TimestampSource for LocalTsa<'_> {
    fn timestamp(&self, imprint: &DtbsRepresentation, deadline: Instant) -> Result<TimestampToken, TimestampError> {
        let authority = format!("worker \"{}\"", self.worker);
        let stamped = self.stamp(imprint, deadline).map_err(|error| {
            let (authority, reason) = (authority.clone(), error.causes());
            match error {
                ApiError::Worker(WorkerError::Withheld(_)) => TimestampError::Invalid { authority, reason },
                // As a client over HTTP is told: what it is no use to ask again for, is a refusal.
                error if error.failure_info().is_some() => TimestampError::Refused { authority, reason },
                // What is known of its own certificate, and is not to be believed, is no outage.
                ApiError::Worker(WorkerError::ValidationData(fault)) if !fault.is_outage() => {
                    TimestampError::Invalid { authority, reason }
                }
                _ => TimestampError::Unavailable { authority, reason },
            }
        });
        let (asked, reply) = stamped?;
        asked.accept(&reply.contiguous(), &authority)
    }
}
