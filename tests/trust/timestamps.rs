//! Timestamps over HTTP: what is believed of an authority's answer, and who is asked next.

use std::sync::Arc;
use std::time::Duration;

use administration::configuration::{AccountConfig, FetchConfig};
use cryptotoken::PinSource;
use cryptotoken_api::{Certificate, DigestAlgorithm, DtbsRepresentation};
use sigillo_server::fetch::Fetcher;
use sigillo_server::revocation_client::RevocationClient;
use sigillo_server::timestamp_client::TimestampClient;
use tests::live_pki::{Issuer, Timestamp};
use tests::{LivePki, report};
use time::OffsetDateTime;
use workers::{TimestampError, TimestampSource, TimestampToken};

use crate::clients::{certificate, configuration, deadline};

struct Asker {
    fetcher: Arc<Fetcher>,
    issuers: RevocationClient,
    anchors: Vec<Certificate>,
    urls: Vec<String>,
}

impl Asker {
    fn new(config: &FetchConfig, live: &LivePki) -> Self {
        let fetcher = Arc::new(Fetcher::new(config).unwrap());
        let issuers = RevocationClient::new(Arc::clone(&fetcher), config);
        let (anchors, urls) = (vec![certificate(&live.root())], vec![live.timestamp_url()]);
        Self { fetcher, issuers, anchors, urls }
    }

    fn ask(&self, account: Option<&str>, policy: Option<&str>) -> Result<TimestampToken, TimestampError> {
        let client = TimestampClient {
            fetcher: &self.fetcher,
            urls: &self.urls,
            account,
            policy: policy.map(|policy| policy.parse().unwrap()),
            trust_anchors: &self.anchors,
            issuers: &self.issuers,
        };
        let imprint =
            DtbsRepresentation::new(DigestAlgorithm::Sha256, DigestAlgorithm::Sha256.digest(b"data")).unwrap();
        client.timestamp(&imprint, deadline())
    }
}

#[test]
fn what_is_believed_of_an_authority() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let asker = Asker::new(&configuration(&live), &live);
    let token = asker.ask(None, None).unwrap();
    assert!((OffsetDateTime::now_utc() - token.time).whole_seconds().abs() < 10);
    assert_eq!(token.signer, certificate(&live.timestamp_authority()));
    let rows = [
        (Timestamp::Down, "unavailable"),
        (Timestamp::Slow(Duration::from_secs(4)), "unavailable"),
        (Timestamp::Status(503), "unavailable"),
        (Timestamp::Status(403), "refused"),
        (Timestamp::Authorized("Bearer x".into()), "refused"),
        (Timestamp::Refusing, "refused"),
        (Timestamp::Garbage, "invalid"),
        (Timestamp::WrongNonce, "invalid"),
        (Timestamp::NoNonce, "invalid"),
        (Timestamp::WrongImprint, "invalid"),
        (Timestamp::Forged, "invalid"),
    ];
    let mut table = Vec::new();
    for (behaviour, expected) in rows {
        live.timestamp(behaviour.clone());
        let error = asker.ask(None, None).unwrap_err();
        let actual = match &error {
            TimestampError::Unavailable { .. } => "unavailable",
            TimestampError::Refused { .. } => "refused",
            TimestampError::Invalid { .. } => "invalid",
        };
        table.push(format!("  {:<24} {actual:<12} {error}", format!("{behaviour:?}")));
        assert_eq!(actual, expected, "{behaviour:?}: {error}");
        assert!(error.to_string().contains(&live.timestamp_url()), "{error}");
    }
    report(&format!("time-stamping authority: what it does, what it came to\n{}", table.join("\n")));
}

#[test]
fn the_next_authority_is_asked_and_what_was_wrong_counts_before_what_was_missing() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (live, second) = (LivePki::start(folder.path()), LivePki::start(other.path()));
    let host = |live: &LivePki| live.url().trim_start_matches("http://").to_owned();
    let config = FetchConfig { allow_hosts: vec![host(&live), host(&second)], ..configuration(&live) };
    let mut asker = Asker::new(&config, &live);
    asker.urls = vec![second.timestamp_url(), live.timestamp_url()];
    second.timestamp(Timestamp::Down);
    assert_eq!(asker.ask(None, None).unwrap().signer, certificate(&live.timestamp_authority()));
    // The same names and other keys: its root is not trusted.
    second.timestamp(Timestamp::Proper);
    assert_eq!(asker.ask(None, None).unwrap().signer, certificate(&live.timestamp_authority()));
    live.timestamp(Timestamp::Down);
    let error = asker.ask(None, None).unwrap_err();
    assert!(
        matches!(&error, TimestampError::Invalid { authority, .. } if *authority == second.timestamp_url()),
        "{error}"
    );
    second.timestamp(Timestamp::Down);
    assert!(matches!(asker.ask(None, None), Err(TimestampError::Unavailable { .. })));
}

#[test]
fn a_policy_that_is_asked_for_is_the_policy_of_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let asker = Asker::new(&configuration(&live), &live);
    let token = asker.ask(None, Some("1.3.6.1.4.1.99999.2")).unwrap();
    assert_eq!(token.policy.to_string(), "1.3.6.1.4.1.99999.2");
    let error = asker.ask(None, Some("1.3.6.1.4.1.99999.3")).unwrap_err();
    assert!(matches!(&error, TimestampError::Refused { reason, .. } if reason.contains("unacceptedPolicy")), "{error}");
}

#[test]
fn an_account_opens_an_authority_that_wants_to_know_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "t0ken\n").unwrap();
    let account = AccountConfig {
        name: "tsa".into(),
        hosts: vec!["127.0.0.1".into()],
        user: None,
        password: None,
        bearer: Some(PinSource::File(secret)),
        certificate: None,
        private_key: None,
    };
    live.timestamp(Timestamp::Authorized("Bearer t0ken".into()));
    let asker = Asker::new(&FetchConfig { accounts: vec![account], ..configuration(&live) }, &live);
    asker.ask(Some("tsa"), None).unwrap();
    let error = asker.ask(None, None).unwrap_err();
    assert!(matches!(&error, TimestampError::Refused { reason, .. } if reason.contains("401")), "{error}");
}

#[test]
fn an_authority_that_nobody_trusts_is_not_believed() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (live, stranger) = (LivePki::start(folder.path()), LivePki::start(other.path()));
    let mut asker = Asker::new(&configuration(&live), &live);
    asker.anchors = vec![certificate(&stranger.root())];
    let error = asker.ask(None, None).unwrap_err();
    assert!(matches!(&error, TimestampError::Invalid { reason, .. } if reason.contains("no trust anchor")), "{error}");
    // Nobody knows whether it leads there while its issuer cannot be had.
    live.issuer(Issuer::Down);
    let mut asker = Asker { anchors: asker.anchors, ..Asker::new(&configuration(&live), &live) };
    let error = asker.ask(None, None).unwrap_err();
    assert!(matches!(&error, TimestampError::Unavailable { .. }), "{error}");
    // Where nobody is named, whoever the URL leads to is believed.
    asker.anchors.clear();
    asker.ask(None, None).unwrap();
}
