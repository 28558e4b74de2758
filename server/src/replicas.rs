//! Replicas as one signer: a `Signer` over the recorded signers of one key on several tokens.
//!
//! The replica with the least load is asked; where its device fails, the next one, as long as there is time. Each is asked once, with an
//! intent of its own that names it, and the last one once more where it failed in the middle of a signature (as with a single token). An
//! error of the request is the same on every token and goes back at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use administration::{Node, authorization, qualified};
use cryptotoken_api::{
    CryptoToken, KeyLocation, SignatureAlgorithm, SignatureValue, Signer, SignerError, ToBeSigned, TokenState,
};
use store::{AuditLog, AuditedSigner, CredentialRecord, Receipt, SigningContext, StoreError};
use workers::WorkerError;

use crate::error::ApiError;
use crate::replicas::health::{Candidate, Lease, ReplicaHealth};

mod breaker;
pub(crate) mod health;
#[cfg(test)]
mod tests;

/// The replicas of a credential's key that can be asked now, lent for one document.
pub(crate) struct ReplicatedSigner<S = AuditedSigner> {
    credential: String,
    /// Whether the credential has several replicas, also those that cannot be asked now.
    replicated: bool,
    algorithm: SignatureAlgorithm,
    replicas: Vec<Replica<S>>,
    health: Arc<ReplicaHealth>,
    /// The caller was told that a call hangs: what comes back now is for nobody, and nobody else is asked.
    given_up: AtomicBool,
}

/// One of them. Its signer makes one attempt at each call.
struct Replica<S> {
    token: String,
    sessions: usize,
    signer: S,
}

/// What replicas are lent from.
pub(crate) struct Lender<'a> {
    pub(crate) node: &'a Node,
    pub(crate) audit: &'a AuditLog,
    pub(crate) health: &'a Arc<ReplicaHealth>,
}

impl Lender<'_> {
    /// Lends the replicas of a credential whose tokens are there; where none is, each token is asked whether it is back. With
    /// `for_qualified_seals` only those that pass the gate.
    ///
    /// # Errors
    /// [`ApiError`] of the first token when none can be asked.
    pub(crate) fn lend(
        &self,
        record: &CredentialRecord,
        algorithm: SignatureAlgorithm,
        for_qualified_seals: bool,
        context: &SigningContext,
    ) -> Result<ReplicatedSigner, ApiError> {
        let misconfigured =
            |reason: String| ApiError::Misconfigured(format!("credential \"{}\" {reason}", record.name));
        let (mut replicas, mut refused) = (Vec::new(), None);
        for location in self.reachable(record) {
            let missing = match for_qualified_seals && record.locations.len() > 1 {
                true => qualified::missing_at(self.node, record, location),
                false => Vec::new(),
            };
            let lent = if missing.is_empty() {
                self.replica(record, location, algorithm, context)
            } else {
                Err(ApiError::NotQualified { missing })
            };
            match lent {
                Ok(replica) => replicas.push(replica),
                // Whatever it is that keeps this one away, another one may be there.
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if replicas.is_empty() {
            return Err(refused.unwrap_or_else(|| misconfigured("has no key".to_owned())));
        }
        if let Some(error) = refused {
            tracing::warn!(
                credential.name = record.name,
                "a replica of credential \"{}\" is not used: {}",
                record.name,
                error.causes()
            );
        }
        Ok(ReplicatedSigner {
            credential: record.name.clone(),
            replicated: record.locations.len() > 1,
            algorithm,
            replicas,
            health: Arc::clone(self.health),
            given_up: AtomicBool::new(false),
        })
    }

    /// The locations whose tokens are ready, or all where none is: a token that is away says so without being waited for.
    fn reachable<'a>(&self, record: &'a CredentialRecord) -> Vec<&'a KeyLocation> {
        let ready = |location: &&KeyLocation| {
            self.node.token(&location.token).is_ok_and(|token| token.status().state == TokenState::Ready)
        };
        let several = record.locations.len() > 1;
        let reachable: Vec<_> = if several { record.locations.iter().filter(ready).collect() } else { Vec::new() };
        if reachable.is_empty() { record.locations.iter().collect() } else { reachable }
    }

    fn replica(
        &self,
        record: &CredentialRecord,
        location: &KeyLocation,
        algorithm: SignatureAlgorithm,
        context: &SigningContext,
    ) -> Result<Replica<AuditedSigner>, ApiError> {
        let token = self
            .node
            .token(&location.token)
            .map_err(|error| ApiError::Misconfigured(format!("credential \"{}\": {error}", record.name)))?;
        let inner = token.signer(location, record.spec, algorithm).map_err(WorkerError::from)?;
        let inner = authorization::renewing(self.node, token, location, inner)
            .map_err(|error| ApiError::Misconfigured(format!("credential \"{}\": {error}", record.name)))?;
        let sessions = if record.locations.len() > 1 { token.status().sessions.1 } else { 1 };
        let context = SigningContext { location: Some(location.clone()), ..context.clone() };
        let signer = self.audit.signer(inner, context).without_retry();
        Ok(Replica { token: location.token.clone(), sessions, signer })
    }
}

impl ReplicatedSigner {
    /// Receipts of the outcomes so far that nobody has waited for.
    pub(crate) fn take_outcomes(&self) -> Vec<Receipt> {
        self.replicas.iter().flat_map(|replica| replica.signer.take_outcomes()).collect()
    }

    /// Waits until all outcomes so far are durable; blocks.
    ///
    /// # Errors
    /// As [`AuditedSigner::settle`].
    pub(crate) fn settle(&self) -> Result<(), StoreError> {
        self.replicas.iter().try_for_each(|replica| replica.signer.settle())
    }

    /// Whether there was an attempt at the key, whatever came of it.
    pub(crate) fn was_asked(&self) -> bool {
        self.replicas.iter().any(|replica| replica.signer.was_asked())
    }

    /// Whether the outcome of an attempt is a signature, or unknown.
    pub(crate) fn may_have_signed(&self) -> bool {
        self.replicas.iter().any(|replica| replica.signer.may_have_signed())
    }
}

impl<S: Signer> Signer for ReplicatedSigner<S> {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// As the signers inside: the error is that of the last one asked, unless that one has no key and another one may come back.
    fn sign(&self, to_be_signed: ToBeSigned<'_>, deadline: Instant) -> Result<SignatureValue, SignerError> {
        let mut left: Vec<Candidate<'_>> = self.candidates();
        let mut failure = None;
        while let Some((index, lease)) = self.choose(&left) {
            left.retain(|candidate| candidate.index != index);
            let Some(replica) = self.replicas.get(index) else { continue };
            let mut result = replica.signer.sign(to_be_signed, share(deadline, left.len()));
            // One attempt more than there are replicas, and only where nobody knows whether the last one signed.
            if left.is_empty() && matches!(result, Err(SignerError::TokenFailed { .. })) && self.goes_on(deadline) {
                tracing::warn!(token.name = replica.token, "token \"{}\" failed and is asked once more", replica.token);
                result = replica.signer.sign(to_be_signed, deadline);
            }
            lease.end(&result);
            match result {
                Ok(value) => {
                    metrics::counter!("sigillo_signatures_total", "token" => replica.token.clone()).increment(1);
                    return Ok(value);
                }
                Err(error) if error.is_of_the_device() && !left.is_empty() && self.goes_on(deadline) => {
                    metrics::counter!("sigillo_failovers_total", "token" => replica.token.clone()).increment(1);
                    tracing::warn!(
                        credential.name = self.credential,
                        token.name = replica.token,
                        "token \"{}\" did not sign for credential \"{}\", another one is asked: {error}",
                        replica.token,
                        self.credential
                    );
                    failure = Some(error);
                }
                Err(SignerError::KeyNotFound { .. }) if failure.is_some() => break,
                Err(error) => return Err(error),
            }
        }
        Err(failure.unwrap_or_else(|| SignerError::NotPermitted {
            reason: format!("credential \"{}\" has no key", self.credential),
        }))
    }

    /// As the signer that is asked now; what hangs counts against its replica although it never ends.
    fn overdue(&self) -> Option<Duration> {
        let overdue = |replica: &Replica<S>| Some((replica.token.clone(), replica.signer.overdue()?));
        let (token, patience) = self.replicas.iter().find_map(overdue)?;
        self.given_up.store(true, Ordering::Release);
        self.health.hung(&self.credential, &token);
        Some(patience)
    }

    fn settle(&self) -> Result<(), SignerError> {
        self.replicas.iter().try_for_each(|replica| Signer::settle(&replica.signer))
    }
}

impl<S> ReplicatedSigner<S> {
    /// Whether somebody still waits for a signature.
    fn goes_on(&self, deadline: Instant) -> bool {
        Instant::now() < deadline && !self.given_up.load(Ordering::Acquire)
    }

    fn choose(&self, left: &[Candidate<'_>]) -> Option<(usize, Lease)> {
        self.health.choose(&self.credential, self.replicated, left, Instant::now())
    }

    fn candidates(&self) -> Vec<Candidate<'_>> {
        let replicas = self.replicas.iter().enumerate();
        replicas
            .map(|(index, replica)| Candidate { index, token: &replica.token, sessions: replica.sessions })
            .collect()
    }
}

/// The time that a replica gets: an equal part of what is left, so that one that keeps everybody waiting leaves time for the others.
fn share(deadline: Instant, others: usize) -> Instant {
    if others == 0 {
        return deadline;
    }
    let left = deadline.saturating_duration_since(Instant::now());
    Instant::now() + left / u32::try_from(others + 1).unwrap_or(u32::MAX)
}
