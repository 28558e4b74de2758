//! The connection that comes and goes: made when it is needed, by one thread at a time, with growing pauses after failures.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cryptoki::error::Error;
use cryptotoken_api::{SignerError, TokenError, TokenState};
use secrecy::SecretString;

use crate::config::PinSource;
use crate::pkcs11::connection::{Connection, Connector, Facts, NotReady};
use crate::pkcs11::error::{ErrorClass, name};
use crate::profile::Recovery;

/// The way to one token.
pub(crate) struct Link {
    connector: Connector,
    inner: Mutex<Inner>,
    changed: Condvar,
}

struct Inner {
    up: Option<Arc<Connection>>,
    down: NotReady,
    facts: Facts,
    connecting: bool,
    /// By an operator, until unlocked.
    locked: bool,
    failures: u32,
    next_attempt: Instant,
    /// The last connection failed before anything had succeeded on it: the next one needs more than new sessions.
    anew: bool,
    /// How often the device was lost, whatever became of it meanwhile.
    losses: u64,
}

/// Why there is no connection now.
pub(crate) enum Unready {
    /// What stands in the way.
    NotReady(NotReady),
    /// Another thread was still connecting when the deadline passed.
    Deadline,
}

impl Link {
    pub(crate) fn new(connector: Connector) -> Self {
        let inner = Inner {
            up: None,
            down: NotReady::unavailable("not connected yet"),
            facts: Facts::default(),
            connecting: false,
            locked: false,
            failures: 0,
            next_attempt: Instant::now(),
            anew: false,
            losses: 0,
        };
        Self { connector, inner: Mutex::new(inner), changed: Condvar::new() }
    }

    /// How the token is configured.
    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The connection, made now where it is down and the pause after the last failure is over. Whoever comes while another thread
    /// connects waits for it, unless that has failed before: then the device is away, and waiting would only fill the house.
    pub(crate) fn connection(&self, deadline: Instant) -> Result<Arc<Connection>, Unready> {
        let mut inner = self.lock();
        loop {
            if let Some(connection) = &inner.up {
                return Ok(Arc::clone(connection));
            }
            if inner.connecting && inner.failures == 0 {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(Unready::Deadline);
                }
                inner = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            if inner.connecting || inner.locked || Instant::now() < inner.next_attempt {
                return Err(Unready::NotReady(inner.down.clone()));
            }
            inner = self.connect(inner, None);
            if inner.up.is_none() {
                return Err(Unready::NotReady(inner.down.clone()));
            }
        }
    }

    /// Connects now, whatever pause or lock there is; a rejected PIN is not tried all the same.
    pub(crate) fn unlock(&self, pin: Option<&SecretString>, deadline: Instant) -> Result<(), Unready> {
        let mut inner = self.lock();
        inner.locked = false;
        inner.failures = 0;
        while inner.connecting {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Unready::Deadline);
            }
            inner = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if inner.up.is_none() {
            inner = self.connect(inner, pin);
        }
        if inner.up.is_some() { Ok(()) } else { Err(Unready::NotReady(inner.down.clone())) }
    }

    /// Logs out and stays so until unlocked.
    pub(crate) fn lock_out(&self, reason: String) {
        let mut inner = self.lock();
        inner.locked = true;
        inner.down = NotReady::new(TokenState::Locked, reason);
        self.connector.forget_typed();
        let connection = inner.up.take();
        // A device that does not answer must not keep anybody from asking for the status.
        drop(inner);
        if let Some(connection) = connection {
            connection.log_out();
        }
    }

    /// Gives up a connection on which the device failed; whoever needs one next makes it anew.
    pub(crate) fn lost(&self, connection: &Arc<Connection>, error: &Error, class: ErrorClass) {
        // Dropping sessions that the device forgot would close those of the next connection, which have the same handles.
        if !connection.is_alive() {
            connection.pool.abandon();
        }
        let anew = class == ErrorClass::Device && !connection.pool.is_proven();
        let device = class == ErrorClass::Device;
        self.leave(connection, &format!("the device failed: {}", name(error)), device, anew);
    }

    /// Gives up a connection to a library that was started anew for another token.
    pub(crate) fn outdated(&self, connection: &Arc<Connection>) {
        // Nobody starts a library anew whose device was not lost.
        self.leave(connection, "the library was started anew", true, false);
    }

    /// How often the device was lost.
    pub(crate) fn losses(&self) -> u64 {
        self.lock().losses
    }

    fn leave(&self, connection: &Arc<Connection>, reason: &str, device: bool, anew: bool) {
        connection.give_up();
        let mut inner = self.lock();
        // Another thread may have noticed first and be connected again.
        if inner.up.as_ref().is_some_and(|up| Arc::ptr_eq(up, connection)) {
            let token = &self.connector.config.name;
            tracing::warn!(token.name = token, "lost the connection to token \"{token}\": {reason}");
            inner.up = None;
            inner.down = NotReady::unavailable(reason);
            inner.next_attempt = Instant::now();
            inner.anew = anew;
            inner.losses += u64::from(device);
        }
    }

    /// Lets go of the connection before the slot changes under it.
    pub(crate) fn disconnect(&self) {
        let mut inner = self.lock();
        if let Some(connection) = inner.up.take() {
            connection.give_up();
        }
        inner.down = NotReady::unavailable("not connected yet");
        inner.failures = 0;
        inner.next_attempt = Instant::now();
    }

    /// What is known now: state, reason, facts, the connection where there is one.
    pub(crate) fn snapshot(&self) -> (TokenState, String, Facts, Option<Arc<Connection>>) {
        let inner = self.lock();
        match &inner.up {
            Some(connection) => (TokenState::Ready, String::new(), inner.facts.clone(), Some(Arc::clone(connection))),
            None => (inner.down.state, inner.down.reason.clone(), inner.facts.clone(), None),
        }
    }

    /// Connects without holding the lock, so that `snapshot` never waits for a device; `connecting` keeps others away meanwhile.
    fn connect<'a>(&'a self, mut inner: MutexGuard<'a, Inner>, pin: Option<&SecretString>) -> MutexGuard<'a, Inner> {
        inner.connecting = true;
        let mut facts = inner.facts.clone();
        let anew = std::mem::take(&mut inner.anew);
        drop(inner);
        let result = self.connector.connect(pin, &mut facts, anew);
        let name = &self.connector.config.name;
        let mut inner = self.lock();
        inner.connecting = false;
        inner.facts = facts;
        match result {
            // An operator locked the token meanwhile.
            Ok(connection) if inner.locked => connection.log_out(),
            Ok(connection) => {
                tracing::info!(token.name = name, "token \"{name}\" is ready");
                inner.up = Some(connection);
                inner.failures = 0;
            }
            Err(not_ready) => {
                if inner.down.reason != not_ready.reason {
                    tracing::warn!(token.name = name, "token \"{name}\" is not available: {}", not_ready.reason);
                }
                inner.down = not_ready;
                inner.next_attempt = Instant::now() + pause(&self.connector.profile.recovery, inner.failures);
                inner.failures = inner.failures.saturating_add(1);
            }
        }
        self.changed.notify_all();
        inner
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Twice as long after each failure, and shortened at random, so that not every node comes at the same moment.
fn pause(recovery: &Recovery, failures: u32) -> Duration {
    let longest = recovery.first_pause.saturating_mul(1 << failures.min(16)).min(recovery.longest_pause);
    let dice = RandomState::new().build_hasher().finish() % 256;
    longest.mul_f64(0.5 + 0.5 * (dice as f64 / 256.0))
}

impl Unready {
    /// For callers of a signer.
    pub(crate) fn into_signer_error(self, token: &str) -> SignerError {
        let token = token.to_owned();
        match self {
            Self::NotReady(not_ready) => SignerError::Unavailable { token, reason: not_ready.reason },
            Self::Deadline => SignerError::Busy { token },
        }
    }

    /// For operators.
    pub(crate) fn into_token_error(self, token: &str) -> TokenError {
        match self {
            Self::NotReady(not_ready) => not_ready.into_token_error(token),
            Self::Deadline => {
                TokenError::Unavailable { token: token.to_owned(), reason: "still connecting".to_owned() }
            }
        }
    }
}

impl NotReady {
    /// For operators.
    pub(crate) fn into_token_error(self, token: &str) -> TokenError {
        match self.state {
            TokenState::PinRejected => TokenError::PinRejected { token: token.to_owned() },
            _ if self.configuration => TokenError::Configuration(format!("token \"{token}\": {}", self.reason)),
            _ => TokenError::Unavailable { token: token.to_owned(), reason: self.reason },
        }
    }
}

impl Connector {
    /// Whether only a person can give the PIN.
    pub(crate) fn is_manual(&self) -> bool {
        self.config.pin == PinSource::Manual
    }
}
