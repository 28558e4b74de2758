//! Five hundred callers who want nothing, or want it slowly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tests::RawConnection;

/// The crowd; gone with this value.
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    reopened: Arc<AtomicUsize>,
    worker: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy)]
enum Manner {
    /// Connects and says nothing.
    Idle,
    /// Sends a part of the head, one byte more every second.
    HalfHead,
    /// Announces a big body and sends one byte of it every second.
    SlowBody,
}

pub(crate) const SIZE: usize = 500;
/// What each slow upload announces.
const ANNOUNCED: usize = 50 << 20;

impl Crowd {
    /// Opens all connections and keeps them open: one that the server closes is opened anew.
    pub(crate) fn gather(url: &str, path: &str, key: &str) -> Self {
        let (url, path, key) = (url.to_owned(), path.to_owned(), key.to_owned());
        let open = move |manner| {
            let mut connection = RawConnection::open(&url).ok()?;
            match manner {
                Manner::Idle => {}
                Manner::HalfHead => connection.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").ok()?,
                Manner::SlowBody => {
                    let head = RawConnection::head(&path, &key, "application/octet-stream", ANNOUNCED);
                    connection.send(&head).ok()?;
                    connection.send(b"the first bytes").ok()?;
                }
            }
            Some(connection)
        };
        let manner = |number| [Manner::Idle, Manner::HalfHead, Manner::SlowBody][number % 3];
        let mut members: Vec<_> = (0..SIZE).map(|number| (manner(number), open(manner(number)))).collect();
        assert!(members.iter().all(|(_, connection)| connection.is_some()), "{SIZE} connections");

        let (stop, reopened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopping, again) = (Arc::clone(&stop), Arc::clone(&reopened));
        let worker = std::thread::spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_secs(1));
                for (manner, connection) in &mut members {
                    let alive = match (&manner, connection.as_mut()) {
                        (Manner::Idle, Some(connection)) => connection.is_open(),
                        (_, Some(connection)) => connection.send(b"x").is_ok() && connection.is_open(),
                        (_, None) => false,
                    };
                    if !alive {
                        *connection = open(*manner);
                        again.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        Self { stop, reopened, worker: Some(worker) }
    }

    /// How many connections the server closed so far.
    pub(crate) fn reopened(&self) -> usize {
        self.reopened.load(Ordering::Relaxed)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}
