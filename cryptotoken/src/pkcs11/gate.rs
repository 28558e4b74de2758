//! The door of a library: any number of callers inside, or one that starts it anew.
//!
//! `C_Finalize` while another thread is inside the library is undefined (PKCS#11 3.0, section 5.4), and after it the numbers of sessions
//! are given out from the beginning: a session of an earlier life must be neither used nor closed, for it would be somebody else's.
//! So whoever calls the library names the life (generation) that the handles come from.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The door of one library.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    inside: usize,
    restarting: bool,
    generation: u64,
}

/// The right to call the library; given back when dropped.
pub(crate) struct Visit<'a>(&'a Gate);

/// Why nobody may enter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The library was started anew; every handle of before is void.
    Outdated,
    /// It was still being started at the deadline.
    Deadline,
}

/// Why the library was not started anew.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotRestarted<E> {
    /// So many calls did not come back by the deadline.
    Occupied(usize),
    /// The library refused.
    Failed(E),
}

impl Gate {
    /// The present life of the library.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Waits until `deadline` while the library is being started.
    pub(crate) fn enter(&self, generation: u64, deadline: Instant) -> Result<Visit<'_>, Closed> {
        let mut state = self.lock();
        while state.restarting {
            state = self.wait(state, deadline).ok_or(Closed::Deadline)?;
        }
        if state.generation != generation {
            return Err(Closed::Outdated);
        }
        state.inside += 1;
        Ok(Visit(self))
    }

    /// Enters where that is possible now.
    pub(crate) fn enter_now(&self, generation: u64) -> Option<Visit<'_>> {
        self.enter(generation, Instant::now()).ok()
    }

    /// Ends a life of the library: keeps new callers out, waits until `deadline` for those inside, and does `work` alone. Whatever
    /// comes of it, the next life begins. Nothing is done where another thread has ended that life already.
    pub(crate) fn restart<E>(
        &self,
        generation: u64,
        deadline: Instant,
        work: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), NotRestarted<E>> {
        let mut state = self.lock();
        while state.restarting {
            let inside = state.inside;
            state = self.wait(state, deadline).ok_or(NotRestarted::Occupied(inside))?;
        }
        if state.generation != generation {
            return Ok(());
        }
        state.restarting = true;
        let mut closed = Reopening { gate: self, next: generation };
        while state.inside > 0 {
            let inside = state.inside;
            // `closed` takes the lock when it is dropped, which `wait` has given back by then.
            state = self.wait(state, deadline).ok_or(NotRestarted::Occupied(inside))?;
        }
        drop(state);
        closed.next = generation + 1;
        work().map_err(NotRestarted::Failed)
    }

    /// `None` when the deadline has passed.
    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, deadline: Instant) -> Option<MutexGuard<'a, State>> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        Some(self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.inside -= 1;
        if state.restarting && state.inside == 0 {
            self.0.changed.notify_all();
        }
    }
}

/// Opens the door again, however the restart ended.
struct Reopening<'a> {
    gate: &'a Gate,
    next: u64,
}

impl Drop for Reopening<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.restarting = false;
        state.generation = self.next;
        self.gate.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn after(milliseconds: u64) -> Instant {
        Instant::now() + Duration::from_millis(milliseconds)
    }

    #[test]
    fn nobody_is_inside_while_the_library_is_started_anew() {
        let (gate, inside) = (Gate::default(), AtomicUsize::new(0));
        let until = after(300);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while Instant::now() < until {
                        if let Ok(_visit) = gate.enter(gate.generation(), after(1000)) {
                            inside.fetch_add(1, Ordering::SeqCst);
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
            for _ in 0..2 {
                scope.spawn(|| {
                    while Instant::now() < until {
                        let alone = || (inside.load(Ordering::SeqCst) == 0).then_some(()).ok_or("not alone");
                        gate.restart(gate.generation(), after(1000), alone).unwrap();
                    }
                });
            }
        });
        assert!(gate.generation() > 1);
    }

    #[test]
    fn a_handle_of_an_earlier_life_opens_no_door() {
        let gate = Gate::default();
        gate.restart(0, after(0), || Ok::<(), ()>(())).unwrap();
        assert_eq!(gate.enter(0, after(1000)).err(), Some(Closed::Outdated));
        assert!(gate.enter_now(1).is_some());
    }

    #[test]
    fn one_life_is_ended_once_however_many_wish_so() {
        let (gate, starts) = (Gate::default(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let start = || {
                        starts.fetch_add(1, Ordering::SeqCst);
                        Ok::<(), ()>(())
                    };
                    gate.restart(0, after(1000), start).unwrap();
                });
            }
        });
        assert_eq!((starts.into_inner(), gate.generation()), (1, 1));
    }

    #[test]
    fn a_call_that_does_not_come_back_keeps_the_library_from_being_started_anew() {
        let gate = Gate::default();
        let visit = gate.enter(0, after(0)).unwrap();
        let refused = gate.restart(0, after(20), || -> Result<(), ()> { panic!("somebody is inside") });
        assert_eq!(refused, Err(NotRestarted::Occupied(1)));
        // The others go on meanwhile, and the library is started once the call is back.
        assert!(gate.enter_now(0).is_some());
        drop(visit);
        gate.restart(0, after(20), || Ok::<(), ()>(())).unwrap();
        assert_eq!(gate.generation(), 1);
    }

    #[test]
    fn a_library_that_does_not_start_leaves_no_handle_valid() {
        let gate = Gate::default();
        assert_eq!(gate.restart(0, after(20), || Err("down")), Err(NotRestarted::Failed("down")));
        assert_eq!(gate.enter(0, after(0)).err(), Some(Closed::Outdated));
    }
}
