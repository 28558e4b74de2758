//! How a request ends: by its worker or by the clock, and never without its record.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use cryptotoken_api::Signer;

use super::Completed;
use crate::error::{ApiError, Lateness};
use crate::replicas::ReplicatedSigner;

/// Who ends a request: its worker or the clock. The first one decides, so that the record says what the caller gets.
#[derive(Default)]
pub(crate) struct Ending {
    /// Once there: by the clock, or by the worker.
    decided: OnceLock<Option<Lateness>>,
    /// The signer in use.
    signer: Mutex<Option<Arc<ReplicatedSigner>>>,
    /// Whether the key of an authority of our own was asked for a timestamp.
    asked: AtomicBool,
    /// Whether the outcome of that is a signature, or unknown.
    stamped: AtomicBool,
}

impl Ending {
    /// Ends the request; where that was done already, why it is late, if it was the clock that did it.
    pub(super) fn claim(&self, late: Option<Lateness>) -> Result<(), Option<Lateness>> {
        self.decided.set(late).map_err(|_| self.decided.get().copied().flatten())
    }

    /// Does the work; what the caller gets is decided with its end.
    pub(super) fn of(&self, work: impl FnOnce() -> Result<Completed, ApiError>) -> Result<Completed, ApiError> {
        // A fault of ours in reading a document ends this request, and not without its record.
        let result = catch_unwind(AssertUnwindSafe(work));
        let result = result.unwrap_or_else(|_| Err(ApiError::Internal("the worker panicked".into())));
        match self.claim(None) {
            Err(Some(late)) => result.and(Err(ApiError::Late(late))),
            _ => result,
        }
    }

    /// Remembers what the key of an authority of our own was used for on behalf of this request: when what is given here is dropped,
    /// and so after a panic too.
    pub(crate) fn stamping<'a>(&'a self, signer: &'a ReplicatedSigner) -> impl Drop + use<'a> {
        self.remembering(|| (signer.was_asked(), signer.may_have_signed()))
    }

    fn remembering<U: Fn() -> (bool, bool)>(&self, uses: U) -> Stamping<'_, U> {
        Stamping { ending: self, uses }
    }

    /// Whether such a key was asked, whatever came of it.
    pub(super) fn has_used_a_key(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether such a key may have made a timestamp.
    pub(super) fn may_have_stamped(&self) -> bool {
        self.stamped.load(Ordering::Relaxed)
    }

    /// Looks after this signer from now on.
    pub(super) fn watch(&self, signer: &Arc<ReplicatedSigner>) {
        *self.signer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(signer));
    }

    /// Whether time is up, and which.
    pub(super) fn lateness(&self, deadline: Instant, timeout: Duration) -> Option<Lateness> {
        if Instant::now() >= deadline {
            return Some(Lateness::Request(timeout));
        }
        let signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        signer.as_ref()?.overdue().map(Lateness::Call)
    }
}

/// A key in use for a timestamp.
struct Stamping<'a, U: Fn() -> (bool, bool)> {
    ending: &'a Ending,
    /// Whether it was asked, and whether it may have signed.
    uses: U,
}

impl<U: Fn() -> (bool, bool)> Drop for Stamping<'_, U> {
    fn drop(&mut self) {
        let (asked, stamped) = (self.uses)();
        self.ending.asked.fetch_or(asked, Ordering::Relaxed);
        self.ending.stamped.fetch_or(stamped, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_was_used_for_is_known_after_a_panic() {
        for (asked, stamped) in [(false, false), (true, false), (true, true)] {
            let ending = Ending::default();
            let ended = ending.of(|| {
                let _stamping = ending.remembering(|| (asked, stamped));
                panic!("as a fault of ours would");
            });
            assert!(matches!(ended, Err(ApiError::Internal(_))));
            assert_eq!((ending.has_used_a_key(), ending.may_have_stamped()), (asked, stamped));
        }
    }
}
