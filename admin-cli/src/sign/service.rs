//! The server as `sigillo sign` calls it: `POST /v1/workers/{worker}/sign/raw`, `…/sign` with parameters or for several files together,
//! or `…/augment`.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use ureq::http::Response;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Body, SendBody};

use super::Task;
use super::files::{Input, part_name};
use crate::failure::Failure;
use crate::output::PROBLEM;

/// A worker of a server.
pub(super) struct Service {
    agent: Agent,
    /// URL of the worker.
    worker: String,
    task: Task,
    api_key: Option<SecretString>,
    parameters: Option<SecretString>,
}

/// Files for TLS.
pub(super) struct Tls<'a> {
    /// CAs instead of the system's.
    pub(super) ca: Option<&'a Path>,
    /// Certificate chain and private key of this client.
    pub(super) identity: Option<(&'a Path, &'a Path)>,
}

/// A signed document, not read yet.
pub(super) struct Signed {
    /// Its bytes.
    pub(super) content: Box<dyn Read>,
    /// What it is.
    pub(super) media_type: String,
    /// The level reached, where there are levels.
    pub(super) level: Option<String>,
}

/// Why a file was not signed. Serialises to a problem document.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    /// Name of the problem type.
    #[serde(rename = "type", serialize_with = "problem_type")]
    pub(super) name: String,
    /// A sentence.
    pub(super) detail: String,
    /// What follows.
    #[serde(skip)]
    pub(super) verdict: Verdict,
    /// Whether other files would fare no better.
    #[serde(skip)]
    pub(super) unreachable: bool,
}

/// What follows from a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same request will never be granted.
    Refused,
    /// It may be later.
    Unavailable,
    /// Somebody must look.
    Failed,
}

// Whatever a worker makes; JSON about it is not wanted.
const ANSWERS: &str =
    "application/pdf, application/xml, application/pkcs7-mime, application/pkcs7-signature, application/octet-stream";
const PKCS8: &[u8] = b"-----BEGIN PRIVATE KEY-----";
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const PROBLEM_LIMIT: u64 = 64 << 10;

impl Service {
    /// Prepares the calls; none is made yet.
    ///
    /// # Errors
    /// When URL, worker or a file for TLS cannot be used.
    pub(super) fn new(
        server: &str,
        worker: &str,
        task: Task,
        api_key: Option<SecretString>,
        tls: &Tls<'_>,
    ) -> Result<Self, Failure> {
        let plain = server.starts_with("http://");
        if !plain && !server.starts_with("https://") {
            return Err(Failure::Usage(format!("--server {server}: write http://HOST or https://HOST")));
        }
        if worker.is_empty() || !worker.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
            return Err(Failure::Usage(format!("\"{worker}\" is no name of a worker")));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // An API key goes to the server that was named and nowhere else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("sigillo/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(300)))
            .tls_config(tls.config()?);
        Ok(Self {
            agent: config.build().into(),
            worker: format!("{}/v1/workers/{worker}", server.trim_end_matches('/')),
            task,
            api_key,
            parameters: None,
        })
    }

    /// The same service, which gets these parameters, a JSON object, with every file.
    pub(super) fn with_parameters(self, parameters: Option<SecretString>) -> Self {
        Self { parameters, ..self }
    }

    fn url(&self) -> String {
        let path = match self.task {
            Task::Sign if self.parameters.is_none() => "sign/raw",
            Task::Sign | Task::Together => "sign",
            Task::Augment => "augment",
        };
        format!("{}/{path}", self.worker)
    }

    /// Sends a file and waits for the answer; a busy service is asked again within bounds.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(super) fn send(&self, input: &Input) -> Result<Signed, Refusal> {
        let mut attempt = 1;
        let open = |path: &Path| File::open(path).map_err(|error| Refusal::local(&error));
        loop {
            let mut request = self.agent.post(self.url());
            if let Some(key) = &self.api_key {
                request = request.header("Authorization", format!("Bearer {}", key.expose_secret()));
            }
            let parts = self.parts(input);
            let sent = if parts.is_empty() {
                request.header("Content-Type", "application/octet-stream").send(&open(&input.path)?)
            } else {
                // Drawn for each request, so that nobody can write it into a file (RFC 2046, section 5.1.1).
                let limit = format!("sigillo-{}", uuid::Uuid::new_v4().simple());
                let mut form: Box<dyn Read> = Box::new(std::io::empty());
                for (disposition, content) in parts {
                    let head = format!("--{limit}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
                    let content: Box<dyn Read> = match content {
                        Content::Parameters(text) => Box::new(Cursor::new(text.expose_secret())),
                        Content::File(path) => Box::new(open(path)?),
                    };
                    form = Box::new(form.chain(Cursor::new(head)).chain(content).chain(Cursor::new("\r\n")));
                }
                let mut form = form.chain(Cursor::new(format!("--{limit}--\r\n")));
                let media_type = format!("multipart/form-data; boundary={limit}");
                let request = request.header("Content-Type", media_type).header("Accept", ANSWERS);
                request.send(SendBody::from_reader(&mut form))
            };
            let response = sent.map_err(|error| Refusal::transport(&error))?;
            if response.status() == 200 {
                return Ok(Signed::from(response));
            }
            let busy = matches!(response.status().as_u16(), 429 | 503);
            if !busy || attempt == ATTEMPTS {
                return Err(Refusal::by_server(response));
            }
            attempt += 1;
            std::thread::sleep(pause(response.headers().get("retry-after").and_then(|value| value.to_str().ok())));
        }
    }

    /// The parts of a form with an input: what says which part it is, and what stands in it; none where the file alone is sent.
    fn parts<'a>(&'a self, input: &'a Input) -> Vec<(String, Content<'a>)> {
        let first = match (&input.document, self.task) {
            (Some(document), _) => {
                let signature = ("name=\"signature\"".into(), Content::File(&input.path));
                vec![signature, ("name=\"document\"".into(), Content::File(document))]
            }
            (None, Task::Together) => {
                std::iter::once(&input.path).chain(&input.others).map(|path| named(path)).collect()
            }
            (None, _) if self.parameters.is_none() => return Vec::new(),
            (None, Task::Sign) => vec![("name=\"document\"".into(), Content::File(&input.path))],
            (None, Task::Augment) => vec![("name=\"signature\"".into(), Content::File(&input.path))],
        };
        let parameters = self.parameters.iter().map(|text| ("name=\"parameters\"".into(), Content::Parameters(text)));
        first.into_iter().chain(parameters).collect()
    }
}

/// What stands in one part of a form.
enum Content<'a> {
    File(&'a Path),
    Parameters(&'a SecretString),
}

/// One of several files, which a signature refers to by name.
fn named(path: &Path) -> (String, Content<'_>) {
    let name = part_name(path).unwrap_or_default().replace('"', "\\\"");
    (format!("name=\"document\"; filename=\"{name}\""), Content::File(path))
}

impl Tls<'_> {
    fn config(&self) -> Result<TlsConfig, Failure> {
        let roots = match self.ca {
            Some(path) => RootCerts::new_with_certs(&certificates(path)?),
            None => RootCerts::PlatformVerifier,
        };
        let identity = match self.identity {
            Some((chain, key)) => Some(ClientCert::new_with_certs(&certificates(chain)?, private_key(key)?)),
            None => None,
        };
        Ok(TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(roots).client_cert(identity).build())
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, Failure> {
    let pem = std::fs::read(path).map_err(Failure::file(path))?;
    let items: Result<Vec<PemItem<'_>>, _> = parse_pem(&pem).collect();
    let items = items.map_err(|error| Failure::Client(format!("{}: {error}", path.display())))?;
    let certificates: Vec<_> = items
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(Failure::Client(format!("{} has no PEM certificate", path.display())));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, Failure> {
    let pem = std::fs::read(path).map_err(Failure::file(path))?;
    let pem = SecretSlice::from(pem);
    // The TLS library reads no other form.
    if !pem.expose_secret().windows(PKCS8.len()).any(|window| window == PKCS8) {
        let path = path.display();
        return Err(Failure::Client(format!(
            "{path} is not PKCS #8; convert it: openssl pkcs8 -topk8 -nocrypt -in {path}"
        )));
    }
    PrivateKey::from_pem(pem.expose_secret()).map_err(|error| Failure::Client(format!("{}: {error}", path.display())))
}

fn pause(retry_after: Option<&str>) -> Duration {
    // The header may also carry a date, which this service never sends.
    let seconds = retry_after.and_then(|text| text.trim().parse().ok());
    seconds.map_or(PAUSE, Duration::from_secs).min(LONGEST_PAUSE)
}

impl From<Response<Body>> for Signed {
    fn from(response: Response<Body>) -> Self {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let media_type = header("content-type").unwrap_or_default();
        let level = header("sigillo-signature-level");
        Self { content: Box::new(response.into_body().into_reader()), media_type, level }
    }
}

impl Refusal {
    /// For files that were not sent any more.
    pub(super) fn not_tried() -> Self {
        Self {
            name: "unavailable".into(),
            detail: "not tried, as the server cannot be reached".into(),
            verdict: Verdict::Unavailable,
            unreachable: true,
        }
    }

    /// The file or its output is at fault.
    pub(super) fn local(error: &std::io::Error) -> Self {
        Self { name: "failed".into(), detail: error.to_string(), verdict: Verdict::Failed, unreachable: false }
    }

    fn transport(error: &ureq::Error) -> Self {
        let tls = matches!(error, ureq::Error::NativeTls(_) | ureq::Error::Tls(_) | ureq::Error::BadUri(_));
        let lost = match error {
            ureq::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
            ureq::Error::Timeout(timeout) => *timeout == ureq::Timeout::Connect,
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
            _ => tls,
        };
        let verdict = if tls { Verdict::Failed } else { Verdict::Unavailable };
        let name = if tls { "failed" } else { "unavailable" };
        Self { name: name.into(), detail: format!("the server gave no answer: {error}"), verdict, unreachable: lost }
    }

    fn by_server(response: Response<Body>) -> Self {
        let status = response.status().as_u16();
        let verdict = match status {
            408 | 429 | 502 | 503 | 504 => Verdict::Unavailable,
            400..500 => Verdict::Refused,
            _ => Verdict::Failed,
        };
        let text = response.into_body().into_with_config().limit(PROBLEM_LIMIT).read_to_string().unwrap_or_default();
        let problem: Problem = serde_json::from_str(&text).unwrap_or_default();
        let name = problem.r#type.strip_prefix(PROBLEM).unwrap_or("failed").to_owned();
        let mut detail = match problem.detail.as_str() {
            "" => format!("the server answered {status} without saying why"),
            said => said.to_owned(),
        };
        if !problem.request_id.is_empty() {
            detail = format!("{detail} (request {})", problem.request_id);
        }
        Self { name, detail, verdict, unreachable: false }
    }
}

/// A problem document, as far as it matters here.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Problem {
    r#type: String,
    detail: String,
    request_id: String,
}

fn problem_type<S: Serializer>(name: &String, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{PROBLEM}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_service_says_how_long_to_wait_within_bounds() {
        assert_eq!(pause(Some("3")), Duration::from_secs(3));
        assert_eq!(pause(Some("86400")), LONGEST_PAUSE);
        assert_eq!(pause(Some("Fri, 20 Nov 2026 12:00:00 GMT")), PAUSE);
        assert_eq!(pause(None), PAUSE);
    }

    #[test]
    fn servers_and_workers_that_cannot_be_meant_are_wrong_usage() {
        let new = |server, worker| Service::new(server, worker, Task::Sign, None, &Tls { ca: None, identity: None });
        assert!(new("https://sign.example", "invoices").is_ok());
        assert!(matches!(new("sign.example", "invoices"), Err(Failure::Usage(_))));
        assert!(matches!(new("https://sign.example", "../admin"), Err(Failure::Usage(_))));
    }
}
