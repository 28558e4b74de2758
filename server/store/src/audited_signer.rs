//! A signer that records: no durable intent, no signature (promise 1).
//!
//! The only signer that requests, self-tests and certification requests get to see. It waits for the intent before the key is used;
//! the outcome is handed to the writer at once, and [`AuditedSigner::settle`] or [`AuditedSigner::complete`] waits for it before
//! anything that rests on the signature leaves the service.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cryptotoken_api::{KeyLocation, SignatureAlgorithm, SignatureValue, Signer, SignerError, ToBeSigned};
use uuid::Uuid;

use crate::audit::{AuditEvent, AuditLog, KeyUse, Receipt, SigningIntended};
use crate::error::StoreError;

/// Whose request a signature serves; what the intent says beside algorithm and data.
#[derive(Clone, Debug)]
pub struct SigningContext {
    /// The request; a new one for self-tests and certification requests.
    pub request_id: Uuid,
    /// Why the key is used.
    pub key_use: KeyUse,
    /// Name of the client or administrator.
    pub client: String,
    /// Name of the worker; `-` where there is none.
    pub worker: String,
    /// Version of the worker's definition; 0 where there is none.
    pub worker_version: i64,
    /// Name of the credential.
    pub credential: String,
    /// SHA-256 of the signing certificate in hexadecimal, where there is one.
    pub certificate_sha256: Option<String>,
    /// SHA-256 of the document in hexadecimal, where the document is known.
    pub document_sha256: Option<String>,
    /// Where the key is that is asked, as a credential may have several replicas.
    pub location: Option<KeyLocation>,
}

impl SigningContext {
    /// The context of a self-test or certification request, which no worker stands behind.
    #[must_use]
    pub fn without_worker(key_use: KeyUse, actor: impl Into<String>, credential: impl Into<String>) -> Self {
        Self {
            request_id: Uuid::now_v7(),
            key_use,
            client: actor.into(),
            worker: "-".to_owned(),
            worker_version: 0,
            credential: credential.into(),
            certificate_sha256: None,
            document_sha256: None,
            location: None,
        }
    }
}

/// One key with one algorithm, lent for one request, every attempt recorded.
pub struct AuditedSigner {
    log: AuditLog,
    inner: Box<dyn Signer>,
    context: SigningContext,
    retries: bool,
    outcomes: Mutex<Vec<Receipt>>,
    asked: AtomicBool,
    may_have_signed: AtomicBool,
}

impl AuditedSigner {
    pub(crate) const fn new(log: AuditLog, inner: Box<dyn Signer>, context: SigningContext) -> Self {
        Self {
            log,
            inner,
            context,
            retries: true,
            outcomes: Mutex::new(Vec::new()),
            asked: AtomicBool::new(false),
            may_have_signed: AtomicBool::new(false),
        }
    }

    /// The same signer, for a caller that decides itself who is asked after a failure: each call is one attempt.
    #[must_use]
    pub fn without_retry(self) -> Self {
        Self { retries: false, ..self }
    }

    /// Receipts of the outcomes so far that nobody has waited for.
    pub fn take_outcomes(&self) -> Vec<Receipt> {
        std::mem::take(&mut self.outcomes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there was an attempt at the key, whatever came of it.
    pub fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Whether the outcome of an attempt is a signature, or unknown.
    pub fn may_have_signed(&self) -> bool {
        self.may_have_signed.load(Ordering::Acquire)
    }

    /// Waits until all outcomes so far are durable; blocks.
    ///
    /// # Errors
    /// As [`Receipt::wait`]. The signatures must not leave the service then.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.take_outcomes().into_iter().try_for_each(Receipt::wait)
    }

    /// Submits the last record of the request and waits once, for it and for all outcomes; blocks.
    ///
    /// # Errors
    /// As [`Receipt::wait`]. The signatures must not leave the service then.
    pub fn complete(&self, completed: AuditEvent) -> Result<(), StoreError> {
        let last = self.log.submit(vec![completed]);
        // Each is waited for: the group of an outcome may have failed where a later one succeeded.
        self.settle()?;
        last.wait()
    }

    fn intent(&self, attempt: Uuid, to_be_signed: ToBeSigned<'_>) -> SigningIntended {
        let representation = to_be_signed.representation(self.inner.algorithm().digest());
        let context = self.context.clone();
        SigningIntended {
            attempt,
            request_id: context.request_id,
            key_use: context.key_use,
            client: context.client,
            worker: context.worker,
            worker_version: context.worker_version,
            credential: context.credential,
            certificate_sha256: context.certificate_sha256,
            algorithm: self.inner.algorithm().to_string(),
            document_sha256: context.document_sha256,
            location: context.location,
            dtbsr_digest_algorithm: representation.algorithm().to_string(),
            dtbsr: hex::encode(representation.digest()),
        }
    }

    fn outcome(&self, attempt: Uuid, result: &Result<SignatureValue, SignerError>) -> AuditEvent {
        let request_id = self.context.request_id;
        match result {
            Ok(value) => AuditEvent::SignatureCreated {
                attempt,
                request_id,
                signature_sha256: hex::encode(openssl::sha::sha256(value.as_bytes())),
            },
            // The device may have signed, or still sign, although nobody gets the value.
            Err(error @ (SignerError::TokenFailed { .. } | SignerError::DeadlineExceeded { .. })) => {
                AuditEvent::OutcomeUnknown { attempt, request_id, reason: error.to_string() }
            }
            Err(error) => AuditEvent::SigningFailed { attempt, request_id, reason: error.to_string() },
        }
    }
}

impl Signer for AuditedSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }

    /// As the signer inside, with two more errors: [`SignerError::NotPermitted`] when the credential may not be used, and
    /// [`SignerError::NotRecorded`] when the intent is not durable. The key was not used then.
    ///
    /// Where the token failed in the middle of a signature and there is time left, it is asked once more (see
    /// [`AuditedSigner::without_retry`]). The first signature may have
    /// been made, so the second attempt has an intent and an outcome of its own, and both count as uses of the key.
    fn sign(&self, to_be_signed: ToBeSigned<'_>, deadline: Instant) -> Result<SignatureValue, SignerError> {
        match self.attempt(to_be_signed, deadline) {
            Err(SignerError::TokenFailed { reason, .. }) if self.retries && Instant::now() < deadline => {
                tracing::warn!(request.id = %self.context.request_id, "the token failed and is asked once more: {reason}");
                self.attempt(to_be_signed, deadline)
            }
            result => result,
        }
    }

    fn overdue(&self) -> Option<Duration> {
        self.inner.overdue()
    }

    fn settle(&self) -> Result<(), SignerError> {
        Self::settle(self).map_err(|error| SignerError::NotRecorded(Box::new(error)))
    }
}

impl AuditedSigner {
    fn attempt(&self, to_be_signed: ToBeSigned<'_>, deadline: Instant) -> Result<SignatureValue, SignerError> {
        let attempt = Uuid::now_v7();
        let intent = self.intent(attempt, to_be_signed);
        self.log.submit(vec![AuditEvent::SigningIntended(intent)]).wait().map_err(|error| {
            if let StoreError::KeyNotAuthorized { token, alias, .. } = &error {
                let (text, key) = (error.to_string(), format!("key \"{alias}\" on token \"{token}\" "));
                let next =
                    text.strip_prefix(&key).unwrap_or(&text).trim_start_matches("is not authorised; ").to_owned();
                SignerError::NotAuthorized { token: token.clone(), key: alias.clone(), next }
            } else if error.is_refusal() {
                SignerError::NotPermitted { reason: error.to_string() }
            } else {
                SignerError::NotRecorded(Box::new(error))
            }
        })?;
        let mut open = OpenIntent { signer: self, attempt, outcome: None };
        let result = self.inner.sign(to_be_signed, deadline);
        open.outcome = Some(self.outcome(attempt, &result));
        result
    }
}

/// An intent on record. Gone, its outcome is submitted: also when a fault in the library unwinds through here.
struct OpenIntent<'a> {
    signer: &'a AuditedSigner,
    attempt: Uuid,
    outcome: Option<AuditEvent>,
}

impl Drop for OpenIntent<'_> {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| AuditEvent::OutcomeUnknown {
            attempt: self.attempt,
            request_id: self.signer.context.request_id,
            reason: "the signer broke off".to_owned(),
        });
        self.signer.asked.store(true, Ordering::Release);
        if !matches!(outcome, AuditEvent::SigningFailed { .. }) {
            self.signer.may_have_signed.store(true, Ordering::Release);
        }
        let receipt = self.signer.log.submit(vec![outcome]);
        self.signer.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(receipt);
    }
}
