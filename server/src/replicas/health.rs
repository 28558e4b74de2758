//! What a process knows of its replicas: requests in flight on each token, a breaker for each replica, and which credentials have any.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use administration::replica::Availability;
use administration::{AdministrationError, Node};
use cryptotoken_api::{CryptoToken, SignatureValue, SignerError, TokenState, TokenStatus};
use serde::Serialize;
use store::KeyPlaces;
use utoipa::ToSchema;

use crate::replicas::breaker::{Breaker, Verdict};

/// Shared by all requests of a process.
#[derive(Debug, Default)]
pub(crate) struct ReplicaHealth(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    in_flight: HashMap<String, usize>,
    credentials: HashMap<String, Group>,
    /// Credentials with several replicas.
    replicated: Vec<KeyPlaces>,
    /// Tokens that hold the only key of a credential.
    alone: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Group {
    turn: usize,
    breakers: HashMap<String, Breaker>,
}

/// A replica that a request could use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    /// Its place in the list of the request.
    pub(crate) index: usize,
    /// Name of its token.
    pub(crate) token: &'a str,
    /// Sessions that the token has at most.
    pub(crate) sessions: usize,
}

/// Readiness of a credential with several replicas.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CredentialReadiness {
    /// Its name.
    name: String,
    /// `ready`, `degraded` (at least one replica can be used, and at least one cannot) or `unavailable`.
    state: String,
    /// One each.
    replicas: Vec<ReplicaReadiness>,
}

/// Readiness of one replica.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplicaReadiness {
    /// Name of its token.
    token: String,
    /// `ready`; `failing` (it failed again and again and is left alone for a while) or `on-trial` (one request tries it); else the token's
    /// state, or `unknown` where this node has no such token.
    state: String,
}

impl ReplicaHealth {
    /// Chooses the replica with the least load for its sessions, in turn among equals, and counts the request. A replica whose breaker
    /// is open comes last: it is better than none. A credential that is not `replicated` has nothing to choose from and no breaker.
    pub(crate) fn choose(
        self: &Arc<Self>,
        credential: &str,
        replicated: bool,
        candidates: &[Candidate<'_>],
        now: Instant,
    ) -> Option<(usize, Lease)> {
        let mut known = self.lock();
        let Known { in_flight, credentials, .. } = &mut *known;
        let mut alone = Group::default();
        let group = if replicated { credentials.entry(credential.to_owned()).or_default() } else { &mut alone };
        let rank = |position: usize, candidate: &Candidate<'_>| {
            let left_alone = group.breakers.get(candidate.token).is_some_and(|breaker| !breaker.permits(now));
            let requests = in_flight.get(candidate.token).copied().unwrap_or_default();
            let load = requests as f64 / candidate.sessions.max(1) as f64;
            let turn = (position + candidates.len() - group.turn % candidates.len()) % candidates.len();
            (left_alone, load, turn)
        };
        let ranked = candidates.iter().enumerate().map(|(position, candidate)| (rank(position, candidate), candidate));
        let (_, best) = ranked.min_by(|((alone, load, turn), _), ((other_alone, other_load, other_turn), _)| {
            alone.cmp(other_alone).then(load.total_cmp(other_load)).then(turn.cmp(other_turn))
        })?;
        group.turn = group.turn.wrapping_add(1);
        group.breakers.entry(best.token.to_owned()).or_default().begin(now);
        *in_flight.entry(best.token.to_owned()).or_default() += 1;
        let (credential, token) = (credential.to_owned(), best.token.to_owned());
        Some((best.index, Lease { health: Arc::clone(self), credential, token, ended: false }))
    }

    /// A call hangs in the library of this replica's token, and its caller was told so.
    pub(crate) fn hung(&self, credential: &str, token: &str) {
        self.lock().change(credential, token, |breaker| breaker.failed(Instant::now(), chance()));
    }

    /// Learns which credentials have replicas now, and shows their state in the metrics.
    ///
    /// # Errors
    /// [`AdministrationError::Store`]; what was known stays.
    pub(crate) fn follow(&self, node: &Node) -> Result<(), AdministrationError> {
        let places = node.runtime().block_on(node.store().key_places())?;
        let (replicated, single): (Vec<_>, Vec<_>) = places.into_iter().partition(|place| place.tokens.len() > 1);
        let statuses: Vec<TokenStatus> = node.tokens().map(|token| token.status()).collect();
        let mut known = self.lock();
        for (credential, token) in known.replicas() {
            if !replicated.iter().any(|place| place.credential == credential && place.tokens.iter().any(|t| t == token))
            {
                // It was removed, and a gauge cannot be taken back.
                gauge(credential, token).set(f64::NAN);
            }
        }
        known.alone = single.into_iter().flat_map(|place| place.tokens).collect();
        known.credentials.retain(|name, _| replicated.iter().any(|place| place.credential == *name));
        known.replicated = replicated;
        for (credential, token) in known.replicas() {
            let usable = known.replica_state(credential, token, &statuses) == READY;
            gauge(credential, token).set(if usable { 1.0 } else { 0.0 });
        }
        Ok(())
    }

    /// The state of each credential with replicas, and whether all credentials can sign as far as tokens and replicas go.
    pub(crate) fn readiness(&self, statuses: &[TokenStatus]) -> (Vec<CredentialReadiness>, bool) {
        let known = self.lock();
        let credentials: Vec<CredentialReadiness> =
            known.replicated.iter().map(|place| known.credential(place, statuses)).collect();
        // A token that is away is borne where it holds replicas only, and each has another one that can be used.
        let borne = |status: &TokenStatus| {
            known.replicated.iter().any(|place| place.tokens.contains(&status.name))
                && !known.alone.contains(&status.name)
        };
        let ready = statuses.iter().all(|status| status.state == TokenState::Ready || borne(status))
            && credentials.iter().all(|credential| credential.state != Availability::Unavailable.name());
        (credentials, ready)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gauge(credential: &str, token: &str) -> metrics::Gauge {
    metrics::gauge!("sigillo_replica_usable", "credential" => credential.to_owned(), "token" => token.to_owned())
}

impl Known {
    fn replicas(&self) -> impl Iterator<Item = (&str, &str)> {
        self.replicated
            .iter()
            .flat_map(|place| place.tokens.iter().map(|token| (place.credential.as_str(), token.as_str())))
    }

    fn credential(&self, place: &KeyPlaces, statuses: &[TokenStatus]) -> CredentialReadiness {
        let state = |token: &String| self.replica_state(&place.credential, token, statuses);
        CredentialReadiness {
            name: place.credential.clone(),
            state: Availability::of(place.tokens.iter().map(|token| state(token) == READY)).name().to_owned(),
            replicas: place
                .tokens
                .iter()
                .map(|token| ReplicaReadiness { token: token.clone(), state: state(token).to_owned() })
                .collect(),
        }
    }

    fn replica_state(&self, credential: &str, token: &str, statuses: &[TokenStatus]) -> &'static str {
        match statuses.iter().find(|status| status.name == token) {
            None => "unknown",
            Some(status) if status.state != TokenState::Ready => status.state.name(),
            Some(_) => match self.verdict(credential, token) {
                Verdict::Closed => READY,
                Verdict::Open => "failing",
                Verdict::HalfOpen => "on-trial",
            },
        }
    }

    fn change(&mut self, credential: &str, token: &str, change: impl FnOnce(&mut Breaker)) {
        let group = self.credentials.get_mut(credential);
        let Some(breaker) = group.and_then(|group| group.breakers.get_mut(token)) else { return };
        let before = breaker.verdict();
        change(breaker);
        match breaker.verdict() {
            Verdict::Open if before == Verdict::Closed => tracing::warn!(
                credential.name = credential,
                token.name = token,
                "the replica of credential \"{credential}\" on token \"{token}\" fails and is left alone for a while"
            ),
            Verdict::Closed if before != Verdict::Closed => tracing::info!(
                credential.name = credential,
                token.name = token,
                "the replica of credential \"{credential}\" on token \"{token}\" is used again"
            ),
            _ => {}
        }
    }

    fn verdict(&self, credential: &str, token: &str) -> Verdict {
        let breaker = self.credentials.get(credential).and_then(|group| group.breakers.get(token));
        breaker.map_or(Verdict::Closed, Breaker::verdict)
    }
}

/// From 0 to 1.
fn chance() -> f64 {
    (RandomState::new().build_hasher().finish() % 256) as f64 / 255.0
}

const READY: &str = TokenState::Ready.name();

/// One use of a replica, counted until it is gone.
#[derive(Debug)]
pub(crate) struct Lease {
    health: Arc<ReplicaHealth>,
    credential: String,
    token: String,
    ended: bool,
}

impl Lease {
    /// Tells how the use ended.
    pub(crate) fn end(mut self, result: &Result<SignatureValue, SignerError>) {
        self.ended = true;
        let now = Instant::now();
        self.health.lock().change(&self.credential, &self.token, |breaker| match result {
            Ok(_) => breaker.succeeded(),
            // A token that is busy works, and so does one that waits for an authorised person.
            Err(SignerError::Busy { .. } | SignerError::NotAuthorized { .. }) => breaker.undecided(now),
            Err(error) if error.is_of_the_device() => breaker.failed(now, chance()),
            Err(_) => breaker.undecided(now),
        });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.ended {
            self.health.lock().change(&self.credential, &self.token, |breaker| breaker.undecided(Instant::now()));
        }
        if let Some(requests) = self.health.lock().in_flight.get_mut(&self.token) {
            *requests = requests.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
