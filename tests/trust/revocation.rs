//! The revocation matrix: what the service believes of a certificate, for everything that responders and CRLs may do.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use administration::configuration::{FetchConfig, OcspCertificateId, OcspMethod};
use cryptotoken_api::Certificate;
use sigillo_server::fetch::Fetcher;
use sigillo_server::revocation_client::RevocationClient;
use tests::live_pki::{Crl, Issuer, Ocsp};
use tests::programs::run;
use tests::{LivePki, report};
use time::OffsetDateTime;
use workers::revocation::ocsp::{IdentifierDigest, OcspRequest};
use workers::{RevocationError, RevocationEvidence, RevocationInfo, RevocationSource, RevocationStatus};

use crate::clients::{certificate, configuration, deadline, revocation_client};

type Outcome = Result<RevocationInfo, RevocationError>;

/// What it came to, in words: `good (ocsp)`, `revoked (crl)`, `unknown`, `invalid: WHY`, `unavailable`.
fn words(outcome: &Outcome) -> String {
    match outcome {
        Ok(info) => {
            let evidence = match info.evidence {
                RevocationEvidence::Ocsp(_) => "ocsp",
                RevocationEvidence::Crl(_) => "crl",
            };
            let status = match info.status {
                RevocationStatus::Good => "good",
                RevocationStatus::Revoked(_) => "revoked",
                RevocationStatus::OnHold(_) => "on hold",
            };
            format!("{status} ({evidence})")
        }
        Err(RevocationError::Unavailable { .. }) => "unavailable".into(),
        Err(RevocationError::Unknown { .. }) => "unknown".into(),
        Err(RevocationError::Invalid { reason, .. }) => format!("invalid: {reason}"),
    }
}

struct Matrix {
    _folder: tempfile::TempDir,
    live: LivePki,
    seal: Certificate,
    issuer: Certificate,
    rows: Vec<String>,
}

impl Matrix {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let live = LivePki::start(folder.path());
        let seal = certificate(&live.seal("seal").0);
        let issuer = certificate(&live.issuing());
        Self { _folder: folder, live, seal, issuer, rows: Vec::new() }
    }

    /// Asks a client that knows nothing, for information made after `not_before`.
    fn row(&mut self, ocsp: Ocsp, crl: Crl, not_before: Option<OffsetDateTime>, expected: &str) -> Outcome {
        self.live.ocsp(ocsp.clone());
        self.live.crl(crl);
        let client = revocation_client(&self.live);
        let outcome = client.revocation(&self.seal, &self.issuer, not_before, deadline());
        let actual = words(&outcome);
        let age = if not_before.is_some() { "made now" } else { "current" };
        self.rows.push(format!("  {:<22} {:<12} {age:<9} {actual}", format!("{ocsp:?}"), format!("{crl:?}")));
        assert!(actual.starts_with(expected), "{ocsp:?}, {crl:?}: {actual}, not {expected}");
        if let Err(error) = &outcome {
            assert!(error.to_string().contains(&self.seal.subject()), "{error}");
        }
        outcome
    }
}

#[test]
fn the_revocation_matrix() {
    let mut matrix = Matrix::new();
    let now = || Some(OffsetDateTime::now_utc());

    // A responder that answers, and the CRL in its place when it does not or must not be believed.
    for right in [Ocsp::Proper, Ocsp::ByIssuer] {
        matrix.row(right, Crl::Down, now(), "good (ocsp)").unwrap();
    }
    matrix.row(Ocsp::Old(Duration::from_secs(3600)), Crl::Down, None, "good (ocsp)").unwrap();
    matrix.row(Ocsp::Old(Duration::from_secs(3600)), Crl::Down, now(), "invalid: that of").unwrap_err();
    // As far as clocks may differ, the responder is asked again.
    matrix.row(Ocsp::Old(Duration::from_secs(2)), Crl::Down, now(), "good (ocsp)").unwrap();
    let out = [Ocsp::Down, Ocsp::Slow(Duration::from_secs(4)), Ocsp::Status(500), Ocsp::TryLater];
    for out in out {
        matrix.row(out.clone(), Crl::Proper, now(), "good (crl)").unwrap();
        matrix.row(out, Crl::Down, now(), "unavailable").unwrap_err();
    }
    let wrong = [
        (Ocsp::Stale, "invalid: the OCSP response is stale"),
        (Ocsp::Future, "invalid: the OCSP response is made in the future"),
        (Ocsp::Garbage, "invalid: the OCSP response cannot be read"),
        (Ocsp::Status(404), "invalid: http"),
        (Ocsp::WrongResponder, "invalid: the OCSP response is not to be believed: the responder \"CN=Stranger"),
        (
            Ocsp::WithoutUsage,
            "invalid: the OCSP response is not to be believed: the certificate of the responder \"CN=No OCSP",
        ),
        (Ocsp::OtherCertificate, "invalid: the OCSP response is about another certificate"),
        (Ocsp::WrongNonce, "invalid: the OCSP response is to another request"),
        (Ocsp::Forged, "invalid: the OCSP response is not to be believed: its signature"),
    ];
    for (wrong, why) in wrong {
        matrix.row(wrong.clone(), Crl::Proper, now(), "good (crl)").unwrap();
        matrix.row(wrong, Crl::Down, now(), why).unwrap_err();
    }

    // CRLs alone.
    matrix.row(Ocsp::Down, Crl::Pem, now(), "good (crl)").unwrap();
    let wrong = [
        (Crl::Garbage, "invalid: what was received is no CRL"),
        (Crl::Stale, "invalid: the CRL is stale"),
        (Crl::OtherIssuer, "invalid: the CRL is not to be believed: it is not one of the issuer"),
        (Crl::OtherScope, "invalid: the CRL is of a distribution point that the certificate does not name"),
        (Crl::Indirect, "invalid: the CRL is an indirect one"),
        (Crl::ForeignEntry, "invalid: the CRL has an entry with a critical extension that is not known (2.5.29.29)"),
        (Crl::Delta, "invalid: the CRL is a delta"),
        (Crl::Forged, "invalid: the CRL is not to be believed: its signature"),
    ];
    for (wrong, why) in wrong {
        matrix.row(Ocsp::Down, wrong, now(), why).unwrap_err();
    }

    // What the authority says of a revoked certificate, and of one that it does not know.
    let seal = matrix.live.seal("seal").0;
    matrix.seal = certificate(&seal);
    matrix.live.revoke(&seal, "-1 hour");
    matrix.rows.push("  revoked an hour ago:".into());
    for (ocsp, crl, expected) in
        [(Ocsp::Proper, Crl::Proper, "revoked (ocsp)"), (Ocsp::Down, Crl::Proper, "revoked (crl)")]
    {
        let info = matrix.row(ocsp, crl, now(), expected).unwrap();
        let RevocationStatus::Revoked(at) = info.status else { unreachable!() };
        let ago = OffsetDateTime::now_utc() - at;
        assert!((ago.whole_seconds() - 3600).abs() < 60, "{ago}");
    }
    matrix.live.hold(&seal, "-1 hour");
    matrix.rows.push("  on hold:".into());
    matrix.row(Ocsp::Proper, Crl::Proper, now(), "on hold (ocsp)").unwrap();
    matrix.row(Ocsp::Down, Crl::Proper, now(), "on hold (crl)").unwrap();
    matrix.live.forget(&seal);
    matrix.rows.push("  not known to its authority:".into());
    // The CRL does not list it, and is not asked: who must know has said that it does not.
    matrix.row(Ocsp::Proper, Crl::Proper, now(), "unknown").unwrap_err();
    report(&format!("revocation matrix: OCSP, CRL, what is wanted, what is believed\n{}", matrix.rows.join("\n")));
}

#[test]
fn an_expired_certificate_is_good_only_for_who_keeps_what_expired() {
    let mut matrix = Matrix::new();
    let expired = matrix.live.expired_seal("expired").0;
    matrix.seal = certificate(&expired);
    let now = || Some(OffsetDateTime::now_utc());
    matrix.row(Ocsp::Proper, Crl::Proper, now(), "invalid: the OCSP response was made after").unwrap_err();
    matrix.row(Ocsp::Down, Crl::Proper, now(), "invalid: the CRL was made after").unwrap_err();
    matrix.row(Ocsp::Archive, Crl::Down, now(), "good (ocsp)").unwrap();
    matrix.row(Ocsp::Down, Crl::Archive, now(), "good (crl)").unwrap();
    // Whoever says that it was revoked has not forgotten it.
    matrix.live.revoke(&expired, "20240115");
    matrix.row(Ocsp::Proper, Crl::Proper, now(), "revoked (ocsp)").unwrap();
    matrix.row(Ocsp::Down, Crl::Proper, now(), "revoked (crl)").unwrap();
}

#[test]
fn a_certificate_on_hold_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let (path, issuer) = (live.seal("seal").0, certificate(&live.issuing()));
    let seal = certificate(&path);
    for ocsp in [Ocsp::Proper, Ocsp::Down] {
        live.ocsp(ocsp);
        let client = revocation_client(&live);
        live.hold(&path, "-1 hour");
        assert!(ask(&client, &seal, &issuer, None).starts_with("on hold"));
        live.release(&path);
        assert!(ask(&client, &seal, &issuer, None).starts_with("good"));
    }
}

#[test]
fn responders_are_asked_as_they_and_the_configuration_want_it() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let (seal, issuer) = (certificate(&live.seal("seal").0), certificate(&live.issuing()));
    live.crl(Crl::Down);
    let client = |config: &FetchConfig| RevocationClient::new(Arc::new(Fetcher::new(config).unwrap()), config);
    let asked = |config: &FetchConfig| {
        let client = client(config);
        let _ = live.asked();
        let words = (1..=2).map(|_| words(&client.status(&seal, &issuer, Duration::ZERO, deadline())));
        assert_eq!(words.collect::<Vec<_>>(), ["good (ocsp)", "good (ocsp)"]);
        live.asked().iter().map(|line| line.split('/').next().unwrap().trim().to_owned()).collect::<Vec<_>>()
    };
    let usual = configuration(&live);
    assert_eq!(asked(&usual), ["POST", "POST"]);
    // Who takes none is not sent another.
    live.ocsp(Ocsp::ByGet);
    assert_eq!(asked(&usual), ["POST", "GET", "GET"]);
    assert_eq!(asked(&FetchConfig { ocsp_method: OcspMethod::Get, ..usual.clone() }), ["GET", "GET"]);
    live.ocsp(Ocsp::Proper);
    let sha256 = FetchConfig { ocsp_certificate_id: OcspCertificateId::Sha256, ..usual };
    assert_eq!(asked(&sha256), ["POST", "POST"]);
    // As a foreign reader has it.
    let request = OcspRequest::new(&seal, &issuer, IdentifierDigest::Sha256, None).unwrap();
    let file = folder.path().join("request");
    std::fs::write(&file, request.der()).unwrap();
    let text = run(Command::new("openssl").args(["ocsp", "-req_text", "-reqin"]).arg(&file)).stdout;
    assert!(String::from_utf8_lossy(&text).contains("Hash Algorithm: sha256"));
}

fn ask(
    client: &RevocationClient,
    seal: &Certificate,
    issuer: &Certificate,
    not_before: Option<OffsetDateTime>,
) -> String {
    words(&client.revocation(seal, issuer, not_before, deadline()))
}

#[test]
fn an_answer_is_used_again_while_it_is_current_and_young_enough() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let (seal, issuer) = (certificate(&live.seal("seal").0), certificate(&live.issuing()));
    let client = revocation_client(&live);
    assert_eq!(ask(&client, &seal, &issuer, None), "good (ocsp)");
    assert_eq!(ask(&client, &seal, &issuer, None), "good (ocsp)");
    assert_eq!(live.asked(), ["POST /ocsp"]);
    // A status that was asked for so short a time ago is known.
    client.status(&seal, &issuer, Duration::from_secs(60), deadline()).unwrap();
    assert!(live.asked().is_empty());
    client.status(&seal, &issuer, Duration::ZERO, deadline()).unwrap();
    assert_eq!(live.asked(), ["POST /ocsp"]);
    // Made before the second that is asked for.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(ask(&client, &seal, &issuer, Some(OffsetDateTime::now_utc())), "good (ocsp)");
    assert_eq!(live.asked(), ["POST /ocsp"]);
    // A CRL serves all certificates of its issuer.
    live.ocsp(Ocsp::Down);
    let client = revocation_client(&live);
    let other = certificate(&live.seal("other").0);
    let _ = live.asked();
    assert_eq!(ask(&client, &seal, &issuer, None), "good (crl)");
    assert_eq!(ask(&client, &other, &issuer, None), "good (crl)");
    // The responder that hung up is left alone for a while.
    assert_eq!(live.asked(), ["POST /ocsp", "GET /issuing.crl"]);
}

#[test]
fn a_certificate_that_names_no_source_is_of_unknown_status() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let seal = live.seal_with("seal", &["authorityInfoAccess", "crlDistributionPoints"]).0;
    let outcome =
        revocation_client(&live).revocation(&certificate(&seal), &certificate(&live.issuing()), None, deadline());
    assert_eq!(words(&outcome), "unknown");
    // One whose list another authority signs says so.
    let indirect = "crlDistributionPoints = at\n[at]\nfullname = URI:http://crl.example.com/\nCRLissuer = dirName:other\n\
                    [other]\nCN = Another";
    let seal = live.seal_with("indirect", &["authorityInfoAccess", indirect]).0;
    let outcome =
        revocation_client(&live).revocation(&certificate(&seal), &certificate(&live.issuing()), None, deadline());
    let reason = outcome.unwrap_err().to_string();
    assert!(reason.contains("signed by another authority than its issuer"), "{reason}");
}

#[test]
fn issuers_are_found_in_whatever_they_are_served_as() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let (seal, issuer) = (certificate(&live.seal("seal").0), certificate(&live.issuing()));
    for right in [Issuer::Der, Issuer::Pem, Issuer::Pkcs7] {
        live.issuer(right);
        let client = revocation_client(&live);
        assert_eq!(client.issuer(&seal, deadline()).unwrap(), issuer, "{right:?}");
        let _ = live.asked();
        assert_eq!(client.issuer(&seal, deadline()).unwrap(), issuer);
        assert!(live.asked().is_empty());
    }
    live.issuer(Issuer::Other);
    assert!(matches!(revocation_client(&live).issuer(&seal, deadline()), Err(RevocationError::Invalid { .. })));
    live.issuer(Issuer::Down);
    assert!(matches!(revocation_client(&live).issuer(&seal, deadline()), Err(RevocationError::Unavailable { .. })));
    let root = certificate(&live.root());
    assert!(matches!(revocation_client(&live).issuer(&root, deadline()), Err(RevocationError::Unknown { .. })));
}

#[test]
fn crls_signed_with_every_algorithm_are_believed_but_for_sha_1() {
    let folder = tempfile::tempdir().unwrap();
    let openssl = |arguments: &[&str]| {
        run(Command::new("openssl").args(arguments).current_dir(folder.path()));
    };
    std::fs::write(
        folder.path().join("ca"),
        "[req]\ndistinguished_name = dn\n[dn]\n[ext]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\n\
         [ca]\ndefault_ca = d\n[d]\ndatabase = index\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("index"), "").unwrap();
    const PSS: &[&str] = &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
    let rsa = ["-newkey", "rsa:2048"];
    let cases: &[(&str, [&str; 2], &str, &[&str])] = &[
        ("rsa-pkcs1 SHA-256", rsa, "sha256", &[]),
        ("rsa-pkcs1 SHA-384", rsa, "sha384", &[]),
        ("rsa-pkcs1 SHA-512", rsa, "sha512", &[]),
        ("rsa-pss SHA-256", rsa, "sha256", PSS),
        (
            "rsa-pss SHA-512, salt 20",
            rsa,
            "sha512",
            &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20"],
        ),
        ("P-384 SHA-384", ["-newkey", "ec:p384"], "sha384", &[]),
        ("P-521 SHA-512", ["-newkey", "ec:p521"], "sha512", &[]),
        ("Ed25519", ["-newkey", "ed25519"], "default", &[]),
        ("Ed448", ["-newkey", "ed448"], "default", &[]),
        ("a key for rsa-pss alone", ["-newkey", "rsa-pss:3072"], "sha256", PSS),
        ("rsa-pkcs1 of 5120 bits", ["-newkey", "rsa:5120"], "sha256", &[]),
        ("rsa-pkcs1 SHA-1", rsa, "sha1", &[]),
    ];
    openssl(&["ecparam", "-name", "secp384r1", "-out", "p384"]);
    openssl(&["ecparam", "-name", "secp521r1", "-out", "p521"]);
    for (name, key, digest, options) in cases {
        let root = [
            "req",
            "-x509",
            "-nodes",
            "-subj",
            "/CN=Root",
            "-config",
            "ca",
            "-extensions",
            "ext",
            "-keyout",
            "key",
            "-out",
            "pem",
        ];
        openssl(&[&root[..], key].concat());
        let crl = [
            "ca", "-gencrl", "-config", "ca", "-crldays", "1", "-cert", "pem", "-keyfile", "key", "-out", "crl", "-md",
            digest,
        ];
        openssl(&[&crl[..], options].concat());
        let root = certificate(&folder.path().join("pem"));
        let received = std::fs::read(folder.path().join("crl")).unwrap().into();
        let outcome = workers::revocation::crl::verify(&received, &root, &root, OffsetDateTime::now_utc());
        match *digest {
            "sha1" => assert!(
                words(&outcome).contains("algorithm 1.2.840.113549.1.1.5 is not acceptable"),
                "{}",
                words(&outcome)
            ),
            _ => assert_eq!(words(&outcome), "good (crl)", "{name}"),
        }
    }
}

#[test]
fn a_responder_that_may_be_revoked_is_asked_about_too() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let issuer = certificate(&live.issuing());
    let seal = certificate(&live.seal("seal").0);
    let without_list = certificate(&live.seal_with("without-list", &["crlDistributionPoints"]).0);
    let asked = |certificate: &Certificate| {
        let client = revocation_client(&live);
        // Before signing, and for what is put into a signature.
        let status = client.status(certificate, &issuer, Duration::from_secs(3600), deadline());
        let evidence = revocation_client(&live).revocation(certificate, &issuer, None, deadline());
        assert_eq!(words(&status), words(&evidence));
        words(&status)
    };
    // Whose certificate says that nobody asks, is not asked about.
    live.ocsp(Ocsp::Proper);
    let _ = live.asked();
    assert_eq!(asked(&seal), "good (ocsp)");
    assert!(!live.asked().contains(&"GET /issuing.crl".to_owned()));

    live.ocsp(Ocsp::ByChecked);
    assert_eq!(asked(&seal), "good (ocsp)");
    assert!(live.asked().contains(&"GET /issuing.crl".to_owned()));
    assert_eq!(asked(&without_list), "good (ocsp)");
    live.crl(Crl::Down);
    assert_eq!((asked(&seal), asked(&without_list)), ("unavailable".into(), "unavailable".into()));
    live.crl(Crl::Garbage);
    assert!(
        asked(&without_list).starts_with("invalid: its OCSP responder may be revoked: "),
        "{}",
        asked(&without_list)
    );
    live.crl(Crl::Proper);
    live.revoke(&live.checked_responder(), "-1 hour");
    let why = asked(&without_list);
    assert!(why.contains("CN=Live OCSP that is checked") && why.contains("is revoked since"), "{why}");
    // What the issuer signs itself is still believed.
    assert_eq!(asked(&seal), "good (crl)");
}
