//! Brings a signature to the worker's level, without its key.

use workers::{AugmentationEnvironment, AugmentationRequest, SystemClock};

use super::prepare::worker_config;
use super::record::{completion, refusal};
use super::{Completed, Job, Shared};
use crate::error::ApiError;

impl Shared {
    /// Limited and recorded as signing is.
    pub(super) fn augment(&self, job: &Job<'_>, request: &AugmentationRequest) -> Result<Completed, ApiError> {
        let result = job.ending.of(|| {
            let worker = workers::kind::build(worker_config(job.grant)?);
            let timestamps = self.timestamps(worker.config(), job);
            let environment = AugmentationEnvironment {
                clock: &SystemClock,
                timestamps: timestamps.as_deref(),
                revocation: Some(self.trust.revocation()),
                deadline: job.deadline,
                level: worker.config().level(),
            };
            let documents = vec![worker.augment(request, &environment)?];
            Ok(Completed { documents, credential: None, picture: None })
        });
        let event = match &result {
            // The key of an authority of our own is one as well.
            Err(error) if !job.ending.has_used_a_key() => {
                refusal(job.grant.client(), &job.grant.worker().name, job.request_id, error)
            }
            other => completion(job, other, job.ending.may_have_stamped()),
        };
        self.audit.submit(vec![event]).wait()?;
        result
    }
}
