//! The service that all tests of this binary share: keys of every kind, workers of every kind over each.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tests::programs::fixture;
use tests::{Client, Question, TestService};

/// Algorithms, each with its kind of key and what the definition of its workers says.
pub(crate) const ALGORITHMS: [(&str, &str, &str); 6] = [
    ("rsa-pkcs1", "rsa-3072", ""),
    ("rsa-pss", "rsa-3072", "signature_scheme = \"rsa-pss\""),
    ("p256", "ec-p256", ""),
    ("p384", "ec-p384", ""),
    ("p521", "ec-p521", ""),
    ("ed25519", "ed25519", ""),
];

/// Formats, each with the kind of its workers, what their definition says, and the document that is signed.
pub(crate) const FORMATS: [(&str, &str, &str, &str); 5] = [
    ("plain", "plain", "", "binary/64k.bin"),
    ("cades-encapsulated", "cades", "", "binary/64k.bin"),
    ("cades-detached", "cades", "packaging = \"detached\"", "binary/crlf.txt"),
    ("pades", "pades", "", "pdf/report.pdf"),
    ("xades", "xades", "", "xml/order.xml"),
];

/// The service with its client. Shared, because making its keys takes longer than all that is done with them.
pub(crate) struct Bench {
    pub(crate) service: TestService,
    pub(crate) client: Client,
}

pub(crate) fn bench() -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    BENCH.get_or_init(|| {
        let service = TestService::builder().start();
        for spec in ["rsa-3072", "ec-p256", "ec-p384", "ec-p521", "ed25519"] {
            service.key(&format!("document-{spec}"), spec, "document");
            service.key(&format!("blind-{spec}"), spec, "blind");
        }
        let mut workers = Vec::new();
        for (format, kind, options, _) in FORMATS {
            for (algorithm, spec, scheme) in ALGORITHMS {
                if !exists(format, algorithm) {
                    continue;
                }
                let name = format!("{format}-{algorithm}");
                service.worker(&name, kind, &credential(kind, spec), &format!("{options}\n{scheme}"));
                workers.push(name);
            }
        }
        let workers: Vec<&str> = workers.iter().map(String::as_str).collect();
        let key = service.api_key("tester", &workers);
        let client = service.client().key(&key);
        Bench { service, client }
    })
}

/// Ed25519 is for plain and cades: neither PDF readers nor XML verifiers know it.
pub(crate) fn exists(format: &str, algorithm: &str) -> bool {
    algorithm != "ed25519" || matches!(format, "plain" | "cades-encapsulated" | "cades-detached")
}

pub(crate) fn credential(kind: &str, spec: &str) -> String {
    format!("{}-{spec}", if kind == "plain" { "blind" } else { "document" })
}

/// Signs the document of a format and leaves the result in a file.
pub(crate) fn sign(format: &str, algorithm: &str) -> PathBuf {
    let (_, _, _, document) = FORMATS.into_iter().find(|(name, ..)| *name == format).unwrap();
    let bench = bench();
    let document = std::fs::read(fixture(document)).unwrap();
    let signed = bench.client.sign(&format!("{format}-{algorithm}"), &document).success();
    // A name of its own, because tests beside this one sign the same and let others read it.
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let file = bench.service.folder().join(format!("{format}-{algorithm}-{number}.signed"));
    std::fs::write(&file, signed).unwrap();
    file
}

/// The question to ask of a file that a worker made.
pub(crate) fn question(format: &str, algorithm: &str, file: &std::path::Path) -> Question {
    let (_, kind, _, document) = FORMATS.into_iter().find(|(name, ..)| *name == format).unwrap();
    let (_, spec, _) = ALGORITHMS.into_iter().find(|(name, ..)| *name == algorithm).unwrap();
    let service = &bench().service;
    let question = Question::new(kind, file);
    if kind == "plain" {
        let (scheme, digest) = match algorithm {
            "rsa-pkcs1" | "rsa-pss" => (algorithm, "SHA-256"),
            "p256" => ("ecdsa", "SHA-256"),
            "p384" => ("ecdsa", "SHA-384"),
            "p521" => ("ecdsa", "SHA-512"),
            _ => {
                return question
                    .with("--algorithm", "eddsa")
                    .with("--leaf", service.leaf(&credential(kind, spec)))
                    .with("--detached", fixture(document));
            }
        };
        return question
            .with("--algorithm", scheme)
            .with("--digest", digest)
            .with("--leaf", service.leaf(&credential(kind, spec)))
            .with("--detached", fixture(document));
    }
    let question = question.with("--root", service.pki().root());
    match format {
        "cades-detached" => question.with("--detached", fixture(document)),
        "cades-encapsulated" => question.with("--content", fixture(document)),
        _ => question,
    }
}
