//! Lend sessions: bounded in number, one borrower each, waiting bounded by a deadline.
//!
//! The caller's own thread uses the session, so there is no hop to another thread. A session on which anything failed is replaced.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::session::Session;
use cryptoki::slot::Slot;

use crate::pkcs11::error::session_is_gone;

/// Sessions of one logged-in slot.
pub(crate) struct SessionPool {
    module: Pkcs11,
    slot: Slot,
    read_write: bool,
    idle_ping: Duration,
    state: Mutex<State>,
    freed: Condvar,
    abandoned: AtomicBool,
}

struct State {
    idle: Vec<Idle>,
    /// Idle and lent sessions together.
    open: usize,
    limit: usize,
}

struct Idle {
    session: Session,
    since: Instant,
}

/// Why work was not done with a session.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No session became free in time.
    Busy,
    /// PKCS#11 said so.
    Pkcs11(Error),
    /// No object matches.
    NotFound,
    /// Several objects match where one must.
    Ambiguous(usize),
    /// The device's answer makes no sense.
    Malformed(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Pkcs11(error)
    }
}

impl SessionPool {
    /// A pool that opens up to `limit` sessions, each when it is first needed.
    pub(crate) fn new(module: Pkcs11, slot: Slot, limit: usize, read_write: bool, idle_ping: Duration) -> Self {
        let state = State { idle: Vec::new(), open: 0, limit: limit.max(1) };
        Self {
            module,
            slot,
            read_write,
            idle_ping,
            state: Mutex::new(state),
            freed: Condvar::new(),
            abandoned: AtomicBool::new(false),
        }
    }

    /// Sessions lent now and at most.
    pub(crate) fn usage(&self) -> (usize, usize) {
        let state = self.lock();
        (state.open - state.idle.len(), state.limit)
    }

    /// Closes no session any more: they are gone, and their handles may be those of new ones.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    /// Closes a session that is no longer wanted, unless it is gone.
    pub(crate) fn close(&self, session: Session, gone: bool) {
        close(session, gone || self.abandoned.load(Ordering::Acquire));
    }

    /// Does `work` with a session, waiting for a free one until `deadline`.
    pub(crate) fn with<T>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (permit, idle) = self.reserve(deadline)?;
        let (permit, session) = match idle.and_then(|idle| self.still_alive(idle)) {
            Some(session) => (permit, session),
            None => self.open(permit, deadline)?,
        };
        let result = work(&session);
        match &result {
            // A stale object handle is no fault of the session.
            Ok(_)
            | Err(
                Failure::Busy
                | Failure::NotFound
                | Failure::Ambiguous(_)
                | Failure::Malformed(_)
                | Failure::Pkcs11(Error::Pkcs11(RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid, _)),
            ) => permit.give_back(session),
            // An operation may still be active on it, which the next borrower would stumble over.
            Err(Failure::Pkcs11(error)) => self.close(session, session_is_gone(error)),
        }
        result
    }

    /// Does `work` with a read-write session, which counts against the limit like any other.
    pub(crate) fn with_read_write<T>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.read_write {
            return self.with(deadline, work);
        }
        let (_permit, idle) = self.reserve(deadline)?;
        if let Some(idle) = idle {
            self.close(idle.session, false);
        }
        let session = self.module.open_rw_session_no_drop(self.slot)?;
        let result = work(&session);
        self.close(session, matches!(&result, Err(Failure::Pkcs11(error)) if session_is_gone(error)));
        result
    }

    /// Waits until a session is idle or one more may be opened.
    fn reserve(&self, deadline: Instant) -> Result<(Permit<'_>, Option<Idle>), Failure> {
        let mut state = self.lock();
        loop {
            if let Some(idle) = state.idle.pop() {
                return Ok((Permit(self), Some(idle)));
            }
            if state.open < state.limit {
                state.open += 1;
                return Ok((Permit(self), None));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Busy);
            }
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Opens the session that `permit` allows. A device that has fewer sessions than it was believed to have lowers the limit.
    fn open<'a>(&'a self, permit: Permit<'a>, deadline: Instant) -> Result<(Permit<'a>, Session), Failure> {
        let opened = if self.read_write {
            self.module.open_rw_session_no_drop(self.slot)
        } else {
            self.module.open_ro_session_no_drop(self.slot)
        };
        match opened {
            Ok(session) => Ok((permit, session)),
            Err(Error::Pkcs11(RvError::SessionCount, _)) if self.lower_limit() => {
                drop(permit);
                match self.reserve(deadline)? {
                    (permit, Some(idle)) => Ok((permit, idle.session)),
                    (permit, None) => self.open(permit, deadline),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// `false` when there is nobody to wait for.
    fn lower_limit(&self) -> bool {
        let mut state = self.lock();
        if state.open <= 1 {
            return false;
        }
        state.limit = state.open - 1;
        tracing::warn!("the device has no more sessions: {} are used at the same time", state.limit);
        true
    }

    fn still_alive(&self, idle: Idle) -> Option<Session> {
        if self.idle_ping.is_zero() || idle.since.elapsed() < self.idle_ping {
            return Some(idle.session);
        }
        match idle.session.get_session_info() {
            Ok(_) => Some(idle.session),
            Err(error) => {
                close(idle.session, session_is_gone(&error));
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SessionPool {
    fn drop(&mut self) {
        let idle = std::mem::take(&mut self.lock().idle);
        for idle in idle {
            close(idle.session, *self.abandoned.get_mut());
        }
    }
}

/// The right to have one session open; given up when dropped, also by a panic.
struct Permit<'a>(&'a SessionPool);

impl Permit<'_> {
    fn give_back(self, session: Session) {
        let mut state = self.0.lock();
        if state.open > state.limit {
            drop(state);
            self.0.close(session, false);
            return;
        }
        state.idle.push(Idle { session, since: Instant::now() });
        drop(state);
        self.0.freed.notify_one();
        // The right goes with the session.
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.lock().open -= 1;
        self.0.freed.notify_one();
    }
}

/// Sessions are opened so that dropping them does nothing: after a lost device its handle may already be another session's.
pub(crate) fn close(session: Session, gone: bool) {
    if !gone && let Err(error) = session.close() {
        tracing::debug!("C_CloseSession: {error:?}");
    }
}
