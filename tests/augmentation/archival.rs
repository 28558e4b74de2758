//! PDF/A and tagged PDFs with seals: what they were, they still are, says veraPDF.

use std::path::PathBuf;

use tests::programs::repository;
use tests::verifiers::ask;
use tests::{Question, Verdict};

use crate::bench::{Bench, octets};

/// A document and what it claims.
const ARCHIVAL: [(&str, &str); 4] =
    [("pdfa-1b", "PDF/A-1B"), ("pdfa-2b", "PDF/A-2B"), ("pdfa-3b", "PDF/A-3B"), ("tagged", "PDF/A-2A,PDF/UA-1")];

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(repository().join("tests/fixtures/pdf").join(format!("{name}.pdf"))).expect("a fixture")
}

/// A file, and the profile that it must claim and meet.
type Made = (String, PathBuf, &'static str);

fn rejections(made: &[Made]) -> Vec<String> {
    let question = |(_, file, profile): &Made| Question::new("pdf", file).with("--expect", profile);
    let verdicts = ask("verapdf", &made.iter().map(question).collect::<Vec<_>>());
    let valid = verdicts.iter().filter(|verdict| **verdict == Verdict::Valid).count();
    tests::report(&format!("verapdf: {valid} of {} valid", verdicts.len()));
    let wrong = verdicts.iter().zip(made).filter(|(verdict, _)| **verdict != Verdict::Valid);
    wrong.map(|(verdict, (name, ..))| format!("{name}: {verdict:?}")).collect()
}

#[test]
fn an_invisible_seal_of_any_level_leaves_pdf_a_and_pdf_ua_what_they_were() {
    let bench = Bench::start();
    let (seal, second) = (bench.seal("p256"), bench.seal("rsa"));
    let mut made = Vec::new();
    for (name, profile) in ARCHIVAL {
        let document = fixture(name);
        for level in ["B-B", "B-T", "B-LT", "B-LTA"] {
            let signed = octets(&bench.sign_pdf(&seal, level, "", &document).expect("a seal"));
            let twice = octets(&bench.sign_pdf(&second, level, "", &signed).expect("another seal"));
            made.push((format!("{name} {level}"), bench.keep(&format!("{name}-{level}.pdf"), &signed), profile));
            made.push((
                format!("{name} {level}, twice"),
                bench.keep(&format!("{name}-{level}-2.pdf"), &twice),
                profile,
            ));
        }
        let certified = octets(&bench.sign_pdf(&seal, "B-B", "certification = 1", &document).expect("a certification"));
        made.push((format!("{name} certified"), bench.keep(&format!("{name}-certified.pdf"), &certified), profile));
        let stamped = octets(&bench.augment_pdf("B-T", &document).expect("a timestamp"));
        made.push((format!("{name} stamped"), bench.keep(&format!("{name}-stamped.pdf"), &stamped), profile));
    }
    let wrong = rejections(&made);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
