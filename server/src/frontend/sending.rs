//! Signed documents on their way out: the spooled ones are read as they are sent, and given up when that takes too long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::web;
use administration::Configuration;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::task::JoinSet;
use workers::{SignedDocument, SpooledDocument};

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

/// The octets of a signed document in order.
pub(crate) fn octets(
    document: SignedDocument,
    limits: SendLimits,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + use<> {
    let mut segments = document.segments.into_iter();
    let first = segments.next();
    // Before anything is sent: who takes nothing at all is given up too.
    let leaving = document.spooled.map(|document| Leaving::new(document, limits));
    let spooled = stream::iter(leaving).flat_map(|leaving| {
        stream::try_unfold((leaving, 0), async |(leaving, offset)| {
            let document = leaving.document()?;
            let strings = web::block(move || document.strings(offset)).await.map_err(std::io::Error::other)??;
            Ok(strings.map(|(octets, next)| (octets, (leaving, next))))
        })
    });
    stream::iter(first).map(Ok).chain(spooled).chain(stream::iter(segments).map(Ok))
}

/// A document that is let go at its deadline, whether or not somebody still wants octets of it: with a caller who takes none,
/// nothing asks for them and so nothing notices how late it is.
struct Leaving {
    document: Arc<Mutex<Option<SpooledDocument>>>,
    /// Ends with this.
    _deadline: JoinSet<()>,
}

impl Leaving {
    fn new(document: SpooledDocument, limits: SendLimits) -> Self {
        let longest = limits.longest(document.length());
        let document = Arc::new(Mutex::new(Some(document)));
        let late = Arc::clone(&document);
        let mut deadline = JoinSet::new();
        deadline.spawn(async move {
            tokio::time::sleep(longest).await;
            tracing::warn!("a signed document was not taken within {} s and is given up", longest.as_secs());
            late.lock().unwrap_or_else(PoisonError::into_inner).take();
        });
        Self { document, _deadline: deadline }
    }

    fn document(&self) -> std::io::Result<SpooledDocument> {
        let document = self.document.lock().unwrap_or_else(PoisonError::into_inner);
        document.clone().ok_or_else(|| std::io::Error::new(std::io::ErrorKind::TimedOut, "the caller is too slow"))
    }
}
