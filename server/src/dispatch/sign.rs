//! Signs the documents of a request with the lent key.

use std::sync::Arc;

use cryptotoken_api::DigestAlgorithm;
use store::{KeyUse, Receipt, SigningContext, WorkerRecord};
use workers::{DocumentContent, SigningEnvironment, SigningRequest, SystemClock};

use super::prepare::PreparedRequest;
use super::record::{completion, refusal};
use super::{Completed, Job, Shared};
use crate::error::ApiError;
use crate::replicas::{Lender, ReplicatedSigner};

impl Shared {
    /// Signs all of them, or none is released.
    pub(super) fn sign(&self, job: &Job<'_>, requests: &[SigningRequest]) -> Result<Completed, ApiError> {
        let mut signers: Vec<Arc<ReplicatedSigner>> = Vec::with_capacity(requests.len());
        let worker = job.grant.worker();
        let result = job.ending.of(|| {
            let prepared = self.prepare(worker, job.credential, job.deadline)?;
            let timestamps = self.timestamps(prepared.worker.config(), job);
            let mut documents = Vec::with_capacity(requests.len());
            for request in requests {
                let signer = Arc::new(self.lend(&prepared, job, worker, request)?);
                job.ending.watch(&signer);
                signers.push(Arc::clone(&signer));
                let environment = SigningEnvironment {
                    credential: &prepared.credential,
                    signer: signer.as_ref(),
                    clock: &SystemClock,
                    timestamps: timestamps.as_deref(),
                    revocation: Some(self.trust.revocation()),
                    deadline: job.deadline,
                    level: prepared.worker.config().level(),
                };
                documents.push(prepared.worker.process(request, &environment)?);
            }
            Ok(Completed { documents, credential: Some(prepared.credential), picture: None })
        });
        let outcomes: Vec<Receipt> = signers.iter().flat_map(|signer| signer.take_outcomes()).collect();
        let event = match &result {
            // A refusal before any use of the key is no failure of a signature.
            Err(error) if !signers.iter().any(|signer| signer.was_asked()) && !job.ending.has_used_a_key() => {
                refusal(job.grant.client(), &worker.name, job.request_id, error)
            }
            other => {
                let signed = signers.iter().any(|signer| signer.may_have_signed());
                completion(job, other, signed || job.ending.may_have_stamped())
            }
        };
        // Nothing is sent before every outcome and the end of the request are durable.
        let last = self.audit.submit(vec![event]);
        outcomes.into_iter().try_for_each(Receipt::wait)?;
        last.wait()?;
        result
    }

    /// The key of a worker, for one document of a request.
    pub(crate) fn lend(
        &self,
        prepared: &PreparedRequest,
        job: &Job<'_>,
        worker: &WorkerRecord,
        request: &SigningRequest,
    ) -> Result<ReplicatedSigner, ApiError> {
        let context = SigningContext {
            request_id: job.request_id.uuid(),
            key_use: KeyUse::Request,
            client: job.grant.client().to_owned(),
            worker: worker.name.clone(),
            worker_version: worker.version,
            credential: prepared.record.name.clone(),
            certificate_sha256: Some(prepared.credential.chain.leaf().fingerprint()),
            document_sha256: document_sha256(&request.document.content),
            location: None,
        };
        let lender = Lender { node: &self.node, audit: &self.audit, health: &self.replicas };
        lender.lend(&prepared.record, prepared.algorithm, prepared.qualified, &context)
    }
}

fn document_sha256(content: &DocumentContent) -> Option<String> {
    match content {
        DocumentContent::Memory(document) => document.digest(DigestAlgorithm::Sha256).ok().map(hex::encode),
        // Computed while it came.
        DocumentContent::Spooled(document) => document.digest(DigestAlgorithm::Sha256).ok().map(hex::encode),
        DocumentContent::Digest(digest) if digest.algorithm() == DigestAlgorithm::Sha256 => {
            Some(hex::encode(digest.digest()))
        }
        DocumentContent::Digest(_) => None,
    }
}
