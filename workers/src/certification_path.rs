//! Certification paths from a certificate to a trust anchor (RFC 5280, section 6).
//!
//! Which certificates lie on the path is found here, by names and signatures; whether the path holds (dates, basic constraints,
//! key usage, name constraints, policies, critical extensions, strength of algorithms) is OpenSSL's judgement.

use std::time::Instant;

use cryptotoken_api::Certificate;
use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509StoreContext};
use time::OffsetDateTime;

/// Why there is no path. The operator must add a trust anchor, or the owner of the certificate must replace it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there is no valid path from the certificate of \"{subject}\" to a trust anchor of the worker: {reason}")]
pub struct PathError {
    /// Whose certificate.
    pub subject: String,
    /// What is missing or wrong.
    pub reason: String,
}

/// A path that was judged valid: the certificate first, each issued by the next, the trust anchor last.
#[derive(Clone, Debug, PartialEq)]
pub struct CertificationPath(Vec<Certificate>);

/// Certificates on a path at most, the anchor included: what the longest known hierarchies need, twice.
const LENGTH: usize = 10;
/// Certificates that are looked at in all: cross-certified authorities can make the ways many.
const STEPS: usize = 100;

impl CertificationPath {
    /// Finds a path that was valid at this time. `pool` are certificates that may lie on it, trusted or not; `fetch` is asked for
    /// an issuer that is not among them, and may say that there is none to be had. After `deadline` no other way is tried.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn build(
        certificate: &Certificate,
        anchors: &[Certificate],
        pool: &[Certificate],
        at: OffsetDateTime,
        deadline: Instant,
        mut fetch: impl FnMut(&Certificate) -> Result<Certificate, String>,
    ) -> Result<Self, PathError> {
        let mut search = Search { anchors, pool, at, deadline, fetch: &mut fetch, steps: 0, reason: None };
        let mut path = vec![certificate.clone()];
        if search.extend(&mut path) {
            return Ok(Self(path));
        }
        let reason = search.reason.unwrap_or_else(|| "its issuer is not known".into());
        Err(PathError { subject: certificate.subject(), reason })
    }

    /// All certificates, the trust anchor last. One alone is a certificate that is an anchor itself.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// Every certificate below the trust anchor with its issuer.
    pub fn issued(&self) -> impl Iterator<Item = (&Certificate, &Certificate)> {
        self.0.iter().zip(self.0.iter().skip(1))
    }
}

/// OpenSSL's level 1, at which signatures must have 80 bits of security: SHA-1 has 63.
const AUTHENTICATION_LEVEL: i32 = 1;

struct Search<'a> {
    anchors: &'a [Certificate],
    pool: &'a [Certificate],
    at: OffsetDateTime,
    deadline: Instant,
    fetch: &'a mut dyn FnMut(&Certificate) -> Result<Certificate, String>,
    steps: usize,
    // Of the first way that was tried: the ways after it are less likely to be meant.
    reason: Option<String>,
}

impl Search<'_> {
    /// Whether the path could be completed; if not, it is as it was.
    fn extend(&mut self, path: &mut Vec<Certificate>) -> bool {
        let Some(last) = path.last().cloned() else { return false };
        self.steps += 1;
        if self.steps > STEPS {
            self.reason.get_or_insert_with(|| format!("it is not among the first {STEPS} ways"));
            return false;
        }
        if self.anchors.contains(&last) {
            return self.holds(path);
        }
        if path.len() >= LENGTH {
            self.reason.get_or_insert_with(|| format!("it is longer than {LENGTH} certificates"));
            return false;
        }
        let (anchors, pool) = (self.anchors, self.pool);
        let candidates = anchors.iter().chain(pool.iter().filter(|each| !anchors.contains(each)));
        let mut seen: Vec<&Certificate> = Vec::new();
        for issuer in candidates {
            // Each may cost the verification of a signature, and those whose certificates these are chose how many there are.
            if Instant::now() >= self.deadline {
                self.reason.get_or_insert_with(|| "there was no time left to look for it".into());
                return false;
            }
            if !path.contains(issuer) && !seen.contains(&issuer) && last.is_issued_by(issuer) {
                seen.push(issuer);
                if self.with(path, issuer.clone()) {
                    return true;
                }
            }
        }
        if !seen.is_empty() {
            return false;
        }
        if last.is_self_signed() {
            self.reason.get_or_insert_with(|| format!("its root \"{}\" is no trust anchor", last.subject()));
            return false;
        }
        match (self.fetch)(&last) {
            Ok(issuer) if !path.contains(&issuer) && last.is_issued_by(&issuer) => self.with(path, issuer),
            Ok(_) => {
                self.reason.get_or_insert_with(|| format!("what was sent did not issue \"{}\"", last.subject()));
                false
            }
            Err(reason) => {
                self.reason.get_or_insert(format!("the issuer \"{}\" is not at hand: {reason}", last.issuer()));
                false
            }
        }
    }

    fn with(&mut self, path: &mut Vec<Certificate>, issuer: Certificate) -> bool {
        path.push(issuer);
        let complete = self.extend(path);
        if !complete {
            path.pop();
        }
        complete
    }

    fn holds(&mut self, path: &[Certificate]) -> bool {
        match judge(path, self.at) {
            Ok(None) => true,
            Ok(Some(reason)) => {
                self.reason.get_or_insert(reason);
                false
            }
            Err(error) => {
                self.reason.get_or_insert(error.to_string());
                false
            }
        }
    }
}

/// What OpenSSL finds wrong with exactly this path.
fn judge(path: &[Certificate], at: OffsetDateTime) -> Result<Option<String>, ErrorStack> {
    let ([certificate, ..], [.., anchor]) = (path, path) else { return Ok(Some("it is empty".into())) };
    let mut parameters = X509VerifyParam::new()?;
    // A trust anchor need not be self-signed.
    parameters.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    parameters.set_time(at.unix_timestamp());
    // ETSI TS 119 312: neither SHA-1 nor what is weaker. The anchor's own signature proves nothing and is not looked at.
    parameters.set_auth_level(AUTHENTICATION_LEVEL);
    let mut store: X509StoreBuilder = X509StoreBuilder::new()?;
    store.set_param(&parameters)?;
    store.add_cert(X509::from_der(anchor.der())?)?;
    let store: X509Store = store.build();
    let mut others = Stack::new()?;
    for other in path.iter().skip(1) {
        others.push(X509::from_der(other.der())?)?;
    }
    let leaf = X509::from_der(certificate.der())?;
    let mut context = X509StoreContext::new()?;
    context.init(&store, &leaf, &others, |context| {
        let holds = context.verify_cert()?;
        Ok((!holds).then(|| {
            let at = usize::try_from(context.error_depth()).ok().and_then(|depth| path.get(depth));
            let whose = at.map(|certificate| format!(" (\"{}\")", certificate.subject())).unwrap_or_default();
            format!("{}{whose}", context.error().error_string())
        }))
    })
}

#[cfg(test)]
mod tests;
