//! What of a request is known before its document is looked at: the worker, its credential, where timestamps come from.

use std::time::Instant;

use cryptotoken_api::{CertificateChain, Credential, CredentialState, SignatureAlgorithm, SignerError};
use store::{CredentialRecord, WorkerRecord};
use workers::config::TimestampOrigin;
use workers::{TimestampSource, Worker, WorkerConfig, WorkerError};

use super::{Job, Shared};
use crate::authorization::Grant;
use crate::error::ApiError;
use crate::local_tsa::LocalTsa;
use crate::timestamp_client::TimestampClient;

/// A worker with its credential, which may sign now.
pub(crate) struct PreparedRequest {
    pub(crate) worker: Box<dyn Worker>,
    pub(crate) credential: Credential,
    pub(super) record: CredentialRecord,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) qualified: bool,
}

impl Shared {
    /// Everything that can be refused before the document is looked at.
    pub(crate) fn prepare(
        &self,
        worker: &WorkerRecord,
        record: Option<&CredentialRecord>,
        deadline: Instant,
    ) -> Result<PreparedRequest, ApiError> {
        let config = definition(worker)?;
        let record = record.ok_or_else(|| {
            ApiError::Misconfigured(format!(
                "worker \"{}\" names credential \"{}\", which does not exist",
                config.name(),
                config.credential()
            ))
        })?;
        refuse_unauthorized(record)?;
        let credential = active_credential(record)?;
        let algorithm = config
            .algorithm(record.spec)
            .map_err(|error| ApiError::Misconfigured(format!("worker \"{}\": {error}", config.name())))?;
        if config.qualified().is_some() {
            let missing = administration::qualified::missing_for_eseal(&self.node, record);
            if !missing.is_empty() {
                return Err(ApiError::NotQualified { missing });
            }
        }
        // Before the token is asked: what the certificate forbids is no matter of the device.
        workers::policy::check(config.kind(), &credential, time::OffsetDateTime::now_utc())?;
        self.trust.check_status(&self.node, &config, &credential, deadline)?;
        let qualified = config.qualified().is_some();
        Ok(PreparedRequest {
            worker: workers::kind::build(config),
            credential,
            record: record.clone(),
            algorithm,
            qualified,
        })
    }

    /// Where a worker's timestamps come from.
    pub(super) fn timestamps<'a>(
        &'a self,
        config: &'a WorkerConfig,
        job: &'a Job<'a>,
    ) -> Option<Box<dyn TimestampSource + 'a>> {
        let timestamp = config.timestamp()?;
        Some(match timestamp.source() {
            TimestampOrigin::Worker(name) => Box::new(LocalTsa::new(self, name, timestamp.policy(), job)),
            TimestampOrigin::Authorities { urls, account } => Box::new(TimestampClient {
                fetcher: self.trust.fetcher(),
                urls,
                account: account.as_deref(),
                policy: timestamp.policy(),
                trust_anchors: config.trust_anchors(),
                issuers: self.trust.revocation(),
                lengths: self.trust.token_lengths(),
            }),
        })
    }
}

/// The definition behind a grant.
///
/// # Errors
/// [`ApiError::Misconfigured`] when this version does not understand it.
pub(crate) fn worker_config(grant: &Grant) -> Result<WorkerConfig, ApiError> {
    definition(grant.worker())
}

/// A worker's definition.
///
/// # Errors
/// As [`worker_config`].
pub(crate) fn definition(record: &WorkerRecord) -> Result<WorkerConfig, ApiError> {
    WorkerConfig::parse(&record.definition)
        .map_err(|error| ApiError::Misconfigured(format!("worker \"{}\": {error}", record.name)))
}

/// Says of a credential that waits for the authorisation of its key what is to be done.
fn refuse_unauthorized(record: &CredentialRecord) -> Result<(), ApiError> {
    match record.locations.first() {
        Some(location) if record.state == CredentialState::AwaitingAuthorization => {
            let reason = administration::authorization::awaiting(record, location);
            Err(WorkerError::from(SignerError::NotPermitted { reason }).into())
        }
        _ => Ok(()),
    }
}

/// The credential of a record that has a certificate.
pub(crate) fn active_credential(record: &CredentialRecord) -> Result<Credential, ApiError> {
    let not_active = |state| ApiError::Worker(WorkerError::CredentialNotActive { name: record.name.clone(), state });
    if record.chain.is_empty() {
        let without =
            |state| if state == CredentialState::Active { CredentialState::AwaitingCertificate } else { state };
        return Err(not_active(without(record.state)));
    }
    let chain = CertificateChain::from_ders(&record.chain)
        .map_err(|error| ApiError::Misconfigured(format!("credential \"{}\": {error}", record.name)))?;
    Ok(Credential { name: record.name.clone(), purpose: record.purpose, state: record.state, chain })
}
