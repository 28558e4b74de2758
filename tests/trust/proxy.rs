//! Everything that is asked of others through a proxy, and what `/metrics` says of it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use administration::configuration::FetchConfig;
use sigillo_server::fetch::{Fetch, Fetcher};
use tests::live_pki::{Ocsp, Timestamp};
use tests::{LivePki, TestService};

use crate::clients::deadline;

/// A forward proxy that resolves every name to loopback. It runs until the test ends.
struct ForwardProxy {
    address: SocketAddr,
    /// The first line of each request.
    log: Arc<Mutex<Vec<String>>>,
}

impl ForwardProxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, log) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let log = Arc::clone(&shared);
                // Whoever hung up has no answer to get.
                std::thread::spawn(move || drop(forward(connection, &log)));
            }
        });
        Self { address, log }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

/// `CONNECT`, or a request with the whole URL in its first line (RFC 9112, sections 3.2.2 and 3.2.3).
fn forward(mut client: TcpStream, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    log.lock().unwrap().push(first.trim().to_owned());
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let authority = target.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let port = authority.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(80);
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    if method == "CONNECT" {
        while reader.read_line(&mut first)? > 2 {}
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    } else {
        let path = target.trim_start_matches("http://").trim_start_matches(authority);
        server.write_all(format!("{method} {path} HTTP/1.1\r\n").as_bytes())?;
    }
    let mut to_server = server.try_clone()?;
    std::thread::spawn(move || std::io::copy(&mut reader, &mut to_server));
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(std::net::Shutdown::Both)
}

#[test]
fn a_proxy_is_asked_for_everything_and_resolves_the_names() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let proxy = ForwardProxy::start();
    let port = live.url().rsplit_once(':').unwrap().1;
    let url = format!("http://pki.nowhere.invalid:{port}/root.crt");
    let fetch = Fetch { purpose: "issuer", url: &url, body: None, account: None, limit: 1 << 20, deadline: deadline() };
    let config = FetchConfig { proxy: Some(proxy.url()), ..FetchConfig::default() };
    assert!(Fetcher::new(&config).unwrap().fetch(&fetch).unwrap().starts_with(&[0x30]));
    assert_eq!(live.asked(), ["GET /root.crt"]);
    let asked = proxy.asked();
    assert!(matches!(asked.as_slice(), [one] if one.contains("pki.nowhere.invalid")), "{asked:?}");
    // Without one the name is nobody's; with one that is away nobody is asked behind its back.
    let without = Fetcher::new(&FetchConfig::default()).unwrap().fetch(&fetch).unwrap_err();
    assert!(without.is_outage(), "{without}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = FetchConfig {
        proxy: Some(format!("http://{free}")),
        allow_hosts: vec!["127.0.0.1".into()],
        ..FetchConfig::default()
    };
    let direct = format!("{}/root.crt", live.url());
    let error = Fetcher::new(&away).unwrap().fetch(&Fetch { url: &direct, ..fetch }).unwrap_err();
    assert!(error.is_outage() && live.asked().is_empty(), "{error}");
}

/// The value of a line of `/metrics` with these labels, in whatever order.
fn value(metrics: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let mut lines = metrics.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    let line = lines.find(|line| labels.iter().all(|(key, value)| line.contains(&format!("{key}=\"{value}\""))))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn a_service_asks_through_its_proxy_whatever_the_environment_says_and_counts_what_it_asks() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let proxy = ForwardProxy::start();
    let sections =
        format!("{}proxy = \"{}\"\ntimeout = \"2s\"\nretry_after = \"1ms\"\n", live.configuration(), proxy.url());
    let mut builder = TestService::builder().sections(&sections);
    for variable in ["http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
        builder = builder.environment(variable, "http://127.0.0.1:9");
    }
    let mut service = builder.create();
    service.live_key("seal", "ec-p256", &live);
    let definition = format!(
        "level = \"B-LT\"\nstatus_max_age = \"off\"\ntimestamp = {{ url = \"{}\" }}\n{}",
        live.timestamp_url(),
        live.trust_anchors()
    );
    service.worker("cms", "cades", "seal", &definition);
    let key = service.api_key("caller", &["cms"]);
    service.start();
    let client = service.client().key(&key);
    let _ = live.asked();
    let answer = client.sign("cms", b"document");
    assert_eq!(answer.level.as_deref(), Some("B-LT"), "{answer:?}");
    let (by_proxy, by_authority) = (proxy.asked(), live.asked());
    assert_eq!(by_proxy.len(), by_authority.len(), "{by_proxy:?} {by_authority:?}");

    let metrics = || String::from_utf8(client.get("/metrics").success()).unwrap();
    let fetches = |purpose: &str, outcome: &str| {
        let labels = [("purpose", purpose), ("host", "127.0.0.1"), ("outcome", outcome)];
        value(&metrics(), "sigillo_fetches_total", &labels).unwrap_or_default()
    };
    let count = |path: &str| by_authority.iter().filter(|line| line.ends_with(path)).count() as f64;
    assert_eq!(fetches("timestamp", "answered"), 1.0);
    assert_eq!((fetches("ocsp", "answered"), fetches("crl", "answered")), (count("/ocsp"), count(".crl")));
    assert!(count("/ocsp") > 0.0 && count(".crl") > 0.0, "{by_authority:?}");
    let seconds = value(&metrics(), "sigillo_fetch_seconds_sum", &[("purpose", "timestamp")]).unwrap();
    let asked = value(&metrics(), "sigillo_fetch_seconds_count", &[("purpose", "timestamp")]).unwrap();
    assert!(asked == 1.0 && seconds > 0.0 && seconds < 30.0, "{asked} {seconds}");

    live.timestamp(Timestamp::Status(500));
    assert_eq!(client.sign("cms", b"document").status, 503);
    live.timestamp(Timestamp::Slow(std::time::Duration::from_secs(4)));
    assert_eq!(client.sign("cms", b"document").status, 503);
    assert_eq!((fetches("timestamp", "status"), fetches("timestamp", "late")), (1.0, 1.0));
    live.timestamp(Timestamp::Proper);
    live.ocsp(Ocsp::Down);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let _ = client.sign("cms", b"document");
    assert!(fetches("ocsp", "unreachable") >= 1.0, "{}", metrics());
}
