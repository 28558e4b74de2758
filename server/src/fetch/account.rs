//! Accounts with services that want to know who asks.

use administration::configuration::AccountConfig;
use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use ureq::http::Uri;
use ureq::tls::{Certificate, ClientCert, PrivateKey};

use super::hosts::HostList;

/// An account, with its secret read.
pub(super) struct Account {
    pub(super) name: String,
    pub(super) hosts: HostList,
    pub(super) authorization: Option<SecretString>,
    pub(super) identity: Option<ClientCert>,
}

impl Account {
    /// Reads the secret of an account.
    ///
    /// # Errors
    /// When that is not where the configuration says.
    pub(super) fn read(config: &AccountConfig) -> anyhow::Result<Self> {
        let context = || format!("fetch.account \"{}\"", config.name);
        let authorization = match (&config.user, &config.password, &config.bearer) {
            (Some(user), Some(password), _) => {
                let password = password.read().with_context(context)?.unwrap_or_default();
                let pair = Zeroizing::new(format!("{user}:{}", password.expose_secret()));
                let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
                Some(SecretString::from(format!("Basic {}", *pair)))
            }
            (_, _, Some(bearer)) => {
                let token = bearer.read().with_context(context)?.unwrap_or_default();
                Some(SecretString::from(format!("Bearer {}", token.expose_secret())))
            }
            _ => None,
        };
        let identity = match (&config.certificate, &config.private_key) {
            (Some(certificate), Some(key)) => {
                let chain = std::fs::read(certificate).with_context(context)?;
                let key = std::fs::read(key).with_context(context)?;
                let chain: Vec<Certificate<'static>> = ureq::tls::parse_pem(&chain)
                    .filter_map(|item| match item {
                        Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                        _ => None,
                    })
                    .collect();
                if chain.is_empty() {
                    bail!("{}: there is no certificate in {}", context(), certificate.display());
                }
                Some(ClientCert::new_with_certs(&chain, PrivateKey::from_pem(&key).with_context(context)?))
            }
            _ => None,
        };
        let hosts = HostList::parse(&config.hosts).map_err(anyhow::Error::msg).with_context(context)?;
        Ok(Self { name: config.name.clone(), hosts, authorization, identity })
    }

    pub(super) fn may_be_shown_to(&self, url: &Uri) -> bool {
        self.hosts.contains(url)
    }
}
