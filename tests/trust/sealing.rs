//! What callers get when authorities fail, and what is on record then: no seal of a revoked certificate, no lower level than asked.

use serde_json::Value;
use tests::live_pki::{Crl, Ocsp, Timestamp};
use tests::verifiers::ask;
use tests::{Answer, Client, LivePki, Question, TestService, Verdict};

/// A service, its authority, and a client of its worker `cms`.
struct Fixture {
    _folder: tempfile::TempDir,
    live: LivePki,
    service: TestService,
    client: Client,
}

impl Fixture {
    fn new(definition: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let live = LivePki::start(folder.path());
        let sections = format!("{}timeout = \"2s\"\nretry_after = \"1ms\"\n", live.configuration());
        let mut service = TestService::builder().sections(&sections).create();
        service.live_key("seal", "ec-p256", &live);
        let timestamp = format!("timestamp = {{ url = \"{}\" }}\n", live.timestamp_url());
        let definition = definition.replace("TIMESTAMP\n", &timestamp);
        service.worker("cms", "cades", "seal", &format!("{definition}{}", live.trust_anchors()));
        let key = service.api_key("caller", &["cms"]);
        service.start();
        let client = service.client().key(&key);
        Self { _folder: folder, live, service, client }
    }

    fn sign(&self) -> Answer {
        self.client.sign("cms", b"document")
    }

    /// Signs when what was learnt for the signature before is too old: its time is that of another second.
    fn sign_later(&self) -> Answer {
        std::thread::sleep(std::time::Duration::from_millis(1100));
        self.sign()
    }

    fn state(&self) -> String {
        self.service.sigillo(&["credential", "show", "seal"])["state"].as_str().unwrap().to_owned()
    }

    /// The names of what is on record of a request.
    fn recorded(&self, answer: &Answer) -> Vec<String> {
        let events = self.service.audit_events();
        let of_request = events.iter().filter(|event| event["requestId"] == answer.request_id);
        of_request.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    }

    fn outcome(&self, answer: &Answer) -> Value {
        let events = self.service.audit_events();
        let of_request =
            |event: &&Value| event["requestId"] == answer.request_id && event["event"] == "request-completed";
        events.iter().find(of_request).expect("the request was completed")["outcome"].clone()
    }
}

fn told(answer: &Answer, status: u16, problem: &str) -> String {
    assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{}", answer.json());
    answer.json()["detail"].as_str().unwrap().to_owned()
}

#[test]
fn a_revoked_or_unknown_certificate_stops_signing_before_the_key_is_used() {
    let fixture = Fixture::new("");
    let (live, leaf) = (&fixture.live, fixture.live.root().with_file_name("seal.pem"));

    live.ocsp(Ocsp::Down);
    live.crl(Crl::Down);
    let answer = fixture.sign();
    let detail = told(&answer, 503, "revocation-unavailable");
    assert!(detail.contains("CN=Seal seal") && answer.retry_after.is_some(), "{detail}");
    assert_eq!(fixture.recorded(&answer), ["request-refused"]);

    live.ocsp(Ocsp::Forged);
    let answer = fixture.sign();
    told(&answer, 503, "revocation-unavailable");
    assert_eq!(fixture.recorded(&answer), ["request-refused"]);

    live.ocsp(Ocsp::Proper);
    let index = live.root().with_file_name("issuing.index");
    let known = std::fs::read(&index).unwrap();
    live.forget(&leaf);
    let answer = fixture.sign();
    let detail = told(&answer, 409, "credential-not-active");
    assert!(detail.contains("unknown"), "{detail}");
    assert_eq!((fixture.recorded(&answer), fixture.state().as_str()), (vec!["request-refused".to_owned()], "active"));

    std::fs::write(&index, known).unwrap();
    live.hold(&leaf, "-1 hour");
    let answer = fixture.sign();
    let detail = told(&answer, 409, "credential-not-active");
    assert!(detail.contains("is on hold since"), "{detail}");
    assert_eq!((fixture.recorded(&answer), fixture.state().as_str()), (vec!["request-refused".to_owned()], "active"));
    live.release(&leaf);
    let _ = fixture.sign_later().success();

    // What was good a moment ago is asked for again only after its time.
    let fixture = Fixture::new("");
    let (live, leaf) = (&fixture.live, fixture.live.root().with_file_name("seal.pem"));
    live.revoke(&leaf, "-1 hour");
    let answer = fixture.sign();
    let detail = told(&answer, 409, "credential-not-active");
    assert!(detail.contains("was revoked on"), "{detail}");
    assert_eq!((fixture.recorded(&answer), fixture.state().as_str()), (vec!["request-refused".to_owned()], "revoked"));
    // From now on by its state, without asking anybody; and no operator can argue.
    let _ = live.asked();
    let detail = told(&fixture.sign(), 409, "credential-not-active");
    assert!(detail.contains("is revoked") && live.asked().is_empty(), "{detail}");
    assert_eq!(fixture.service.try_sigillo(&["credential", "activate", "seal"]).status.code(), Some(3));
}

#[test]
fn a_status_is_asked_for_once_in_its_time() {
    let fixture = Fixture::new("status_max_age = \"3s\"\n");
    let _ = fixture.sign().success();
    let _ = fixture.live.asked();
    let _ = fixture.sign().success();
    assert!(fixture.live.asked().is_empty());
    fixture.live.ocsp(Ocsp::Down);
    fixture.live.crl(Crl::Down);
    std::thread::sleep(std::time::Duration::from_secs(3));
    told(&fixture.sign(), 503, "revocation-unavailable");
    fixture.live.crl(Crl::Proper);
    let _ = fixture.sign().success();
}

#[test]
fn what_a_time_stamping_authority_does_wrong_withholds_the_seal_and_names_it() {
    let fixture = Fixture::new("level = \"B-T\"\nTIMESTAMP\n");
    let answer = fixture.sign();
    assert_eq!(answer.level.as_deref(), Some("B-T"));
    let _ = answer.success();
    let wrong = [
        Timestamp::Down,
        Timestamp::Slow(std::time::Duration::from_secs(4)),
        Timestamp::Garbage,
        Timestamp::WrongNonce,
        Timestamp::WrongImprint,
        Timestamp::Refusing,
    ];
    for wrong in wrong {
        fixture.live.timestamp(wrong.clone());
        let answer = fixture.sign();
        let detail = told(&answer, 503, "timestamp-unavailable");
        assert!(detail.contains(&fixture.live.timestamp_url()), "{wrong:?}: {detail}");
        assert_eq!(fixture.outcome(&answer), "withheld", "{wrong:?}");
    }
}

#[test]
fn seals_for_the_long_term_follow_the_revocation_matrix() {
    let fixture = Fixture::new("level = \"B-LT\"\nTIMESTAMP\n");
    let (live, leaf) = (&fixture.live, fixture.live.root().with_file_name("seal.pem"));
    let signed = |fixture: &Fixture| {
        let answer = fixture.sign_later();
        assert_eq!(answer.level.as_deref(), Some("B-LT"), "{}", String::from_utf8_lossy(&answer.body));
        let _ = answer.success();
    };
    signed(&fixture);
    live.ocsp(Ocsp::Down);
    signed(&fixture);
    let withheld = |answer: &Answer, status, problem| {
        let detail = told(answer, status, problem);
        assert_eq!(fixture.outcome(answer), "withheld");
        detail
    };
    for wrong in [Ocsp::Stale, Ocsp::WrongResponder, Ocsp::WithoutUsage, Ocsp::Down] {
        live.ocsp(wrong);
        live.crl(Crl::Down);
        withheld(&fixture.sign_later(), 503, "revocation-unavailable");
        live.crl(Crl::Proper);
        signed(&fixture);
    }
    live.ocsp(Ocsp::Proper);
    let index = live.root().with_file_name("issuing.index");
    let known = std::fs::read(&index).unwrap();
    live.forget(&leaf);
    let detail = withheld(&fixture.sign_later(), 409, "credential-not-active");
    assert!(detail.contains("unknown"), "{detail}");
    // Revoked after the last check of the status, and known when the information for the seal is fetched.
    std::fs::write(&index, known).unwrap();
    live.revoke(&leaf, "-1 minute");
    let detail = withheld(&fixture.sign_later(), 409, "credential-not-active");
    assert!(detail.contains("was revoked on"), "{detail}");
}

#[test]
fn freshness_is_what_the_worker_asks_for() {
    let fixture = Fixture::new("level = \"B-LT\"\nTIMESTAMP\n");
    let (live, service) = (&fixture.live, &fixture.service);
    let sign = |name: &str, freshness: &str| {
        let timestamp = format!("level = \"B-LT\"\ntimestamp = {{ url = \"{}\" }}\n", live.timestamp_url());
        let definition = format!("{timestamp}revocation_freshness = \"{freshness}\"\n{}", live.trust_anchors());
        service.worker(name, "cades", "seal", &definition);
        let key = service.api_key(name, &[name]);
        service.client().key(&key).sign(name, b"document")
    };
    // What responders prepare is as old as the worker lets it be.
    live.ocsp(Ocsp::Old(std::time::Duration::from_secs(3600)));
    live.crl(Crl::Down);
    let detail = told(&sign("strict", "after-signature"), 503, "revocation-unavailable");
    assert!(detail.contains("revocation_freshness"), "{detail}");
    told(&sign("half", "max-age:30m"), 503, "revocation-unavailable");
    // The issuing CA has its CRL alone.
    live.crl(Crl::Proper);
    live.ocsp(Ocsp::Old(std::time::Duration::from_secs(3600)));
    let answer = sign("lenient", "max-age:2h");
    assert_eq!(answer.level.as_deref(), Some("B-LT"), "{}", String::from_utf8_lossy(&answer.body));
    // A grace period is waited for, from the time of the timestamp on, in which this authority drops the fraction of the second.
    live.ocsp(Ocsp::Proper);
    let started = std::time::Instant::now();
    let _ = sign("grace", "after-signature:3s").success();
    assert!(started.elapsed() >= std::time::Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn an_outage_degrades_where_that_is_allowed_and_nothing_else_does() {
    let fixture = Fixture::new("level = \"B-LT\"\ndegrade = \"on-outage\"\nminimum_level = \"B-B\"\nTIMESTAMP\n");
    let level = || {
        let answer = fixture.sign_later();
        let level = answer.level.clone();
        let _ = answer.success();
        level.unwrap()
    };
    assert_eq!(level(), "B-LT");
    fixture.live.ocsp(Ocsp::Down);
    fixture.live.crl(Crl::Down);
    assert_eq!(level(), "B-T");
    fixture.live.timestamp(Timestamp::Down);
    assert_eq!(level(), "B-B");
    fixture.live.timestamp(Timestamp::WrongNonce);
    told(&fixture.sign_later(), 503, "timestamp-unavailable");
    fixture.live.timestamp(Timestamp::Proper);
    fixture.live.crl(Crl::Stale);
    told(&fixture.sign_later(), 503, "revocation-unavailable");
}

#[test]
fn eu_dss_finds_everything_inside_also_where_a_worker_of_this_service_makes_the_timestamps() {
    let fixture = Fixture::new("level = \"B-LTA\"\nTIMESTAMP\n");
    let (live, service) = (&fixture.live, &fixture.service);
    service.key_only("tsu", "ec-p256", "timestamp");
    let usage = ["extendedKeyUsage = critical, timeStamping", "keyUsage = critical, digitalSignature"];
    service.import("tsu", &live.certify_with(&service.request("tsu"), &usage));
    service.worker(
        "tsa",
        "timestamp",
        "tsu",
        &format!("policy = \"1.2.3.4\"\nclock = \"trusted\"\n{}", live.trust_anchors()),
    );
    let mut questions = Vec::new();
    for (level, name, source) in [
        ("B-LT", "others", format!("url = \"{}\"", live.timestamp_url())),
        ("B-LTA", "others-archived", format!("url = \"{}\"", live.timestamp_url())),
        ("B-LT", "own", "worker = \"tsa\"".to_owned()),
        ("B-LTA", "own-archived", "worker = \"tsa\"".to_owned()),
    ] {
        let definition = format!("level = \"{level}\"\ntimestamp = {{ {source} }}\n{}", live.trust_anchors());
        service.worker(name, "cades", "seal", &definition);
        let key = service.api_key(name, &[name]);
        let answer = service.client().key(&key).sign(name, b"document");
        assert_eq!(answer.level.as_deref(), Some(level), "{}", String::from_utf8_lossy(&answer.body));
        if name.starts_with("own") {
            // The seal's key once, the authority's for each timestamp: all on record under this request.
            let intents = fixture.recorded(&answer).iter().filter(|event| *event == "signing-intended").count();
            assert_eq!(intents, if level == "B-LTA" { 3 } else { 2 });
        }
        let file = service.folder().join(format!("{name}.p7m"));
        std::fs::write(&file, answer.success()).unwrap();
        let expected = format!("CAdES-BASELINE-{}", level.trim_start_matches("B-"));
        questions.push(Question::new("cades", &file).with("--root", live.root()).with("--expect", expected));
    }
    for (verdict, question) in ask("dss", &questions).into_iter().zip(&questions) {
        assert_eq!(verdict, Verdict::Valid, "{question:?}");
    }
    // A revoked authority makes no more timestamps, and that is no outage.
    live.revoke(&live.root().with_file_name("tsu.pem"), "-1 minute");
    let definition = format!("level = \"B-T\"\ntimestamp = {{ worker = \"tsa\" }}\n{}", live.trust_anchors());
    service.worker("own", "cades", "seal", &definition);
    service.worker(
        "tsa",
        "timestamp",
        "tsu",
        &format!("policy = \"1.2.3.4\"\nclock = \"trusted\"\nstatus_max_age = \"1s\"\n{}", live.trust_anchors()),
    );
    let key = service.api_key("later", &["own"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let answer = service.client().key(&key).sign("own", b"document");
    let detail = told(&answer, 503, "timestamp-unavailable");
    assert!(detail.contains("worker \"tsa\" refused"), "{detail}");
}
