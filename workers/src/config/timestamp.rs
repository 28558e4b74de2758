//! Key `timestamp`: where a worker's timestamps come from (RFC 3161).

use cryptotoken_api::DigestAlgorithm;
use der::asn1::ObjectIdentifier;
use serde::{Deserialize, Serialize};

/// Where the timestamps of a worker come from, and what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct TimestampConfig {
    source: TimestampOrigin,
    policy: Option<ObjectIdentifier>,
    digest: Option<DigestAlgorithm>,
}

/// Who makes the timestamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimestampOrigin {
    /// Authorities reached over HTTP: the next one is asked when one does not answer.
    Authorities {
        /// Their URLs, in order of preference; never empty.
        urls: Vec<String>,
        /// Name of the account of `sigillo.toml` (`[[fetch.account]]`) to authenticate with.
        account: Option<String>,
    },
    /// A timestamp worker of this service, in process.
    Worker(String),
}

impl TimestampConfig {
    /// Who makes them.
    #[must_use]
    pub const fn source(&self) -> &TimestampOrigin {
        &self.source
    }

    /// The policy asked for (`reqPolicy`), which the token must then be made under. Default: the authority's own.
    #[must_use]
    pub const fn policy(&self) -> Option<ObjectIdentifier> {
        self.policy
    }

    /// The digest of the message imprint. Default: the digest of the signature.
    #[must_use]
    pub const fn digest(&self) -> Option<DigestAlgorithm> {
        self.digest
    }
}

/// The key as written.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    urls: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<DigestAlgorithm>,
}

impl TryFrom<Written> for TimestampConfig {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let source = match (written.url, written.urls, written.worker) {
            (Some(url), None, None) => TimestampOrigin::Authorities { urls: vec![url], account: written.account },
            (None, Some(urls), None) if !urls.is_empty() => {
                TimestampOrigin::Authorities { urls, account: written.account }
            }
            (None, None, Some(_)) if written.account.is_some() => {
                return Err("a worker of this service needs no account; remove it".into());
            }
            (None, None, Some(name)) => TimestampOrigin::Worker(name),
            _ => return Err("write one of url = \"https://…\", urls = [\"https://…\", …] and worker = \"…\"".into()),
        };
        if let TimestampOrigin::Authorities { urls, .. } = &source {
            urls.iter().try_for_each(|url| check_url(url))?;
        }
        let policy = written.policy.map(|text| {
            let wrong = |_| format!("policy \"{text}\" is no object identifier such as \"1.2.3.4\"");
            ObjectIdentifier::new(&text).map_err(wrong)
        });
        Ok(Self { source, policy: policy.transpose()?, digest: written.digest })
    }
}

impl From<TimestampConfig> for Written {
    fn from(config: TimestampConfig) -> Self {
        let TimestampConfig { source, policy, digest } = config;
        let common = Self { policy: policy.map(|oid| oid.to_string()), digest, ..Self::default() };
        match source {
            TimestampOrigin::Authorities { mut urls, account } => match (urls.len(), urls.pop()) {
                (1, url) => Self { url, account, ..common },
                (_, last) => {
                    urls.extend(last);
                    Self { urls: Some(urls), account, ..common }
                }
            },
            TimestampOrigin::Worker(name) => Self { worker: Some(name), ..common },
        }
    }
}

// Only what a person mistypes: the client that asks reads the URL again, and by its own rules.
fn check_url(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match authority {
        Some(authority) if authority.contains('@') => {
            Err(format!("the URL \"{}\" has a password in it; name an account instead", redacted(url)))
        }
        Some(authority) if !authority.is_empty() && !url.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Ok(())
        }
        _ => Err(format!("\"{url}\" is no URL; write https://HOST/PATH or http://HOST/PATH")),
    }
}

fn redacted(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => "…".to_owned(),
    }
}
