//! The one HTTP client: URLs that others wrote must not lead it into the operator's network, hold it up or fill its memory.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use administration::configuration::{AccountConfig, FetchConfig, Timeout};
use bytes::Bytes;
use cryptotoken::PinSource;
use sigillo_server::fetch::{Fetch, FetchError, Fetcher};
use tests::LivePki;
use tests::live_pki::Ocsp;

use crate::clients::{configuration, deadline};

fn get<'a>(url: &'a str, account: Option<&'a str>) -> Fetch<'a> {
    Fetch { purpose: "crl", url, body: None, account, limit: 1 << 20, deadline: deadline() }
}

fn refusal(outcome: Result<Bytes, FetchError>, what: &str) -> String {
    match outcome {
        Err(FetchError::Refused(reason)) => reason,
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn addresses_that_are_not_public_are_not_asked_in_whatever_way_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let fetcher = Fetcher::new(&FetchConfig::default()).unwrap();
    let port = live.url().rsplit_once(':').unwrap().1;
    // Those that are numbers are names to everybody but the resolver: judged by what it makes of them.
    let inner = [
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "x.localhost",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "[fd00::1]",
        "[fe80::1]",
    ];
    for host in inner {
        let url = format!("http://{host}:{port}/root.crt");
        let reason = refusal(fetcher.fetch(&get(&url, None)), &url);
        assert!(reason.contains("not public") && reason.contains("fetch.allow_hosts"), "{url}: {reason}");
    }
    assert!(live.asked().is_empty());
    for url in
        ["ftp://example.com/x", "file:///etc/passwd", "http://", "http:///x", "x", "", "http://me:secret@example.com/"]
    {
        let reason = refusal(fetcher.fetch(&get(url, None)), url);
        assert!(!reason.contains("secret"), "{reason}");
    }
}

#[test]
fn only_listed_hosts_and_ports_are_asked_when_no_others_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let fetcher = Fetcher::new(&FetchConfig { public_hosts: false, ..configuration(&live) }).unwrap();
    assert!(fetcher.fetch(&get(&format!("{}/root.crt", live.url()), None)).is_ok());
    for url in ["http://192.0.2.1/", "http://example.com/", "http://127.0.0.1:1/"] {
        let reason = refusal(fetcher.fetch(&get(url, None)), url);
        assert!(reason.contains("not in fetch.allow_hosts"), "{reason}");
    }
}

#[test]
fn redirections_stay_on_their_host_and_what_is_posted_is_not_sent_on() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let fetcher = Fetcher::new(&configuration(&live)).unwrap();
    let url = |path: &str| format!("{}{path}", live.url());
    assert!(fetcher.fetch(&get(&url("/here"), None)).unwrap().starts_with(&[0x30]));
    let reason = refusal(fetcher.fetch(&get(&url("/elsewhere"), None)), "elsewhere");
    assert!(reason.contains("another host"), "{reason}");
    let reason = refusal(fetcher.fetch(&get(&url("/round"), None)), "round");
    assert!(reason.contains("too often"), "{reason}");
    let post = Fetch { body: Some(("text/plain", b"x")), ..get("", None) };
    let redirected = fetcher.fetch(&Fetch { url: &url("/here"), ..post });
    assert!(matches!(redirected, Err(FetchError::Status(302))), "{redirected:?}");
}

#[test]
fn answers_that_are_too_long_or_too_late_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let config = FetchConfig { timeout: Timeout(Duration::from_millis(500)), ..configuration(&live) };
    let fetcher = Fetcher::new(&config).unwrap();
    let url = format!("{}/large", live.url());
    assert!(matches!(fetcher.fetch(&get(&url, None)), Err(FetchError::TooLarge(_))));
    live.ocsp(Ocsp::Slow(Duration::from_secs(3)));
    let url = format!("{}/ocsp", live.url());
    let slow = Fetch { body: Some(("application/ocsp-request", b"x")), ..get(&url, None) };
    let started = Instant::now();
    assert!(matches!(fetcher.fetch(&slow), Err(FetchError::Late)));
    // The time of the caller ends earlier than that of the configuration.
    let soon = Fetch { deadline: Instant::now() + Duration::from_millis(100), ..slow };
    assert!(matches!(fetcher.fetch(&soon), Err(FetchError::Late)));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let past = Fetch { deadline: Instant::now(), ..slow };
    let _ = live.asked();
    assert!(matches!(fetcher.fetch(&past), Err(FetchError::Late)));
    assert!(live.asked().is_empty());
    // A port where nobody listens, a name that nobody has.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = FetchConfig { allow_hosts: vec!["127.0.0.1".into(), "nobody.invalid".into()], ..config };
    let fetcher = Fetcher::new(&config).unwrap();
    for url in [format!("http://{free}/"), "http://nobody.invalid/".into()] {
        let error = fetcher.fetch(&get(&url, None)).unwrap_err();
        assert!(error.is_outage(), "{error}");
    }
}

fn account(name: &str, host: &str) -> AccountConfig {
    AccountConfig {
        name: name.into(),
        hosts: vec![host.into()],
        user: None,
        password: None,
        bearer: None,
        certificate: None,
        private_key: None,
    }
}

#[test]
fn a_secret_is_shown_to_the_hosts_of_its_account_only() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let source = Some(PinSource::File(secret));
    let host = live.url().trim_start_matches("http://");
    let basic = AccountConfig { user: Some("me".into()), password: source.clone(), ..account("basic", host) };
    let bearer = AccountConfig { bearer: source, ..account("bearer", "tsa.example.com") };
    let fetcher = Fetcher::new(&FetchConfig { accounts: vec![basic, bearer], ..configuration(&live) }).unwrap();
    let url = format!("{}/headers", live.url());
    let headers = fetcher.fetch(&get(&url, Some("basic"))).unwrap();
    // base64 of me:s3cret.
    assert!(String::from_utf8_lossy(&headers).contains("Basic bWU6czNjcmV0"), "{headers:?}");
    assert!(!String::from_utf8_lossy(&fetcher.fetch(&get(&url, None)).unwrap()).contains("Basic"));
    let _ = live.asked();
    let reason = refusal(fetcher.fetch(&get(&url, Some("bearer"))), "bearer");
    assert!(reason.contains("is not for host 127.0.0.1") && !reason.contains("s3cret"), "{reason}");
    let reason = refusal(fetcher.fetch(&get(&url, Some("nobody"))), "nobody");
    assert!(reason.contains("there is no [[fetch.account]] \"nobody\""), "{reason}");
    assert!(live.asked().is_empty());
}

#[test]
fn a_tls_client_certificate_opens_what_is_closed_without() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let server = live.seal_with("server", &["subjectAltName = IP:127.0.0.1", "extendedKeyUsage = serverAuth"]);
    let client = live.seal_with("client", &["extendedKeyUsage = clientAuth"]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut s_server = Command::new("openssl");
    s_server.args(["s_server", "-www", "-Verify", "2", "-verify_return_error", "-accept", &port.to_string()]);
    s_server.arg("-cert").arg(&server.0).arg("-key").arg(&server.1).arg("-cert_chain").arg(live.issuing());
    s_server.arg("-CAfile").arg(live.root());
    let mut s_server = s_server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    // The chain of the client, as s_server trusts the root alone.
    let chain = folder.path().join("live-pki/client.chain.pem");
    let account =
        AccountConfig { certificate: Some(chain), private_key: Some(client.1), ..account("tls", "127.0.0.1") };
    let config = FetchConfig {
        allow_hosts: vec!["127.0.0.1".into()],
        tls_ca: Some(live.root()),
        accounts: vec![account],
        ..FetchConfig::default()
    };
    let url = format!("https://127.0.0.1:{port}/");
    let with = Fetcher::new(&config).unwrap().fetch(&get(&url, Some("tls")));
    let without = Fetcher::new(&config).unwrap().fetch(&get(&url, None));
    let untrusted = Fetcher::new(&FetchConfig { tls_ca: None, ..config }).unwrap().fetch(&get(&url, Some("tls")));
    s_server.kill().unwrap();
    s_server.wait().unwrap();
    assert!(String::from_utf8_lossy(&with.unwrap()).contains("s_server"));
    assert!(without.unwrap_err().is_outage());
    assert!(untrusted.unwrap_err().is_outage());
}
