//! What a worker asks others for: timestamps and validation data, as its definition says.

use std::time::{Duration, Instant};

use cryptotoken_api::{Certificate, DigestAlgorithm, DtbsRepresentation, rfc3339};
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
        refuse_future(participants, called)?;
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

/// How far the clock of a time-stamping authority may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(300);

/// Timestamps of others say any time; nobody waits until then for revocation information, and none can be made after it now.
fn refuse_future(participants: &Participants, now: OffsetDateTime) -> Result<(), TimestampError> {
    let mut times = participants.authorities.iter().chain(&participants.signers);
    match times.find(|(_, time)| *time > now + AHEAD) {
        None => Ok(()),
        Some((authority, time)) => {
            let reason = format!("its time, {}, is in the future: compare the clocks", rfc3339(*time));
            Err(TimestampError::Invalid { authority: authority.subject(), reason })
        }
    }
}

/// Revocation information tells its time in whole seconds: of the same second, it counts as made after.
fn whole_second(time: OffsetDateTime) -> OffsetDateTime {
    time.replace_nanosecond(0).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::revocation::{RevocationError, RevocationInfo};
    use crate::software_key::SoftwareKey;

    struct Nobody;

    impl RevocationSource for Nobody {
        fn issuer(&self, certificate: &Certificate, _: Instant) -> Result<Certificate, RevocationError> {
            Err(RevocationError::Unknown { subject: certificate.subject(), reason: "nobody".into() })
        }

        fn revocation(
            &self,
            certificate: &Certificate,
            _: &Certificate,
            _: Option<OffsetDateTime>,
            _: Instant,
        ) -> Result<RevocationInfo, RevocationError> {
            Err(RevocationError::Unknown { subject: certificate.subject(), reason: "nobody".into() })
        }
    }

    #[test]
    fn a_timestamp_of_the_future_is_refused_and_not_waited_for() {
        let key = SoftwareKey::generate();
        let leaf = key.context().credential.chain.leaf().clone();
        let anchor = openssl::base64::encode_block(leaf.der());
        let config = format!(
            "name = \"a\"\nkind = \"cades\"\ncredential = \"c\"\nlevel = \"B-LT\"\ntimestamp = {{ worker = \"tsa\" }}\n\
             revocation_freshness = \"after-signature:1d\"\n\
             trust_anchors = [\"\"\"\n-----BEGIN CERTIFICATE-----\n{anchor}\n-----END CERTIFICATE-----\n\"\"\"]"
        );
        let config = WorkerConfig::parse(&config).unwrap();
        let started = Instant::now();
        let environment = AugmentationEnvironment {
            clock: &SystemClock,
            timestamps: None,
            revocation: Some(&Nobody),
            deadline: started + Duration::from_secs(20),
            level: SignatureLevel::BaselineB,
        };
        let services = Services::new(&config, environment).unwrap();
        // The last moment that a timestamp can name, to which nothing can be added.
        let last = time::macros::datetime!(9999-12-31 23:59:59.999999999 UTC);
        for time in [last, OffsetDateTime::now_utc() + Duration::from_secs(400)] {
            let of = |signers, authorities| Participants { signers, authorities, ..Participants::default() };
            let stamped = (leaf.clone(), time);
            for participants in [of(vec![stamped.clone()], vec![stamped.clone()]), of(vec![stamped], vec![])] {
                let error = services.collect(&participants, &[]).unwrap_err();
                assert!(!error.is_outage(), "{error}");
                assert!(error.to_string().contains("is in the future"), "{error}");
            }
        }
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
