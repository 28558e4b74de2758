//! What is collected for the long term: every path, and revocation information on every certificate that needs some.

use std::time::Duration;

use cryptotoken_api::Certificate;
use tests::LivePki;
use tests::live_pki::{Crl, Ocsp};
use time::OffsetDateTime;
use workers::{Collection, Freshness, Subject, SubjectRole, ValidationData, ValidationDataError};

use crate::clients::{certificate, deadline, revocation_client};

fn collect(live: &LivePki, anchor: &Certificate, subjects: &[Subject]) -> Result<ValidationData, ValidationDataError> {
    let source = revocation_client(live);
    let anchors = [anchor.clone()];
    ValidationData::collect(
        &Collection {
            trust_anchors: &anchors,
            pool: &[],
            evidence: &[],
            source: &source,
            now: OffsetDateTime::now_utc(),
            deadline: deadline(),
        },
        subjects,
    )
}

fn subject(certificate: &Certificate, role: SubjectRole) -> Subject {
    let now = OffsetDateTime::now_utc();
    let freshness = Freshness::default();
    Subject { certificate: certificate.clone(), role, used_at: now, signed_at: now, freshness }
}

struct Fixture {
    _folder: tempfile::TempDir,
    live: LivePki,
    root: Certificate,
    issuing: Certificate,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let live = LivePki::start(folder.path());
        let (root, issuing) = (certificate(&live.root()), certificate(&live.issuing()));
        Self { _folder: folder, live, root, issuing }
    }
}

#[test]
fn paths_and_revocation_information_of_signer_and_authority_are_complete_and_each_once() {
    let Fixture { live, root, issuing, _folder } = Fixture::new();
    let (seal, tsa) = (certificate(&live.seal("seal").0), certificate(&live.timestamp_authority()));
    let subjects = [subject(&seal, SubjectRole::Signer), subject(&tsa, SubjectRole::TimestampAuthority)];
    let data = collect(&live, &root, &subjects).unwrap();
    let responder = certificate(&live.responder());
    // The issuer came by the certificate's own access information.
    assert_eq!(data.certificates, [seal, issuing, root.clone(), tsa, responder]);
    // On signer and authority; the CRL of the root is on the issuing CA; the responder needs none (ocsp-nocheck).
    assert_eq!((data.ocsp_responses.len(), data.crls.len()), (2, 1));

    live.ocsp(Ocsp::Down);
    let data = collect(&live, &root, &subjects).unwrap();
    assert_eq!((data.ocsp_responses.len(), data.crls.len(), data.certificates.len()), (0, 2, 4));
}

#[test]
fn a_trust_anchor_and_a_certificate_of_short_term_need_no_revocation_information() {
    let Fixture { live, root, issuing, _folder } = Fixture::new();
    let seal = certificate(&live.seal("seal").0);
    // The issuing CA itself is trusted: nothing above it counts.
    let data = collect(&live, &issuing, &[subject(&seal, SubjectRole::Signer)]).unwrap();
    assert_eq!((data.certificates.len(), data.ocsp_responses.len(), data.crls.len()), (3, 1, 0));

    for (name, extension) in
        [("no-revocation", "2.5.29.56 = ASN1:NULL"), ("short-term", "0.4.0.194121.2.1 = ASN1:NULL")]
    {
        let seal = certificate(&live.seal_with(name, &[extension]).0);
        let data = collect(&live, &root, &[subject(&seal, SubjectRole::Signer)]).unwrap();
        assert_eq!((data.certificates.len(), data.ocsp_responses.len(), data.crls.len()), (3, 0, 1), "{name}");
    }
}

#[test]
fn who_was_revoked_when_it_was_used_is_an_error_and_who_was_revoked_later_is_not() {
    let Fixture { live, root, _folder, .. } = Fixture::new();
    let path = live.seal("seal").0;
    let seal = certificate(&path);
    live.revoke(&path, "-1 hour");
    let at = |hours: i64| {
        let used_at = OffsetDateTime::now_utc() + time::Duration::hours(hours);
        Subject { used_at, ..subject(&seal, SubjectRole::Signer) }
    };
    let error = collect(&live, &root, &[at(0)]).unwrap_err();
    assert!(
        matches!(&error, ValidationDataError::Revoked { role: SubjectRole::Signer, subject, .. } if subject.contains("CN=Seal seal")),
        "{error}"
    );
    assert!(!error.is_outage());
    // Used before: the certificate must have been valid then too.
    let earlier = Subject { used_at: seal.not_before(), ..at(0) };
    assert!(earlier.used_at > OffsetDateTime::now_utc() - time::Duration::hours(1), "the certificate is new");
    live.revoke(&path, "+1 hour");
    collect(&live, &root, &[at(0)]).unwrap();
    // Asked once, and judged for each use.
    let error = collect(&live, &root, &[at(0), at(2)]).unwrap_err();
    assert!(matches!(error, ValidationDataError::Revoked { .. }), "{error}");
}

#[test]
fn outages_are_told_from_everything_else() {
    let Fixture { live, root, issuing, _folder } = Fixture::new();
    let seal = certificate(&live.seal("seal").0);
    let outcome = || collect(&live, &root, &[subject(&seal, SubjectRole::Signer)]).map(|_| ()).unwrap_err();
    live.ocsp(Ocsp::Down);
    live.crl(Crl::Down);
    assert!(outcome().is_outage(), "{}", outcome());
    live.crl(Crl::Stale);
    assert!(!outcome().is_outage(), "{}", outcome());
    // The CRL of the root alone is missing.
    live.ocsp(Ocsp::Slow(Duration::from_millis(10)));
    live.crl(Crl::Down);
    assert!(outcome().is_outage(), "{}", outcome());
    live.crl(Crl::Proper);
    live.ocsp(Ocsp::Proper);
    live.issuer(tests::live_pki::Issuer::Down);
    assert!(outcome().is_outage(), "{}", outcome());
    live.issuer(tests::live_pki::Issuer::Other);
    assert!(matches!(outcome(), ValidationDataError::Path { .. }), "{}", outcome());
    let stranger = issuing.clone();
    live.issuer(tests::live_pki::Issuer::Der);
    // A path there is, and to nobody who is trusted.
    let tsa = certificate(&live.timestamp_authority());
    let untrusted = collect(&live, &tsa, &[subject(&stranger, SubjectRole::Signer)]).unwrap_err();
    assert!(untrusted.to_string().contains("no trust anchor"), "{untrusted}");
}
