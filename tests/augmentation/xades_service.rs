//! XML signatures over HTTP: media types, parameters, refusals, all levels, with a key in a token.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tests::http::multipart;
use tests::verifiers::ask;
use tests::{Client, LivePki, Question, TestService, Verdict};

const INVOICE: &[u8] =
    b"<?xml version=\"1.0\"?>\r\n<Invoice xmlns='urn:i'><part Id='a'>1</part><part Id='b'>2</part></Invoice>";

pub(crate) struct Fixture {
    pub(crate) folder: tempfile::TempDir,
    live: LivePki,
    pub(crate) service: TestService,
    pub(crate) client: Client,
}

impl Fixture {
    pub(crate) fn new(workers: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let live = LivePki::start(folder.path());
        let sections = format!("{}timeout = \"5s\"\nretry_after = \"1ms\"\n", live.configuration());
        let mut service = TestService::builder().sections(&sections).create();
        service.live_key("seal", "ec-p256", &live);
        for (name, definition) in workers {
            // The place is a table, and comes last.
            let (definition, place) = definition.split_at(definition.find("[place]").unwrap_or(definition.len()));
            let services = match definition.contains("level = \"B-B\"") {
                true => String::new(),
                false => format!("timestamp = {{ url = \"{}\" }}\n{}", live.timestamp_url(), live.trust_anchors()),
            };
            let definition = format!("{definition}\n{services}\n{place}");
            service.worker(name, "xades", "seal", &definition);
        }
        let names: Vec<&str> = workers.iter().map(|(name, _)| *name).collect();
        let key = service.api_key("caller", &names);
        service.start();
        let client = service.client().key(&key);
        Self { folder, live, service, client }
    }

    /// What EU DSS says of it, offline, at this level.
    fn accepted(&self, signed: &[u8], level: &str, detached: Option<&[u8]>, says: Option<&str>) {
        let mut question = self.question(signed, level);
        if let Some(document) = detached {
            std::fs::write(self.folder.path().join("document"), document).unwrap();
            question = question.with("--detached", self.folder.path().join("document"));
        }
        if let Some(says) = says {
            question = question.with("--says", says);
        }
        assert_eq!(ask("dss", &[question])[0], Verdict::Valid);
    }

    /// How often a key was to be used, so far.
    pub(crate) fn intents(&self) -> usize {
        let events = self.service.audit_events();
        events.iter().filter(|event| event["event"] == "signing-intended").count()
    }

    fn crls(&self) -> [PathBuf; 2] {
        ["root", "issuing"].map(|name| {
            let crl = ureq::get(format!("{}/{name}.crl", self.live.url())).call().unwrap();
            let file = self.folder.path().join(format!("{name}.crl"));
            std::fs::write(&file, crl.into_body().read_to_vec().unwrap()).unwrap();
            file
        })
    }

    /// A question about it, offline, at this level.
    pub(crate) fn question(&self, signed: &[u8], level: &str) -> Question {
        let file = self.folder.path().join("signature");
        std::fs::write(&file, signed).unwrap();
        let question = Question::new("xades", &file).with("--root", self.live.root());
        let mut question = question.with("--expect", level.replace("B-", "XAdES-BASELINE-"));
        if matches!(level, "B-B" | "B-T") {
            for crl in self.crls() {
                question = question.with("--crl", crl);
            }
        }
        question
    }
}

#[test]
fn xml_is_signed_and_augmented_over_http_at_every_level() {
    let fixture = Fixture::new(&[
        ("b", "level = \"B-B\""),
        ("t", "level = \"B-T\"\npackaging = \"detached\""),
        ("lt", "level = \"B-LT\"\npackaging = \"enveloping\""),
        ("lta", "level = \"B-LTA\"\ncaller_may_set = [\"mime_type\"]"),
        ("parts", "level = \"B-LT\"\npackaging = \"internally-detached\"\ncaller_may_set = [\"elements\"]"),
        ("counter", "level = \"B-T\"\nmode = \"counter-sign\""),
    ]);
    let client = &fixture.client;
    for (worker, level) in [("lt", "B-LT"), ("lta", "B-LTA")] {
        let answer = client.sign(worker, INVOICE);
        assert_eq!(
            (answer.level.as_deref(), answer.media_type.as_str()),
            (Some(level), "application/xml"),
            "{answer:?}"
        );
        fixture.accepted(&answer.success(), level, None, None);
    }
    // From B-B on, by others than the worker that made it.
    let basic = client.sign("b", INVOICE);
    assert_eq!(basic.level.as_deref(), Some("B-B"));
    let mut grown = basic.success();
    for (worker, level) in [("t", "B-T"), ("lt", "B-LT"), ("lta", "B-LTA"), ("lta", "B-LTA")] {
        let answer = client.post(&format!("/v1/workers/{worker}/augment"), "application/xml", &grown);
        assert_eq!(
            (answer.status, answer.level.as_deref()),
            (200, Some(level)),
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        assert_eq!(answer.media_type, "application/xml");
        grown = answer.success();
        fixture.accepted(&grown, level, None, None);
    }
    // A detached signature and its document.
    let detached = client.sign("t", INVOICE).success();
    fixture.accepted(&client_augment(client, "lta", &detached, INVOICE), "B-LTA", Some(INVOICE), None);
    // JSON, with the media type of the document and with one that the caller states.
    for (parameters, mime) in
        [(json!({}), "mime=text/xml"), (json!({"mime_type": "application/ubl+xml"}), "mime=application/ubl+xml")]
    {
        let body = json!({"document": STANDARD.encode(INVOICE), "mediaType": "text/xml; charset=utf-8", "parameters": parameters});
        let answer = client.post_json("/v1/workers/lta/sign", &body);
        assert_eq!(
            (answer.status, answer.level.as_deref()),
            (200, Some("B-LTA")),
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        let answer = answer.json();
        assert_eq!((&answer["mediaType"], &answer["level"]), (&json!("text/xml; charset=utf-8"), &json!("B-LTA")));
        fixture.accepted(
            &STANDARD.decode(answer["signedDocument"].as_str().unwrap()).unwrap(),
            "B-LTA",
            None,
            Some(mime),
        );
    }
    let (media_type, form) = multipart(&[("document", INVOICE), ("parameters", b"{\"elements\": [\"b\", \"a\"]}")]);
    let answer = client
        .try_send(
            "POST",
            "/v1/workers/parts/sign",
            &[("Content-Type", &media_type), ("Accept", "application/xml")],
            &form,
        )
        .unwrap();
    fixture.accepted(&answer.success(), "B-LT", None, None);
    let countered = client.sign("counter", &client.sign("b", INVOICE).success());
    assert_eq!(countered.level.as_deref(), Some("B-T"), "{countered:?}");
    assert!(String::from_utf8(countered.success()).unwrap().contains("<xades:CounterSignature "));
}

fn client_augment(client: &Client, worker: &str, signature: &[u8], document: &[u8]) -> Vec<u8> {
    let (media_type, form) = multipart(&[("signature", signature), ("document", document)]);
    client.post(&format!("/v1/workers/{worker}/augment"), &media_type, &form).success()
}

#[test]
fn one_signature_of_several_is_augmented_where_its_id_is_among_the_parameters() {
    let fixture = Fixture::new(&[("b", "level = \"B-B\""), ("lta", "level = \"B-LTA\"")]);
    let both = fixture.client.sign("b", &fixture.client.sign("b", INVOICE).success()).success();
    let signatures = |xml: &[u8]| -> Vec<String> {
        let text = String::from_utf8(xml.to_vec()).unwrap();
        text.split("<ds:Signature ").skip(1).map(str::to_owned).collect()
    };
    let before = signatures(&both);
    let id = before[1].split('"').nth(3).unwrap();
    let parameters = json!({ "signature_id": id }).to_string();

    let (media_type, form) = multipart(&[("signature", &both), ("parameters", parameters.as_bytes())]);
    let by_form = fixture.client.post("/v1/workers/lta/augment", &media_type, &form).success();
    let at = |name: &str| fixture.folder.path().join(name);
    std::fs::write(at("both.xml"), &both).unwrap();
    std::fs::write(at("parameters.json"), &parameters).unwrap();
    std::fs::write(at("key"), fixture.service.api_key("archivist", &["lta"])).unwrap();
    let mut sigillo = std::process::Command::new(tests::programs::our_program("sigillo"));
    sigillo.args(["sign", "--augment", "--worker", "lta", "--server", fixture.service.server().url()]);
    sigillo.arg("--api-key-file").arg(at("key")).arg("--parameters").arg(at("parameters.json")).arg(at("both.xml"));
    tests::programs::run(&mut sigillo);
    let by_command_line = std::fs::read(at("both-augmented.xml")).unwrap();

    for augmented in [by_form, by_command_line] {
        let after = signatures(&augmented);
        assert_eq!((after.len(), &after[0]), (2, &before[0]));
        assert!(after[1].contains(id) && after[1].contains("ArchiveTimeStamp"));
        std::fs::write(at("signature"), &augmented).unwrap();
        let question = Question::new("xades", &at("signature")).with("--root", fixture.live.root());
        let question = fixture.crls().into_iter().fold(question, |question, crl| question.with("--crl", crl));
        assert_eq!(ask("dss", &[question.with("--signers", "2")]), [Verdict::Valid]);
    }
}

#[test]
fn what_is_wrong_with_xml_or_its_parameters_is_said_as_a_problem() {
    let fixture = Fixture::new(&[
        ("b", "level = \"B-B\"\ncaller_may_set = [\"claimed_roles\"]"),
        ("placed", "level = \"B-B\"\n[place]\nxpath = \"/i:Invoice/i:part[3]\"\nnamespaces = { i = \"urn:i\" }\n"),
        ("parts", "level = \"B-B\"\npackaging = \"internally-detached\"\ncaller_may_set = [\"elements\"]"),
        ("counter", "level = \"B-B\"\nmode = \"counter-sign\""),
        ("lta", "level = \"B-LTA\""),
    ]);
    let client = &fixture.client;
    let sign = |worker: &str, document: &[u8], more: serde_json::Value| {
        let mut body = json!({"document": STANDARD.encode(document)});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = client.post_json(&format!("/v1/workers/{worker}/sign"), &body);
        let problem = answer.problem();
        (answer.status, problem, answer.json()["detail"].as_str().unwrap().to_owned())
    };
    for (worker, document, more, status, problem, detail) in [
        ("b", &b"<a><b></a>"[..], json!({}), 422, "document-unacceptable", "line 1, column 7"),
        ("b", b"<!DOCTYPE a><a/>", json!({}), 422, "document-unacceptable", "DOCTYPE"),
        ("b", INVOICE, json!({"mediaType": "application/pdf"}), 415, "media-type", "XML"),
        ("b", INVOICE, json!({"parameters": {"claimed_roles": []}}), 422, "parameters-unacceptable", "claimed_roles"),
        ("b", INVOICE, json!({"parameters": {"place": {"xpath": "/a"}}}), 422, "parameters-unacceptable", "place"),
        ("placed", INVOICE, json!({}), 422, "document-unacceptable", "no element is at /i:Invoice/i:part[3]"),
        ("parts", INVOICE, json!({"parameters": {"elements": ["c"]}}), 422, "document-unacceptable", "\"c\""),
        ("parts", INVOICE, json!({"parameters": {"elements": "a"}}), 422, "parameters-unacceptable", "elements"),
        ("counter", INVOICE, json!({}), 422, "document-unacceptable", "no XML signature"),
    ] {
        let answer = sign(worker, document, more);
        assert_eq!((answer.0, answer.1.as_str()), (status, problem), "{worker}: {}", answer.2);
        assert!(answer.2.contains(detail), "{worker}: {}", answer.2);
    }
    let digest = json!({"digests": [STANDARD.encode([0; 32])], "digestAlgorithm": "SHA-256"});
    let refused = client.post_json("/v1/workers/b/sign-digest", &digest);
    assert!((400..500).contains(&refused.status), "{}", refused.json());
    for (signature, detail) in [(INVOICE, "no XML signature"), (b"<a", "line 1"), (b"\x30\x80", "UTF-8")] {
        let answer = client.post("/v1/workers/lta/augment", "application/xml", signature);
        assert_eq!((answer.status, answer.problem().as_str()), (422, "document-unacceptable"));
        assert!(answer.json()["detail"].as_str().unwrap().contains(detail), "{}", answer.json());
    }
    let answer = client.post("/v1/workers/b/augment", "application/xml", &client.sign("b", INVOICE).success());
    assert_eq!(answer.status, 422, "{}", answer.json());
}

#[test]
fn the_digest_of_a_policy_is_computed_from_a_file_beside_the_definition() {
    let fixture = Fixture::new(&[]);
    let (service, policy) = (&fixture.service, fixture.service.folder().join("policy.txt"));
    std::fs::write(&policy, "We seal invoices, and nothing else.\n").unwrap();
    let text = std::fs::read(&policy).unwrap();
    let right = STANDARD.encode(openssl::sha::sha384(&text));
    let definition = |more: &str| {
        format!(
            "signature_policy = {{ oid = \"1.2.3.4\", file = \"policy.txt\", digest_algorithm = \"SHA-384\"{more}, \
             notice = {{ text = \"For <invoices> only\", reference = {{ organization = \"Acme & Co\", numbers = [1, 300] }} }} }}"
        )
    };
    for (kind, more) in [("xades", ""), ("cades", &format!(", digest = \"{right}\""))] {
        service.worker(kind, kind, "seal", &definition(more));
    }
    let stored = service.sigillo(&["worker", "show", "xades"]);
    assert_eq!(stored["definition"]["signature_policy"]["digest"], right.as_str(), "{stored}");
    assert!(stored["definition"]["signature_policy"]["file"].is_null(), "{stored}");
    let key = service.api_key("another", &["xades", "cades"]);
    let client = service.client().key(&key);
    for kind in ["xades", "cades"] {
        let file = fixture.folder.path().join("signature");
        std::fs::write(&file, client.sign(kind, INVOICE).success()).unwrap();
        let mut question = Question::new(kind, &file).with("--root", fixture.live.root());
        for crl in fixture.crls() {
            question = question.with("--crl", crl);
        }
        question = question.with("--signature-policy", format!("1.2.3.4={}", policy.display()));
        for says in [
            "policy=1.2.3.4",
            "policy-document=fits",
            "policy-notice=For <invoices> only",
            "policy-organization=Acme & Co",
            "policy-notice-numbers=[1, 300]",
        ] {
            question = question.with("--says", says);
        }
        assert_eq!(ask("dss", &[question]), [Verdict::Valid], "{kind}");
    }
    // A digest that is of something else, and a file that is not there.
    let wrong = STANDARD.encode(openssl::sha::sha384(b"anything"));
    let refused = service.try_worker("wrong", "xades", "seal", &definition(&format!(", digest = \"{wrong}\"")));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains(&right) && said.contains("policy.txt"), "{said}");
    std::fs::remove_file(&policy).unwrap();
    let refused = service.try_worker("wrong", "xades", "seal", &definition(""));
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("policy.txt"));
}
