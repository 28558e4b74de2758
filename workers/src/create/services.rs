//! What a worker asks others for: timestamps and validation data, as its definition says.

use std::time::{Duration, Instant};

use cryptotoken_api::{Certificate, DigestAlgorithm, DtbsRepresentation};
use time::OffsetDateTime;

use crate::augmentation::Participants;
use crate::config::{RevocationFreshness, WorkerConfig};
use crate::error::WorkerError;
use crate::level::SignatureLevel;
use crate::revocation::RevocationSource;
use crate::timestamp::{TimestampError, TimestampToken};
use crate::validation_data::{Collection, Freshness, Subject, SubjectRole, ValidationData};
use crate::worker::AugmentationEnvironment;

pub(super) struct Services<'a> {
    config: &'a WorkerConfig,
    environment: AugmentationEnvironment<'a>,
}

impl<'a> Services<'a> {
    /// Refuses, before a key is used, a level whose services are not there.
    pub(super) fn new(config: &'a WorkerConfig, environment: AugmentationEnvironment<'a>) -> Result<Self, WorkerError> {
        let AugmentationEnvironment { level, timestamps, revocation, .. } = environment;
        let missing = (level >= SignatureLevel::BaselineT && timestamps.is_none())
            || (level >= SignatureLevel::BaselineLt && revocation.is_none());
        if missing { Err(WorkerError::NoServices { level }) } else { Ok(Self { config, environment }) }
    }

    /// The digest of imprints: what the definition says, else that of the signature.
    pub(super) fn digest(&self, signature: DigestAlgorithm) -> DigestAlgorithm {
        self.config.timestamp().and_then(|timestamp| timestamp.digest()).unwrap_or(signature)
    }

    /// A timestamp over this imprint; at a time when the certificate of `signer` is valid, where one is given.
    pub(super) fn stamp(
        &self,
        imprint: &DtbsRepresentation,
        signer: Option<&Certificate>,
    ) -> Result<TimestampToken, WorkerError> {
        let source = self.environment.timestamps.ok_or(WorkerError::NoServices { level: self.environment.level })?;
        let token = source.timestamp(imprint, self.environment.deadline)?;
        let invalid = |reason: String| {
            let authority = token.signer.subject();
            Err(TimestampError::Invalid { authority, reason }.into())
        };
        if token.imprint != *imprint {
            return invalid("the token stamps something else than what was sent".into());
        }
        match signer {
            // Such a signature would be void: nobody could tell it from one made after the end.
            Some(signer) if token.time < signer.not_before() || token.time > signer.not_after() => {
                invalid(format!("at {}, the time it says, the signing certificate is not valid", token.time))
            }
            _ => Ok(token),
        }
    }

    /// Paths and revocation information for everybody who takes part in a signature.
    pub(super) fn collect(
        &self,
        participants: &Participants,
        chain: &[Certificate],
    ) -> Result<ValidationData, WorkerError> {
        let source: &dyn RevocationSource =
            self.environment.revocation.ok_or(WorkerError::NoServices { level: self.environment.level })?;
        let called = self.environment.clock.now();
        // What is there already was collected when the signature was made, and is held to the policy as of then.
        let freshness = |used_at: OffsetDateTime| match self.config.revocation_freshness() {
            RevocationFreshness::AfterSignature(grace) => (used_at + grace, used_at + grace),
            RevocationFreshness::MaxAge(age) => (called - age, used_at - age),
        };
        let signers = participants.signers.iter().map(|(certificate, used_at)| {
            let (asked, embedded) = freshness(*used_at);
            Subject {
                certificate: certificate.clone(),
                role: SubjectRole::Signer,
                used_at: *used_at,
                signed_at: *used_at,
                freshness: Freshness { asked: Some(whole_second(asked)), embedded: Some(whole_second(embedded)) },
            }
        });
        let mut subjects: Vec<Subject> = signers.collect();
        if let Some(latest) = subjects.iter().filter_map(|subject| subject.freshness.asked).max() {
            self.wait_until(latest);
        }
        let now = self.environment.clock.now();
        subjects.extend(participants.authorities.iter().map(|(certificate, time)| Subject {
            certificate: certificate.clone(),
            role: SubjectRole::TimestampAuthority,
            used_at: now,
            signed_at: *time,
            freshness: Freshness::default(),
        }));
        let pool = [chain, &participants.pool].concat();
        let (trust_anchors, deadline) = (self.config.trust_anchors(), self.environment.deadline);
        let evidence = &participants.evidence;
        let collection = Collection { trust_anchors, pool: &pool, evidence, source, now, deadline };
        Ok(ValidationData::collect(&collection, &subjects)?)
    }

    fn wait_until(&self, moment: OffsetDateTime) {
        let left = Duration::try_from(moment - self.environment.clock.now()).unwrap_or_default();
        std::thread::sleep(left.min(self.environment.deadline.saturating_duration_since(Instant::now())));
    }
}

/// Revocation information tells its time in whole seconds: of the same second, it counts as made after.
fn whole_second(time: OffsetDateTime) -> OffsetDateTime {
    time.replace_nanosecond(0).unwrap_or(time)
}
