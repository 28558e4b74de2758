//! The clients of a service, as `sigillo.toml` sets them up for a live authority.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use administration::configuration::{FetchConfig, Timeout};
use cryptotoken_api::Certificate;
use cryptotoken_api::certificate::read_bundle;
use sigillo_server::fetch::Fetcher;
use sigillo_server::revocation_client::RevocationClient;
use tests::LivePki;

/// Times that tests can wait for.
pub(crate) fn configuration(live: &LivePki) -> FetchConfig {
    let host = live.url().trim_start_matches("http://").to_owned();
    FetchConfig { allow_hosts: vec![host], timeout: Timeout(Duration::from_secs(2)), ..FetchConfig::default() }
}

pub(crate) fn fetcher(live: &LivePki) -> Arc<Fetcher> {
    Arc::new(Fetcher::new(&configuration(live)).unwrap())
}

/// A client that knows nothing yet.
pub(crate) fn revocation_client(live: &LivePki) -> RevocationClient {
    RevocationClient::new(fetcher(live), &configuration(live))
}

pub(crate) fn certificate(pem: &Path) -> Certificate {
    read_bundle(&std::fs::read(pem).unwrap()).unwrap().remove(0)
}

pub(crate) fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(20)
}
