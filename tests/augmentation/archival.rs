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
fn a_seal_of_any_level_leaves_pdf_a_and_pdf_ua_what_they_were() {
    let bench = Bench::start();
    let (seal, second) = (bench.seal("p256"), bench.seal("rsa"));
    let mut made = Vec::new();
    for (name, profile) in ARCHIVAL {
        let document = fixture(name);
        let mut keep = |what: &str, pdf: &[u8]| {
            let name = format!("{name} {what}");
            let file = bench.keep(&format!("{}.pdf", name.replace([' ', ','], "-")), pdf);
            made.push((name, file, profile));
        };
        for (look, appearance) in [("invisible", ""), ("visible", "appearance = { text = \"Sealed by {signer}\" }")] {
            for level in ["B-B", "B-T", "B-LT", "B-LTA"] {
                let signed = octets(&bench.sign_pdf(&seal, level, appearance, &document).expect("a seal"));
                keep(&format!("{look} {level}"), &signed);
                // Once something is signed, a structure stays as it is, and a seal that can be seen has no place in it.
                if name != "tagged" || look == "invisible" {
                    let twice = octets(&bench.sign_pdf(&second, level, appearance, &signed).expect("another seal"));
                    keep(&format!("{look} {level}, twice"), &twice);
                }
            }
            let certification = format!("certification = 1\n{appearance}");
            let certified = bench.sign_pdf(&seal, "B-B", &certification, &document).expect("a certification");
            keep(&format!("{look} certified"), &octets(&certified));
        }
        keep("stamped", &octets(&bench.augment_pdf("B-T", &document).expect("a timestamp")));
    }
    let wrong = rejections(&made);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
