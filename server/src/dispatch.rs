//! The one door to the workers for every front end: limits, time, the credential, the lent signer, the record.
//!
//! Knows no HTTP. The work runs on blocking threads of its own and goes on when the caller hangs up, so that every intent
//! gets its outcome.

mod augment;
mod ending;
mod places;
mod prepare;
mod preview;
mod record;
mod sign;

use std::sync::Arc;
use std::time::{Duration, Instant};

use administration::Node;
use cryptotoken_api::Credential;
use store::{AuditLog, CredentialRecord};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use workers::{AugmentationRequest, SignatureLevel, SignedDocument, SigningRequest};

use crate::authorization::Grant;
use crate::error::ApiError;
use crate::renderer::{Picture, Resolution};
use crate::replicas::health::ReplicaHealth;
use crate::request_id::RequestId;
use crate::trust::Trust;
use ending::Ending;
use places::Places;
use record::refusal;

pub(crate) use prepare::{active_credential, definition, worker_config};

/// The door. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Dispatcher(Arc<Shared>);

/// What the threads that sign share.
pub(crate) struct Shared {
    pub(crate) node: Arc<Node>,
    audit: AuditLog,
    replicas: Arc<ReplicaHealth>,
    trust: Trust,
    /// To render pages, of which each takes a processor and up to 1 GiB.
    pages: Places,
    permits: Places,
    concurrency: u32,
    timeout: Duration,
}

/// How often a request under way is looked after: after how long it is known at the latest that a call hangs.
const WATCH: Duration = Duration::from_millis(200);

/// What a front end wants done.
pub(crate) enum Work {
    /// Sign these documents.
    Sign(Vec<SigningRequest>),
    /// Bring a signature to the worker's level. Uses no key of the worker's.
    Augment(AugmentationRequest),
    /// Render the page of a seal as it would be.
    Preview(SigningRequest, Resolution),
}

/// What a front end gets back.
#[derive(Debug)]
pub(crate) struct Completed {
    /// The signed documents, in the order of the requests.
    pub(crate) documents: Vec<SignedDocument>,
    /// The credential that signed; `None` where no key was needed.
    credential: Option<Credential>,
    /// The page of a preview.
    picture: Option<Picture>,
}

impl Completed {
    /// The level that every document has reached; `None` for plain signatures.
    pub(crate) fn level(&self) -> Option<SignatureLevel> {
        self.documents.iter().filter_map(|document| document.level).min()
    }

    /// The credential that signed.
    pub(crate) fn credential(&self) -> Result<&Credential, ApiError> {
        self.credential.as_ref().ok_or_else(|| Self::without("credential"))
    }

    /// The only document.
    pub(crate) fn document(self) -> Result<SignedDocument, ApiError> {
        self.documents.into_iter().next().ok_or_else(|| Self::without("document"))
    }

    /// The page.
    pub(crate) fn picture(self) -> Result<Picture, ApiError> {
        self.picture.ok_or_else(|| Self::without("picture"))
    }

    fn without(what: &str) -> ApiError {
        ApiError::Internal(format!("a request completed without a {what}"))
    }
}

/// A request on its thread.
pub(crate) struct Job<'a> {
    grant: &'a Grant,
    request_id: RequestId,
    /// Of the worker; `None` when there is none of that name.
    credential: Option<&'a CredentialRecord>,
    /// When the caller stops waiting.
    deadline: Instant,
    /// How it ends.
    pub(crate) ending: &'a Ending,
}

impl Dispatcher {
    pub(crate) fn new(node: Arc<Node>, audit: AuditLog, trust: Trust, replicas: Arc<ReplicaHealth>) -> Self {
        let server = &node.configuration().server;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let concurrency = server.concurrency.unwrap_or(processors * 4).clamp(1, Semaphore::MAX_PERMITS.min(4096));
        Self(Arc::new(Shared {
            pages: Places::new(processors, server.queue),
            permits: Places::new(concurrency, server.queue),
            concurrency: u32::try_from(concurrency).unwrap_or(u32::MAX),
            timeout: server.request_timeout.0,
            audit,
            replicas,
            trust,
            node,
        }))
    }

    /// Has work done, limited in number and time. `pending` is what the front end holds for the request, and is kept for as long as it is
    /// worked on, and given back then. Of several documents to sign, all are signed or none is released.
    ///
    /// # Errors
    /// [`ApiError`]; what was refused or failed after authentication is on record by then.
    pub(crate) async fn work<P: Send + 'static>(
        &self,
        grant: &Grant,
        request_id: RequestId,
        work: Work,
        pending: P,
    ) -> Result<(Completed, P), ApiError> {
        let deadline = request_id.received() + self.0.timeout;
        let Entered { permits, grant, credential } = match self.enter(grant, &work, deadline).await {
            Ok(entered) => entered,
            Err(error) => {
                self.refused(grant.client(), &grant.worker().name, request_id, &error).await;
                return Err(error);
            }
        };
        let shared = Arc::clone(&self.0);
        let timeout = shared.timeout;
        // A task of its own: dropping this future, as a caller's hanging up does, does not stop it.
        let task = self.0.node.runtime().spawn(async move {
            let _permits = permits;
            let ending = Arc::new(Ending::default());
            let mut thread = tokio::task::spawn_blocking({
                let ending = Arc::clone(&ending);
                move || {
                    let credential = credential.as_ref();
                    let job = Job { grant: &grant, request_id, credential, deadline, ending: &ending };
                    shared.process(&job, &work).map(|completed| (completed, pending))
                }
            });
            loop {
                let look = deadline.min(Instant::now() + WATCH);
                if let Ok(ended) = tokio::time::timeout_at(look.into(), &mut thread).await {
                    return ended;
                }
                let Some(late) = ending.lateness(deadline, timeout) else { continue };
                if ending.claim(Some(late)).is_err() {
                    // It ended in the last moment, and only waits for its records.
                    return thread.await;
                }
                // A call that hangs in a vendor's library, perhaps for ever, costs its thread and not its place.
                metrics::counter!("sigillo_requests_late_total").increment(1);
                return Ok(Err(ApiError::Late(late)));
            }
        });
        let ended = task.await.and_then(|ended| ended);
        ended.map_err(|error| ApiError::Internal(format!("the worker's thread ended: {error}")))?
    }

    async fn enter(&self, grant: &Grant, work: &Work, deadline: Instant) -> Result<Entered, ApiError> {
        // First: pages take long, and who waits for one keeps nobody from signing.
        let place = match work {
            Work::Preview(..) => Some(self.0.pages.take(deadline).await?),
            Work::Sign(_) | Work::Augment(_) => None,
        };
        let permits = (self.0.permits.take(deadline).await?, place);
        // Sending the body and waiting took time, in which an administrator may have decided otherwise.
        let grant = grant.renewed(self.0.node.store()).await?;
        let credential = self.0.node.store().credential(worker_config(&grant)?.credential()).await?;
        Ok(Entered { permits, grant, credential })
    }

    /// Puts a refusal after authentication on record.
    pub(crate) async fn refused(&self, client: &str, worker: &str, request_id: RequestId, error: &ApiError) {
        let event = refusal(client, worker, request_id, error);
        if let Err(error) = self.0.audit.submit(vec![event]).await {
            tracing::error!(request.id = %request_id, "the refusal of request {request_id} could not be recorded: {error}");
        }
    }

    /// Waits until no request is being signed, at most as long as a request may take.
    pub(crate) async fn drain(&self) {
        let all = Arc::clone(&self.0.permits.free).acquire_many_owned(self.0.concurrency);
        if tokio::time::timeout(self.0.timeout, all).await.is_err() {
            tracing::warn!("requests are still being signed after the request timeout; their intents stay open");
        }
    }
}

/// A request that may be worked on.
struct Entered {
    /// To work, and to render a page.
    permits: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
    grant: Grant,
    credential: Option<CredentialRecord>,
}

impl Shared {
    fn process(&self, job: &Job<'_>, work: &Work) -> Result<Completed, ApiError> {
        let started = Instant::now();
        let worker = &job.grant.worker().name;
        let result = match work {
            Work::Sign(requests) => self.sign(job, requests),
            Work::Augment(request) => self.augment(job, request),
            Work::Preview(request, resolution) => self.preview(job, request, *resolution),
        };
        let outcome = match (&result, work) {
            (Ok(_), Work::Preview(..)) => "shown",
            (Ok(_), _) => "signed",
            (Err(_), _) => "failed",
        };
        metrics::counter!("sigillo_requests_total", "worker" => worker.clone(), "outcome" => outcome).increment(1);
        metrics::histogram!("sigillo_request_seconds", "worker" => worker.clone())
            .record(started.elapsed().as_secs_f64());
        result
    }
}
