//! Answers on their way out: read or cut off piece by piece as they are taken, and given up when that takes too long.
//!
//! Whoever takes an answer slowly, or not at all, holds what it is made of. What the request was counted with stays counted for that
//! time, so that all callers together hold no more than requests may.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::{HttpResponse, HttpResponseBuilder, web};
use administration::Configuration;
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::task::JoinSet;
use workers::{SignedDocument, SpooledDocument};

use super::limits::Pending;

/// How long it may take to send an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendLimits {
    timeout: Duration,
    /// Octets in a second.
    rate: u64,
}

impl SendLimits {
    pub(crate) const fn new(configuration: &Configuration) -> Self {
        let server = &configuration.server;
        Self { timeout: server.send_timeout.0, rate: server.min_send_rate.0 }
    }

    fn longest(&self, octets: u64) -> Duration {
        self.timeout.saturating_add(Duration::from_secs(octets / self.rate.max(1)))
    }
}

/// What is sent at a time, in octets.
const PIECE: usize = 64 * 1024;

/// What is to be sent.
pub(crate) struct Answer {
    parts: VecDeque<Part>,
    length: u64,
}

enum Part {
    Octets(Bytes),
    /// From this offset on.
    Spooled(SpooledDocument, u64),
}

impl From<Bytes> for Answer {
    fn from(octets: Bytes) -> Self {
        Self { length: octets.len() as u64, parts: [Part::Octets(octets)].into() }
    }
}

impl From<SignedDocument> for Answer {
    fn from(document: SignedDocument) -> Self {
        let length = document.length() as u64;
        if length <= PIECE as u64 && document.spooled.is_none() {
            return document.bytes().into();
        }
        let mut segments = document.segments.into_iter().map(Part::Octets);
        let first = segments.next();
        let spooled = document.spooled.map(|document| Part::Spooled(document, 0));
        Self { parts: first.into_iter().chain(spooled).chain(segments).collect(), length }
    }
}

impl Answer {
    /// As the body of a response. `held` is what the request was counted with.
    pub(crate) fn send(self, response: &mut HttpResponseBuilder, held: Pending, limits: SendLimits) -> HttpResponse {
        let Self { mut parts, length } = self;
        // What is one piece goes into the buffer of its connection at once, where it takes no more than the head of a request may.
        if parts.len() == 1
            && length <= PIECE as u64
            && let Some(Part::Octets(octets)) = parts.front_mut()
        {
            return response.body(std::mem::take(octets));
        }
        let leaving = Leaving::new(Remaining { parts, _held: held }, limits.longest(length));
        response.no_chunking(length).streaming(Box::pin(octets(leaving)))
    }
}

fn octets(leaving: Leaving) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::try_unfold(leaving, async |leaving| {
        loop {
            let (document, offset) = match leaving.first()? {
                None => return Ok(None),
                Some(Part::Octets(octets)) => return Ok(Some((octets, leaving))),
                Some(Part::Spooled(document, offset)) => (document, offset),
            };
            let read = web::block(move || document.strings(offset)).await.map_err(std::io::Error::other)??;
            leaving.read_to(read.as_ref().map(|(_, next)| *next))?;
            if let Some((octets, _)) = read {
                return Ok(Some((octets, leaving)));
            }
        }
    })
}

/// What of an answer has not been taken yet.
struct Remaining {
    parts: VecDeque<Part>,
    _held: Pending,
}

/// An answer that is let go at its deadline, whether or not somebody still wants octets of it: with a caller who takes none, nothing
/// asks for them and so nothing notices how late it is.
struct Leaving {
    remaining: Arc<Mutex<Option<Remaining>>>,
    /// Ends with this.
    _deadline: JoinSet<()>,
}

impl Leaving {
    fn new(remaining: Remaining, longest: Duration) -> Self {
        let remaining = Arc::new(Mutex::new(Some(remaining)));
        let late = Arc::clone(&remaining);
        let mut deadline = JoinSet::new();
        deadline.spawn(async move {
            tokio::time::sleep(longest).await;
            tracing::warn!("an answer was not taken within {} s and is given up", longest.as_secs());
            late.lock().unwrap_or_else(PoisonError::into_inner).take();
        });
        Self { remaining, _deadline: deadline }
    }

    /// The next piece, which is taken out, or the spooled document that is next and stays; `None` at the end.
    fn first(&self) -> std::io::Result<Option<Part>> {
        self.with(|parts| {
            while let Some(part) = parts.front_mut() {
                match part {
                    Part::Octets(octets) if octets.is_empty() => parts.pop_front(),
                    // What is sent is copied once more, a piece at a time.
                    Part::Octets(octets) => return Some(Part::Octets(octets.split_to(octets.len().min(PIECE)))),
                    Part::Spooled(document, offset) => return Some(Part::Spooled(document.clone(), *offset)),
                };
            }
            None
        })
    }

    /// Goes on with the spooled document from there, or behind it.
    fn read_to(&self, offset: Option<u64>) -> std::io::Result<()> {
        self.with(|parts| match (parts.front_mut(), offset) {
            (Some(Part::Spooled(_, before)), Some(offset)) => *before = offset,
            _ => drop(parts.pop_front()),
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut VecDeque<Part>) -> T) -> std::io::Result<T> {
        let mut remaining = self.remaining.lock().unwrap_or_else(PoisonError::into_inner);
        let remaining = remaining.as_mut();
        let remaining = remaining.ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::TimedOut, "the caller takes the answer too slowly")
        })?;
        Ok(act(&mut remaining.parts))
    }
}
