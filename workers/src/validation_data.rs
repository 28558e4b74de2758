//! What a verifier needs to judge a signature without asking anybody: certificates and revocation information.
//!
//! CMS puts it into `SignedData`, PDF into the document security store, XML into the unsigned properties; what it is, is the
//! same for all (EN 319 102-1, clause 5.5).

mod embedded;

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use cryptotoken_api::{Certificate, rfc3339};
use time::OffsetDateTime;

use crate::certificate_extensions::needs_no_revocation;
use crate::certification_path::{CertificationPath, PathError};
use crate::revocation::{RevocationError, RevocationEvidence, RevocationInfo, RevocationSource, RevocationStatus};

/// Certificates and revocation information, each once, in the order of first need.
#[derive(Clone, Debug, Default)]
pub struct ValidationData {
    /// Certificates of every path: signer, time-stamping authorities, responders; trust anchors included where known.
    pub certificates: Vec<Certificate>,
    /// `OCSPResponse`s, DER as received.
    pub ocsp_responses: Vec<Bytes>,
    /// `CertificateList`s, DER as received.
    pub crls: Vec<Bytes>,
}

/// A certificate that is needed with its whole path.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The certificate.
    pub certificate: Certificate,
    /// What it is needed for.
    pub role: SubjectRole,
    /// When it was used, as far as that is proven: it must have been valid then, and not revoked by then. The time of the
    /// signature timestamp for a signer, the time now for a time-stamping authority whose timestamp nothing else covers.
    pub used_at: OffsetDateTime,
    /// When it signed, by its own word or a timestamp's: information that is there already must be of that time, or later.
    pub signed_at: OffsetDateTime,
    /// What revocation information on this certificate (not on those above it) must be.
    pub freshness: Freshness,
}

/// The earliest times at which revocation information on the certificate of a subject may have been made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Freshness {
    /// Of what is asked for; `None`: it need only be current.
    pub asked: Option<OffsetDateTime>,
    /// Of what is there already; `None`: it need only have been current when the subject signed, or be made since.
    pub embedded: Option<OffsetDateTime>,
}

/// What a certificate is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectRole {
    /// It signed the document.
    Signer,
    /// It signed a timestamp.
    TimestampAuthority,
    /// It signed revocation information.
    RevocationAuthority,
}

impl fmt::Display for SubjectRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signer => "signer",
            Self::TimestampAuthority => "time-stamping authority",
            Self::RevocationAuthority => "authority for revocation information",
        })
    }
}

/// Why the data is not complete.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ValidationDataError {
    /// A certificate does not lead to a trust anchor. The operator must act.
    #[error("{role}: {source}")]
    Path {
        /// What the certificate is needed for.
        role: SubjectRole,
        /// What is wrong.
        source: PathError,
    },
    /// A status could not be learnt. See the source for whether waiting helps.
    #[error("{role}: {source}")]
    Revocation {
        /// What the certificate is needed for.
        role: SubjectRole,
        /// What happened.
        source: RevocationError,
    },
    /// A certificate of the path was revoked when the subject's was used. Never helped by waiting.
    #[error("{role}: the certificate of \"{subject}\" was revoked on {}", rfc3339(*revoked_at))]
    Revoked {
        /// What the path is needed for.
        role: SubjectRole,
        /// Whose certificate.
        subject: String,
        /// Since when.
        revoked_at: OffsetDateTime,
    },
    /// A certificate of the path is on hold. Its issuer may release it, or revoke it.
    #[error("{role}: the certificate of \"{subject}\" is on hold since {}", rfc3339(*since))]
    OnHold {
        /// What the path is needed for.
        role: SubjectRole,
        /// Whose certificate.
        subject: String,
        /// Since when.
        since: OffsetDateTime,
    },
}

impl ValidationDataError {
    /// What the certificate is needed for.
    #[must_use]
    pub const fn role(&self) -> SubjectRole {
        match self {
            Self::Path { role, .. }
            | Self::Revocation { role, .. }
            | Self::Revoked { role, .. }
            | Self::OnHold { role, .. } => *role,
        }
    }

    /// Whether it is an outage of a service of others: only that lets a level degrade.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::Revocation { source: RevocationError::Unavailable { .. }, .. })
    }
}

/// Whom to trust and whom to ask.
#[derive(Clone, Copy)]
pub struct Collection<'a> {
    /// Certificates that are trusted without a path, and need no revocation information.
    pub trust_anchors: &'a [Certificate],
    /// Certificates that may lie on a path: the credential's chain, those of timestamp tokens and of the signature.
    pub pool: &'a [Certificate],
    /// Revocation information that is there already, and is used where it suffices.
    pub evidence: &'a [RevocationEvidence],
    /// Where revocation information and missing issuers come from.
    pub source: &'a dyn RevocationSource,
    /// The time now, at which certificates of responders must be valid.
    pub now: OffsetDateTime,
    /// When to give up.
    pub deadline: Instant,
}

impl ValidationData {
    /// Collects the path of every subject, the revocation information on every certificate of it that needs some, and the same
    /// again for whoever signed that information.
    ///
    /// # Errors
    /// [`ValidationDataError`]; what was collected by then is dropped.
    pub fn collect(collection: &Collection<'_>, subjects: &[Subject]) -> Result<Self, ValidationDataError> {
        let mut data = Self::default();
        // With what was asked of each: a later subject may need younger information on the same certificate.
        let mut known: Vec<(Certificate, Option<OffsetDateTime>, RevocationStatus)> = Vec::new();
        let mut used: Vec<(Certificate, RevocationEvidence)> = Vec::new();
        let mut pool = collection.pool.to_vec();
        let mut waiting: VecDeque<Subject> = subjects.to_vec().into();
        while let Some(subject) = waiting.pop_front() {
            let role = subject.role;
            let path = collection.path(&subject, &mut pool)?;
            path.certificates().iter().for_each(|certificate| data.add_certificate(certificate));
            for (position, (certificate, issuer)) in path.issued().enumerate() {
                if needs_no_revocation(certificate) {
                    continue;
                }
                let freshness = if position == 0 { subject.freshness } else { Freshness::default() };
                let not_before = freshness.asked;
                let asked = known.iter().find(|(other, since, _)| other == certificate && *since >= not_before);
                let there =
                    if asked.is_some() { None } else { collection.there(&subject, freshness, certificate, issuer) };
                let status = match (asked, there) {
                    (Some((_, _, status)), _) => *status,
                    (None, Some(info)) if collection.settles(&info, &subject, freshness) => {
                        data.use_embedded(info, certificate, &mut used, &mut waiting)
                    }
                    (None, there) => {
                        let answer = collection.source.revocation(certificate, issuer, not_before, collection.deadline);
                        match (answer, there) {
                            (Ok(info), _) => {
                                known.push((certificate.clone(), not_before, info.status));
                                data.add_evidence(info.evidence);
                                waiting.extend(info.signers.into_iter().map(|each| authority(each, collection.now)));
                                info.status
                            }
                            // Who no longer answers, or no longer what can be believed, takes nothing away from what was said.
                            (
                                Err(RevocationError::Unavailable { .. } | RevocationError::Invalid { .. }),
                                Some(info),
                            ) => data.use_embedded(info, certificate, &mut used, &mut waiting),
                            (Err(source), _) => return Err(ValidationDataError::Revocation { role, source }),
                        }
                    }
                };
                // Of each subject anew: they were not used at the same time.
                let whose = || certificate.subject();
                match status {
                    RevocationStatus::Revoked(revoked_at) if revoked_at <= subject.used_at => {
                        return Err(ValidationDataError::Revoked { role, subject: whose(), revoked_at });
                    }
                    RevocationStatus::OnHold(since) if since <= subject.used_at => {
                        return Err(ValidationDataError::OnHold { role, subject: whose(), since });
                    }
                    _ => {}
                }
            }
        }
        Ok(data)
    }

    /// Who signed it must have been good when it was made.
    fn use_embedded(
        &mut self,
        info: RevocationInfo,
        certificate: &Certificate,
        used: &mut Vec<(Certificate, RevocationEvidence)>,
        waiting: &mut VecDeque<Subject>,
    ) -> RevocationStatus {
        let this = (certificate.clone(), info.evidence);
        if !used.contains(&this) {
            self.add_evidence(this.1.clone());
            used.push(this);
            waiting.extend(info.signers.into_iter().map(|each| authority(each, info.produced_at)));
        }
        info.status
    }

    fn add_certificate(&mut self, certificate: &Certificate) {
        if !self.certificates.contains(certificate) {
            self.certificates.push(certificate.clone());
        }
    }

    fn add_evidence(&mut self, evidence: RevocationEvidence) {
        let (list, der) = match evidence {
            RevocationEvidence::Ocsp(der) => (&mut self.ocsp_responses, der),
            RevocationEvidence::Crl(der) => (&mut self.crls, der),
        };
        if !list.contains(&der) {
            list.push(der);
        }
    }
}

/// Who signs revocation information.
fn authority(certificate: Certificate, signed_at: OffsetDateTime) -> Subject {
    let role = SubjectRole::RevocationAuthority;
    Subject { certificate, role, used_at: signed_at, signed_at, freshness: Freshness::default() }
}

impl Collection<'_> {
    /// What is there already on a certificate of the subject's path, if it suffices.
    fn there(
        &self,
        subject: &Subject,
        freshness: Freshness,
        certificate: &Certificate,
        issuer: &Certificate,
    ) -> Option<RevocationInfo> {
        let info = embedded::newest(self, certificate, issuer)?;
        let suffices = match freshness.embedded {
            Some(not_before) => info.is_made_after(not_before),
            None => info.is_usable(subject.signed_at, None) || info.is_made_after(subject.signed_at),
        };
        suffices.then_some(info)
    }

    /// Whether nothing that was learnt since could say otherwise. What was made before a signature leaves room for a thief, and what
    /// is not current any more for an authority that was revoked since.
    fn settles(&self, info: &RevocationInfo, subject: &Subject, freshness: Freshness) -> bool {
        let made_after = subject.role == SubjectRole::Signer && info.is_made_after(subject.signed_at);
        made_after || (freshness.embedded.is_none() && info.is_usable(self.now, None))
    }

    fn path(&self, subject: &Subject, pool: &mut Vec<Certificate>) -> Result<CertificationPath, ValidationDataError> {
        let mut outage = None;
        let fetch = |certificate: &Certificate| match self.source.issuer(certificate, self.deadline) {
            Ok(issuer) => Ok(issuer),
            Err(error) => {
                let reason = error.to_string();
                outage = matches!(error, RevocationError::Unavailable { .. }).then_some(error);
                Err(reason)
            }
        };
        let (certificate, anchors) = (&subject.certificate, self.trust_anchors);
        let path = CertificationPath::build(certificate, anchors, pool, subject.used_at, self.deadline, fetch);
        let path = path.map_err(|source| match outage {
            // Nobody knows whether there is a path until the issuer can be had.
            Some(source) => ValidationDataError::Revocation { role: subject.role, source },
            None => ValidationDataError::Path { role: subject.role, source },
        })?;
        for certificate in path.certificates() {
            if !pool.contains(certificate) {
                pool.push(certificate.clone());
            }
        }
        Ok(path)
    }
}
