//! Places of which there are so many, with a queue of its own for each kind: who waits for one keeps nobody from another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Places, and those who wait for one.
pub(super) struct Places {
    pub(super) free: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
}

impl Places {
    /// So many places, for which so many may wait.
    pub(super) fn new(places: usize, queue: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(places)), waiting: AtomicUsize::new(0), queue }
    }

    /// Takes a place, when there is one.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`] where too many wait, or there is none until the deadline.
    pub(super) async fn take(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, ApiError> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::enter(self)?;
        let permit = Arc::clone(&self.free).acquire_owned();
        let permit = tokio::time::timeout_at(deadline.into(), permit).await;
        permit.map_err(|_| ApiError::Overloaded)?.map_err(|_| ApiError::Overloaded)
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(places: &'a Places) -> Result<Self, ApiError> {
        let this = Self(&places.waiting);
        if places.waiting.fetch_add(1, Ordering::Relaxed) >= places.queue {
            Err(ApiError::Overloaded)
        } else {
            Ok(this)
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn those_who_wait_are_counted_for_each_kind_of_place() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let [pages, signing] = [(); 2].map(|()| Arc::new(Places::new(1, 1)));
            let deadline = Instant::now() + Duration::from_secs(60);
            let waits = |places: &Arc<Places>| {
                let places = Arc::clone(places);
                tokio::spawn(async move { places.take(deadline).await.map(drop) })
            };
            let page = pages.take(deadline).await.unwrap();
            let waiting = waits(&pages);
            tokio::task::yield_now().await;
            assert!(matches!(pages.take(deadline).await, Err(ApiError::Overloaded)));
            let place = signing.take(deadline).await.unwrap();
            let signer = waits(&signing);
            tokio::task::yield_now().await;
            drop((page, place));
            waiting.await.unwrap().unwrap();
            signer.await.unwrap().unwrap();
            let _page = pages.take(deadline).await.unwrap();
            assert!(matches!(pages.take(Instant::now()).await, Err(ApiError::Overloaded)));
        });
    }
}
