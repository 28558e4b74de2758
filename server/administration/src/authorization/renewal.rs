//! Keys that a restart of the device left without authorisation: authorised again by the first use, once for each key.
//!
//! The service may do that by itself only for what remains of what a person authorised. What remains is known from the database, where
//! each use was counted with its intent. Those who wait here have been counted and have not signed, so they are added; whoever was
//! counted and is not here yet is not, and at the worst needs one more authorisation later. So a key never signs more often than it
//! was authorised for, whatever happens between.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cryptotoken::Pkcs11Token;
use cryptotoken_api::{
    AuthorizationStep, CryptoToken, KeyLocation, PublicKey, SignatureAlgorithm, SignatureValue, Signer, SignerError,
    ToBeSigned, TokenError,
};
use serde_json::json;
use store::{
    AdministrativeAct, AuditEvent, AuditLog, Authorized, KakSource, KeyAuthorizationRecord, Store, StoreError,
};
use tokio::runtime::Handle;

use crate::authorization::kak::{ConfiguredKak, Holder};
use crate::authorization::next_step;
use crate::{Actor, AdministrationError, Node};

/// What this process knows of the authorisation of each key: one gate each, through which one thread at a time goes.
#[derive(Default)]
pub(crate) struct Gates(Mutex<HashMap<(String, String), Arc<Gate>>>);

#[derive(Default)]
struct Gate {
    /// How often the key was authorised here. Held while that is done.
    renewals: Mutex<u64>,
    /// The same, for those who do not wait.
    seen: AtomicU64,
    /// Losses of the device up to the last authorisation; one more than there are where nothing is known.
    trusted: AtomicU64,
    /// Uses of the key under way in this process, and those of them that wait for its authorisation.
    inside: AtomicU64,
    waiting: AtomicU64,
}

/// `trusted` where not even the device as it was found is.
const NEVER: u64 = u64::MAX;

/// How long whoever authorises waits at least, for those whose uses were recorded together with its own, and at most, for those whom
/// the device has not refused yet.
const COMPANY: Duration = Duration::from_millis(30);
const LONGEST_COMPANY: Duration = Duration::from_secs(1);

/// How often one use of a key has it authorised. Twice, since the first authorisation may have been too small for all who wait.
const ATTEMPTS: usize = 2;

impl Gates {
    fn gate(&self, location: &KeyLocation, trusted: u64) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (location.token.clone(), location.id.to_string());
        let new = || Arc::new(Gate { trusted: AtomicU64::new(trusted), ..Gate::default() });
        Arc::clone(gates.entry(key).or_insert_with(new))
    }
}

/// A signer of a key that may need authorisation before it signs; of every other key the signer as it is.
///
/// # Errors
/// [`AdministrationError`] where the KAK's token cannot be used as `sigillo.toml` has it.
pub fn renewing(
    node: &Node,
    token: &Arc<Pkcs11Token>,
    location: &KeyLocation,
    inner: Box<dyn Signer>,
) -> Result<Box<dyn Signer>, AdministrationError> {
    let Some(authorizer) = token.key_authorizer() else { return Ok(inner) };
    let trusted = if authorizer.recognizes_unauthorized() { authorizer.losses() } else { NEVER };
    Ok(Box::new(RenewingSigner {
        gate: node.gates().gate(location, trusted),
        kak: ConfiguredKak::of(node, token)?,
        store: node.store().clone(),
        audit: node.audit()?.clone(),
        runtime: node.runtime().clone(),
        token: Arc::clone(token),
        location: location.clone(),
        inner,
    }))
}

struct RenewingSigner {
    inner: Box<dyn Signer>,
    gate: Arc<Gate>,
    kak: Option<ConfiguredKak>,
    token: Arc<Pkcs11Token>,
    location: KeyLocation,
    store: Store,
    audit: AuditLog,
    runtime: Handle,
}

impl Signer for RenewingSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }

    fn sign(&self, to_be_signed: ToBeSigned<'_>, deadline: Instant) -> Result<SignatureValue, SignerError> {
        let _inside = Counted::enter(&self.gate.inside);
        let mut seen = self.gate.seen.load(Ordering::Acquire);
        if self.kak.is_some() && self.is_doubtful() {
            self.renew(seen, true, deadline)?;
        }
        for _ in 0..ATTEMPTS {
            seen = self.gate.seen.load(Ordering::Acquire);
            match self.inner.sign(to_be_signed, deadline) {
                Err(SignerError::NotAuthorized { .. }) => self.renew(seen, false, deadline)?,
                // The device was lost meanwhile, and nobody said how it puts this refusal.
                Err(SignerError::NotPermitted { .. }) if self.kak.is_some() && self.is_doubtful() => {
                    self.renew(seen, true, deadline)?;
                }
                answer => return answer,
            }
        }
        match self.inner.sign(to_be_signed, deadline) {
            Err(SignerError::NotAuthorized { .. }) => {
                Err(self.give_up("the device does not let it sign although it was just authorised"))
            }
            answer => answer,
        }
    }

    fn overdue(&self) -> Option<Duration> {
        self.inner.overdue()
    }

    fn settle(&self) -> Result<(), SignerError> {
        self.inner.settle()
    }
}

impl RenewingSigner {
    /// Whether the device was lost since the key was last authorised: if it was started anew, the key is not authorised.
    fn is_doubtful(&self) -> bool {
        let losses = self.token.key_authorizer().map_or(0, cryptotoken_api::KeyAuthorizer::losses);
        self.gate.trusted.load(Ordering::Acquire) != losses
    }

    /// Authorises the key for what remains, unless another thread has since `seen`. Where it is only in doubt whether that is needed, and
    /// it cannot be done from here, the device decides.
    fn renew(&self, seen: u64, in_doubt: bool, deadline: Instant) -> Result<(), SignerError> {
        let _waiting = Counted::enter(&self.gate.waiting);
        let mut renewals = self.gate.renewals.lock().unwrap_or_else(PoisonError::into_inner);
        if *renewals != seen || (in_doubt && !self.is_doubtful()) {
            return Ok(());
        }
        let authorizer = self.token.key_authorizer();
        let losses = authorizer.map_or(0, cryptotoken_api::KeyAuthorizer::losses);
        let record = self.runtime.block_on(self.store.key_authorization(&self.location)).map_err(not_recorded)?;
        let holder = match (&self.kak, &record) {
            (Some(kak), Some(record)) => self.holder(kak, record)?,
            _ => Err("the device does not let it sign".to_owned()),
        };
        let (record, holder) = match (record, holder) {
            (Some(record), Ok(holder)) => (record, holder),
            (_, Err(reason)) if in_doubt => {
                let KeyLocation { token, alias, .. } = &self.location;
                tracing::warn!(token.name = token, key.alias = %alias, "key \"{alias}\" on token \"{token}\" is not authorised again: {reason}");
                self.gate.trusted.store(losses, Ordering::Release);
                return Ok(());
            }
            (_, Err(reason)) => return Err(self.give_up(&reason)),
            (None, Ok(_)) => return Err(self.not_authorized()),
        };
        // Whoever connects again is among those who wait in a moment.
        self.token.probe().map_err(|error| self.unavailable(&error))?;
        let count = self.count(record.credential.as_str(), deadline)?;
        self.authorize(&holder, &record, count, deadline)?;
        *renewals += 1;
        self.gate.seen.store(*renewals, Ordering::Release);
        self.gate.trusted.store(losses, Ordering::Release);
        Ok(())
    }

    /// What remains, with those who wait for it, once all uses on record wait here: no key signs that is not authorised, so each of them
    /// is refused soon. Those who are late are left out.
    fn count(&self, credential: &str, deadline: Instant) -> Result<Option<u64>, SignerError> {
        let until = deadline.min(Instant::now() + LONGEST_COMPANY);
        let mut before = self.authorized(credential)?;
        loop {
            std::thread::sleep(COMPANY.min(until.saturating_duration_since(Instant::now())));
            let inside = self.gate.inside.load(Ordering::Acquire);
            // Before the database is asked: whoever waits is on record there.
            let waiting = self.gate.waiting.load(Ordering::Acquire);
            let now = self.authorized(credential)?;
            if (inside == waiting && now.uses == before.uses) || Instant::now() >= until {
                let remaining = now.remaining().zip(now.count);
                return Ok(remaining.map(|(remaining, count)| remaining.saturating_add(waiting).min(count)));
            }
            before = now;
        }
    }

    fn authorized(&self, credential: &str) -> Result<Authorized, SignerError> {
        let records = self.runtime.block_on(self.store.key_authorizations(Some(credential))).map_err(not_recorded)?;
        let several = records.len() > 1;
        let here = |record: &KeyAuthorizationRecord| {
            record.location.token == self.location.token && record.location.id == self.location.id
        };
        match records.into_iter().find(here).and_then(|record| record.authorized) {
            None => Err(self.give_up("it was never authorised")),
            // A use that only another place of the key could count was not counted here.
            Some(authorized) if several && authorized.remaining() == Some(0) => Err(self.not_authorized()),
            Some(authorized) => Ok(authorized),
        }
    }

    /// The KAK, where it is the one that the key is bound to; else why not, a sentence.
    fn holder(
        &self,
        kak: &ConfiguredKak,
        record: &KeyAuthorizationRecord,
    ) -> Result<Result<Holder, String>, SignerError> {
        let bound = PublicKey::from_spki_der(&record.kak.public_key).ok();
        let holder = match kak.holder(bound.as_ref()) {
            Ok(holder) => holder,
            Err(
                error @ (TokenError::Unavailable { .. } | TokenError::PinRejected { .. } | TokenError::Device { .. }),
            ) => return Err(self.unavailable(&error)),
            Err(error) => return Ok(Err(error.to_string())),
        };
        Ok(if !bound.is_some_and(|bound| bound.same_key(&holder.public_key)) {
            Err("the KAK of sigillo.toml is not the one that it is bound to".to_owned())
        } else if holder.source == KakSource::File && record.kak.source != KakSource::File {
            Err("the KAK of sigillo.toml is in a file, and no person authorised this key with one".to_owned())
        } else {
            Ok(holder)
        })
    }

    fn authorize(
        &self,
        holder: &Holder,
        record: &KeyAuthorizationRecord,
        count: Option<u64>,
        deadline: Instant,
    ) -> Result<(), SignerError> {
        let protocol = record.kak.protocol;
        let Some(authorizer) = self.token.key_authorizer() else { return Err(self.not_authorized()) };
        self.record("begin", count, holder.source.name(), None)?;
        let actor = Actor::service().to_string();
        let mut sign = |challenge: &cryptotoken_api::AuthorizationChallenge| {
            let signature = holder.sign(&self.audit, &actor, protocol, challenge, deadline)?;
            if challenge.is_signed_by(&holder.public_key, protocol, &signature) {
                Ok(signature)
            } else {
                Err(TokenError::Refused(
                    "the KAK's signature does not verify; it was not given to the device".to_owned(),
                ))
            }
        };
        let done = authorizer.perform(&self.location, AuthorizationStep::Authorize { count }, &mut sign);
        self.record("end", count, holder.source.name(), done.as_ref().err().map(ToString::to_string))?;
        match done {
            Ok(()) => {
                let (alias, token) = (&self.location.alias, &self.location.token);
                tracing::warn!(token.name = token, key.alias = %alias, "key \"{alias}\" on token \"{token}\" was authorised again, {}",
                    count.map_or_else(|| "without limit".to_owned(), |count| format!("for {count} signatures")));
                Ok(())
            }
            Err(error @ (TokenError::Unavailable { .. } | TokenError::PinRejected { .. })) => {
                Err(self.unavailable(&error))
            }
            Err(error) => Err(self.give_up(&error.to_string())),
        }
    }

    fn record(
        &self,
        phase: &str,
        count: Option<u64>,
        source: &str,
        failure: Option<String>,
    ) -> Result<(), SignerError> {
        let act = Actor::service().act("key authorize", self.location.alias.as_str()).with(json!({
            "phase": phase, "step": "authorize", "token": self.location.token, "id": self.location.id.to_string(),
            "count": count.map_or(json!("unlimited"), |count| json!(count)), "kakSource": source,
            "reason": "again, after the device lost the authorisation", "failure": failure,
        }));
        self.runtime.block_on(self.store.record(&[AuditEvent::Administration(act)])).map_err(not_recorded)
    }

    /// Lets the credential wait for a person, since nothing here helps.
    fn give_up(&self, reason: &str) -> SignerError {
        let KeyLocation { token, alias, .. } = &self.location;
        tracing::error!(token.name = token, key.alias = %alias, "key \"{alias}\" on token \"{token}\" is not authorised: {reason}");
        match self.runtime.block_on(self.await_person(reason)) {
            Ok(()) => self.not_authorized(),
            Err(error) => not_recorded(error),
        }
    }

    /// A credential with replicas goes on with the others; the next use that comes here says the same again.
    async fn await_person(&self, reason: &str) -> Result<(), StoreError> {
        let here = |credential: &store::CredentialRecord| credential.locations.contains(&self.location);
        let credential = self.store.credentials().await?.into_iter().find(here);
        let Some(credential) = credential.filter(|credential| credential.locations.len() == 1) else { return Ok(()) };
        let act: AdministrativeAct = Actor::service().act("credential await-authorization", &credential.name);
        self.store.await_key_authorization(&credential.name, act.with(json!({ "reason": reason }))).await
    }

    fn not_authorized(&self) -> SignerError {
        let KeyLocation { token, alias, .. } = &self.location;
        SignerError::NotAuthorized { token: token.clone(), key: alias.to_string(), next: next_step(token, alias) }
    }

    fn unavailable(&self, error: &TokenError) -> SignerError {
        let alias = &self.location.alias;
        let reason = format!("key \"{alias}\" must be authorised again, and that is not possible now: {error}");
        SignerError::Unavailable { token: self.location.token.clone(), reason }
    }
}

struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn enter(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn not_recorded(error: StoreError) -> SignerError {
    SignerError::NotRecorded(Box::new(error))
}
