//! An authority with everything a verifier asks for over HTTP: OCSP, CRLs, issuer certificates, timestamps. Each can misbehave.
//!
//! `Live Root` certifies `Live Issuing CA` (CRL only), which certifies seals, the responder and the time-stamping authority (OCSP
//! and CRL). The bytes are made by openssl, those that openssl cannot make by Python's cryptography. Everything is served on a free
//! port of loopback, which a service must be told to allow: [`LivePki::configuration`].

mod answers;
mod authority;
mod server;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use authority::Authority;
use server::HttpServer;

/// A running authority.
pub struct LivePki {
    authority: Arc<Authority>,
    behaviour: Arc<Mutex<Behaviour>>,
    server: HttpServer,
}

/// What the services do.
#[derive(Clone, Debug, Default)]
struct Behaviour {
    ocsp: Ocsp,
    crl: Crl,
    issuer: Issuer,
    timestamp: Timestamp,
}

/// What the OCSP responder does.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ocsp {
    /// Answers from the authority's index, with a nonce when asked with one, by its delegated responder.
    #[default]
    Proper,
    /// Answers properly, by the issuing CA itself.
    ByIssuer,
    /// Signed by a responder whose certificate has no `ocsp-nocheck`, and names the CRL.
    ByChecked,
    /// Hangs up.
    Down,
    /// Answers properly after this time.
    Slow(Duration),
    /// Answers with this HTTP status and no body.
    Status(u16),
    /// Answers something that is no OCSP response.
    Garbage,
    /// Answers `tryLater`, unsigned.
    TryLater,
    /// An answer whose `nextUpdate` is past.
    Stale,
    /// An answer made this long ago, still current.
    Old(Duration),
    /// An answer made in the future.
    Future,
    /// Signed by a responder of another authority.
    WrongResponder,
    /// Signed by a certificate of the issuing CA that is no responder's.
    WithoutUsage,
    /// About another certificate.
    OtherCertificate,
    /// With another nonce than was asked with.
    WrongNonce,
    /// Takes requests in the URL only, and answers 405 to others.
    ByGet,
    /// Answers properly, and says that it keeps what expired since 2020.
    Archive,
    /// Properly made, and changed since.
    Forged,
}

/// What the CRL distribution points do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Crl {
    /// Serve a fresh CRL in DER.
    #[default]
    Proper,
    /// Serve it in PEM, as `text/plain`.
    Pem,
    /// Hang up.
    Down,
    /// Serve something that is no CRL.
    Garbage,
    /// Serve one whose `nextUpdate` is past.
    Stale,
    /// Serve one of the root, whoever's was asked for.
    OtherIssuer,
    /// Serve one of another distribution point.
    OtherScope,
    /// Serve an indirect one.
    Indirect,
    /// Serve a delta.
    Delta,
    /// Serve one with an entry of another issuer, which does not say that it is indirect.
    ForeignEntry,
    /// Serve one that keeps what expired since 2020.
    Archive,
    /// Properly made, and changed since.
    Forged,
}

/// How the issuer's certificate is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Issuer {
    /// DER.
    #[default]
    Der,
    /// PEM, as `text/plain`.
    Pem,
    /// PKCS#7 with all certificates of the authority.
    Pkcs7,
    /// Not at all.
    Down,
    /// The certificate of somebody else.
    Other,
}

/// What the time-stamping authority does.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Timestamp {
    /// Grants.
    #[default]
    Proper,
    /// Hangs up.
    Down,
    /// Grants after this time.
    Slow(Duration),
    /// Answers with this HTTP status and no body.
    Status(u16),
    /// Answers something that is no timestamp.
    Garbage,
    /// Grants with another nonce.
    WrongNonce,
    /// Grants without the nonce.
    NoNonce,
    /// Grants, with 40 kB of certificates in the token.
    Large,
    /// Likewise 80 kB.
    Huge,
    /// Grants over something else.
    WrongImprint,
    /// Refuses with `badAlg` (PKIFailureInfo 0).
    Refusing,
    /// Grants, and the token was changed since.
    Forged,
    /// Grants only with this `Authorization` header, else answers 401.
    Authorized(String),
}

impl LivePki {
    /// Makes the authority below `folder` and serves it.
    ///
    /// # Panics
    /// When openssl fails or no port is free.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        Self::start_on(folder, "P-256")
    }

    /// The same with keys on a curve that openssl knows by this name.
    ///
    /// # Panics
    /// When openssl fails or no port is free.
    #[must_use]
    pub fn start_on(folder: &Path, curve: &str) -> Self {
        let (listener, address) = server::listener();
        let authority = Arc::new(Authority::create(folder, &format!("http://{address}"), curve));
        let behaviour = Arc::new(Mutex::new(Behaviour::default()));
        let server = {
            let (authority, behaviour) = (Arc::clone(&authority), Arc::clone(&behaviour));
            HttpServer::start(listener, move |request| {
                let now = behaviour.lock().unwrap_or_else(PoisonError::into_inner).clone();
                answers::answer(&authority, &now, request)
            })
        };
        Self { authority, behaviour, server }
    }

    /// Where it is served, without a final slash.
    #[must_use]
    pub fn url(&self) -> &str {
        self.authority.url()
    }

    /// Where timestamps are made.
    #[must_use]
    pub fn timestamp_url(&self) -> String {
        format!("{}/tsa", self.url())
    }

    /// The section of `sigillo.toml` that lets a service reach it.
    #[must_use]
    pub fn configuration(&self) -> String {
        let authority = self.url().trim_start_matches("http://");
        format!("[fetch]\nallow_hosts = [\"{authority}\"]\n")
    }

    /// The line of a worker's definition that trusts its root.
    ///
    /// # Panics
    /// When the root cannot be read.
    #[must_use]
    pub fn trust_anchors(&self) -> String {
        let root = std::fs::read_to_string(self.root()).expect("the root");
        format!("trust_anchors = [\"\"\"\n{root}\"\"\"]\n")
    }

    /// The trust anchor, PEM.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.authority.certificate("root")
    }

    /// The CA that issues seals, PEM.
    #[must_use]
    pub fn issuing(&self) -> PathBuf {
        self.authority.certificate("issuing")
    }

    /// The certificate of the time-stamping authority, PEM.
    #[must_use]
    pub fn timestamp_authority(&self) -> PathBuf {
        self.authority.certificate("tsa")
    }

    /// The certificate of the delegated responder, PEM.
    #[must_use]
    pub fn responder(&self) -> PathBuf {
        self.authority.certificate("responder")
    }

    /// The certificate of the responder that may be revoked.
    #[must_use]
    pub fn checked_responder(&self) -> PathBuf {
        self.authority.certificate("checked-responder")
    }

    /// Certifies a request for a seal. Returns the chain as PEM: certificate, issuing CA, root.
    #[must_use]
    pub fn certify(&self, request: &Path) -> PathBuf {
        self.authority.certify(request, &[])
    }

    /// The same with lines of OpenSSL's extension section that come in place of those of the same name.
    #[must_use]
    pub fn certify_with(&self, request: &Path, extensions: &[&str]) -> PathBuf {
        self.authority.certify(request, extensions)
    }

    /// Makes a key and a seal certificate for it, both PEM: certificate, key.
    #[must_use]
    pub fn seal(&self, name: &str) -> (PathBuf, PathBuf) {
        self.authority.seal(name, &[])
    }

    /// The same with other extensions, as [`Self::certify_with`].
    #[must_use]
    pub fn seal_with(&self, name: &str, extensions: &[&str]) -> (PathBuf, PathBuf) {
        self.authority.seal(name, extensions)
    }

    /// The same with a certificate that was valid in January 2024.
    #[must_use]
    pub fn expired_seal(&self, name: &str) -> (PathBuf, PathBuf) {
        self.authority.expired_seal(name)
    }

    /// Puts a certificate on hold as of a time that `date -d` understands.
    pub fn hold(&self, certificate: &Path, when: &str) {
        self.authority.hold(certificate, when);
    }

    /// Releases a certificate that is on hold.
    pub fn release(&self, certificate: &Path) {
        self.authority.release(certificate);
    }

    /// Revokes a certificate (the first of a PEM file) as of a time that `date -d` understands.
    pub fn revoke(&self, certificate: &Path, when: &str) {
        self.authority.revoke(certificate, when);
    }

    /// Takes a certificate out of the index: the responder does not know it then.
    pub fn forget(&self, certificate: &Path) {
        self.authority.forget(certificate);
    }

    /// Gives the time-stamping authority another key and certificate.
    pub fn renew_timestamp_authority(&self) {
        self.authority.renew_timestamp_authority();
    }

    /// Changes what the responder does.
    pub fn ocsp(&self, ocsp: Ocsp) {
        self.now().ocsp = ocsp;
    }

    /// Changes what the distribution points do.
    pub fn crl(&self, crl: Crl) {
        self.now().crl = crl;
    }

    /// Changes how issuers are served.
    pub fn issuer(&self, issuer: Issuer) {
        self.now().issuer = issuer;
    }

    /// Changes what the time-stamping authority does.
    pub fn timestamp(&self, timestamp: Timestamp) {
        self.now().timestamp = timestamp;
    }

    /// What was asked for since the last call, as `METHOD PATH`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.server.take_log()
    }

    fn now(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
