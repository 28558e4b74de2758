//! `sigillo sign` against a server that answers as told.

use super::installation::{Installation, Run};
use super::server::{Answer, Request, Server};

const KEY: (&str, &str) = ("SIGILLO_API_KEY", "sigillo_test-key");

fn sign(installation: &Installation, server: &Server, rest: &str) -> Run {
    let line = format!("sign --worker seals --server {} {rest}", server.url);
    installation.sigillo_with(&line.split(' ').collect::<Vec<_>>(), &[KEY])
}

fn signed(request: &Request) -> Answer {
    let headers = vec![("Content-Type", "application/pdf"), ("Sigillo-Signature-Level", "B-B")];
    Answer("200 OK", headers, [b"signed ".as_slice(), &request.body].concat())
}

fn problem(status: &'static str, name: &str, detail: &str) -> Answer {
    let body = format!("{{\"type\":\"urn:sigillo:problem:{name}\",\"detail\":\"{detail}\",\"requestId\":\"42\"}}");
    Answer(status, vec![("Content-Type", "application/problem+json"), ("Retry-After", "0")], body.into_bytes())
}

#[test]
fn a_folder_is_signed_into_another_with_its_paths() {
    let installation = Installation::new();
    std::fs::create_dir_all(installation.path("in/2026/11")).unwrap();
    for number in 0..9 {
        installation.write(&format!("in/2026/11/{number}.pdf"), &format!("document {number}"));
    }
    installation.write("in/last.pdf", "last");
    let server = Server::answering(|request, _| signed(request));
    let answer = sign(&installation, &server, "in --out-dir out --parallel 3 --output json").json();
    assert_eq!(answer["items"].as_array().unwrap().len(), 10);
    assert_eq!(answer["items"][0]["level"], "B-B");
    for number in 0..9 {
        let content = std::fs::read_to_string(installation.path(&format!("out/2026/11/{number}.pdf"))).unwrap();
        assert_eq!(content, format!("signed document {number}"));
    }
    assert_eq!(std::fs::read_to_string(installation.path("out/last.pdf")).unwrap(), "signed last");
    for request in server.requests() {
        assert_eq!(request.path, "/v1/workers/seals/sign/raw");
        assert_eq!(request.authorization, "Bearer sigillo_test-key");
    }
}

#[test]
fn a_signed_document_lands_beside_its_input_under_another_name() {
    let installation = Installation::new();
    installation.write("a.pdf", "a");
    let server = Server::answering(|request, _| signed(request));
    assert_eq!(sign(&installation, &server, "a.pdf").ok(), "a.pdf signed: a-signed.pdf\n");
    assert_eq!(std::fs::read_to_string(installation.path("a.pdf")).unwrap(), "a");
    assert_eq!(std::fs::read_to_string(installation.path("a-signed.pdf")).unwrap(), "signed a");
}

#[test]
fn a_busy_service_is_asked_again() {
    let installation = Installation::new();
    installation.write("a.pdf", "a");
    let server = Server::answering(|request, number| match number {
        1 | 2 => problem("503 Service Unavailable", "overloaded", "busy"),
        _ => signed(request),
    });
    sign(&installation, &server, "a.pdf").ok();
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_service_that_stays_unavailable_exits_4_after_five_attempts() {
    let installation = Installation::new();
    installation.write("a.pdf", "a");
    let server = Server::answering(|_, _| problem("503 Service Unavailable", "token-unavailable", "the token is away"));
    assert!(sign(&installation, &server, "a.pdf").complaint(4).contains("the token is away (request 42)"));
    assert_eq!(server.requests().len(), 5);
}

#[test]
fn no_server_exits_4() {
    let installation = Installation::new();
    installation.write("a.pdf", "a");
    installation.write("b.pdf", "b");
    let line =
        "sign --worker seals --server http://127.0.0.1:1 a.pdf b.pdf --parallel 1".split(' ').collect::<Vec<_>>();
    let said = installation.sigillo_with(&line, &[KEY]).complaint(4);
    assert!(said.contains("a.pdf") && said.contains("b.pdf: not tried"), "{said}");
}

#[test]
fn a_batch_that_is_refused_as_a_whole_exits_3_and_in_part_1() {
    let installation = Installation::new();
    installation.write("good.pdf", "good");
    installation.write("bad.pdf", "bad");
    let server = Server::answering(|request, _| match request.body.as_slice() {
        b"bad" => problem("422 Unprocessable Content", "document-unacceptable", "the document is locked"),
        _ => signed(request),
    });
    let mixed = sign(&installation, &server, "good.pdf bad.pdf --out-dir out");
    assert_eq!(mixed.stdout, "1 of 2 signed, 1 refused\n");
    assert_eq!(mixed.complaint(1), "error: bad.pdf: the document is locked (request 42)\n");
    assert!(!installation.path("out/bad.pdf").exists());

    let all = sign(&installation, &server, "bad.pdf --out-dir out --output json");
    assert_eq!(all.code, 3);
    let said: serde_json::Value = serde_json::from_str(&all.stderr).unwrap();
    assert_eq!(said["type"], "urn:sigillo:problem:document-unacceptable");
    let answer: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(answer["items"][0]["problem"]["type"], "urn:sigillo:problem:document-unacceptable");
}

#[test]
fn an_api_key_is_never_sent_on_to_another_server() {
    let installation = Installation::new();
    installation.write("a.pdf", "a");
    let other = Server::answering(|request, _| signed(request));
    let elsewhere: &'static str = Box::leak(other.url.clone().into_boxed_str());
    let server =
        Server::answering(move |_, _| Answer("307 Temporary Redirect", vec![("Location", elsewhere)], Vec::new()));
    sign(&installation, &server, "a.pdf").complaint(1);
    assert!(other.requests().is_empty());
}

#[test]
fn a_document_that_breaks_off_is_no_signed_document() {
    let installation = Installation::new();
    installation.write("a.pdf", "a");
    let server = Server::answering(|_, _| {
        Answer("200 OK", vec![("Content-Type", "application/pdf"), ("Content-Length", "1000")], b"signed".to_vec())
    });
    sign(&installation, &server, "a.pdf").complaint(1);
    let left: Vec<_> =
        std::fs::read_dir(installation.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains("signed") || name.to_string_lossy().contains(".sigillo")),
        "{left:?}"
    );
}

#[test]
fn without_a_key_or_certificate_nothing_is_sent() {
    let installation = Installation::new();
    installation.write("a.pdf", "a");
    let server = Server::answering(|request, _| signed(request));
    let line = format!("sign --worker seals --server {} a.pdf", server.url);
    assert!(installation.sigillo(&line).complaint(2).contains("--api-key-file"));
    assert!(server.requests().is_empty());
    installation.write("key", "sigillo_from-file\n");
    installation.sigillo(&format!("{line} --api-key-file key")).ok();
    assert_eq!(server.requests()[0].authorization, "Bearer sigillo_from-file");
}
