//! Revocation information and issuers over HTTP: OCSP first, then CRLs, as the certificate says (RFC 5280, sections 4.2.1.13, 4.2.2.1).

mod cache;

use std::sync::Arc;
use std::time::{Duration, Instant};

use administration::configuration::{FetchConfig, OcspCertificateId, OcspMethod};
use bytes::Bytes;
use cryptotoken_api::{Certificate, rfc3339};
use time::OffsetDateTime;
use workers::certificate_extensions::{
    crl_urls, has_indirect_crls, issuer_urls, may_sign_ocsp_responses, needs_no_revocation, ocsp_urls,
};
use workers::revocation::ocsp::{IdentifierDigest, OcspRequest};
use workers::revocation::{crl, issuers};
use workers::{RevocationError, RevocationEvidence, RevocationInfo, RevocationSource, RevocationStatus};

use crate::fetch::{Fetch, FetchError, Fetcher};
use cache::Cache;

/// Asks authorities, and remembers what they said for as long as that is current. One for a process; its functions block.
pub struct RevocationClient {
    fetcher: Arc<Fetcher>,
    retry_after: Duration,
    method: OcspMethod,
    identifier: IdentifierDigest,
    /// Responders that take no `POST`.
    only_get: Cache<String, ()>,
    known: Cache<CertificateId, Known>,
    crls: Cache<String, Bytes>,
    issuers: Cache<String, Certificate>,
    failed: Cache<String, FetchError>,
}

/// A certificate and its issuer, by their fingerprints.
type CertificateId = (String, String);

/// What is remembered of an answer. A list is held once, among the lists, for all certificates that are on it or are not.
#[derive(Clone)]
struct Known {
    /// Without its evidence where `list` says where that is.
    info: RevocationInfo,
    /// Where the list came from.
    list: Option<String>,
}

/// Octets of an OCSP response at most; those with a chain of certificates have 10,000.
const OCSP_LIMIT: u64 = 256 << 10;
/// Octets of an issuer's certificate, or of a bundle of some.
const ISSUER_LIMIT: u64 = 1 << 20;
/// Octets of everything that is remembered, for each kind.
const MEMORY: usize = 128 << 20;
/// How far the clock of a responder may be behind that of a time-stamping authority until its information counts as too old at once.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(5);

impl RevocationClient {
    /// A client without knowledge.
    #[must_use]
    pub fn new(fetcher: Arc<Fetcher>, config: &FetchConfig) -> Self {
        Self {
            fetcher,
            retry_after: config.retry_after.0,
            method: config.ocsp_method,
            identifier: match config.ocsp_certificate_id {
                OcspCertificateId::Sha1 => IdentifierDigest::Sha1,
                OcspCertificateId::Sha256 => IdentifierDigest::Sha256,
            },
            only_get: Cache::new(MEMORY),
            known: Cache::new(MEMORY),
            crls: Cache::new(MEMORY),
            issuers: Cache::new(MEMORY),
            failed: Cache::new(MEMORY),
        }
    }

    /// What is known of a certificate's status, asked at most `max_age` ago.
    ///
    /// # Errors
    /// [`RevocationError`].
    pub fn status(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        max_age: Duration,
        deadline: Instant,
    ) -> Result<RevocationInfo, RevocationError> {
        self.answer(&Question { max_age: Some(max_age), ..self.question(certificate, issuer, deadline) })
    }

    fn question<'a>(
        &'a self,
        certificate: &'a Certificate,
        issuer: &'a Certificate,
        deadline: Instant,
    ) -> Question<'a> {
        Question { client: self, certificate, issuer, not_before: None, max_age: None, deadline, of_responder: false }
    }

    /// From memory, else from those who know.
    fn answer(&self, question: &Question<'_>) -> Result<RevocationInfo, RevocationError> {
        let id = (question.certificate.fingerprint(), question.issuer.fingerprint());
        match self.remembered(&id) {
            Some((info, since)) if question.is_recent(&info, since) => Ok(info),
            _ => self.ask(question),
        }
    }

    fn ask(&self, question: &Question<'_>) -> Result<RevocationInfo, RevocationError> {
        let Question { certificate, issuer, .. } = *question;
        let mut failures: Vec<RevocationError> = Vec::new();
        for (url, is_ocsp) in places(certificate) {
            let said =
                if is_ocsp { question.ocsp(&url).map(|info| (info, Instant::now())) } else { question.crl(&url) };
            let said = said.and_then(|(info, since)| question.check_responders(&info).map(|()| (info, since)));
            match said {
                Ok((info, since)) => {
                    // One that is on hold may be released at any time, and be asked for again.
                    if !matches!(info.status, RevocationStatus::OnHold(_)) {
                        let id = (certificate.fingerprint(), issuer.fingerprint());
                        self.remember(id, info.clone(), since, &url);
                    }
                    return Ok(info);
                }
                // Said by who must know: nobody else is asked.
                Err(unknown @ RevocationError::Unknown { .. }) => return Err(unknown),
                Err(error) => {
                    tracing::warn!("{error}");
                    failures.push(error);
                }
            }
        }
        // What is wrong counts before what is missing: only the latter lets a level degrade.
        let wrong = failures.iter().position(|error| !matches!(error, RevocationError::Unavailable { .. }));
        let subject = certificate.subject();
        let none = || {
            if has_indirect_crls(certificate) {
                "its CRLs are signed by another authority than its issuer, which is not supported".to_owned()
            } else {
                "it names no place where its status can be learnt over HTTP".to_owned()
            }
        };
        let first = if failures.is_empty() { None } else { Some(failures.swap_remove(wrong.unwrap_or(0))) };
        Err(first.unwrap_or_else(|| RevocationError::Unknown { subject, reason: none() }))
    }

    fn remember(&self, id: CertificateId, mut info: RevocationInfo, since: Instant, url: &str) {
        let (octets, list) = match &mut info.evidence {
            RevocationEvidence::Ocsp(der) => (der.len(), None),
            RevocationEvidence::Crl(der) => {
                *der = Bytes::new();
                (0, Some(url.to_owned()))
            }
        };
        self.known.put_since(id, Known { info, list }, octets, since);
    }

    /// What was learnt of a certificate, and when, if its evidence is still at hand.
    fn remembered(&self, id: &CertificateId) -> Option<(RevocationInfo, Instant)> {
        let (Known { mut info, list }, since) = self.known.get(id)?;
        if let Some(url) = list {
            let (list, fetched) = self.crls.get(&url)?;
            // One that was fetched since may say something else.
            if fetched != since {
                return None;
            }
            info.evidence = RevocationEvidence::Crl(list);
        }
        Some((info, since))
    }

    fn fetch(&self, fetch: &Fetch<'_>) -> Result<Bytes, FetchError> {
        let url = fetch.url.to_owned();
        if let Some((error, since)) = self.failed.get(&url)
            && since.elapsed() < self.retry_after
        {
            return Err(error);
        }
        let result = self.fetcher.fetch(fetch);
        match &result {
            // The caller ran out of time, which says nothing of the server.
            Err(FetchError::Late) if Instant::now() >= fetch.deadline => {}
            Err(error) if error.is_outage() => self.failed.put(url, error.clone(), 256),
            _ => self.failed.forget(&url),
        }
        result
    }
}

impl RevocationSource for RevocationClient {
    fn issuer(&self, certificate: &Certificate, deadline: Instant) -> Result<Certificate, RevocationError> {
        let subject = || format!("{} (its issuer)", certificate.subject());
        if let Some((issuer, _)) = self.issuers.get(&certificate.fingerprint()) {
            return Ok(issuer);
        }
        let mut failures = Vec::new();
        for url in issuer_urls(certificate) {
            let fetch =
                Fetch { purpose: "issuer", url: &url, body: None, account: None, limit: ISSUER_LIMIT, deadline };
            match self.fetch(&fetch) {
                Ok(received) => {
                    let found = issuers::read(&received).into_iter().find(|issuer| certificate.is_issued_by(issuer));
                    if let Some(issuer) = found {
                        self.issuers.put(certificate.fingerprint(), issuer.clone(), issuer.der().len());
                        return Ok(issuer);
                    }
                    let reason = format!("what {url} serves is not its issuer's certificate");
                    failures.push(RevocationError::Invalid { subject: subject(), reason });
                }
                Err(error) => failures.push(not_fetched(subject(), &url, &error)),
            }
        }
        let wrong = failures.iter().position(|error| !matches!(error, RevocationError::Unavailable { .. }));
        if failures.is_empty() {
            let reason = "it names no place where its issuer's certificate can be had over HTTP".into();
            return Err(RevocationError::Unknown { subject: subject(), reason });
        }
        Err(failures.swap_remove(wrong.unwrap_or(0)))
    }

    fn revocation(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        not_before: Option<OffsetDateTime>,
        deadline: Instant,
    ) -> Result<RevocationInfo, RevocationError> {
        self.answer(&Question { not_before, ..self.question(certificate, issuer, deadline) })
    }
}

struct Question<'a> {
    client: &'a RevocationClient,
    certificate: &'a Certificate,
    issuer: &'a Certificate,
    not_before: Option<OffsetDateTime>,
    /// How long ago a CRL may have been fetched.
    max_age: Option<Duration>,
    deadline: Instant,
    /// Whether it is about who answered another one.
    of_responder: bool,
}

impl Question<'_> {
    /// Asks again when the answer is too old by no more than clocks differ.
    fn ocsp(&self, url: &str) -> Result<RevocationInfo, RevocationError> {
        let info = self.ocsp_once(url)?;
        let late = self
            .not_before
            .map(|not_before| not_before - info.this_update)
            .and_then(|late| Duration::try_from(late).ok());
        let left = self.deadline.saturating_duration_since(Instant::now());
        match late {
            Some(late) if !late.is_zero() && late <= CLOCK_DIFFERENCE && late < left && !self.is_fresh(&info) => {
                std::thread::sleep(late);
                self.fresh(self.ocsp_once(url)?, url)
            }
            _ => self.fresh(info, url),
        }
    }

    fn ocsp_once(&self, url: &str) -> Result<RevocationInfo, RevocationError> {
        let key = url.to_owned();
        let by_get = self.client.method == OcspMethod::Get || self.client.only_get.get(&key).is_some();
        let (mut request, mut received) = self.ask_responder(url, by_get)?;
        if let (false, Err(FetchError::Status(405))) = (by_get, &received) {
            self.client.only_get.put(key, (), 256);
            (request, received) = self.ask_responder(url, true)?;
        }
        let received = received.map_err(|error| not_fetched(self.certificate.subject(), url, &error))?;
        request.verify(received, self.certificate, self.issuer, OffsetDateTime::now_utc())
    }

    fn ask_responder(
        &self,
        url: &str,
        by_get: bool,
    ) -> Result<(OcspRequest, Result<Bytes, FetchError>), RevocationError> {
        let mut nonce = [0; 16];
        openssl::rand::rand_bytes(&mut nonce).map_err(|error| self.invalid(error.to_string()))?;
        // What caches answer is made for everybody (RFC 5019, section 4).
        let nonce = if by_get { None } else { Some(nonce.as_slice()) };
        let request = OcspRequest::new(self.certificate, self.issuer, self.client.identifier, nonce);
        let request = request.map_err(|error| self.invalid(error.to_string()))?;
        let (limit, deadline) = (OCSP_LIMIT, self.deadline);
        let received = if by_get {
            let url = request.url(url);
            self.client.fetch(&Fetch { purpose: "ocsp", url: &url, body: None, account: None, limit, deadline })
        } else {
            let body = Some(("application/ocsp-request", request.der()));
            self.client.fetch(&Fetch { purpose: "ocsp", url, body, account: None, limit, deadline })
        };
        Ok((request, received))
    }

    /// What the CRL says, and when that was fetched.
    fn crl(&self, url: &str) -> Result<(RevocationInfo, Instant), RevocationError> {
        let judge = |crl: &Bytes| crl::verify(crl, self.certificate, self.issuer, OffsetDateTime::now_utc());
        let key = url.to_owned();
        if let Some((crl, since)) = self.client.crls.get(&key)
            && self.max_age.is_none_or(|age| since.elapsed() < age)
            && let Ok(info) = judge(&crl)
            && info.next_update.is_some()
            && !matches!(info.status, RevocationStatus::OnHold(_))
            && self.is_fresh(&info)
        {
            return Ok((info, since));
        }
        let limit = self.client.fetcher.max_crl();
        let fetch = Fetch { purpose: "crl", url, body: None, account: None, limit, deadline: self.deadline };
        let received = self.client.fetch(&fetch);
        let received = received.map_err(|error| not_fetched(self.certificate.subject(), url, &error))?;
        let info = judge(&received)?;
        let since = Instant::now();
        if let RevocationEvidence::Crl(der) = &info.evidence {
            self.client.crls.put_since(key, der.clone(), der.len(), since);
        }
        self.fresh(info, url).map(|info| (info, since))
    }

    /// RFC 6960, section 4.2.2.2.1: a responder's certificate may be revoked like any other, unless it says that nobody asks.
    ///
    /// One without a CRL may answer for itself, of which EU DSS only warns (`SelfIssuedOCSP`); who answers for a responder is not asked about further.
    fn check_responders(&self, info: &RevocationInfo) -> Result<(), RevocationError> {
        if info.signers.contains(self.certificate) && !crl_urls(self.certificate).is_empty() {
            // Its CRL, which was asked first, says why it does not count.
            let reason = "what it says of itself does not count where it names a CRL".to_owned();
            return Err(RevocationError::Unavailable { subject: self.certificate.subject(), reason });
        }
        for responder in info.signers.iter().filter(|each| *each != self.certificate && !needs_no_revocation(each)) {
            let name = responder.subject();
            if self.of_responder {
                let reason = format!("it is said by another responder, \"{name}\", which may be revoked as well");
                return Err(self.invalid(reason));
            }
            let about = Question {
                max_age: self.max_age,
                of_responder: true,
                ..self.client.question(responder, self.issuer, self.deadline)
            };
            let subject = self.certificate.subject();
            match self.client.answer(&about).map(|info| info.status) {
                Ok(RevocationStatus::Good) => {}
                Ok(RevocationStatus::Revoked(at) | RevocationStatus::OnHold(at)) => {
                    let reason = format!("its OCSP responder \"{name}\" is revoked since {}", rfc3339(at));
                    return Err(RevocationError::Invalid { subject, reason });
                }
                Err(error) => {
                    let reason = format!("its OCSP responder may be revoked: {error}");
                    return Err(match error {
                        RevocationError::Unavailable { .. } => RevocationError::Unavailable { subject, reason },
                        _ => RevocationError::Invalid { subject, reason },
                    });
                }
            }
        }
        Ok(())
    }

    /// Whether what was learnt then can be used again.
    fn is_recent(&self, info: &RevocationInfo, since: Instant) -> bool {
        let now = OffsetDateTime::now_utc();
        match self.max_age {
            Some(age) => since.elapsed() < age && info.next_update.is_none_or(|next| now <= next),
            None => info.is_usable(now, self.not_before),
        }
    }

    fn is_fresh(&self, info: &RevocationInfo) -> bool {
        self.not_before.is_none_or(|not_before| info.is_made_after(not_before))
    }

    fn fresh(&self, info: RevocationInfo, url: &str) -> Result<RevocationInfo, RevocationError> {
        match self.not_before {
            Some(not_before) if !self.is_fresh(&info) => Err(self.invalid(format!(
                "that of {url} was made on {} and not after {}, as revocation_freshness of the worker asks for",
                rfc3339(info.this_update),
                rfc3339(not_before)
            ))),
            _ => Ok(info),
        }
    }

    fn invalid(&self, reason: String) -> RevocationError {
        RevocationError::Invalid { subject: self.certificate.subject(), reason }
    }
}

/// Where to ask about a certificate, and whether by OCSP: that first, but of responders, who might answer for themselves.
fn places(certificate: &Certificate) -> Vec<(String, bool)> {
    let mut places: Vec<_> = ocsp_urls(certificate).into_iter().map(|url| (url, true)).collect();
    places.extend(crl_urls(certificate).into_iter().map(|url| (url, false)));
    if may_sign_ocsp_responses(certificate) {
        places.sort_by_key(|(_, is_ocsp)| *is_ocsp);
    }
    places
}

fn not_fetched(subject: String, url: &str, error: &FetchError) -> RevocationError {
    let reason = format!("{url}: {error}");
    if error.is_outage() {
        RevocationError::Unavailable { subject, reason }
    } else {
        RevocationError::Invalid { subject, reason }
    }
}

#[cfg(test)]
mod tests;
