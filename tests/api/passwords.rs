//! Passwords of encrypted PDFs: each request brings its own, and it goes nowhere but to the document.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::http::multipart;
use tests::picture::Picture;
use tests::programs::{fixture, our_program, run};
use tests::verifiers::ask;
use tests::{Answer, Client, Question, TestService, Verdict};

const USER: &str = "open quisquiliae";
const OWNER: &str = "owner quisquiliae";
const WRONG: &str = "wrong quisquiliae";
/// In all of them, and in nothing else.
const MARK: &str = "quisquiliae";

struct Api {
    service: TestService,
    client: Client,
}

fn api() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(|| Api::start("", &[]))
}

impl Api {
    fn start(server: &str, environment: &[(&str, &str)]) -> Self {
        let mut builder = TestService::builder().server(server);
        for (name, value) in environment {
            builder = builder.environment(name, value);
        }
        let service = builder.start();
        service.key("seal", "ec-p256", "document");
        service.worker("pdf", "pades", "seal", "caller_may_set = [\"reason\"]");
        service.worker("cms", "cades", "seal", "");
        let key = service.api_key("caller", &["pdf", "cms"]);
        let client = service.client().key(&key);
        Self { service, client }
    }

    /// A document with these parameters, in JSON and as a form.
    fn both_ways(&self, url: &str, document: &[u8], parameters: &Value) -> [Answer; 2] {
        let body = json!({ "document": STANDARD.encode(document), "parameters": parameters });
        let text = parameters.to_string();
        let (media_type, form) = multipart(&[("document", document), ("parameters", text.as_bytes())]);
        [self.client.post_json(url, &body), self.client.post(url, &media_type, &form)]
    }

    fn sign(&self, document: &[u8], password: Option<&str>) -> [Answer; 2] {
        let parameters = password.map_or(json!({}), |password| json!({ "password": password }));
        self.both_ways("/v1/workers/pdf/sign", document, &parameters)
    }

    /// What the caller is told of this problem, of which nothing but the refusal is on record.
    fn refused(&self, answer: &Answer, status: u16, problem: &str) -> String {
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{}", answer.json());
        let events = self.service.audit_events();
        let of_request: Vec<&Value> = events.iter().filter(|event| event["requestId"] == answer.request_id).collect();
        assert_eq!(of_request.len(), 1, "{of_request:?}");
        assert_eq!(of_request[0]["event"], "request-refused");
        answer.json()["detail"].as_str().unwrap().to_owned()
    }
}

/// The report, encrypted by qpdf in one of these ways.
fn encrypted(user: &str, way: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("encrypted.pdf");
    let mut qpdf = Command::new("qpdf");
    qpdf.args(["--allow-weak-crypto", "--encrypt", user, OWNER]).args(way).arg("--");
    run(qpdf.arg(fixture("pdf/report.pdf")).arg(&file));
    std::fs::read(file).unwrap()
}

const WAYS: [&[&str]; 3] = [&["128", "--use-aes=n"], &["128", "--use-aes=y"], &["256"]];

fn signed(answer: Answer) -> Vec<u8> {
    let answer = answer.json();
    STANDARD.decode(answer["signedDocument"].as_str().unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

#[test]
fn a_password_in_json_or_a_form_opens_the_document_and_verifiers_accept_the_seal() {
    let folder = tempfile::tempdir().unwrap();
    let mut questions = Vec::new();
    for (position, way) in WAYS.into_iter().enumerate() {
        let document = encrypted(USER, way);
        for password in [USER, OWNER] {
            for (kind, answer) in ["json", "form"].into_iter().zip(api().sign(&document, Some(password))) {
                let sealed = signed(answer);
                assert!(sealed.starts_with(&document));
                let file = folder.path().join(format!("{position}-{kind}-{}.pdf", password.len()));
                std::fs::write(&file, sealed).unwrap();
                let root = api().service.pki().root();
                questions.push(Question::new("pades", &file).with("--root", root).with("--password", password));
            }
        }
    }
    for tool in ["pyhanko", "pdfsig"] {
        for (question, verdict) in questions.iter().zip(ask(tool, &questions)) {
            assert_eq!(verdict, Verdict::Valid, "{tool}: {question:?}");
        }
    }
}

#[test]
fn a_missing_or_wrong_password_is_refused_before_the_key_is_used() {
    for way in WAYS {
        let document = encrypted(USER, way);
        for (password, words) in [(None, "opens only with a password"), (Some(WRONG), "does not open it")] {
            for answer in api().sign(&document, password) {
                let detail = api().refused(&answer, 422, "document-unacceptable");
                assert!(detail.contains(words) && !detail.contains(MARK), "{detail}");
            }
        }
        // A bare document brings none.
        api().refused(&api().client.sign("pdf", &document), 422, "document-unacceptable");
    }
}

#[test]
fn a_password_that_is_not_needed_changes_nothing() {
    for document in [std::fs::read(fixture("pdf/report.pdf")).unwrap(), encrypted("", &["256"])] {
        for answer in api().sign(&document, Some(WRONG)).into_iter().chain(api().sign(&document, None)) {
            assert!(signed(answer).starts_with(&document));
        }
    }
}

#[test]
fn a_password_that_is_none_or_not_for_this_worker_is_refused_and_not_repeated() {
    let document = encrypted(USER, &["256"]);
    let pdf = "/v1/workers/pdf/sign";
    for none in [json!(7391), json!([USER]), json!({ "user": USER }), Value::Null] {
        for answer in api().both_ways(pdf, &document, &json!({ "password": none })) {
            let detail = api().refused(&answer, 422, "parameters-unacceptable");
            assert!(detail.contains("must be a text"), "{detail}");
            assert!(!detail.contains(MARK) && !detail.contains("7391"), "{detail}");
        }
    }
    for answer in api().both_ways("/v1/workers/cms/sign", &document, &json!({ "password": USER })) {
        let detail = api().refused(&answer, 422, "parameters-unacceptable");
        assert!(detail.contains("only PDFs") && !detail.contains(MARK), "{detail}");
    }
    // What is no object is a password in the wrong place, as likely as not.
    for answer in api().both_ways(pdf, &document, &json!(USER)) {
        let detail = api().refused(&answer, 400, "malformed-request");
        assert!(detail.contains("\"parameters\"") && !detail.contains(MARK), "{detail}");
    }
    let beside = json!({ "document": STANDARD.encode(&document), "password": USER });
    let detail = api().refused(&api().client.post_json(pdf, &beside), 400, "malformed-request");
    assert!(!detail.contains(MARK), "{detail}");
}

#[test]
fn a_preview_opens_the_document_with_the_password_too() {
    for way in WAYS {
        let document = encrypted(USER, way);
        let url = "/v1/workers/pdf/preview?dpi=72";
        for answer in api().both_ways(url, &document, &json!({ "password": USER })) {
            let picture = Picture::from_png(&answer.success());
            assert!(picture.difference(&by_poppler(&document, USER)) < 40.0, "{way:?}");
        }
        for answer in api().both_ways(url, &document, &json!({ "password": WRONG })) {
            let detail = api().refused(&answer, 422, "document-unacceptable");
            assert!(!detail.contains(MARK), "{detail}");
        }
    }
}

/// What poppler shows of the first page at 72 dots per inch.
fn by_poppler(pdf: &[u8], password: &str) -> Picture {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document.pdf");
    std::fs::write(&file, pdf).unwrap();
    let mut poppler = Command::new("pdftoppm");
    poppler.args(["-png", "-cropbox", "-singlefile", "-f", "1", "-l", "1", "-r", "72", "-upw", password]);
    run(poppler.arg(&file).arg(folder.path().join("page")));
    Picture::from_png(&std::fs::read(folder.path().join("page.png")).unwrap())
}

#[test]
fn a_password_is_in_no_log_record_metric_file_or_answer() {
    let spool = tempfile::tempdir().unwrap();
    let server = format!("spool = \"{}\"\nspool_above = \"1KiB\"\n", spool.path().display());
    let api = Api::start(&server, &[("SIGILLO_LOG", "trace")]);
    let document = encrypted(USER, &["256"]);
    let damaged = &document[..document.len() / 2];
    let mut answers = Vec::new();
    for action in ["pdf/sign", "pdf/preview", "cms/sign"] {
        let url = format!("/v1/workers/{action}");
        for password in [USER, WRONG] {
            answers.extend(api.both_ways(&url, &document, &json!({ "password": password })));
            answers.extend(api.both_ways(&url, damaged, &json!({ "password": password })));
            answers.extend(api.both_ways(&url, &document, &json!({ "password": [password] })));
            answers.extend(api.both_ways(&url, &document, &json!(password)));
            answers.extend(api.both_ways(&url, &document, &json!({ "password": password, "location": "here" })));
        }
        // JSON that ends in the password, and one with a fault behind it.
        for broken in ["{\"parameters\": {\"password\": \"open quisquiliae", "{\"password\": \"open quisquiliae\", x"] {
            answers.push(api.client.post(&url, "application/json", broken.as_bytes()));
            let (media_type, form) = multipart(&[("document", &document), ("parameters", broken.as_bytes())]);
            answers.push(api.client.post(&url, &media_type, &form));
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
    for answer in &answers {
        assert!(!contains(&answer.body, MARK), "{}", String::from_utf8_lossy(&answer.body));
    }
    let log = api.service.server().log();
    assert!(log.contains("\"TRACE\""), "the log says everything");
    for line in log.lines() {
        assert!(!line.contains(MARK), "{line}");
    }
    let events = Value::from(api.service.audit_events()).to_string();
    assert!(events.contains("signing-intended") && events.contains("request-refused"));
    assert!(!events.contains(MARK), "{events}");
    assert!(!contains(&api.service.client().get("/metrics").success(), MARK));
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
    every_file(api.service.folder(), &mut |file| {
        let octets = std::fs::read(file).unwrap_or_default();
        assert!(!contains(&octets, MARK), "{}", file.display());
    });
}

fn contains(octets: &[u8], text: &str) -> bool {
    octets.windows(text.len()).any(|window| window == text.as_bytes())
}

fn every_file(folder: &Path, look: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            every_file(&path, look);
        } else {
            look(&path);
        }
    }
}

#[test]
fn the_command_line_sends_parameters_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("in")).unwrap();
    std::fs::write(at("in/secret.pdf"), encrypted(USER, &["256"])).unwrap();
    std::fs::copy(fixture("pdf/report.pdf"), at("in/open.pdf")).unwrap();
    std::fs::write(at("key"), api().service.api_key("clerk", &["pdf"])).unwrap();
    let sign = |parameters: &str| {
        std::fs::write(at("parameters.json"), parameters).unwrap();
        let mut sigillo = Command::new(our_program("sigillo"));
        sigillo.args(["sign", "--worker", "pdf", "--server", api().service.server().url(), "--api-key-file"]);
        sigillo.arg(at("key")).arg("--parameters").arg(at("parameters.json"));
        sigillo.arg("--out-dir").arg(at("out")).arg(at("in")).output().unwrap()
    };

    // A mistake is found before anything is sent, and what stands in the file is not repeated.
    for wrong in [json!(USER).to_string(), format!("{{\"password\": \"{USER}\""), format!("{{\"password\": {USER}}}")] {
        let output = sign(&wrong);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("no JSON object") && !said.contains(MARK), "{said}");
    }
    let output = sign(&json!({ "password": WRONG, "reason": "Paid" }).to_string());
    assert_eq!(output.status.code(), Some(1), "one is refused, the other is not encrypted");

    let output = sign(&json!({ "password": USER, "reason": "Paid" }).to_string());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let question = |name: &str| Question::new("pades", &at(name)).with("--root", api().service.pki().root());
    let questions = [question("out/secret.pdf").with("--password", USER), question("out/open.pdf")];
    for (question, verdict) in questions.iter().zip(ask("pyhanko", &questions)) {
        assert_eq!(verdict, Verdict::Valid, "{question:?}");
    }
    let open = std::fs::read(at("out/open.pdf")).unwrap();
    assert!(open.windows(b"/Reason(Paid)".len()).any(|octets| octets == b"/Reason(Paid)"), "the reason was not sent");
}
