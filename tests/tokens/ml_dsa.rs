//! Seals with ML-DSA (FIPS 204) of a running service on Kryoptic, from key to signature, judged by programs of others.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::programs::fixture;
use tests::verifiers::ask;
use tests::{Client, LivePki, Question, TestService, Verdict};

const SETS: [&str; 3] = ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"];
/// FIPS 204, table 2.
const SIGNATURE_LENGTHS: [usize; 3] = [2420, 3309, 4627];
const DOCUMENT: &str = "binary/64k.bin";

/// A service with a certified key of each parameter set, and for each a worker of each definition, `SET-NUMBER`.
struct Bench {
    service: TestService,
    client: Client,
}

impl Bench {
    fn create(kind: &str, purpose: &str, definitions: &[&str]) -> Self {
        let service = TestService::builder().kryoptic().start();
        service.pki().ml_dsa_root();
        let mut workers = Vec::new();
        for set in SETS {
            service.key_only(set, set, purpose);
            let chain = service.pki().certify_ml_dsa(&service.request(set), &issuer(&service, set));
            service.import(set, &chain);
            for (number, definition) in definitions.iter().enumerate() {
                workers.push(format!("{set}-{number}"));
                service.worker(&workers[workers.len() - 1], kind, set, definition);
            }
        }
        let key = service.api_key("caller", &workers.iter().map(String::as_str).collect::<Vec<_>>());
        let client = service.client().key(&key);
        Self { service, client }
    }

    fn write(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.service.folder().join(name);
        std::fs::write(&path, octets).unwrap();
        path
    }

    /// The same with one bit changed.
    fn write_changed(&self, name: &str, octets: &[u8], position: usize) -> PathBuf {
        let mut changed = octets.to_vec();
        changed[position] ^= 1;
        self.write(name, &changed)
    }
}

/// One of the sets is certified under a root that signs with ML-DSA itself.
fn issuer(service: &TestService, set: &str) -> PathBuf {
    let folder = service.pki().folder();
    if set == "ml-dsa-87" { folder.join("ml-dsa") } else { folder.to_owned() }
}

fn all_judge(tool: &str, good: &[Question], bad: &[Question]) {
    for (question, verdict) in good.iter().zip(ask(tool, good)) {
        assert_eq!(verdict, Verdict::Valid, "{tool}: {question:?}");
    }
    for (question, verdict) in bad.iter().zip(ask(tool, bad)) {
        assert!(matches!(verdict, Verdict::Invalid(_)), "{tool} says {verdict:?}: {question:?}");
    }
}

#[test]
fn plain_signatures_of_every_parameter_set_are_accepted_by_two_programs_and_changed_ones_by_none() {
    let bench = Bench::create("plain", "blind", &[""]);
    let document = std::fs::read(fixture(DOCUMENT)).unwrap();
    let changed_document = bench.write_changed("changed", &document, 0);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for set in SETS {
        let signature = bench.client.sign(&format!("{set}-0"), &document).success();
        let question = |file: &Path, data: &Path| {
            let question = Question::new("plain", file).with("--algorithm", "ml-dsa").with("--detached", data);
            question.with("--leaf", bench.service.leaf(set))
        };
        let file = bench.write(&format!("{set}.signature"), &signature);
        good.push(question(&file, &fixture(DOCUMENT)));
        bad.push(question(&file, &changed_document));
        let changed = bench.write_changed(&format!("{set}.changed"), &signature, signature.len() / 2);
        bad.push(question(&changed, &fixture(DOCUMENT)));
    }
    all_judge("cryptography", &good, &bad);
    all_judge("bouncycastle", &good, &bad);

    let events = bench.service.audit_events();
    for set in SETS {
        let intent = json!({ "event": "signing-intended", "keyUse": "request", "credential": set, "algorithm": set });
        let recorded = |event: &&Value| intent.as_object().unwrap().iter().all(|(key, value)| event[key] == *value);
        assert_eq!(events.iter().filter(recorded).count(), 1, "{set}");
    }
    bench.service.sigillo(&["audit", "verify"]);
}

#[test]
fn cms_signatures_of_every_parameter_set_are_accepted_by_two_programs_and_changed_ones_by_none() {
    let packagings = ["packaging = \"encapsulated\"", "packaging = \"detached\""];
    let bench = Bench::create("cades", "document", &packagings);
    let document = std::fs::read(fixture(DOCUMENT)).unwrap();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (set, length) in SETS.into_iter().zip(SIGNATURE_LENGTHS) {
        for (number, data) in ["--content", "--detached"].into_iter().enumerate() {
            let name = format!("{set}-{number}");
            let signed = bench.client.sign(&name, &document).success();
            let question = |file: &Path| {
                let question = Question::new("cades", file).with(data, fixture(DOCUMENT));
                question.with("--root", issuer(&bench.service, set).join("root.pem"))
            };
            good.push(question(&bench.write(&format!("{name}.p7s"), &signed)));
            // The signature comes last; before it the signed attributes.
            for position in [signed.len() - 100, signed.len() - length - 100] {
                bad.push(question(&bench.write_changed(&format!("{name}.{position}.p7s"), &signed, position)));
            }
        }
    }
    all_judge("pyhanko", &good, &bad);
    all_judge("bouncycastle", &good, &bad);
}

#[test]
fn a_cms_signature_gets_a_timestamp_and_higher_levels_are_refused_because_nobody_judges_them() {
    let folder = tempfile::tempdir().unwrap();
    let live = LivePki::start(folder.path());
    let mut service = TestService::builder().kryoptic().sections(&live.configuration()).create();
    service.key_only("seal", "ml-dsa-65", "document");
    let chain = service.pki().certify_ml_dsa(&service.request("seal"), service.pki().folder());
    service.import("seal", &chain);
    let definition =
        |level: &str| format!("level = \"{level}\"\ntimestamp = {{ url = \"{}\" }}\n", live.timestamp_url());
    service.worker("cms", "cades", "seal", &definition("B-T"));
    for level in ["B-LT", "B-LTA"] {
        let refused =
            service.try_worker("refused", "cades", "seal", &format!("{}{}", definition(level), live.trust_anchors()));
        let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && complaint.contains("no verifier of others"), "{complaint}");
    }
    let key = service.api_key("caller", &["cms"]);
    service.start();
    let answer = service.client().key(&key).sign("cms", &std::fs::read(fixture(DOCUMENT)).unwrap());
    assert_eq!(answer.level.as_deref(), Some("B-T"), "{answer:?}");
    let signed = answer.success();
    let question = |name: &str, octets: &[u8]| {
        let file = service.folder().join(name);
        std::fs::write(&file, octets).unwrap();
        let question = Question::new("cades", &file).with("--content", fixture(DOCUMENT));
        question.with("--root", service.pki().root()).with("--expect", "CAdES-BASELINE-T")
    };
    // Within the value of the timestamp's signature, which is the last thing in it.
    let mut changed = signed.clone();
    let last = changed.len() - 20;
    changed[last] ^= 1;
    all_judge("bouncycastle", &[question("good", &signed)], &[question("changed", &changed)]);
    all_judge("pyhanko", &[question("good", &signed)], &[]);
}

#[test]
fn a_digest_is_refused_before_the_key_is_used_and_so_is_a_definition_that_no_key_or_format_fits() {
    let service = TestService::builder().kryoptic().start();
    service.key_only("seal", "ml-dsa-65", "blind");
    let chain = service.pki().certify_ml_dsa(&service.request("seal"), service.pki().folder());
    service.import("seal", &chain);
    service.worker("hashes", "plain", "seal", "allow_client_hash = true");
    for (kind, definition, reason) in [
        ("plain", "digest = \"SHA-256\"", "ml-dsa with SHA-256 does not fit"),
        ("plain", "signature_scheme = \"ecdsa\"", "ecdsa with SHA-512 does not fit"),
    ] {
        let refused = service.try_worker("refused", kind, "seal", definition);
        let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && complaint.contains(reason), "{kind} {definition}: {complaint}");
    }
    let client = service.client().key(&service.api_key("caller", &["hashes"]));
    let digest = json!({ "digestAlgorithm": "SHA-512", "digests": [STANDARD.encode([1; 64])] });
    let answer = client.post_json("/v1/workers/hashes/sign-digest", &digest);
    assert_eq!((answer.status, answer.problem().as_str()), (422, "document-unacceptable"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("ML-DSA sign data, not digests"));
    let intended = |event: &&Value| event["event"] == "signing-intended" && event["keyUse"] == "request";
    assert_eq!(service.audit_events().iter().filter(intended).count(), 0);
}

#[test]
fn a_token_without_ml_dsa_says_which_mechanism_it_lacks() {
    let service = TestService::builder().create();
    let refused = service.try_sigillo(&["key", "generate", "--token", "hsm", "--alias", "seal", "--spec", "ml-dsa-65"]);
    let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(complaint.contains("CKM_ML_DSA_KEY_PAIR_GEN"), "{complaint}");
}

#[test]
fn the_public_half_is_read_from_a_token_that_gives_no_public_key_info() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("simulator.toml");
    let settings = format!(
        "module = '{}'\n[templates]\nunreadable = ['CKA_PUBLIC_KEY_INFO']\n",
        tests::kryoptic::library().display()
    );
    token_simulator::configure(&file, &settings).unwrap();
    let service = TestService::builder()
        .kryoptic()
        .library(&token_simulator::library().unwrap())
        .environment(token_simulator::VARIABLE, &file.display().to_string())
        .create();
    for set in SETS {
        service.key_only(set, set, "blind");
    }
    let keys = service.sigillo(&["key", "list", "--token", "hsm"]);
    let specs: Vec<&Value> = keys["items"].as_array().unwrap().iter().map(|key| &key["spec"]).collect();
    assert_eq!(specs, SETS);
}
