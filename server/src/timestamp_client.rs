//! Timestamps over HTTP (RFC 3161, section 3.4), from the first of several authorities that gives one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use const_oid::ObjectIdentifier;
use cryptotoken_api::{Certificate, DtbsRepresentation};
use workers::certification_path::CertificationPath;
use workers::timestamp::TimestampRequest;
use workers::{RevocationError, RevocationSource, TimestampError, TimestampSource, TimestampToken};

use crate::fetch::{Fetch, FetchError, Fetcher};

/// The authorities of one worker.
pub struct TimestampClient<'a> {
    /// Who asks.
    pub fetcher: &'a Fetcher,
    /// Whom, in order.
    pub urls: &'a [String],
    /// The account of `sigillo.toml` to ask with.
    pub account: Option<&'a str>,
    /// The policy asked for.
    pub policy: Option<ObjectIdentifier>,
    /// Whom an authority must be certified by; empty: whoever it is.
    pub trust_anchors: &'a [Certificate],
    /// Where missing certificates on the way to them come from.
    pub issuers: &'a dyn RevocationSource,
    /// How long their tokens are.
    pub lengths: &'a TokenLengths,
}

/// How long the tokens of each authority have been since the start, at most, by its URL.
#[derive(Debug, Default)]
pub struct TokenLengths(Mutex<HashMap<String, usize>>);

impl TokenLengths {
    fn learn(&self, url: &str, length: usize) {
        let mut lengths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lengths.entry(url.to_owned()).or_default();
        *known = length.max(*known);
    }

    fn longest(&self, urls: &[String]) -> usize {
        let lengths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        urls.iter().filter_map(|url| lengths.get(url)).max().copied().unwrap_or(0)
    }
}

/// Octets of an answer at most; those with a chain of certificates have 10,000.
const LIMIT: u64 = 1 << 20;

impl TimestampSource for TimestampClient<'_> {
    fn timestamp(&self, imprint: &DtbsRepresentation, deadline: Instant) -> Result<TimestampToken, TimestampError> {
        let mut failures: Vec<TimestampError> = Vec::new();
        for url in self.urls {
            match self.ask(url, imprint, deadline) {
                Ok(token) => return Ok(token),
                Err(error) => {
                    tracing::warn!("{error}");
                    failures.push(error);
                }
            }
        }
        // What was refused or wrong counts before what is missing: only the latter lets a level degrade.
        let wrong = failures.iter().position(|error| !matches!(error, TimestampError::Unavailable { .. }));
        if failures.is_empty() {
            let reason = "the worker names none".into();
            return Err(TimestampError::Unavailable { authority: String::new(), reason });
        }
        Err(failures.swap_remove(wrong.unwrap_or(0)))
    }

    fn longest_token(&self) -> usize {
        self.lengths.longest(self.urls)
    }
}

impl TimestampClient<'_> {
    fn ask(
        &self,
        url: &str,
        imprint: &DtbsRepresentation,
        deadline: Instant,
    ) -> Result<TimestampToken, TimestampError> {
        let authority = || url.to_owned();
        let unavailable = |reason: String| TimestampError::Unavailable { authority: authority(), reason };
        let request =
            TimestampRequest::new(imprint.clone(), self.policy).map_err(|error| unavailable(error.to_string()))?;
        let query = request.to_der().map_err(|error| unavailable(error.to_string()))?;
        let body = Some(("application/timestamp-query", query.as_slice()));
        let fetch = Fetch { purpose: "timestamp", url, body, account: self.account, limit: LIMIT, deadline };
        let response = self.fetcher.fetch(&fetch).map_err(|error| match error {
            error if error.is_outage() => unavailable(error.to_string()),
            error @ FetchError::TooLarge(_) => {
                TimestampError::Invalid { authority: authority(), reason: error.to_string() }
            }
            error => TimestampError::Refused { authority: authority(), reason: error.to_string() },
        })?;
        let token = request.accept(&response, url)?;
        self.check_trust(&token, url, deadline)?;
        self.lengths.learn(url, token.der.len());
        Ok(token)
    }

    fn check_trust(&self, token: &TimestampToken, url: &str, deadline: Instant) -> Result<(), TimestampError> {
        if self.trust_anchors.is_empty() {
            return Ok(());
        }
        let mut outage = false;
        let fetch = |certificate: &Certificate| {
            self.issuers.issuer(certificate, deadline).map_err(|error| {
                outage = matches!(error, RevocationError::Unavailable { .. });
                error.to_string()
            })
        };
        let (anchors, pool) = (self.trust_anchors, &token.certificates);
        let path = CertificationPath::build(&token.signer, anchors, pool, token.time, deadline, fetch);
        path.map(|_| ()).map_err(|error| match (url.to_owned(), error.to_string()) {
            (authority, reason) if outage => TimestampError::Unavailable { authority, reason },
            (authority, reason) => TimestampError::Invalid { authority, reason },
        })
    }
}
