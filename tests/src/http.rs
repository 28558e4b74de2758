//! A client of the service.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

/// A client with its credentials.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    url: String,
    authorization: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header `Content-Type`.
    pub media_type: String,
    /// Header `Sigillo-Request-Id`.
    pub request_id: String,
    /// Header `Sigillo-Signature-Level`.
    pub level: Option<String>,
    /// Header `Sigillo-Page`.
    pub page: Option<String>,
    /// Header `Retry-After`.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", String::from_utf8_lossy(&self.body)))
    }

    /// The name of the problem, after checking that the document is complete.
    ///
    /// # Panics
    /// When the answer is no problem document.
    #[must_use]
    pub fn problem(&self) -> String {
        assert_eq!(self.media_type, "application/problem+json", "{}", String::from_utf8_lossy(&self.body));
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["requestId"], self.request_id);
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{problem}");
        let name = problem["type"].as_str().and_then(|name| name.strip_prefix("urn:sigillo:problem:"));
        name.unwrap_or_else(|| panic!("{problem}")).to_owned()
    }

    /// The body of a success.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn success(self) -> Vec<u8> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.body
    }
}

impl Client {
    /// A client without credentials.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self::with_tls(url, None)
    }

    /// A client that trusts one root, and has a certificate where one is given (certificate, key: PEM).
    #[must_use]
    pub fn tls(url: &str, root: &[u8], identity: Option<(&[u8], &[u8])>) -> Self {
        let root = Certificate::from_pem(root).expect("a root certificate");
        let mut tls =
            TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::new_with_certs(&[root]));
        if let Some((certificate, key)) = identity {
            let certificate = Certificate::from_pem(certificate).expect("a client certificate");
            let key = PrivateKey::from_pem(key).expect("a client key");
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&[certificate], key)));
        }
        Self::with_tls(url, Some(tls.build()))
    }

    fn with_tls(url: &str, tls: Option<TlsConfig>) -> Self {
        let mut config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(120)));
        if let Some(tls) = tls {
            config = config.tls_config(tls);
        }
        Self { agent: config.build().into(), url: url.to_owned(), authorization: None }
    }

    /// The same client with an `Authorization` header.
    #[must_use]
    pub fn authorization(&self, value: &str) -> Self {
        Self { authorization: Some(value.to_owned()), ..self.clone() }
    }

    /// The same client with an API key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.authorization(&format!("Bearer {key}"))
    }

    /// `GET`.
    ///
    /// # Panics
    /// When there is no answer.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.try_send("GET", path, &[], &[]).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// `POST`.
    ///
    /// # Panics
    /// When there is no answer.
    #[must_use]
    pub fn post(&self, path: &str, media_type: &str, body: &[u8]) -> Answer {
        let sent = self.try_send("POST", path, &[("Content-Type", media_type)], body);
        sent.unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// `POST` with JSON.
    #[must_use]
    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.post(path, "application/json", body.to_string().as_bytes())
    }

    /// Signs a document by the shortest way.
    #[must_use]
    pub fn sign(&self, worker: &str, document: &[u8]) -> Answer {
        self.post(&format!("/v1/workers/{worker}/sign/raw"), "application/octet-stream", document)
    }

    /// Any request; an error when there is no whole answer.
    ///
    /// # Errors
    /// What the connection came to.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let mut response =
            if method == "GET" { self.agent.run(request.body(())?)? } else { self.agent.run(request.body(body)?)? };
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (media_type, request_id) = (header("Content-Type"), header("Sigillo-Request-Id"));
        let page = header("Sigillo-Page");
        let (level, retry_after) = (header("Sigillo-Signature-Level"), header("Retry-After"));
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(1 << 31).read_to_vec()?;
        Ok(Answer {
            status,
            media_type: media_type.unwrap_or_default(),
            request_id: request_id.unwrap_or_default(),
            level,
            page,
            retry_after,
            body,
        })
    }
}

/// A form with these parts: its media type, and the body.
#[must_use]
pub fn multipart(parts: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, octets) in parts {
        body.extend(format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").bytes());
        body.extend_from_slice(octets);
        body.extend(b"\r\n");
    }
    body.extend(b"--limit--\r\n");
    ("multipart/form-data; boundary=limit".into(), body)
}
