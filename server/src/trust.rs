//! What workers are lent for what they ask of others, and the check of the credential's own certificate before its key is used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use administration::configuration::FetchConfig;
use administration::{Node, credential};
use cryptotoken_api::{Certificate, Credential};
use time::OffsetDateTime;
use workers::certificate_extensions::needs_no_revocation;
use workers::certification_path::CertificationPath;
use workers::{
    RevocationError, RevocationSource, RevocationStatus, SubjectRole, ValidationDataError, WorkerConfig, WorkerError,
};

use crate::error::ApiError;
use crate::fetch::Fetcher;
use crate::revocation_client::RevocationClient;
use crate::timestamp_client::TokenLengths;

/// The clients of a process.
pub(crate) struct Trust {
    fetcher: Arc<Fetcher>,
    revocation: RevocationClient,
    token_lengths: TokenLengths,
}

impl Trust {
    /// The clients of a configuration.
    ///
    /// # Errors
    /// What the operator must correct in `[fetch]`.
    pub(crate) fn new(config: &FetchConfig) -> anyhow::Result<Self> {
        let fetcher = Arc::new(Fetcher::new(config)?);
        if fetcher.is_proxied() {
            tracing::warn!(
                "what is asked of others goes through fetch.proxy, which must keep it out of inner networks"
            );
        }
        let revocation = RevocationClient::new(Arc::clone(&fetcher), config);
        Ok(Self { fetcher, revocation, token_lengths: TokenLengths::default() })
    }

    /// Where revocation information comes from.
    pub(crate) const fn revocation(&self) -> &RevocationClient {
        &self.revocation
    }

    /// How long timestamps have been.
    pub(crate) const fn token_lengths(&self) -> &TokenLengths {
        &self.token_lengths
    }

    /// What asks over HTTP.
    pub(crate) fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Refuses to use the key of a certificate that is revoked or unknown to its issuer. A revoked one is put on record, and its
    /// credential signs no more.
    ///
    /// # Errors
    /// [`ApiError::Worker`]: what the issuer says, or that it could not be learnt.
    pub(crate) fn check_status(
        &self,
        node: &Node,
        config: &WorkerConfig,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<(), ApiError> {
        let Some(max_age) = config.status_max_age() else { return Ok(()) };
        let leaf = credential.chain.leaf();
        if needs_no_revocation(leaf) || config.trust_anchors().contains(leaf) {
            return Ok(());
        }
        let checked = self.status(config, credential, leaf, max_age, deadline);
        if let Err(ValidationDataError::Revoked { revoked_at, .. }) = &checked {
            // Refused either way; the next request finds the state.
            if let Err(error) = credential::revoked(node, &credential.name, *revoked_at) {
                tracing::error!("the revocation of credential \"{}\" could not be recorded: {error}", credential.name);
            }
        }
        checked.map_err(|error| WorkerError::from(error).into())
    }

    fn status(
        &self,
        config: &WorkerConfig,
        credential: &Credential,
        leaf: &Certificate,
        max_age: Duration,
        deadline: Instant,
    ) -> Result<(), ValidationDataError> {
        let role = SubjectRole::Signer;
        let mut outage = None;
        let fetch = |certificate: &Certificate| {
            self.revocation.issuer(certificate, deadline).map_err(|error| {
                let reason = error.to_string();
                outage = matches!(error, RevocationError::Unavailable { .. }).then_some(error);
                reason
            })
        };
        let (anchors, pool) = (config.trust_anchors(), credential.chain.certificates());
        let path = CertificationPath::build(leaf, anchors, pool, OffsetDateTime::now_utc(), deadline, fetch);
        let path = path.map_err(|source| match outage {
            Some(source) => ValidationDataError::Revocation { role, source },
            None => ValidationDataError::Path { role, source },
        })?;
        // A certificate that is an anchor itself has been let through before.
        let Some((_, issuer)) = path.issued().next() else { return Ok(()) };
        let info = self.revocation.status(leaf, issuer, max_age, deadline);
        match info.map_err(|source| ValidationDataError::Revocation { role, source })?.status {
            RevocationStatus::Good => Ok(()),
            RevocationStatus::Revoked(revoked_at) => {
                Err(ValidationDataError::Revoked { role, subject: leaf.subject(), revoked_at })
            }
            // Its issuer may release it: the credential keeps its state.
            RevocationStatus::OnHold(since) => {
                Err(ValidationDataError::OnHold { role, subject: leaf.subject(), since })
            }
        }
    }
}
