//! Who has a session, and since when. Pure bookkeeping, without PKCS#11.
//!
//! A call that hangs in a vendor's library cannot be ended from outside: its thread and its session are given up, counted, and
//! replaced, so that others go on. Nobody watches for that: whoever needs a session, or asks for the state, looks. When as many calls hang
//! as there may be sessions, no more are given up, and the token is unavailable until one comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The loans of one pool.
pub(crate) struct Loans {
    /// Sessions lent and idle together.
    open: usize,
    limit: usize,
    patience: Duration,
    out: Vec<Loan>,
    next: u64,
    hung: Arc<AtomicUsize>,
}

struct Loan {
    number: u64,
    /// `None` for work that takes as long as it takes, such as the generation of a key.
    overdue: Option<Instant>,
}

impl Loans {
    /// `patience`: after how long a call counts as hung; `hung` is shared by all pools of a token.
    pub(crate) fn new(limit: usize, patience: Duration, hung: Arc<AtomicUsize>) -> Self {
        Self { open: 0, limit: limit.max(1), patience, out: Vec::new(), next: 0, hung }
    }

    /// Lent now and at most.
    pub(crate) const fn usage(&self) -> (usize, usize) {
        (self.out.len(), self.limit)
    }

    /// How many calls hang, where they are too many to go on.
    pub(crate) fn stuck(&self) -> Option<usize> {
        Some(self.hung.load(Ordering::Relaxed)).filter(|hung| *hung >= self.limit)
    }

    /// Lends an idle session.
    pub(crate) fn lend(&mut self, timed: bool) -> u64 {
        self.next += 1;
        let overdue = timed.then(|| Instant::now() + self.patience);
        self.out.push(Loan { number: self.next, overdue });
        self.next
    }

    /// Lends a session that is yet to be opened, where one more may be.
    pub(crate) fn lend_new(&mut self, timed: bool) -> Option<u64> {
        if self.open >= self.limit {
            return None;
        }
        self.open += 1;
        Some(self.lend(timed))
    }

    /// Ends a loan; `false` when it had been given up, so that its session is nobody's.
    pub(crate) fn bring_back(&mut self, number: u64) -> bool {
        match self.out.iter().position(|loan| loan.number == number) {
            Some(position) => {
                self.out.swap_remove(position);
                true
            }
            None => {
                self.hung.fetch_sub(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// A session that was lent is no longer open.
    pub(crate) const fn closed(&mut self) {
        self.open -= 1;
    }

    /// Whether more sessions are open than may be.
    pub(crate) const fn too_many(&self) -> bool {
        self.open > self.limit
    }

    /// The device has no more sessions than are open besides the one just tried; `false` when there is nobody to wait for.
    pub(crate) const fn lower_limit(&mut self) -> bool {
        if self.open <= 1 {
            return false;
        }
        self.limit = self.open - 1;
        true
    }

    /// Gives up what is overdue; how much that was.
    pub(crate) fn give_up_overdue(&mut self, now: Instant) -> usize {
        let before = self.out.len();
        let room = self.limit.saturating_sub(self.hung.load(Ordering::Relaxed));
        let mut given_up = 0;
        self.out.retain(|loan| {
            let overdue = given_up < room && loan.overdue.is_some_and(|overdue| overdue <= now);
            given_up += usize::from(overdue);
            !overdue
        });
        self.open -= before - self.out.len();
        self.hung.fetch_add(given_up, Ordering::Relaxed);
        given_up
    }

    /// When the next one will be overdue.
    pub(crate) fn next_overdue(&self) -> Option<Instant> {
        self.out.iter().filter_map(|loan| loan.overdue).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loans(limit: usize) -> Loans {
        Loans::new(limit, Duration::ZERO, Arc::default())
    }

    #[test]
    fn a_hung_call_is_replaced_and_its_session_never_lent_again() {
        let mut loans = loans(1);
        let hung = loans.lend_new(true).unwrap();
        assert_eq!(loans.lend_new(true), None);
        assert_eq!(loans.give_up_overdue(Instant::now()), 1);
        assert_eq!(loans.usage(), (0, 1));
        // One call hangs and one session is all there may be.
        assert_eq!(loans.stuck(), Some(1));
        assert!(!loans.bring_back(hung), "its session is nobody's");
        assert_eq!(loans.stuck(), None);
        let next = loans.lend_new(true).unwrap();
        assert!(loans.bring_back(next));
    }

    #[test]
    fn no_more_calls_are_given_up_than_there_may_be_sessions() {
        let mut loans = loans(2);
        for _ in 0..2 {
            assert!(loans.lend_new(true).is_some());
        }
        assert_eq!(loans.give_up_overdue(Instant::now()), 2);
        assert!(loans.lend_new(true).is_some());
        assert_eq!(loans.give_up_overdue(Instant::now()), 0);
        assert_eq!(loans.stuck(), Some(2));
    }

    #[test]
    fn work_that_takes_as_long_as_it_takes_is_never_given_up() {
        let mut loans = loans(1);
        let slow = loans.lend_new(false).unwrap();
        assert_eq!(loans.give_up_overdue(Instant::now()), 0);
        assert_eq!(loans.next_overdue(), None);
        assert!(loans.bring_back(slow));
    }
}
