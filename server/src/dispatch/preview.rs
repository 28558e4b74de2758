//! Shows a seal before it is made: refused as signing is, with neither key nor intent.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use store::CredentialRecord;
use workers::{PreviewEnvironment, SigningRequest, SystemClock};

use super::{Completed, Dispatcher, Ending, Shared, Work, refusal};
use crate::authorization::Grant;
use crate::error::ApiError;
use crate::renderer::{Picture, Resolution};
use crate::request_id::RequestId;

impl Dispatcher {
    /// Renders the page of the seal as it would be. Limited as signing is; only refusals are recorded, as nothing is sealed.
    ///
    /// # Errors
    /// [`ApiError`]; what was refused or failed after authentication is on record by then.
    pub(crate) async fn preview(
        &self,
        grant: Grant,
        request_id: RequestId,
        request: SigningRequest,
        resolution: Resolution,
        pending: impl Send + 'static,
    ) -> Result<Picture, ApiError> {
        let completed = self.work(grant, request_id, Work::Preview(request, resolution), pending).await?;
        completed.picture.ok_or_else(|| ApiError::Internal("a preview completed without a picture".into()))
    }
}

impl Shared {
    pub(super) fn preview(
        &self,
        grant: &Grant,
        request_id: RequestId,
        credential: Option<CredentialRecord>,
        (request, resolution): (&SigningRequest, Resolution),
        deadline: Instant,
        ending: &Ending,
    ) -> Result<Completed, ApiError> {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let prepared = self.prepare(grant.worker(), credential, deadline)?;
            let environment = PreviewEnvironment {
                credential: &prepared.credential,
                algorithm: prepared.algorithm,
                clock: &SystemClock,
                level: prepared.worker.config().level(),
            };
            let preview = prepared.worker.preview(request, &environment)?;
            let picture = self.renderer.render(self.node.runtime(), &preview, resolution, deadline)?;
            Ok(Completed { documents: Vec::new(), credential: None, picture: Some(picture) })
        }));
        let result = result.unwrap_or_else(|_| Err(ApiError::Internal("the worker panicked".into())));
        let result = match ending.claim(None) {
            Err(Some(late)) => result.and(Err(ApiError::Late(late))),
            _ => result,
        };
        if let Err(error) = &result {
            let event = refusal(grant.client(), &grant.worker().name, request_id, error);
            self.audit.submit(vec![event]).wait()?;
        }
        result
    }
}
