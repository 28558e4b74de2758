//! Signatures that hold what validates them already, after the authorities that said so have fallen silent.

use std::path::PathBuf;

use tests::live_pki::{Crl, Issuer, Ocsp};
use tests::programs::repository;
use tests::verifiers::ask;
use tests::{Question, Verdict};
use workers::{DocumentContent, Fault, WorkerConfig};

use crate::bench::{Bench, DOCUMENT, Seal, octets};

const XML: &[u8] = b"<Invoice>4711</Invoice>";

/// A signature of level B-LT of every format: what it is, its kind of worker, its octets.
fn long_term(bench: &Bench, seal: &Seal) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let pdf = std::fs::read(repository().join("tests/fixtures/pdf/report.pdf")).unwrap();
    let sign = |kind: &str, more: &str, document: &[u8]| {
        let content = DocumentContent::Memory(document.to_vec().into());
        octets(&bench.sign_kind(kind, seal, "B-LT", more, content, serde_json::Value::Null).unwrap())
    };
    vec![
        ("ours", "cades", sign("cades", "", DOCUMENT)),
        ("detached", "cades", sign("cades", "packaging = \"detached\"", DOCUMENT)),
        ("of EU DSS", "cades", std::fs::read(crate::others::by_dss(bench, seal, "CAdES-BASELINE-LT", false)).unwrap()),
        ("a PDF", "pades", sign("pades", "", &pdf)),
        ("XML", "xades", sign("xades", "", XML)),
    ]
}

fn silence(bench: &Bench) {
    bench.pki.ocsp(Ocsp::Down);
    bench.pki.crl(Crl::Down);
    bench.pki.issuer(Issuer::Down);
    let _ = bench.pki.asked();
}

fn question(bench: &Bench, name: &str, kind: &str, octets: &[u8], level: &str) -> Question {
    let file: PathBuf = bench.keep(name, octets);
    let question = Question::new(kind, &file).with("--root", bench.pki.root());
    let question = match (kind, name.contains("detached")) {
        ("cades", true) => question.with("--detached", bench.path("document")),
        ("cades", false) => question.with("--content", bench.path("document")),
        _ => question,
    };
    let format = kind.replace("ades", "AdES").replacen(&kind[..1], &kind[..1].to_uppercase(), 1);
    question.with("--expect", level.replace("B-", &format!("{format}-BASELINE-")))
}

#[test]
fn what_is_inside_serves_when_no_authority_answers_any_more() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let made = long_term(&bench, &seal);
    silence(&bench);
    let mut questions = Vec::new();
    for (name, kind, signature) in &made {
        let document = (*name == "detached").then_some(DOCUMENT);
        for level in ["B-LT", "B-LTA"] {
            // It was given revocation lists that were made before its timestamp.
            let more = if *name == "of EU DSS" { "revocation_freshness = \"max-age:1h\"" } else { "" };
            let grown = bench.augment_with(kind, level, more, bytes::Bytes::copy_from_slice(signature), document);
            let grown = octets(&grown.unwrap_or_else(|error| panic!("{name} {level}: {error}")));
            let stamps = if level == "B-LTA" { vec!["POST /tsa".to_owned()] } else { Vec::new() };
            let asked = bench.pki.asked();
            // What was made before the signature serves only when nobody says more.
            assert_eq!(asked == stamps, more.is_empty(), "{name} {level}: {asked:?}");
            questions.push(question(&bench, &format!("{name}-{level}"), kind, &grown, level));
        }
    }
    for (verdict, question) in ask("dss", &questions).into_iter().zip(&questions) {
        assert_eq!(verdict, Verdict::Valid, "{question:?}");
    }
}

#[test]
fn what_is_inside_and_does_not_suffice_is_asked_for() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    // Made before the timestamp, as a cached answer is: it says nothing of the time of the signature.
    let stamped = octets(&bench.sign(&seal, "B-T", "").unwrap());
    bench.pki.ocsp(Ocsp::Old(std::time::Duration::from_secs(3600)));
    let old = octets(&bench.augment("B-LT", &stamped, None).unwrap());
    silence(&bench);
    let error = bench.augment("B-LTA", &old, None).unwrap_err();
    assert!(error.is_outage(), "{error}");
    bench.pki.ocsp(Ocsp::Proper);
    bench.pki.crl(Crl::Proper);
    let grown = octets(&bench.augment("B-LTA", &old, None).unwrap());
    let question = question(&bench, "asked", "cades", &grown, "B-LTA");
    assert_eq!(ask("dss", &[question])[0], Verdict::Valid);
    // Whoever had the key a moment after its owner had it revoked finds the older answer of no use.
    let policy = "revocation_freshness = \"max-age:2h\"";
    bench.pki.revoke(&seal.chain, "-10 minutes");
    let stolen = bench.augment_with("cades", "B-LTA", policy, old.clone().into(), None).unwrap_err();
    assert_eq!(stolen.fault(), Fault::Credential, "{stolen}");
    // A status that is inside and says that it was revoked is as good as one that is asked for.
    bench.pki.revoke(&seal.chain, "-1 hour");
    let revoked = bench.augment("B-LTA", &stamped, None).unwrap_err();
    assert_eq!(revoked.fault(), Fault::Credential, "{revoked}");
}

#[test]
fn an_archive_timestamp_over_no_revocation_information_does_not_stand_for_the_status_of_the_signer() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let stamped = octets(&bench.sign(&seal, "B-T", "").unwrap());
    // Who trusts the signer and the authority as they are asks nobody about them.
    let anchors = [&seal.chain, &bench.pki.timestamp_authority()].map(|file| {
        let pem = std::fs::read_to_string(file).unwrap();
        let end = "-----END CERTIFICATE-----\n";
        pem.split_inclusive(end).next().unwrap().to_owned()
    });
    let text = format!(
        "name = \"w\"\nkind = \"cades\"\ncredential = \"seal\"\nlevel = \"B-LTA\"\ntimestamp = {{ url = \"{}\" }}\n\
         trust_anchors = [{}]\n",
        bench.pki.timestamp_url(),
        anchors.map(|pem| format!("\"\"\"\n{pem}\"\"\"")).join(", ")
    );
    let _ = bench.pki.asked();
    let bare = bench.augment_by(WorkerConfig::parse(&text).unwrap(), stamped.clone().into(), None).unwrap();
    let bare = octets(&bare);
    assert_eq!(bench.pki.asked(), ["POST /tsa"]);
    let covered = octets(&bench.augment("B-LTA", &stamped, None).unwrap());

    // Who does not, asks about the signer too, although the archive timestamp is there.
    let _ = bench.pki.asked();
    let grown = octets(&bench.augment("B-LTA", &bare, None).unwrap());
    let asked = bench.pki.asked();
    assert!(asked.iter().filter(|each| each.contains("ocsp")).count() >= 2, "signer and authority: {asked:?}");
    let question = question(&bench, "bare", "cades", &grown, "B-LTA");
    assert_eq!(ask("dss", &[question])[0], Verdict::Valid);

    bench.pki.revoke(&seal.chain, "-1 hour");
    let revoked = bench.augment("B-LTA", &bare, None).unwrap_err();
    assert_eq!(revoked.fault(), Fault::Credential, "{revoked}");
    // One over what was said of the signer then still stands for it.
    bench.augment("B-LTA", &covered, None).unwrap();
}
