//! `/v1/workers/…`, health, metrics and the description of the API.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tests::programs::fixture;
use tests::verifiers::ask;
use tests::{Client, Question, TestService, Verdict};

struct Api {
    service: TestService,
    client: Client,
}

fn api() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(|| {
        let service = TestService::builder().start();
        service.key("seal", "ec-p256", "document");
        service.key("blind", "ec-p256", "blind");
        service.worker("pdf", "pades", "seal", "caller_may_set = [\"reason\", \"location\"]");
        service.worker("cms", "cades", "seal", "packaging = \"detached\"");
        service.worker("raw", "plain", "blind", "allow_client_hash = true");
        let key = service.api_key("caller", &["pdf", "cms", "raw"]);
        let client = service.client().key(&key);
        Api { service, client }
    })
}

fn valid_pdf(name: &str, signed: &[u8]) {
    let file = api().service.folder().join(name);
    std::fs::write(&file, signed).unwrap();
    let question = Question::new("pades", &file).with("--root", api().service.pki().root());
    assert_eq!(ask("pdfsig", std::slice::from_ref(&question)), [Verdict::Valid]);
    assert_eq!(ask("openssl", &[question]), [Verdict::Valid]);
}

#[test]
fn a_raw_body_is_answered_by_the_signed_document_with_its_level() {
    let answer = api().client.sign("pdf", &std::fs::read(fixture("pdf/report.pdf")).unwrap());
    assert_eq!((answer.status, answer.media_type.as_str()), (200, "application/pdf"));
    assert_eq!(answer.level.as_deref(), Some("B-B"));
    assert_eq!(answer.request_id.len(), 36);
    valid_pdf("raw.pdf", &answer.body);
}

#[test]
fn json_is_answered_by_json_with_the_certificates() {
    let document = STANDARD.encode(std::fs::read(fixture("pdf/form.pdf")).unwrap());
    let body = json!({
        "document": document, "mediaType": "application/pdf", "fileName": "form.pdf",
        "parameters": { "reason": "Approved – Ünïcode", "location": "Tallinn" }
    });
    let answer = api().client.post_json("/v1/workers/pdf/sign", &body);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let json = answer.json();
    assert_eq!(json["requestId"], answer.request_id);
    assert_eq!((&json["level"], &json["credential"]), (&json!("B-B"), &json!("seal")));
    assert_eq!(json["mediaType"], "application/pdf");
    assert_eq!(json["certificateChain"].as_array().unwrap().len(), 2);
    valid_pdf("json.pdf", &STANDARD.decode(json["signedDocument"].as_str().unwrap()).unwrap());
}

#[test]
fn a_form_is_answered_as_accept_asks() {
    let document = std::fs::read(fixture("pdf/report.pdf")).unwrap();
    let mut body = b"--b\r\nContent-Disposition: form-data; name=\"document\"; filename=\"r.pdf\"\r\n\
        Content-Type: application/pdf\r\n\r\n"
        .to_vec();
    body.extend(&document);
    body.extend(
        b"\r\n--b\r\nContent-Disposition: form-data; name=\"parameters\"\r\n\r\n{\"reason\":\"Form\"}\r\n--b--\r\n",
    );
    for (accept, media_type) in [("application/json", "application/json"), ("application/pdf", "application/pdf")] {
        let headers = [("Content-Type", "multipart/form-data; boundary=b"), ("Accept", accept)];
        let answer = api().client.try_send("POST", "/v1/workers/pdf/sign", &headers, &body).unwrap();
        assert_eq!((answer.status, answer.media_type.as_str()), (200, media_type));
        let signed = match accept {
            "application/json" => STANDARD.decode(answer.json()["signedDocument"].as_str().unwrap()).unwrap(),
            _ => answer.body,
        };
        valid_pdf("form.pdf", &signed);
    }
}

#[test]
fn digests_become_raw_signatures_or_detached_cms() {
    let document = fixture("binary/64k.bin");
    let output =
        tests::programs::run(std::process::Command::new("openssl").args(["dgst", "-sha256", "-binary"]).arg(&document));
    let digest = STANDARD.encode(output.stdout);
    let body = json!({ "digests": [digest, digest, digest], "digestAlgorithm": "SHA-256" });
    for (worker, format) in [("raw", "plain"), ("cms", "cades")] {
        let answer = api().client.post_json(&format!("/v1/workers/{worker}/sign-digest"), &body);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let signatures = answer.json()["signatures"].as_array().unwrap().clone();
        assert_eq!(signatures.len(), 3);
        let file = api().service.folder().join(format!("digest.{format}"));
        std::fs::write(&file, STANDARD.decode(signatures[2].as_str().unwrap()).unwrap()).unwrap();
        let question = Question::new(format, &file).with("--detached", &document);
        let question = match format {
            "plain" => question
                .with("--algorithm", "ecdsa")
                .with("--digest", "SHA-256")
                .with("--leaf", api().service.leaf("blind")),
            _ => question.with("--root", api().service.pki().root()),
        };
        assert_eq!(ask("openssl", &[question]), [Verdict::Valid], "{worker}");
    }
}

#[test]
fn a_caller_sees_its_workers_and_their_certificates() {
    let list = api().client.get("/v1/workers").json();
    let names: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["cms", "pdf", "raw"]);
    let worker = api().client.get("/v1/workers/pdf").json();
    assert_eq!((&worker["kind"], &worker["algorithm"]), (&json!("pades"), &json!("ecdsa SHA-256")));
    let pem = api().client.get("/v1/workers/pdf/certificates");
    let leaf = std::fs::read_to_string(api().service.leaf("seal")).unwrap();
    assert!(String::from_utf8(pem.success()).unwrap().starts_with(leaf.trim_end()), "the leaf comes first");
}

#[test]
fn basic_authentication_takes_client_and_key() {
    let key = api().service.api_key("basic-caller", &["cms"]);
    let authorization = |name: &str| format!("Basic {}", STANDARD.encode(format!("{name}:{key}")));
    let client = api().service.client();
    assert_eq!(client.authorization(&authorization("basic-caller")).get("/v1/workers").status, 200);
    assert_eq!(client.authorization(&authorization("caller")).get("/v1/workers").status, 401);
}

#[test]
fn health_metrics_and_documentation_need_no_key() {
    let client = api().service.client();
    assert_eq!(client.get("/health/live").status, 200);
    let ready = client.get("/health/ready").json();
    assert_eq!((&ready["ready"], &ready["tokens"][0]["state"]), (&json!(true), &json!("ready")));
    let _ = api().client.sign("cms", b"counted").success();
    let metrics = String::from_utf8(client.get("/metrics").success()).unwrap();
    assert!(metrics.contains("sigillo_requests_total{worker=\"cms\",outcome=\"signed\"}"), "{metrics}");
    let openapi = client.get("/openapi.json").json();
    assert_eq!(openapi["openapi"], "3.1.0");
    let docs = String::from_utf8(client.get("/docs/").success()).unwrap();
    assert!(docs.contains("swagger-ui"), "{docs}");
    assert!(!docs.contains("//cdn") && !docs.contains("https://unpkg"), "the page must work offline: {docs}");
    assert!(client.get("/docs/swagger-ui-bundle.js").success().len() > 100_000);
}
