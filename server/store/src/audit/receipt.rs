//! The promise that a submission will be answered: durable, or why not.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::StoreError;

/// Answer to a submission. Wait for it blocking ([`Receipt::wait`]) or by `.await`.
///
/// Own code and not a channel of tokio, because those refuse to block on a thread of their runtime, and signers are called
/// from such threads too (the command line).
#[derive(Debug)]
#[must_use = "without waiting nothing is known to be durable"]
pub struct Receipt(Arc<Shared>);

/// The writer's end. Dropped without an answer it says that the writer stopped.
#[derive(Debug)]
pub(super) struct Acknowledgement(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct State {
    answer: Option<Result<(), StoreError>>,
    waker: Option<Waker>,
}

/// Both ends.
pub(super) fn receipt() -> (Acknowledgement, Receipt) {
    let shared = Arc::<Shared>::default();
    (Acknowledgement(Arc::clone(&shared)), Receipt(shared))
}

impl Receipt {
    /// Blocks until the submission is durable or refused; at most as long as the database may stay locked.
    ///
    /// # Errors
    /// [`StoreError::CredentialNotActive`], [`StoreError::UseLimitReached`], [`StoreError::NotFound`]: refused by rule.
    /// [`StoreError::Overloaded`], [`StoreError::WriterStopped`], [`StoreError::NotCommitted`]: nothing was recorded.
    pub fn wait(self) -> Result<(), StoreError> {
        let mut state = self.0.lock();
        loop {
            if let Some(answer) = state.answer.take() {
                return answer;
            }
            state = self.0.answered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Receipt {
    type Output = Result<(), StoreError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        match state.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Acknowledgement {
    pub(super) fn answer(self, answer: Result<(), StoreError>) {
        self.0.answer(answer);
    }
}

impl Drop for Acknowledgement {
    fn drop(&mut self) {
        self.0.answer(Err(StoreError::WriterStopped));
    }
}

impl Shared {
    // Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first answer stands.
    fn answer(&self, answer: Result<(), StoreError>) {
        let mut state = self.lock();
        if state.answer.is_some() {
            return;
        }
        state.answer = Some(answer);
        let waker = state.waker.take();
        drop(state);
        self.answered.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
