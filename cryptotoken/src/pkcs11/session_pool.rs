//! Lend sessions: bounded in number, one borrower each, waiting bounded by a deadline.
//!
//! The caller's own thread uses the session, so there is no hop to another thread. A session on which anything failed is replaced, and so
//! is one whose call hangs (see `loans`). Nothing happens on a session of an earlier life of the library (see `gate`).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cryptoki::error::{Error, RvError};
use cryptoki::session::Session;
use cryptoki::slot::Slot;

use crate::pkcs11::error::session_is_gone;
use crate::pkcs11::gate::{Closed, Visit};
use crate::pkcs11::loans::Loans;
use crate::pkcs11::module::Module;
use crate::profile::TokenProfile;

/// Sessions of one logged-in slot.
pub(crate) struct SessionPool {
    module: Arc<Module>,
    /// The life of the library that the sessions belong to.
    generation: u64,
    slot: Slot,
    read_write: bool,
    idle_ping: Duration,
    state: Mutex<State>,
    freed: Condvar,
    abandoned: AtomicBool,
    proven: AtomicBool,
}

struct State {
    idle: Vec<Idle>,
    loans: Loans,
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
    /// So many calls hang in the library that there is no session left.
    Stuck(usize),
    /// The library was started anew for another token; nothing was done.
    Outdated,
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

impl From<Closed> for Failure {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Outdated => Self::Outdated,
            Closed::Deadline => Self::Busy,
        }
    }
}

impl SessionPool {
    /// A pool that opens up to `limit` sessions, each when it is first needed; `hung` counts the calls that do not come back.
    pub(crate) fn new(
        module: Arc<Module>,
        generation: u64,
        slot: Slot,
        limit: usize,
        profile: &TokenProfile,
        hung: Arc<AtomicUsize>,
    ) -> Self {
        let loans = Loans::new(limit, profile.recovery.call_timeout, hung);
        Self {
            module,
            generation,
            slot,
            read_write: profile.session.read_write,
            idle_ping: profile.session.idle_ping,
            state: Mutex::new(State { idle: Vec::new(), loans }),
            freed: Condvar::new(),
            abandoned: AtomicBool::new(false),
            proven: AtomicBool::new(false),
        }
    }

    /// Sessions lent now and at most.
    pub(crate) fn usage(&self) -> (usize, usize) {
        self.lock().loans.usage()
    }

    /// How many calls hang, where they are too many to go on.
    pub(crate) fn stuck(&self) -> Option<usize> {
        let mut state = self.lock();
        give_up_overdue(&mut state);
        state.loans.stuck()
    }

    /// Whether anything ever succeeded here.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// Lets nobody start the library anew meanwhile; `None` where that is happening or has happened.
    pub(crate) fn visit_now(&self) -> Option<Visit<'_>> {
        self.module.gate().enter_now(self.generation)
    }

    /// Closes no session any more: they are gone, and their handles may be those of new ones.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    /// Closes a session that is no longer wanted, unless it is gone. The caller holds a visit.
    pub(crate) fn close(&self, session: Session, gone: bool) {
        close(session, gone || self.abandoned.load(Ordering::Acquire));
    }

    /// Does `work` with a session, waiting for a free one until `deadline`. `work` that outlasts the profile's time-out loses its session.
    pub(crate) fn with<T>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.lend(deadline, true, work)
    }

    /// Does `work` with a read-write session, which counts against the limit like any other. It may take as long as it takes.
    pub(crate) fn with_read_write<T>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.read_write {
            return self.lend(deadline, false, work);
        }
        let (_permit, idle) = self.reserve(deadline, false)?;
        let _visit = self.module.gate().enter(self.generation, deadline)?;
        if let Some(idle) = idle {
            self.close(idle.session, false);
        }
        let session = self.module.pkcs11().open_rw_session_no_drop(self.slot)?;
        let result = work(&session);
        self.close(session, matches!(&result, Err(Failure::Pkcs11(error)) if session_is_gone(error)));
        result
    }

    fn lend<T>(
        &self,
        deadline: Instant,
        timed: bool,
        work: impl FnOnce(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (permit, idle) = self.reserve(deadline, timed)?;
        let _visit = self.module.gate().enter(self.generation, deadline)?;
        let (permit, session) = match idle.and_then(|idle| self.still_alive(idle)) {
            Some(session) => (permit, session),
            None => self.open(permit, deadline, timed)?,
        };
        let result = work(&session);
        match &result {
            // A stale object handle is no fault of the session.
            Ok(_)
            | Err(
                Failure::Busy
                | Failure::Stuck(_)
                | Failure::Outdated
                | Failure::NotFound
                | Failure::Ambiguous(_)
                | Failure::Malformed(_)
                | Failure::Pkcs11(Error::Pkcs11(RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid, _)),
            ) => permit.give_back(session),
            // An operation may still be active on it, which the next borrower would stumble over.
            Err(Failure::Pkcs11(error)) => self.close(session, session_is_gone(error)),
        }
        if result.is_ok() {
            self.proven.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Waits until a session is idle or one more may be opened.
    fn reserve(&self, deadline: Instant, timed: bool) -> Result<(Permit<'_>, Option<Idle>), Failure> {
        let mut state = self.lock();
        loop {
            if let Some(idle) = state.idle.pop() {
                let number = state.loans.lend(timed);
                return Ok((Permit { pool: self, number }, Some(idle)));
            }
            if let Some(hung) = state.loans.stuck() {
                return Err(Failure::Stuck(hung));
            }
            if let Some(number) = state.loans.lend_new(timed) {
                return Ok((Permit { pool: self, number }, None));
            }
            if give_up_overdue(&mut state) > 0 {
                continue;
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(Failure::Busy);
            }
            let until = state.loans.next_overdue().map_or(deadline, |overdue| overdue.min(deadline));
            let left = until.saturating_duration_since(now);
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Opens the session that `permit` allows. A device that has fewer sessions than it was believed to have lowers the limit.
    fn open<'a>(
        &'a self,
        permit: Permit<'a>,
        deadline: Instant,
        timed: bool,
    ) -> Result<(Permit<'a>, Session), Failure> {
        let opened = if self.read_write {
            self.module.pkcs11().open_rw_session_no_drop(self.slot)
        } else {
            self.module.pkcs11().open_ro_session_no_drop(self.slot)
        };
        match opened {
            Ok(session) => Ok((permit, session)),
            Err(Error::Pkcs11(RvError::SessionCount, _)) if self.lower_limit() => {
                drop(permit);
                match self.reserve(deadline, timed)? {
                    (permit, Some(idle)) => Ok((permit, idle.session)),
                    (permit, None) => self.open(permit, deadline, timed),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// `false` when there is nobody to wait for.
    fn lower_limit(&self) -> bool {
        let mut state = self.lock();
        let lowered = state.loans.lower_limit();
        if lowered {
            tracing::warn!("the device has no more sessions: {} are used at the same time", state.loans.usage().1);
        }
        lowered
    }

    fn still_alive(&self, idle: Idle) -> Option<Session> {
        if self.idle_ping.is_zero() || idle.since.elapsed() < self.idle_ping {
            return Some(idle.session);
        }
        match idle.session.get_session_info() {
            Ok(_) => Some(idle.session),
            Err(error) => {
                self.close(idle.session, session_is_gone(&error));
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
        let visit = self.visit_now();
        let gone = visit.is_none() || self.abandoned.load(Ordering::Acquire);
        for idle in idle {
            close(idle.session, gone);
        }
    }
}

/// The right to have one session open; given up when dropped, also by a panic.
struct Permit<'a> {
    pool: &'a SessionPool,
    number: u64,
}

impl Permit<'_> {
    fn give_back(self, session: Session) {
        let mut state = self.pool.lock();
        if !state.loans.bring_back(self.number) {
            drop(state);
            self.pool.close(session, false);
        } else if state.loans.too_many() {
            state.loans.closed();
            drop(state);
            self.pool.close(session, false);
        } else {
            state.idle.push(Idle { session, since: Instant::now() });
            drop(state);
        }
        self.pool.freed.notify_one();
        // The right went with the session.
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        if state.loans.bring_back(self.number) {
            state.loans.closed();
        }
        drop(state);
        self.pool.freed.notify_one();
    }
}

fn give_up_overdue(state: &mut State) -> usize {
    let given_up = state.loans.give_up_overdue(Instant::now());
    if given_up > 0 {
        tracing::error!("{given_up} calls hang in the library: their threads and sessions are given up");
    }
    given_up
}

/// Sessions are opened so that dropping them does nothing: after a lost device its handle may already be another session's.
pub(crate) fn close(session: Session, gone: bool) {
    if !gone && let Err(error) = session.close() {
        tracing::debug!("C_CloseSession: {error:?}");
    }
}
