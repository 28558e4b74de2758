//! What is refused, with which problem, and that no key was used for it.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::programs::fixture;
use tests::{Answer, Client, TestService};

struct Api {
    service: TestService,
    client: Client,
}

fn api() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(|| {
        let service = TestService::builder().server("max_document_bytes = \"200KiB\"").start();
        service.key("seal", "ec-p256", "document");
        service.key("blind", "ec-p256", "blind");
        service.key("suspended", "ec-p256", "document");
        service.key_only("uncertified", "ec-p256", "document");
        for (name, kind, credential) in [
            ("pdf", "pades", "seal"),
            ("xml", "xades", "seal"),
            ("cms", "cades", "seal"),
            ("raw", "plain", "blind"),
            ("suspended", "cades", "suspended"),
            ("uncertified", "cades", "uncertified"),
            ("other", "cades", "seal"),
        ] {
            service.worker(name, kind, credential, "");
        }
        service.sigillo(&["credential", "suspend", "suspended"]);
        let key = service.api_key("caller", &["pdf", "xml", "cms", "raw", "suspended", "uncertified"]);
        let client = service.client().key(&key);
        Api { service, client }
    })
}

/// The answer is this problem, and no record of its request tells of a key that was used.
fn refused(answer: &Answer, status: u16, problem: &str) -> Value {
    assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{}", answer.json());
    let events = api().service.audit_events();
    let of_request: Vec<&Value> = events.iter().filter(|event| event["requestId"] == answer.request_id).collect();
    assert!(of_request.iter().all(|event| event["event"] == "request-refused"), "{of_request:?}");
    let on_record = status != 401;
    assert_eq!(of_request.len(), usize::from(on_record), "{of_request:?}");
    answer.json()
}

#[test]
fn a_caller_without_a_valid_key_is_unauthenticated() {
    let client = api().service.client();
    refused(&client.sign("cms", b"x"), 401, "unauthenticated");
    refused(&client.key("sigillo_wrong").sign("cms", b"x"), 401, "unauthenticated");
    refused(&client.authorization("Negotiate abc").sign("cms", b"x"), 401, "unauthenticated");
    refused(&client.authorization("Basic !!!").sign("cms", b"x"), 401, "unauthenticated");
}

#[test]
fn a_request_with_two_authorizations_is_unauthenticated() {
    let key = api().service.api_key("twice", &["cms"]);
    let authorization = format!("Bearer {key}");
    let headers = [("Authorization", authorization.as_str()), ("Authorization", "Bearer sigillo_wrong")];
    let client = api().service.client();
    refused(&client.try_send("POST", "/v1/workers/cms/sign/raw", &headers[..], b"x").unwrap(), 401, "unauthenticated");
    assert_eq!(client.try_send("POST", "/v1/workers/cms/sign/raw", &headers[..1], b"x").unwrap().status, 200);
}

#[test]
fn what_a_caller_makes_up_is_short_and_harmless_in_the_record() {
    let answer = api().client.get(&format!("/v1/workers/%1B%5D0;owned%07{}", "x".repeat(20_000)));
    assert_eq!(answer.problem(), "no-grant");
    let events = api().service.audit_events();
    let event = events.iter().find(|event| event["requestId"] == answer.request_id).unwrap();
    assert!(event.to_string().len() < 2_000, "{}", event.to_string().len());
    assert!(!event.to_string().contains("\\u001b") && !event.to_string().contains("\\u0007"), "{event}");
    assert!(event["worker"].as_str().unwrap().starts_with("\\u{1b}]0;owned\\u{7}xxx"), "{event}");
    let log = api().service.server().log();
    let line = log.lines().find(|line| line.contains(&answer.request_id)).unwrap();
    assert!(line.len() < 3_000, "{}", line.len());
}

#[test]
fn a_revoked_client_is_unauthenticated() {
    let key = api().service.api_key("gone", &["cms"]);
    let client = api().service.client().key(&key);
    let _ = client.sign("cms", b"x").success();
    api().service.sigillo(&["client", "revoke", "gone"]);
    refused(&client.sign("cms", b"x"), 401, "unauthenticated");
}

#[test]
fn a_caller_without_a_grant_learns_nothing_about_workers() {
    refused(&api().client.sign("other", b"x"), 403, "no-grant");
    refused(&api().client.sign("does-not-exist", b"x"), 403, "no-grant");
}

#[test]
fn an_operator_is_told_that_a_worker_does_not_exist() {
    let added = api().service.sigillo(&["client", "add", "operator"]);
    api().service.sigillo(&["grant", "add", "operator", "--role", "operator"]);
    let client = api().service.client().key(added["apiKey"].as_str().unwrap());
    refused(&client.sign("does-not-exist", b"x"), 404, "unknown-worker");
    refused(&client.sign("other", b"x"), 403, "no-grant");
}

#[test]
fn a_document_over_the_limit_is_too_large_in_every_encoding() {
    let big = vec![b'x'; 200 * 1024 + 1];
    refused(&api().client.sign("cms", &big), 413, "too-large");
    let body = json!({ "document": STANDARD.encode(&big) });
    refused(&api().client.post_json("/v1/workers/cms/sign", &body), 413, "too-large");
    let form =
        [b"--b\r\nContent-Disposition: form-data; name=\"document\"\r\n\r\n".to_vec(), big, b"\r\n--b--\r\n".to_vec()];
    let media_type = "multipart/form-data; boundary=b";
    refused(&api().client.post("/v1/workers/cms/sign", media_type, &form.concat()), 413, "too-large");
}

/// Parsed, `[[],[],…` takes some twenty times what was sent.
#[test]
fn digests_and_parameters_over_64_kib_are_too_large_whatever_documents_may_be() {
    let zeros = vec![0; 40 * 1024];
    let digests = json!({ "digests": zeros, "digestAlgorithm": "SHA-256" });
    refused(&api().client.post_json("/v1/workers/raw/sign-digest", &digests), 413, "too-large");
    let parameters = json!({ "document": "", "parameters": { "reason": zeros } });
    refused(&api().client.post_json("/v1/workers/pdf/sign", &parameters), 413, "too-large");
    let form = [
        b"--b\r\nContent-Disposition: form-data; name=\"document\"\r\n\r\nx\r\n".to_vec(),
        b"--b\r\nContent-Disposition: form-data; name=\"parameters\"\r\n\r\n".to_vec(),
        parameters["parameters"].to_string().into(),
        b"\r\n--b--\r\n".to_vec(),
    ];
    let media_type = "multipart/form-data; boundary=b";
    refused(&api().client.post("/v1/workers/pdf/sign", media_type, &form.concat()), 413, "too-large");
}

#[test]
fn a_media_type_that_is_not_taken_is_said() {
    refused(&api().client.post("/v1/workers/cms/sign", "text/plain", b"x"), 415, "media-type");
    refused(&api().client.post("/v1/workers/raw/sign-digest", "text/plain", b"x"), 415, "media-type");
    let body = json!({ "document": STANDARD.encode(b"<a/>"), "mediaType": "application/xml" });
    refused(&api().client.post_json("/v1/workers/pdf/sign", &body), 415, "media-type");
}

#[test]
fn a_body_that_cannot_be_read_is_malformed() {
    let malformed = |path: &str, body: &[u8]| {
        refused(&api().client.post(path, "application/json", body), 400, "malformed-request");
    };
    malformed("/v1/workers/cms/sign", b"{");
    malformed("/v1/workers/cms/sign", b"{\"document\":\"***\"}");
    malformed("/v1/workers/cms/sign", b"{\"document\":\"\",\"reason\":\"x\"}");
    malformed("/v1/workers/raw/sign-digest", b"{\"digests\":[],\"digestAlgorithm\":\"SHA-256\"}");
    let media_type = "multipart/form-data; boundary=b";
    let answer = api().client.post("/v1/workers/cms/sign", media_type, b"--b\r\nrubbish");
    refused(&answer, 400, "malformed-request");
}

#[test]
fn broken_documents_are_unacceptable_with_the_defect() {
    for file in ["not-a-pdf.pdf", "truncated.pdf"] {
        let document = std::fs::read(fixture(&format!("broken/{file}"))).unwrap();
        refused(&api().client.sign("pdf", &document), 422, "document-unacceptable");
    }
    for file in ["unclosed.xml", "two-roots.xml", "unbound-prefix.xml", "wrong-encoding.xml", "with-dtd.xml"] {
        let document = std::fs::read(fixture(&format!("broken/{file}"))).unwrap();
        refused(&api().client.sign("xml", &document), 422, "document-unacceptable");
    }
    refused(&api().client.sign("pdf", b""), 422, "document-unacceptable");
    refused(&api().client.sign("xml", b""), 422, "document-unacceptable");
}

#[test]
fn digests_that_the_worker_does_not_sign_are_unacceptable() {
    let sha256 = STANDARD.encode([1; 32]);
    let digest = |worker: &str, digest: &str, algorithm: &str| {
        let body = json!({ "digests": [digest], "digestAlgorithm": algorithm });
        api().client.post_json(&format!("/v1/workers/{worker}/sign-digest"), &body)
    };
    refused(&digest("raw", &sha256, "SHA-256"), 422, "document-unacceptable");
    refused(&digest("pdf", &sha256, "SHA-256"), 422, "document-unacceptable");
    refused(&digest("raw", &STANDARD.encode([1; 31]), "SHA-256"), 422, "parameters-unacceptable");
    refused(&digest("raw", &sha256, "MD5"), 422, "parameters-unacceptable");
}

#[test]
fn parameters_that_the_worker_fixes_are_unacceptable() {
    let body = json!({ "document": STANDARD.encode(b"%PDF-1.4"), "parameters": { "reason": "x" } });
    refused(&api().client.post_json("/v1/workers/pdf/sign", &body), 422, "parameters-unacceptable");
}

#[test]
fn a_credential_that_is_suspended_or_has_no_certificate_does_not_sign() {
    let problem = refused(&api().client.sign("suspended", b"x"), 409, "credential-not-active");
    assert!(problem["detail"].as_str().unwrap().contains("suspended"));
    let problem = refused(&api().client.sign("uncertified", b"x"), 409, "credential-not-active");
    assert!(problem["detail"].as_str().unwrap().contains("awaiting-certificate"));
}

#[test]
fn unknown_paths_and_methods_are_problem_documents_too() {
    let client = &api().client;
    for path in ["/", "/v1", "/v1/workers/cms/sign/other", "/favicon.ico", "/v1/workers/%ff"] {
        let answer = client.get(path);
        assert!(matches!(answer.problem().as_str(), "unknown-path" | "no-grant" | "malformed-request"), "{path}");
    }
    let answer = client.get("/v1/workers/cms/sign");
    assert_eq!((answer.status, answer.problem().as_str()), (405, "method-not-allowed"));
}
