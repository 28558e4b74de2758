//! The one door to the workers for every front end: limits, time, the credential, the lent signer, the record.
//!
//! Knows no HTTP. The work runs on blocking threads of its own and goes on when the caller hangs up, so that every intent
//! gets its outcome.

mod preview;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use administration::Node;
use cryptotoken_api::{CertificateChain, Credential, CredentialState, DigestAlgorithm, Signer, SignerError};
use store::audit::RequestOutcome;
use store::{AuditEvent, AuditLog, CredentialRecord, KeyUse, Receipt, SigningContext, WorkerRecord};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use workers::config::TimestampOrigin;
use workers::{
    AugmentationEnvironment, AugmentationRequest, DocumentContent, SignatureLevel, SignedDocument, SigningEnvironment,
    SigningRequest, SystemClock, TimestampSource, Worker, WorkerConfig, WorkerError,
};

use crate::authorization::Grant;
use crate::error::{ApiError, Lateness, legible};
use crate::local_tsa::LocalTsa;
use crate::renderer::{Picture, Renderer, Resolution};
use crate::replicas::health::ReplicaHealth;
use crate::replicas::{Lender, ReplicatedSigner};
use crate::request_id::RequestId;
use crate::timestamp_client::TimestampClient;
use crate::trust::Trust;

/// The door. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Dispatcher(Arc<Shared>);

/// What the threads that sign share.
pub(crate) struct Shared {
    pub(crate) node: Arc<Node>,
    audit: AuditLog,
    replicas: Arc<ReplicaHealth>,
    trust: Trust,
    renderer: Renderer,
    permits: Arc<Semaphore>,
    concurrency: u32,
    waiting: AtomicUsize,
    queue: usize,
    timeout: Duration,
}

/// Characters that the name of a worker has at most.
const WORKER_NAME: usize = 64;

/// How often a request under way is looked after: after how long it is known at the latest that a call hangs.
const WATCH: Duration = Duration::from_millis(200);

/// What a front end gets back.
#[derive(Debug)]
pub(crate) struct Completed {
    /// The signed documents, in the order of the requests.
    pub(crate) documents: Vec<SignedDocument>,
    /// The credential that signed; `None` where no key was needed.
    pub(crate) credential: Option<Credential>,
    /// The page of a preview.
    picture: Option<Picture>,
}

/// What a front end wants done.
enum Work {
    Sign(Vec<SigningRequest>),
    Augment(AugmentationRequest),
    Preview(SigningRequest, Resolution),
}

impl Completed {
    /// The level that every document has reached; `None` for plain signatures.
    pub(crate) fn level(&self) -> Option<SignatureLevel> {
        self.documents.iter().filter_map(|document| document.level).min()
    }
}

impl Dispatcher {
    pub(crate) fn new(node: Arc<Node>, audit: AuditLog, trust: Trust, replicas: Arc<ReplicaHealth>) -> Self {
        let server = &node.configuration().server;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let concurrency = server.concurrency.unwrap_or(processors * 4).clamp(1, Semaphore::MAX_PERMITS.min(4096));
        Self(Arc::new(Shared {
            renderer: Renderer::new(),
            permits: Arc::new(Semaphore::new(concurrency)),
            concurrency: u32::try_from(concurrency).unwrap_or(u32::MAX),
            waiting: AtomicUsize::new(0),
            queue: server.queue,
            timeout: server.request_timeout.0,
            audit,
            replicas,
            trust,
            node,
        }))
    }

    /// Signs every document of one request, or none is released. `pending` is what the front end holds for the request, and
    /// is kept for as long as it is worked on.
    ///
    /// # Errors
    /// [`ApiError`]; what was refused or failed after authentication is on record by then.
    pub(crate) async fn sign(
        &self,
        grant: Grant,
        request_id: RequestId,
        requests: Vec<SigningRequest>,
        pending: impl Send + 'static,
    ) -> Result<Completed, ApiError> {
        self.work(grant, request_id, Work::Sign(requests), pending).await
    }

    /// Brings a signature to the worker's level. Uses no key, and is limited and recorded as signing is.
    ///
    /// # Errors
    /// [`ApiError`]; what was refused or failed after authentication is on record by then.
    pub(crate) async fn augment(
        &self,
        grant: Grant,
        request_id: RequestId,
        request: AugmentationRequest,
        pending: impl Send + 'static,
    ) -> Result<Completed, ApiError> {
        self.work(grant, request_id, Work::Augment(request), pending).await
    }

    async fn work(
        &self,
        grant: Grant,
        request_id: RequestId,
        work: Work,
        pending: impl Send + 'static,
    ) -> Result<Completed, ApiError> {
        let deadline = request_id.received() + self.0.timeout;
        let (permit, grant, credential) = match self.enter(&grant, deadline).await {
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
            let _permit = permit;
            let ending = Arc::new(Ending::default());
            let mut thread = tokio::task::spawn_blocking({
                let ending = Arc::clone(&ending);
                move || {
                    let _pending = pending;
                    shared.process(&grant, request_id, credential, &work, deadline, &ending)
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

    async fn enter(
        &self,
        grant: &Grant,
        deadline: Instant,
    ) -> Result<(OwnedSemaphorePermit, Grant, Option<CredentialRecord>), ApiError> {
        let permit = self.permit(deadline).await?;
        // Sending the body and waiting took time, in which an administrator may have decided otherwise.
        let grant = grant.renewed(self.0.node.store()).await?;
        let credential = self.0.node.store().credential(worker_config(&grant)?.credential()).await?;
        Ok((permit, grant, credential))
    }

    async fn permit(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, ApiError> {
        if let Ok(permit) = Arc::clone(&self.0.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::enter(&self.0)?;
        let permit = Arc::clone(&self.0.permits).acquire_owned();
        let permit = tokio::time::timeout_at(deadline.into(), permit).await;
        permit.map_err(|_| ApiError::Overloaded)?.map_err(|_| ApiError::Overloaded)
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
        let all = Arc::clone(&self.0.permits).acquire_many_owned(self.0.concurrency);
        if tokio::time::timeout(self.0.timeout, all).await.is_err() {
            tracing::warn!("requests are still being signed after the request timeout; their intents stay open");
        }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(shared: &'a Shared) -> Result<Self, ApiError> {
        let this = Self(&shared.waiting);
        if shared.waiting.fetch_add(1, Ordering::Relaxed) >= shared.queue {
            Err(ApiError::Overloaded)
        } else {
            Ok(this)
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who ends a request: its worker or the clock. The first one decides, so that the record says what the caller gets.
#[derive(Default)]
struct Ending {
    /// Once there: by the clock, or by the worker.
    decided: OnceLock<Option<Lateness>>,
    /// The signer in use.
    signer: Mutex<Option<Arc<ReplicatedSigner>>>,
}

impl Ending {
    /// Ends the request; where that was done already, why it is late, if it was the clock that did it.
    fn claim(&self, late: Option<Lateness>) -> Result<(), Option<Lateness>> {
        self.decided.set(late).map_err(|_| self.decided.get().copied().flatten())
    }

    /// Looks after this signer from now on.
    fn watch(&self, signer: &Arc<ReplicatedSigner>) {
        *self.signer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(signer));
    }

    /// Whether time is up, and which.
    fn lateness(&self, deadline: Instant, timeout: Duration) -> Option<Lateness> {
        if Instant::now() >= deadline {
            return Some(Lateness::Request(timeout));
        }
        let signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        signer.as_ref()?.overdue().map(Lateness::Call)
    }
}

impl Shared {
    fn process(
        &self,
        grant: &Grant,
        request_id: RequestId,
        credential: Option<CredentialRecord>,
        work: &Work,
        deadline: Instant,
        ending: &Ending,
    ) -> Result<Completed, ApiError> {
        let started = Instant::now();
        let worker = &grant.worker().name;
        let result = match work {
            Work::Sign(requests) => self.sign_all(grant, request_id, credential, requests, deadline, ending),
            Work::Augment(request) => self.augment(grant, request_id, request, deadline, ending),
            Work::Preview(request, resolution) => {
                self.preview(grant, request_id, credential, (request, *resolution), deadline, ending)
            }
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

    fn sign_all(
        &self,
        grant: &Grant,
        request_id: RequestId,
        credential: Option<CredentialRecord>,
        requests: &[SigningRequest],
        deadline: Instant,
        ending: &Ending,
    ) -> Result<Completed, ApiError> {
        let mut signers: Vec<Arc<ReplicatedSigner>> = Vec::with_capacity(requests.len());
        // A fault of ours in reading a document ends this request, and not without its record.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let prepared = self.prepare(grant.worker(), credential, deadline)?;
            let timestamps = self.timestamps(prepared.worker.config(), grant.client(), request_id);
            let mut documents = Vec::with_capacity(requests.len());
            for request in requests {
                let signer = Arc::new(self.lend(&prepared, grant.client(), grant.worker(), request_id, request)?);
                ending.watch(&signer);
                signers.push(Arc::clone(&signer));
                let environment = SigningEnvironment {
                    credential: &prepared.credential,
                    signer: signer.as_ref(),
                    clock: &SystemClock,
                    timestamps: timestamps.as_deref(),
                    revocation: Some(self.trust.revocation()),
                    deadline,
                    level: prepared.worker.config().level(),
                };
                documents.push(prepared.worker.process(request, &environment)?);
            }
            Ok(Completed { documents, credential: Some(prepared.credential), picture: None })
        }));
        let result = result.unwrap_or_else(|_| Err(ApiError::Internal("the worker panicked".into())));
        let result = match ending.claim(None) {
            Err(Some(late)) => result.and(Err(ApiError::Late(late))),
            _ => result,
        };
        let outcomes: Vec<Receipt> = signers.iter().flat_map(|signer| signer.take_outcomes()).collect();
        let event = match &result {
            // A refusal before any use of the key is no failure of a signature.
            Err(error) if !signers.iter().any(|signer| signer.was_asked()) => {
                refusal(grant.client(), &grant.worker().name, request_id, error)
            }
            other => completion(grant, request_id, other, signers.iter().any(|signer| signer.may_have_signed())),
        };
        // Nothing is sent before every outcome and the end of the request are durable.
        let last = self.audit.submit(vec![event]);
        outcomes.into_iter().try_for_each(Receipt::wait)?;
        last.wait()?;
        result
    }

    fn augment(
        &self,
        grant: &Grant,
        request_id: RequestId,
        request: &AugmentationRequest,
        deadline: Instant,
        ending: &Ending,
    ) -> Result<Completed, ApiError> {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let worker = workers::kind::build(worker_config(grant)?);
            let timestamps = self.timestamps(worker.config(), grant.client(), request_id);
            let environment = AugmentationEnvironment {
                clock: &SystemClock,
                timestamps: timestamps.as_deref(),
                revocation: Some(self.trust.revocation()),
                deadline,
                level: worker.config().level(),
            };
            let documents = vec![worker.augment(request, &environment)?];
            Ok(Completed { documents, credential: None, picture: None })
        }));
        let result = result.unwrap_or_else(|_| Err(ApiError::Internal("the worker panicked".into())));
        let result = match ending.claim(None) {
            Err(Some(late)) => result.and(Err(ApiError::Late(late))),
            _ => result,
        };
        let event = match &result {
            Err(error) => refusal(grant.client(), &grant.worker().name, request_id, error),
            Ok(_) => completion(grant, request_id, &result, false),
        };
        self.audit.submit(vec![event]).wait()?;
        result
    }

    /// Everything that can be refused before the document is looked at.
    pub(crate) fn prepare(
        &self,
        worker: &WorkerRecord,
        record: Option<CredentialRecord>,
        deadline: Instant,
    ) -> Result<PreparedRequest, ApiError> {
        let config = definition(worker)?;
        let record = record.ok_or_else(|| {
            ApiError::Misconfigured(format!(
                "worker \"{}\" names credential \"{}\", which does not exist",
                config.name(),
                config.credential()
            ))
        })?;
        refuse_unauthorized(&record)?;
        let credential = active_credential(&record)?;
        let algorithm = config
            .algorithm(record.spec)
            .map_err(|error| ApiError::Misconfigured(format!("worker \"{}\": {error}", config.name())))?;
        if config.qualified().is_some() {
            let missing = administration::qualified::missing_for_eseal(&self.node, &record);
            if !missing.is_empty() {
                return Err(ApiError::NotQualified { missing });
            }
        }
        // Before the token is asked: what the certificate forbids is no matter of the device.
        workers::policy::check(config.kind(), &credential, time::OffsetDateTime::now_utc())?;
        self.trust.check_status(&self.node, &config, &credential, deadline)?;
        let qualified = config.qualified().is_some();
        Ok(PreparedRequest { worker: workers::kind::build(config), credential, record, algorithm, qualified })
    }

    /// Where a worker's timestamps come from.
    fn timestamps<'a>(
        &'a self,
        config: &'a WorkerConfig,
        client: &'a str,
        request_id: RequestId,
    ) -> Option<Box<dyn TimestampSource + 'a>> {
        let timestamp = config.timestamp()?;
        Some(match timestamp.source() {
            TimestampOrigin::Worker(name) => {
                Box::new(LocalTsa::new(self, name, timestamp.policy(), client, request_id))
            }
            TimestampOrigin::Authorities { urls, account } => Box::new(TimestampClient {
                fetcher: self.trust.fetcher(),
                urls,
                account: account.as_deref(),
                policy: timestamp.policy(),
                trust_anchors: config.trust_anchors(),
                issuers: self.trust.revocation(),
            }),
        })
    }

    /// The key, for one document of this client.
    pub(crate) fn lend(
        &self,
        prepared: &PreparedRequest,
        client: &str,
        worker: &WorkerRecord,
        request_id: RequestId,
        request: &SigningRequest,
    ) -> Result<ReplicatedSigner, ApiError> {
        let context = SigningContext {
            request_id: request_id.uuid(),
            key_use: KeyUse::Request,
            client: client.to_owned(),
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

/// A worker with its credential, which may sign now.
pub(crate) struct PreparedRequest {
    pub(crate) worker: Box<dyn Worker>,
    pub(crate) credential: Credential,
    record: CredentialRecord,
    algorithm: cryptotoken_api::SignatureAlgorithm,
    qualified: bool,
}

/// The definition behind a grant.
///
/// # Errors
/// [`ApiError::Misconfigured`] when this version does not understand it.
pub(crate) fn worker_config(grant: &Grant) -> Result<WorkerConfig, ApiError> {
    definition(grant.worker())
}

/// A worker's definition.
///
/// # Errors
/// As [`worker_config`].
pub(crate) fn definition(record: &WorkerRecord) -> Result<WorkerConfig, ApiError> {
    WorkerConfig::parse(&record.definition)
        .map_err(|error| ApiError::Misconfigured(format!("worker \"{}\": {error}", record.name)))
}

/// Says of a credential that waits for the authorisation of its key what is to be done.
fn refuse_unauthorized(record: &CredentialRecord) -> Result<(), ApiError> {
    match record.locations.first() {
        Some(location) if record.state == CredentialState::AwaitingAuthorization => {
            let reason = administration::authorization::awaiting(record, location);
            Err(WorkerError::from(SignerError::NotPermitted { reason }).into())
        }
        _ => Ok(()),
    }
}

/// The credential of a record that has a certificate.
pub(crate) fn active_credential(record: &CredentialRecord) -> Result<Credential, ApiError> {
    let not_active = |state| ApiError::Worker(WorkerError::CredentialNotActive { name: record.name.clone(), state });
    if record.chain.is_empty() {
        let without =
            |state| if state == CredentialState::Active { CredentialState::AwaitingCertificate } else { state };
        return Err(not_active(without(record.state)));
    }
    let chain = CertificateChain::from_ders(&record.chain)
        .map_err(|error| ApiError::Misconfigured(format!("credential \"{}\": {error}", record.name)))?;
    Ok(Credential { name: record.name.clone(), purpose: record.purpose, state: record.state, chain })
}

fn document_sha256(content: &DocumentContent) -> Option<String> {
    match content {
        DocumentContent::Memory(octets) => Some(hex::encode(openssl::sha::sha256(octets))),
        // Computed while it came.
        DocumentContent::Spooled(document) => document.digest(DigestAlgorithm::Sha256).ok().map(hex::encode),
        DocumentContent::Digest(digest) if digest.algorithm() == DigestAlgorithm::Sha256 => {
            Some(hex::encode(digest.digest()))
        }
        DocumentContent::Digest(_) => None,
    }
}

fn completion(
    grant: &Grant,
    request_id: RequestId,
    result: &Result<Completed, ApiError>,
    may_have_signed: bool,
) -> AuditEvent {
    let level = result.as_ref().ok().and_then(Completed::level);
    AuditEvent::RequestCompleted {
        request_id: request_id.uuid(),
        client: grant.client().to_owned(),
        worker: grant.worker().name.clone(),
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
        (None, _) => Some("a signature that was there was augmented; no key was used".into()),
        (Some(_), Some(outage)) => Some(legible(&format!("degraded: {outage}"), 1000)),
        (Some(_), None) => None,
    }
}

fn refusal(client: &str, worker: &str, request_id: RequestId, error: &ApiError) -> AuditEvent {
    AuditEvent::RequestRefused {
        request_id: request_id.uuid(),
        client: client.to_owned(),
        // As the caller wrote it, who may have made it up.
        worker: legible(worker, WORKER_NAME),
        problem: error.problem().1.to_owned(),
        detail: error.causes(),
    }
}
