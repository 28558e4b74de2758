//! Signatures made by others, and older ones of our own, brought to B-LTA.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::programs::{repository, run};
use tests::verifiers::ask;
use tests::{Question, Verdict};
use workers::{AugmentationFault, SignatureLevel, WorkerError};

use crate::bench::{Bench, DOCUMENT, Seal, octets};

#[test]
fn signatures_of_openssl_and_of_eu_dss_are_brought_to_every_level() {
    let bench = Bench::start();
    let mut questions = Vec::new();
    for (algorithm, detached) in [("p256", false), ("p384", true), ("rsa", false), ("pss", true)] {
        let seal = bench.seal(algorithm);
        let mut made = vec![("openssl", by_openssl(&bench, &seal, algorithm, detached, false))];
        // The program around EU DSS does not choose RSA-PSS.
        if algorithm != "pss" {
            made.push(("dss", by_dss(&bench, &seal, "CAdES-BASELINE-B", detached)));
        }
        // `-stream`: indefinite lengths, and the content in pieces. What it writes then is never detached.
        if !detached {
            made.push(("openssl-ber", by_openssl(&bench, &seal, algorithm, detached, true)));
        }
        for (maker, file) in made {
            let signature = std::fs::read(&file).unwrap();
            for level in ["B-T", "B-LT", "B-LTA"] {
                let name = format!("{maker}-{algorithm}-{level}");
                let augmented = bench.augment(level, &signature, detached.then_some(DOCUMENT));
                let augmented = octets(&augmented.unwrap_or_else(|error| panic!("{name}: {error}")));
                let file = bench.keep(&name, &augmented);
                let question = bench.about(&file, detached);
                let question = question.with("--expect", format!("CAdES-BASELINE-{}", &level[2..]));
                questions.push((level, question));
            }
        }
    }
    accepted(&bench, &questions);
}

#[test]
fn an_lta_signature_is_renewed_after_the_authority_has_changed_its_certificate() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let first = octets(&bench.sign(&seal, "B-LTA", "").unwrap());
    bench.pki.renew_timestamp_authority();
    let second = octets(&bench.augment("B-LTA", &first, None).unwrap());
    bench.pki.renew_timestamp_authority();
    let third = octets(&bench.augment("B-LTA", &second, None).unwrap());
    let tokens: Vec<usize> = [&first, &second, &third].iter().map(|cms| archive_timestamps(cms).len()).collect();
    assert_eq!(tokens, [1, 2, 3]);
    for token in archive_timestamps(&first) {
        assert!(contains(&third, &token), "the first archive timestamp was changed");
    }
    let questions = [("second", &second), ("third", &third)].map(|(name, cms)| {
        let file = bench.keep(name, cms);
        ("B-LTA", bench.about(&file, false).with("--expect", "CAdES-BASELINE-LTA"))
    });
    accepted(&bench, &questions);
}

#[test]
fn archive_timestamps_of_eu_dss_survive_byte_for_byte() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    for detached in [false, true] {
        let made = std::fs::read(by_dss(&bench, &seal, "CAdES-BASELINE-LTA", detached)).unwrap();
        let before = archive_timestamps(&made);
        assert_eq!(before.len(), 1);
        let renewed = octets(&bench.augment("B-LTA", &made, detached.then_some(DOCUMENT)).unwrap());
        let after = archive_timestamps(&renewed);
        assert_eq!(after.len(), 2);
        assert!(after.contains(&before[0]), "the archive timestamp of EU DSS was changed");
        let file = bench.keep("renewed", &renewed);
        let question = bench.about(&file, detached).with("--expect", "CAdES-BASELINE-LTA");
        accepted(&bench, &[("B-LTA", question)]);
    }
}

#[test]
fn eu_dss_renews_what_we_made() {
    let bench = Bench::start();
    let seal = bench.seal("p384");
    let ours = bench.keep("ours", &octets(&bench.sign(&seal, "B-LTA", "").unwrap()));
    let renewed = dss(&bench, None, "CAdES-BASELINE-LTA", &["--do", "augment"], &ours);
    let after = archive_timestamps(&std::fs::read(&renewed).unwrap());
    assert_eq!(after.len(), 2);
    assert!(after.contains(&archive_timestamps(&std::fs::read(&ours).unwrap())[0]));
    let question = bench.about(&renewed, false).with("--expect", "CAdES-BASELINE-LTA");
    accepted(&bench, &[("B-LTA", question)]);
    // And we renew what DSS renewed.
    let again = octets(&bench.augment("B-LTA", &std::fs::read(&renewed).unwrap(), None).unwrap());
    let file = bench.keep("again", &again);
    accepted(&bench, &[("B-LTA", bench.about(&file, false).with("--expect", "CAdES-BASELINE-LTA"))]);
}

#[test]
fn what_cannot_be_built_on_is_refused_before_anything_is_asked_for() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let signed = octets(&bench.sign(&seal, "B-B", "packaging = \"detached\"").unwrap());
    let archived = octets(&bench.sign(&seal, "B-LTA", "").unwrap());
    let mut forged = signed.clone();
    *forged.last_mut().unwrap() ^= 1;
    let _ = bench.pki.asked();
    let fault = |signature: &[u8], document: Option<&[u8]>, level| {
        let error = bench.augment(level, signature, document).unwrap_err();
        assert_eq!(error.fault(), workers::Fault::Document, "{error}");
        match error {
            WorkerError::Augmentation(fault) => fault,
            other => panic!("{other}"),
        }
    };
    assert!(matches!(fault(&signed, None, "B-T"), AugmentationFault::NoDocument));
    assert!(matches!(fault(&signed, Some(b"another"), "B-T"), AugmentationFault::Signer { position: 1, .. }));
    assert!(matches!(fault(&forged, Some(DOCUMENT), "B-T"), AugmentationFault::Signer { position: 1, .. }));
    assert!(matches!(fault(&archived, Some(b"another"), "B-LTA"), AugmentationFault::OtherDocument));
    assert!(matches!(fault(DOCUMENT, None, "B-LTA"), AugmentationFault::Malformed(_)));
    assert!(matches!(fault(b"", None, "B-LTA"), AugmentationFault::Malformed(_)));
    assert!(matches!(fault(&signed, Some(DOCUMENT), "B-B"), AugmentationFault::Level));
    let archive = fault(&archived, None, "B-LT");
    assert!(matches!(archive, AugmentationFault::Attribute { level: SignatureLevel::BaselineLt, .. }), "{archive}");
    assert_eq!(bench.pki.asked(), Vec::<String>::new());
    // Whatever octet is changed, nothing panics.
    for position in (0..archived.len()).step_by(7) {
        let mut changed = archived.clone();
        changed[position] ^= 0x21;
        let _ = bench.augment("B-B", &changed, None);
        let _ = bench.augment("B-LT", &changed, None);
    }
}

/// EU DSS, OpenSSL and, of detached ones, pyHanko.
fn accepted(bench: &Bench, questions: &[(&str, Question)]) {
    let crls = bench.crls();
    let dss = questions.iter().map(|(level, question)| match *level {
        "B-B" | "B-T" => crls.iter().fold(question.clone(), |question, crl| question.with("--crl", crl)),
        _ => question.clone(),
    });
    let all: Vec<_> = questions.iter().map(|(_, question)| question.clone()).collect();
    for (tool, questions) in [("dss", dss.collect()), ("openssl", all)] {
        for (verdict, question) in ask(tool, &questions).into_iter().zip(&questions) {
            assert_eq!(verdict, Verdict::Valid, "{tool}: {question:?}");
        }
    }
}

fn by_openssl(bench: &Bench, seal: &Seal, name: &str, detached: bool, stream: bool) -> PathBuf {
    let out = bench.path(&format!("openssl-{name}-{stream}"));
    let mut sign = Command::new("openssl");
    sign.args(["cms", "-sign", "-cades", "-binary", "-md", "sha256", "-outform", "DER", "-signer"]).arg(&seal.chain);
    sign.arg("-inkey").arg(&seal.key).arg("-certfile").arg(bench.pki.issuing());
    sign.arg("-in").arg(bench.path("document")).arg("-out").arg(&out);
    if !detached {
        sign.arg("-nodetach");
    }
    if stream {
        sign.arg("-stream");
    }
    if name == "pss" {
        sign.args(["-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32"]);
    }
    run(&mut sign);
    let octets = std::fs::read(&out).unwrap();
    assert_eq!(octets[1] == 0x80, stream, "the lengths are not as they should be");
    out
}

pub(crate) fn by_dss(bench: &Bench, seal: &Seal, level: &str, detached: bool) -> PathBuf {
    let packaging = if detached { "DETACHED" } else { "ENVELOPING" };
    let key = pkcs12(bench, &seal.chain, &seal.key, "seal");
    dss(bench, Some(&key), level, &["--packaging", packaging], &bench.path("document"))
}

fn dss(bench: &Bench, key: Option<&Path>, level: &str, more: &[&str], document: &Path) -> PathBuf {
    let out = bench.path(&format!("dss-{level}-{}", more.join("")));
    let authority = bench.pki.timestamp_authority();
    let unit = pkcs12(bench, &authority, &authority.with_extension("key"), "unit");
    let mut sign = Command::new(repository().join("tests/verifiers/eu-dss/sign"));
    sign.args(["--level", level]).args(more).arg("--tsa").arg(unit).arg("--root").arg(bench.pki.root());
    sign.arg("--cert").arg(bench.pki.issuing());
    for crl in bench.crls() {
        sign.arg("--crl").arg(crl);
    }
    if let Some(key) = key {
        sign.arg("--key").arg(key);
    }
    run(sign.arg("--out").arg(&out).arg(document));
    out
}

pub(crate) fn pkcs12(bench: &Bench, chain: &Path, key: &Path, name: &str) -> PathBuf {
    let out = bench.path(&format!("{name}.p12"));
    let mut export = Command::new("openssl");
    export.args(["pkcs12", "-export", "-passout", "pass:password", "-in"]).arg(chain).arg("-inkey").arg(key);
    run(export.arg("-certfile").arg(bench.pki.issuing()).arg("-out").arg(&out));
    out
}

/// The values of the attribute, read by a program that knows nothing of ours.
pub(crate) fn archive_timestamps(cms: &[u8]) -> Vec<Vec<u8>> {
    // OBJECT IDENTIFIER 0.4.0.1733.2.4, SET, and the length of both the set and the token in it.
    let oid = [0x06, 0x06, 0x04, 0x00, 0x8d, 0x45, 0x02, 0x04, 0x31];
    let starts = (0..cms.len()).filter(|at| cms[*at..].starts_with(&oid)).map(|at| at + oid.len());
    starts.map(|at| der_value(&cms[at..])).collect()
}

fn der_value(octets: &[u8]) -> Vec<u8> {
    let count = usize::from(octets[0] & 0x7f);
    assert!(octets[0] & 0x80 != 0 && count <= 4, "a token is longer than 127 octets");
    let length = octets[1..=count].iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
    octets[1 + count..1 + count + length].to_vec()
}

fn contains(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}
