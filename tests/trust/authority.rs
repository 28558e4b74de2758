//! The live authority itself, judged by openssl's own clients: what is tested against it is worth as much as it is.

use std::path::Path;
use std::process::Command;

use tests::LivePki;
use tests::live_pki::{Crl, Ocsp, Timestamp};
use tests::programs::{output, run};

fn ocsp_of(live: &LivePki, certificate: &Path) -> String {
    let mut ask = Command::new("openssl");
    ask.args(["ocsp", "-url", &format!("{}/ocsp", live.url()), "-issuer"]).arg(live.issuing());
    ask.arg("-cert").arg(certificate).arg("-CAfile").arg(live.root());
    let answer = output(ask.arg("-verify_other").arg(live.issuing()));
    String::from_utf8_lossy(&[answer.stdout, answer.stderr].concat()).into_owned()
}

#[test]
fn openssl_takes_its_ocsp_responses_and_none_of_those_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let (seal, _) = live.seal("seal");
    let proper = |text: &str| text.contains("Response verify OK") && text.contains("seal.pem: good");
    for right in [Ocsp::Proper, Ocsp::ByIssuer, Ocsp::Old(std::time::Duration::from_secs(60))] {
        live.ocsp(right.clone());
        let text = ocsp_of(&live, &seal);
        assert!(proper(&text), "{right:?}: {text}");
    }
    let wrong = [
        (Ocsp::Down, "Error querying OCSP responder"),
        (Ocsp::Status(500), "Error querying OCSP responder"),
        (Ocsp::Garbage, "Error querying OCSP responder"),
        (Ocsp::TryLater, "trylater"),
        (Ocsp::Stale, "Status times invalid"),
        (Ocsp::Future, "Status times invalid"),
        (Ocsp::WrongResponder, "Response Verify Failure"),
        (Ocsp::WithoutUsage, "missing ocspsigning usage"),
        (Ocsp::OtherCertificate, "No Status found"),
        (Ocsp::WrongNonce, "Nonce Verify error"),
        (Ocsp::Forged, "Response Verify Failure"),
    ];
    for (wrong, why) in wrong {
        live.ocsp(wrong.clone());
        let text = ocsp_of(&live, &seal);
        assert!(!proper(&text) && text.contains(why), "{wrong:?}: {text}");
    }
    live.ocsp(Ocsp::Proper);
    live.revoke(&seal, "-1 hour");
    assert!(ocsp_of(&live, &seal).contains("seal.pem: revoked"));
    live.forget(&seal);
    assert!(ocsp_of(&live, &seal).contains("seal.pem: unknown"));
}

#[test]
fn openssl_verifies_a_seal_with_its_crls() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let (seal, _) = live.seal("seal");
    let verify = || {
        let mut verify = Command::new("openssl");
        verify.args(["verify", "-crl_check", "-crl_download", "-CAfile"]).arg(live.root());
        let answer = output(verify.arg("-untrusted").arg(live.issuing()).arg(&seal));
        String::from_utf8_lossy(&[answer.stdout, answer.stderr].concat()).into_owned()
    };
    assert!(verify().contains("seal.pem: OK"), "{}", verify());
    live.crl(Crl::Stale);
    assert!(verify().contains("CRL has expired"), "{}", verify());
    live.crl(Crl::Forged);
    assert!(verify().contains("CRL signature failure"), "{}", verify());
    live.crl(Crl::Proper);
    live.revoke(&seal, "-1 hour");
    assert!(verify().contains("certificate revoked"), "{}", verify());
    assert!(live.asked().iter().any(|asked| asked == "GET /issuing.crl"));
}

#[test]
fn openssl_takes_its_timestamps_and_none_of_those_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("data"), b"data").unwrap();
    let mut query = Command::new("openssl");
    run(query.args(["ts", "-query", "-sha256", "-cert", "-data"]).arg(file("data")).arg("-out").arg(file("query")));
    let query = std::fs::read(file("query")).unwrap();
    let verify = || {
        let sent = ureq::post(live.timestamp_url()).content_type("application/timestamp-query").send(&query[..]);
        let Ok(mut answer) = sent else { return false };
        std::fs::write(file("response"), answer.body_mut().read_to_vec().unwrap()).unwrap();
        let mut verify = Command::new("openssl");
        verify.args(["ts", "-verify", "-queryfile"]).arg(file("query")).arg("-in").arg(file("response"));
        verify.arg("-CAfile").arg(live.root()).arg("-untrusted").arg(live.issuing());
        output(&mut verify).status.success()
    };
    assert!(verify());
    let wrong = [
        Timestamp::Down,
        Timestamp::Status(503),
        Timestamp::Garbage,
        Timestamp::WrongNonce,
        Timestamp::NoNonce,
        Timestamp::WrongImprint,
        Timestamp::Refusing,
        Timestamp::Forged,
        Timestamp::Authorized("Bearer x".into()),
    ];
    for wrong in wrong {
        live.timestamp(wrong.clone());
        assert!(!verify(), "{wrong:?}");
    }
    live.timestamp(Timestamp::Proper);
    live.renew_timestamp_authority();
    assert!(verify());
}
