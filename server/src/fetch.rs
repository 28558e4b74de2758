//! The one client for everything that is asked of others over HTTP: who may be asked, how long, how much.

mod account;
mod hosts;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use administration::configuration::FetchConfig;
use anyhow::Context;
use bytes::Bytes;
use secrecy::ExposeSecret;
use ureq::http::{Request, Response, Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Proxy};

use account::Account;
use hosts::{GuardedResolver, HostList, HostRefused};

/// The client. Its functions block.
pub struct Fetcher {
    agent: Agent,
    accounts: Vec<(Account, Agent)>,
    guard: GuardedResolver,
    proxied: bool,
    timeout: Duration,
    max_crl: u64,
    // Hosts by their name in the metrics: others write names into certificates, and must not fill the memory with them.
    measured: Mutex<BTreeSet<String>>,
}

/// Names of hosts in the metrics at most; the others are one.
const MEASURED: usize = 64;
/// Redirections that are followed, on one host.
const REDIRECTIONS: usize = 3;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Fetch<'a> {
    /// What for: `ocsp`, `crl`, `issuer`, `timestamp`.
    pub purpose: &'static str,
    /// Where.
    pub url: &'a str,
    /// What is sent, with its media type; nothing is a `GET`.
    pub body: Option<(&'static str, &'a [u8])>,
    /// The account to ask with.
    pub account: Option<&'a str>,
    /// Octets of an answer at most.
    pub limit: u64,
    /// When the caller stops waiting.
    pub deadline: Instant,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL may not be asked, or is none. The operator decides.
    #[error("{0}")]
    Refused(String),
    /// No connection, or it broke. Waiting may help.
    #[error("{0}")]
    Unreachable(String),
    /// No answer in time. Waiting may help.
    #[error("it did not answer in time")]
    Late,
    /// Another HTTP status than 200.
    #[error("it answered HTTP status {0}")]
    Status(u16),
    /// A longer answer than may be.
    #[error("its answer has more than {0} octets")]
    TooLarge(u64),
}

impl FetchError {
    /// Whether it is an outage: nobody answered, or with an error of its own.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Late => true,
            Self::Status(status) => *status >= 500 || *status == 429 || *status == 408,
            Self::Refused(_) | Self::TooLarge(_) => false,
        }
    }

    const fn outcome(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Late => "late",
            Self::Status(_) => "status",
            Self::TooLarge(_) => "too-large",
        }
    }
}

impl Fetcher {
    /// The client of a configuration, with the secrets of its accounts read.
    ///
    /// # Errors
    /// What the operator must correct in `[fetch]`.
    pub fn new(config: &FetchConfig) -> anyhow::Result<Self> {
        let proxy = config.proxy.as_deref().map(Proxy::new).transpose().context("fetch.proxy")?;
        let guard = GuardedResolver {
            allowed: HostList::parse(&config.allow_hosts).map_err(anyhow::Error::msg).context("fetch.allow_hosts")?,
            public: config.public_hosts,
            proxy: proxy.as_ref().map(|proxy| proxy.host().to_owned()),
        };
        let roots = match &config.tls_ca {
            Some(path) => {
                let pem = std::fs::read(path).with_context(|| format!("fetch.tls_ca: {}", path.display()))?;
                let read = cryptotoken_api::certificate::read_bundle(&pem).context("fetch.tls_ca")?;
                let roots: Vec<_> = read.iter().map(|root| Certificate::from_der(root.der()).to_owned()).collect();
                RootCerts::new_with_certs(&roots)
            }
            None => RootCerts::PlatformVerifier,
        };
        let agent = |account: Option<&Account>| {
            let tls = TlsConfig::builder()
                .provider(TlsProvider::NativeTls)
                .root_certs(roots.clone())
                .client_cert(account.and_then(|account| account.identity.clone()));
            let settings = Agent::config_builder()
                .http_status_as_error(false)
                // Followed here, where the new place is judged.
                .max_redirects(0)
                .max_redirects_will_error(false)
                // Not from the environment: what a service asks through is said in its configuration.
                .proxy(proxy.clone())
                .user_agent(concat!("sigillo/", env!("CARGO_PKG_VERSION")))
                .timeout_connect(Some(config.connect_timeout.0))
                .tls_config(tls.build());
            Agent::with_parts(settings.build(), DefaultConnector::default(), guard.clone())
        };
        let accounts = config.accounts.iter().map(Account::read).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            agent: agent(None),
            accounts: accounts
                .into_iter()
                .map(|account| {
                    let agent = agent(Some(&account));
                    (account, agent)
                })
                .collect(),
            proxied: proxy.is_some(),
            timeout: config.timeout.0,
            max_crl: config.max_crl_bytes.0,
            guard,
            measured: Mutex::default(),
        })
    }

    /// Octets of a CRL at most.
    #[must_use]
    pub const fn max_crl(&self) -> u64 {
        self.max_crl
    }

    /// Asks, and returns the body of an answer with status 200.
    ///
    /// # Errors
    /// [`FetchError`].
    pub fn fetch(&self, fetch: &Fetch<'_>) -> Result<Bytes, FetchError> {
        let started = Instant::now();
        let url = parse(fetch.url);
        let host = url.as_ref().ok().and_then(Uri::host).map(str::to_owned).unwrap_or_default();
        let result = url.and_then(|url| self.follow(fetch, url));
        let outcome = result.as_ref().map_or_else(FetchError::outcome, |_| "answered");
        let labels = [
            ("purpose", fetch.purpose.to_owned()),
            ("host", self.measured_name(host)),
            ("outcome", outcome.to_owned()),
        ];
        metrics::counter!("sigillo_fetches_total", &labels).increment(1);
        metrics::histogram!("sigillo_fetch_seconds", "purpose" => fetch.purpose)
            .record(started.elapsed().as_secs_f64());
        result
    }

    fn follow(&self, fetch: &Fetch<'_>, mut url: Uri) -> Result<Bytes, FetchError> {
        for _ in 0..=REDIRECTIONS {
            let mut response = self.ask(fetch, &url)?;
            let status = response.status().as_u16();
            match status {
                200 => {
                    let read = response.body_mut().with_config().limit(fetch.limit).read_to_vec();
                    return read.map(Bytes::from).map_err(|error| failure(error, fetch.limit));
                }
                // What was sent is not sent anywhere else.
                301 | 302 | 303 | 307 | 308 if fetch.body.is_none() => url = redirection(&url, &response)?,
                status => return Err(FetchError::Status(status)),
            }
        }
        Err(FetchError::Refused("it redirects too often".into()))
    }

    fn ask(&self, fetch: &Fetch<'_>, url: &Uri) -> Result<Response<Body>, FetchError> {
        self.guard.check_name(url).map_err(FetchError::Refused)?;
        let remaining = fetch.deadline.saturating_duration_since(Instant::now()).min(self.timeout);
        if remaining.is_zero() {
            return Err(FetchError::Late);
        }
        let (agent, authorization) = match fetch.account {
            None => (&self.agent, None),
            Some(name) => {
                let account = self.accounts.iter().find(|(account, _)| account.name == name);
                let refused = |reason| Err(FetchError::Refused(reason));
                let Some((account, agent)) = account else {
                    return refused(format!("there is no [[fetch.account]] \"{name}\" in sigillo.toml"));
                };
                if !account.may_be_shown_to(url) {
                    let host = url.host().unwrap_or_default();
                    return refused(format!("[[fetch.account]] \"{name}\" is not for host {host}"));
                }
                (agent, account.authorization.as_ref())
            }
        };
        let mut request = Request::builder().uri(url);
        if let Some(authorization) = authorization {
            let mut value = header::HeaderValue::from_str(authorization.expose_secret())
                .map_err(|_| FetchError::Refused("the secret has characters that no header takes".into()))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let malformed = |error: ureq::http::Error| FetchError::Refused(error.to_string());
        let sent = match fetch.body {
            None => {
                let request = request.method("GET").body(()).map_err(malformed)?;
                let request = agent.configure_request(request).timeout_global(Some(remaining)).build();
                agent.run(request)
            }
            Some((media_type, body)) => {
                let request = request.method("POST").header(header::CONTENT_TYPE, media_type);
                let request = request.body(body).map_err(malformed)?;
                let request = agent.configure_request(request).timeout_global(Some(remaining)).build();
                agent.run(request)
            }
        };
        sent.map_err(|error| failure(error, fetch.limit))
    }

    /// Whether names are resolved by a proxy, where addresses cannot be judged here.
    #[must_use]
    pub const fn is_proxied(&self) -> bool {
        self.proxied
    }

    fn measured_name(&self, host: String) -> String {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        if measured.contains(&host) || measured.len() < MEASURED {
            measured.insert(host.clone());
            host
        } else {
            "other".into()
        }
    }
}

fn parse(url: &str) -> Result<Uri, FetchError> {
    let refused = |what: &str| FetchError::Refused(format!("{what}: \"{}\"", crate::error::legible(url, 200)));
    let parsed: Uri = url.parse().map_err(|_| refused("this is no URL"))?;
    let with_password = parsed.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match parsed.scheme_str() {
        _ if with_password => Err(FetchError::Refused("a URL with a password in it is not asked".into())),
        Some("http" | "https") if parsed.host().is_some_and(|host| !host.is_empty()) => Ok(parsed),
        _ => Err(refused("this is no HTTP URL")),
    }
}

fn redirection(from: &Uri, response: &Response<Body>) -> Result<Uri, FetchError> {
    let refused = |reason: &str| FetchError::Refused(format!("it redirects {reason}"));
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| refused("to nowhere"))?;
    let absolute = match (location.starts_with('/') && !location.starts_with("//"), from.scheme_str(), from.authority())
    {
        (true, Some(scheme), Some(authority)) => format!("{scheme}://{authority}{location}"),
        _ => location.to_owned(),
    };
    let to = parse(&absolute)?;
    let same_host = to.host().map(str::to_ascii_lowercase) == from.host().map(str::to_ascii_lowercase);
    let downgrade = from.scheme_str() == Some("https") && to.scheme_str() != Some("https");
    if same_host && !downgrade { Ok(to) } else { Err(refused("to another host, or out of TLS")) }
}

fn failure(error: ureq::Error, limit: u64) -> FetchError {
    match error {
        ureq::Error::Timeout(_) => FetchError::Late,
        ureq::Error::BodyExceedsLimit(_) => FetchError::TooLarge(limit),
        ureq::Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<HostRefused>()) => {
            FetchError::Refused(error.to_string())
        }
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => FetchError::Late,
        ureq::Error::HostNotFound => FetchError::Unreachable("its name cannot be resolved".into()),
        other => FetchError::Unreachable(other.to_string()),
    }
}
