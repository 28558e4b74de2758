//! The same over HTTP, with a key in a token and the service's own clients: levels, digests, augmentation, degrading.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::http::multipart;
use tests::live_pki::{Ocsp, Timestamp};
use tests::verifiers::ask;
use tests::{Answer, Client, LivePki, Question, TestService, Verdict};

use crate::bench::DOCUMENT;

struct Fixture {
    folder: tempfile::TempDir,
    live: LivePki,
    service: TestService,
    client: Client,
}

impl Fixture {
    /// Workers by name, with what stands in their definitions beside timestamp and anchors.
    fn new(workers: &[(&str, &str)]) -> Self {
        Self::with_server("", workers)
    }

    /// The same with more lines in `[server]`.
    fn with_server(server: &str, workers: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let live = LivePki::start(folder.path());
        let sections = format!("{}timeout = \"2s\"\nretry_after = \"1ms\"\n", live.configuration());
        let mut service = TestService::builder().sections(&sections).server(server).create();
        service.live_key("seal", "ec-p256", &live);
        for (name, definition) in workers {
            let timestamp = format!("timestamp = {{ url = \"{}\" }}\n", live.timestamp_url());
            service.worker(name, "cades", "seal", &format!("{definition}\n{timestamp}{}", live.trust_anchors()));
        }
        let names: Vec<&str> = workers.iter().map(|(name, _)| *name).collect();
        let key = service.api_key("caller", &names);
        service.start();
        let client = service.client().key(&key);
        std::fs::write(folder.path().join("document"), DOCUMENT).unwrap();
        Self { folder, live, service, client }
    }

    /// EU DSS accepts it offline, at this level.
    fn accepted(&self, cms: &[u8], level: &str, detached: bool) {
        let file = self.folder.path().join("signature");
        std::fs::write(&file, cms).unwrap();
        let question = Question::new("cades", &file).with("--root", self.live.root());
        let option = if detached { "--detached" } else { "--content" };
        let question = question.with(option, self.folder.path().join("document"));
        let question = question.with("--expect", format!("CAdES-BASELINE-{level}"));
        assert_eq!(ask("dss", &[question])[0], Verdict::Valid);
    }

    fn record(&self, answer: &Answer) -> Vec<Value> {
        let events = self.service.audit_events();
        events.into_iter().filter(|event| event["requestId"] == answer.request_id).collect()
    }
}

#[test]
fn documents_and_digests_are_signed_up_to_b_lta() {
    let fixture =
        Fixture::new(&[("inside", "level = \"B-LTA\""), ("beside", "level = \"B-LTA\"\npackaging = \"detached\"")]);
    let answer = fixture.client.sign("inside", DOCUMENT);
    assert_eq!(answer.level.as_deref(), Some("B-LTA"), "{}", String::from_utf8_lossy(&answer.body));
    let events = fixture.record(&answer);
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["signing-intended", "signature-created", "request-completed"]);
    assert_eq!(events[2]["level"], "B-LTA");
    fixture.accepted(&answer.success(), "LTA", false);

    let digest = STANDARD.encode(openssl::sha::sha256(DOCUMENT));
    let body = json!({"digests": [digest, digest], "digestAlgorithm": "SHA-256"});
    let answer = fixture.client.post_json("/v1/workers/beside/sign-digest", &body);
    assert_eq!((answer.status, answer.level.as_deref()), (200, Some("B-LTA")));
    for signature in answer.json()["signatures"].as_array().unwrap() {
        fixture.accepted(&STANDARD.decode(signature.as_str().unwrap()).unwrap(), "LTA", true);
    }
}

#[test]
fn documents_that_are_not_in_memory_are_signed_up_to_b_lta() {
    let folder = tempfile::tempdir().unwrap();
    let server = format!("spool = \"{}\"\nspool_above = \"4B\"\n", folder.path().display());
    let workers = [
        ("inside", "level = \"B-LTA\"\ncontent_timestamp = true"),
        ("beside", "level = \"B-LTA\"\npackaging = \"detached\""),
        ("stamped", "level = \"B-T\""),
        ("stamped-beside", "level = \"B-T\"\npackaging = \"detached\""),
    ];
    let fixture = Fixture::with_server(&server, &workers);
    for (worker, detached) in [("inside", false), ("beside", true)] {
        let answer = fixture.client.sign(worker, DOCUMENT);
        assert_eq!(answer.level.as_deref(), Some("B-LTA"), "{answer:?}");
        fixture.accepted(&answer.success(), "LTA", detached);
    }
    // Those in the form of a signature that is augmented likewise.
    for (worker, detached) in [("stamped", false), ("stamped-beside", true)] {
        let signature = fixture.client.sign(worker, DOCUMENT).success();
        let augment = |document: &[u8]| {
            let (media_type, form) = multipart(&[("signature", &signature), ("document", document)]);
            fixture.client.post("/v1/workers/inside/augment", &media_type, &form)
        };
        fixture.accepted(&augment(DOCUMENT).success(), "LTA", detached);
        assert_eq!(augment(b"another document").status, 422, "{worker}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_signature_is_augmented_over_http_without_a_key() {
    let fixture = Fixture::new(&[("t", "level = \"B-T\"\npackaging = \"detached\""), ("lta", "level = \"B-LTA\"")]);
    let stamped = fixture.client.sign("t", DOCUMENT).success();
    // A detached signature needs its document.
    let alone = fixture.client.post("/v1/workers/lta/augment", "application/pkcs7-signature", &stamped);
    assert_eq!((alone.status, alone.problem().as_str()), (422, "document-unacceptable"));
    assert!(alone.json()["detail"].as_str().unwrap().contains("\"document\""), "{}", alone.json());
    let (media_type, form) = multipart(&[("signature", &stamped), ("document", DOCUMENT)]);
    let answer = fixture.client.post("/v1/workers/lta/augment", &media_type, &form);
    assert_eq!(
        (answer.status, answer.level.as_deref()),
        (200, Some("B-LTA")),
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    assert_eq!(answer.media_type, "application/pkcs7-signature");
    let events = fixture.record(&answer);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["event"], &events[0]["level"]), (&json!("request-completed"), &json!("B-LTA")));
    let archived = answer.success();
    fixture.accepted(&archived, "LTA", true);
    // Once more, as a renewal.
    let (media_type, form) = multipart(&[("signature", &archived), ("document", DOCUMENT)]);
    let renewed = fixture.client.post("/v1/workers/lta/augment", &media_type, &form).success();
    assert!(renewed.len() > archived.len());
    fixture.accepted(&renewed, "LTA", true);
    // What is no signature, and parts that are none.
    for (part, problem) in [("signature", "document-unacceptable"), ("sign", "malformed-request")] {
        let (media_type, form) = multipart(&[(part, DOCUMENT)]);
        assert_eq!(fixture.client.post("/v1/workers/lta/augment", &media_type, &form).problem(), problem);
    }
}

#[test]
fn a_seal_in_a_pdf_that_a_password_opens_is_augmented_over_http() {
    let fixture = Fixture::new(&[("cms", "level = \"B-LTA\"")]);
    let (service, live) = (&fixture.service, &fixture.live);
    let timestamp = format!("timestamp = {{ url = \"{}\" }}\n{}", live.timestamp_url(), live.trust_anchors());
    service.worker("base", "pades", "seal", "");
    service.worker("lta", "pades", "seal", &format!("level = \"B-LTA\"\ncaller_may_set = [\"reason\"]\n{timestamp}"));
    let client = service.client().key(&service.api_key("archivist", &["base", "lta", "cms"]));
    let encrypted = fixture.folder.path().join("encrypted.pdf");
    let mut qpdf = std::process::Command::new("qpdf");
    qpdf.args(["--encrypt", "open quisquiliae", "owner quisquiliae", "256", "--"]);
    tests::programs::run(qpdf.arg(tests::programs::fixture("pdf/report.pdf")).arg(&encrypted));
    let parameters = json!({ "password": "open quisquiliae" });
    let body = json!({ "document": STANDARD.encode(std::fs::read(&encrypted).unwrap()), "parameters": parameters });
    let sealed = client.post_json("/v1/workers/base/sign", &body).json();
    let sealed = STANDARD.decode(sealed["signedDocument"].as_str().unwrap_or_else(|| panic!("{sealed}"))).unwrap();

    let augment = |worker: &str, parameters: Option<&Value>| {
        let text = parameters.map(Value::to_string);
        let parameters = text.as_ref().map(|text| ("parameters", text.as_bytes()));
        let parts: Vec<_> = std::iter::once(("signature", sealed.as_slice())).chain(parameters).collect();
        let (media_type, form) = multipart(&parts);
        client.post(&format!("/v1/workers/{worker}/augment"), &media_type, &form)
    };
    let answer = augment("lta", Some(&parameters));
    assert_eq!(answer.level.as_deref(), Some("B-LTA"), "{}", String::from_utf8_lossy(&answer.body));
    let file = fixture.folder.path().join("archived.pdf");
    std::fs::write(&file, answer.success()).unwrap();
    let question = Question::new("pades", &file).with("--root", live.root()).with("--password", "open quisquiliae");
    let question = question.with("--expect", "PAdES-BASELINE-LTA");
    assert_eq!(ask("dss", &[question])[0], Verdict::Valid);

    let refused = [
        ("lta", None, "document-unacceptable", "opens only with a password"),
        ("lta", Some(json!({ "password": "wrong quisquiliae" })), "document-unacceptable", "does not open it"),
        ("lta", Some(json!({ "password": ["open quisquiliae"] })), "parameters-unacceptable", "must be a text"),
        ("lta", Some(json!({ "reason": "none" })), "parameters-unacceptable", "nothing can be chosen"),
        ("cms", Some(parameters.clone()), "parameters-unacceptable", "only PDFs"),
    ];
    for (worker, parameters, problem, words) in refused {
        let answer = augment(worker, parameters.as_ref());
        assert_eq!((answer.status, answer.problem().as_str()), (422, problem), "{}", answer.json());
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{}", answer.json());
        let events = Value::from(fixture.record(&answer)).to_string();
        assert!(events.contains("request-refused") && !events.contains("quisquiliae"), "{events}");
        assert!(!answer.json().to_string().contains("quisquiliae"), "{}", answer.json());
    }
    assert!(!service.server().log().contains("quisquiliae"));
}

#[test]
fn a_detached_signature_is_joined_over_http() {
    let fixture = Fixture::new(&[
        ("one", "level = \"B-T\"\npackaging = \"detached\""),
        ("both", "level = \"B-LTA\"\nmode = \"co-sign\""),
    ]);
    let one = fixture.client.sign("one", DOCUMENT).success();
    let (media_type, form) = multipart(&[("document", DOCUMENT), ("signature", &one)]);
    let answer = fixture.client.post("/v1/workers/both/sign", &media_type, &form);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let json = json!({"document": STANDARD.encode(DOCUMENT), "signature": STANDARD.encode(&one)});
    let again = fixture.client.post_json("/v1/workers/both/sign", &json);
    for answer in [answer.json(), again.json()] {
        assert_eq!((&answer["level"], &answer["mediaType"]), (&json!("B-LTA"), &json!("application/pkcs7-signature")));
        let file = fixture.folder.path().join("both");
        std::fs::write(&file, STANDARD.decode(answer["signedDocument"].as_str().unwrap()).unwrap()).unwrap();
        let question = Question::new("cades", &file).with("--root", fixture.live.root()).with("--signers", "2");
        let crl = fixture.folder.path().join("crl");
        for name in ["root", "issuing"] {
            let octets =
                ureq::get(format!("{}/{name}.crl", fixture.live.url())).call().unwrap().body_mut().read_to_vec();
            std::fs::write(crl.with_extension(name), octets.unwrap()).unwrap();
        }
        let question = question.with("--crl", crl.with_extension("root")).with("--crl", crl.with_extension("issuing"));
        let question = question.with("--detached", fixture.folder.path().join("document"));
        assert_eq!(ask("dss", &[question])[0], Verdict::Valid);
    }
    // A worker that joins nothing, and what is no signature.
    assert_eq!(fixture.client.post("/v1/workers/one/sign", &media_type, &form).problem(), "parameters-unacceptable");
    let (media_type, form) = multipart(&[("document", DOCUMENT), ("signature", DOCUMENT)]);
    assert_eq!(fixture.client.post("/v1/workers/both/sign", &media_type, &form).problem(), "document-unacceptable");
}

#[test]
fn only_an_outage_lowers_the_level_and_answer_and_record_say_so() {
    let degrade = |minimum: &str| {
        format!("level = \"B-LTA\"\ndegrade = \"on-outage\"\nminimum_level = \"{minimum}\"\nstatus_max_age = \"off\"")
    };
    let fixture = Fixture::new(&[
        ("down-to-b", &degrade("B-B")),
        ("down-to-t", &degrade("B-T")),
        ("never", "level = \"B-LTA\"\nstatus_max_age = \"off\""),
    ]);
    let live = &fixture.live;
    let mut table = BTreeMap::new();
    let mut sign = |what: &str, worker: &str| {
        // Of another second than the signature before, so that nothing known serves.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let answer = fixture.client.sign(worker, DOCUMENT);
        let result = answer.level.clone().unwrap_or_else(|| answer.problem());
        let events = fixture.record(&answer);
        let last = events.last().unwrap().clone();
        assert_eq!(last["event"], "request-completed", "{events:?}");
        match answer.level.as_deref() {
            Some("B-LTA") => assert_eq!(last["reason"], Value::Null),
            Some(level) => {
                assert_eq!(last["level"], level);
                assert!(last["reason"].as_str().unwrap().starts_with("degraded: "), "{last}");
            }
            None => assert_eq!(last["outcome"], "withheld"),
        }
        table.insert(format!("{what} {worker}"), result);
    };
    live.timestamp(Timestamp::Down);
    ["down-to-b", "down-to-t", "never"].iter().for_each(|worker| sign("tsa down", worker));
    for wrong in [Timestamp::Garbage, Timestamp::WrongNonce, Timestamp::WrongImprint, Timestamp::Refusing] {
        live.timestamp(wrong.clone());
        sign(&format!("tsa {wrong:?}"), "down-to-b");
    }
    live.timestamp(Timestamp::Proper);
    sign("all well", "down-to-b");
    live.ocsp(Ocsp::Down);
    live.crl(tests::live_pki::Crl::Down);
    ["down-to-b", "down-to-t", "never"].iter().for_each(|worker| sign("status down", worker));
    live.ocsp(Ocsp::Forged);
    sign("status forged", "down-to-b");
    live.ocsp(Ocsp::Proper);
    live.revoke(&live.root().with_file_name("seal.pem"), "-1 hour");
    sign("revoked", "down-to-b");
    let expected = [
        ("all well down-to-b", "B-LTA"),
        ("revoked down-to-b", "credential-not-active"),
        ("status down down-to-b", "B-T"),
        ("status down down-to-t", "B-T"),
        ("status down never", "revocation-unavailable"),
        ("status forged down-to-b", "revocation-unavailable"),
        ("tsa Garbage down-to-b", "timestamp-unavailable"),
        ("tsa Refusing down-to-b", "timestamp-unavailable"),
        ("tsa WrongImprint down-to-b", "timestamp-unavailable"),
        ("tsa WrongNonce down-to-b", "timestamp-unavailable"),
        ("tsa down down-to-b", "B-B"),
        ("tsa down down-to-t", "timestamp-unavailable"),
        ("tsa down never", "timestamp-unavailable"),
    ];
    let expected: BTreeMap<_, _> =
        expected.iter().map(|(what, result)| ((*what).to_owned(), (*result).to_owned())).collect();
    assert_eq!(table, expected);
}

#[test]
fn the_command_line_augments_signatures_of_every_kind_in_a_folder() {
    let fixture = Fixture::new(&[
        ("inside", "level = \"B-T\""),
        ("beside", "level = \"B-T\"\npackaging = \"detached\""),
        ("lta", "level = \"B-LTA\""),
    ]);
    let (folder, out) = (fixture.folder.path().join("sealed"), fixture.folder.path().join("archived"));
    std::fs::create_dir(&folder).unwrap();
    let detached = fixture.client.sign("beside", DOCUMENT).success();
    std::fs::write(folder.join("a.txt"), DOCUMENT).unwrap();
    std::fs::write(folder.join("a.txt.p7s"), &detached).unwrap();
    std::fs::write(folder.join("b.txt.p7m"), fixture.client.sign("inside", DOCUMENT).success()).unwrap();
    let key = fixture.folder.path().join("key");
    std::fs::write(&key, fixture.service.api_key("archivist", &["lta"])).unwrap();
    let augment = |files: &std::path::Path, more: &[&std::ffi::OsStr]| {
        let mut command = std::process::Command::new(tests::programs::our_program("sigillo"));
        command.args(["sign", "--augment", "--worker", "lta", "--server", fixture.service.server().url()]);
        command.arg("--api-key-file").arg(&key).args(more).arg(files);
        tests::programs::output(&mut command)
    };
    let output = augment(&folder, &["--out-dir".as_ref(), out.as_os_str()]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("2 of 2 augmented"), "{output:?}");
    fixture.accepted(&std::fs::read(out.join("a.txt.p7s")).unwrap(), "LTA", true);
    fixture.accepted(&std::fs::read(out.join("b.txt.p7m")).unwrap(), "LTA", false);
    // Without its document, a detached one is refused; and nothing is written.
    let alone = fixture.folder.path().join("alone.p7s");
    std::fs::write(&alone, &detached).unwrap();
    assert_eq!(augment(&alone, &[]).status.code(), Some(3));
    assert!(!fixture.folder.path().join("alone-augmented.p7s").exists());
}
