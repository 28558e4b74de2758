//! `[fetch]`: what the service asks of others over HTTP (timestamps, revocation information, issuers), and of whom.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cryptotoken::config::PinSource;
use serde::Deserialize;

use super::{ByteSize, Timeout};

/// `[fetch]`. URLs also come out of certificates, which others write: hence the limits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FetchConfig {
    /// Hosts that may be asked wherever they are, also at loopback and private addresses: `tsa.example.com`, `10.1.2.3`,
    /// `[fd00::1]`, `*.pki.example.com` (every host below it), each with a port or for every port. Default: none.
    pub allow_hosts: Vec<String>,
    /// Whether every other host may be asked whose addresses are all public. Default true; false: only `allow_hosts`.
    pub public_hosts: bool,
    /// How long a connection may take to be made. Default 5 s.
    pub connect_timeout: Timeout,
    /// How long an answer may take in all. Default 10 s, and never longer than the request that needs it has left.
    pub timeout: Timeout,
    /// How long a server of revocation information that did not answer is left alone. Default 5 s.
    pub retry_after: Timeout,
    /// The largest CRL. Default 32 MiB.
    pub max_crl_bytes: ByteSize,
    /// How OCSP responders are asked: `POST` (default), and `GET` of those that answer 405 to it; or `GET` at once, which caches of others
    /// can answer.
    pub ocsp_method: OcspMethod,
    /// The digest that identifies certificates to OCSP responders: `SHA-1` (default), which every one knows, or `SHA-256`.
    pub ocsp_certificate_id: OcspCertificateId,
    /// An HTTP proxy for everything, `http://proxy.example.com:3128`. Default: none. It then resolves names: who may be asked
    /// must be limited there too.
    pub proxy: Option<String>,
    /// PEM certificates of the authorities whose TLS servers are trusted, in place of the system's. Default: the system's.
    pub tls_ca: Option<PathBuf>,
    /// `[[fetch.account]]`, one each.
    #[serde(rename = "account")]
    pub accounts: Vec<AccountConfig>,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            public_hosts: true,
            connect_timeout: Timeout(Duration::from_secs(5)),
            timeout: Timeout(Duration::from_secs(10)),
            retry_after: Timeout(Duration::from_secs(5)),
            max_crl_bytes: ByteSize(32 << 20),
            ocsp_method: OcspMethod::default(),
            ocsp_certificate_id: OcspCertificateId::default(),
            proxy: None,
            tls_ca: None,
            accounts: Vec::new(),
        }
    }
}

/// How OCSP responders are asked (RFC 6960, appendix A.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum OcspMethod {
    /// The request is the body.
    #[default]
    #[serde(rename = "POST")]
    Post,
    /// The request is in the URL.
    #[serde(rename = "GET")]
    Get,
}

/// The digest in the `CertID` of OCSP requests (RFC 6960, section 4.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum OcspCertificateId {
    /// SHA-1.
    #[default]
    #[serde(rename = "SHA-1")]
    Sha1,
    /// SHA-256.
    #[serde(rename = "SHA-256")]
    Sha256,
}

/// `[[fetch.account]]`: how to authenticate with a service that wants it. One of `password`, `bearer` and `certificate`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// The name by which worker definitions refer to it.
    pub name: String,
    /// The only hosts that get to see it, as in `allow_hosts`: a worker's definition names a URL, and must not be able to send the
    /// secret elsewhere.
    pub hosts: Vec<String>,
    /// The user of HTTP Basic authentication.
    pub user: Option<String>,
    /// Where the password is, as for a token's PIN: `{ file = "…" }`, `{ credential = "…" }`, `{ env = "…" }`.
    pub password: Option<PinSource>,
    /// Where the token of HTTP Bearer authentication is.
    pub bearer: Option<PinSource>,
    /// PEM chain of a TLS client certificate.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM (PKCS#8).
    pub private_key: Option<PathBuf>,
}

impl FetchConfig {
    /// Makes paths absolute, and says what contradicts itself.
    pub(super) fn resolve(&mut self, base: &Path) -> Result<(), String> {
        let absolute = |path: &mut PathBuf| *path = base.join(&path);
        self.tls_ca.iter_mut().for_each(absolute);
        for account in &mut self.accounts {
            account.certificate.iter_mut().chain(account.private_key.iter_mut()).for_each(absolute);
            for source in account.password.iter_mut().chain(account.bearer.iter_mut()) {
                match source {
                    PinSource::File(path) => absolute(path),
                    PinSource::Credential(_) | PinSource::Env(_) => {}
                    PinSource::Manual | PinSource::NoLogin | PinSource::Empty => {
                        return Err(format!(
                            "fetch.account \"{}\": a secret is {{ file = \"…\" }}, {{ credential = \"…\" }} or {{ env = \"…\" }}",
                            account.name
                        ));
                    }
                }
            }
            let complete = [
                account.user.is_some() && account.password.is_some(),
                account.bearer.is_some(),
                account.certificate.is_some() && account.private_key.is_some(),
            ];
            let begun = [
                account.user.is_some() || account.password.is_some(),
                account.bearer.is_some(),
                account.certificate.is_some() || account.private_key.is_some(),
            ];
            if complete != begun || begun.iter().filter(|each| **each).count() != 1 || account.hosts.is_empty() {
                return Err(format!(
                    "fetch.account \"{}\" needs hosts, and one of user with password, bearer, certificate with private_key",
                    account.name
                ));
            }
        }
        let mut names: Vec<&str> = self.accounts.iter().map(|account| account.name.as_str()).collect();
        names.sort_unstable();
        match names.iter().zip(names.iter().skip(1)).find(|(a, b)| a == b) {
            Some((name, _)) => Err(format!("there are two accounts named \"{name}\"; give each its own name")),
            None => Ok(()),
        }
    }
}
