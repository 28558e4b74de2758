//! Shows a seal before it is made: refused as signing is, with neither key nor intent.

use workers::{PreviewEnvironment, SigningRequest, SystemClock};

use super::record::refusal;
use super::{Completed, Job, Shared};
use crate::error::ApiError;
use crate::renderer::{self, Resolution};

impl Shared {
    /// Renders the page of the seal as it would be. Limited as signing is; only refusals are recorded, as nothing is sealed.
    pub(super) fn preview(
        &self,
        job: &Job<'_>,
        request: &SigningRequest,
        resolution: Resolution,
    ) -> Result<Completed, ApiError> {
        let worker = job.grant.worker();
        let result = job.ending.of(|| {
            let prepared = self.prepare(worker, job.credential, job.deadline)?;
            let environment = PreviewEnvironment {
                credential: &prepared.credential,
                algorithm: prepared.algorithm,
                clock: &SystemClock,
                level: prepared.worker.config().level(),
            };
            let preview = prepared.worker.preview(request, &environment)?;
            let picture = renderer::render(&preview, request.parameters.password(), resolution, job.deadline)?;
            Ok(Completed { documents: Vec::new(), credential: None, picture: Some(picture) })
        });
        if let Err(error) = &result {
            let event = refusal(job.grant.client(), &worker.name, job.request_id, error);
            self.audit.submit(vec![event]).wait()?;
        }
        result
    }
}
