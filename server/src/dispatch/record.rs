//! What the audit records say of the end of a request.

use store::AuditEvent;
use store::audit::RequestOutcome;

use super::{Completed, Job};
use crate::error::{ApiError, legible};
use crate::request_id::RequestId;

/// Characters that the name of a worker has at most.
const WORKER_NAME: usize = 64;

/// A request on which a key was, or may have been, used, or that was answered without one.
pub(super) fn completion(job: &Job<'_>, result: &Result<Completed, ApiError>, may_have_signed: bool) -> AuditEvent {
    let level = result.as_ref().ok().and_then(Completed::level);
    AuditEvent::RequestCompleted {
        request_id: job.request_id.uuid(),
        client: job.grant.client().to_owned(),
        worker: job.grant.worker().name.clone(),
        outcome: match result {
            Ok(_) => RequestOutcome::Released,
            Err(_) if may_have_signed => RequestOutcome::Withheld,
            Err(_) => RequestOutcome::Failed,
        },
        level: level.map(|level| level.name().to_owned()),
        reason: match result {
            Ok(completed) => remark(completed),
            Err(error) => Some(error.causes()),
        },
    }
}

/// What the record says of a release beside its level.
fn remark(completed: &Completed) -> Option<String> {
    let degraded = completed.documents.iter().find_map(|document| document.degraded.as_ref());
    match (&completed.credential, degraded) {
        (None, _) => Some("a signature that was there was augmented; the key of the credential was not used".into()),
        (Some(_), Some(outage)) => Some(legible(&format!("degraded: {outage}"), 1000)),
        (Some(_), None) => None,
    }
}

/// A request that was refused before a key was used.
pub(super) fn refusal(client: &str, worker: &str, request_id: RequestId, error: &ApiError) -> AuditEvent {
    AuditEvent::RequestRefused {
        request_id: request_id.uuid(),
        client: client.to_owned(),
        // As the caller wrote it, who may have made it up.
        worker: legible(worker, WORKER_NAME),
        problem: error.problem().1.to_owned(),
        detail: error.causes(),
    }
}
