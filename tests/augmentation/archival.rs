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

#[test]
fn a_certification_that_allows_no_changes_grows_to_b_lta_and_the_document_stays_what_it_was() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let (mut made, mut questions) = (Vec::new(), Vec::new());
    for (name, profile) in ARCHIVAL {
        for (look, appearance) in [("invisible", ""), ("visible", "appearance = { text = \"Sealed by {signer}\" }")] {
            let definition = format!("certification = 1\n{appearance}");
            let sign =
                |level: &str| octets(&bench.sign_pdf(&seal, level, &definition, &fixture(name)).expect("a seal"));
            let grown = |pdf: &[u8]| octets(&bench.augment_pdf("B-LTA", pdf).expect("a grown seal"));
            let at_once = sign("B-LTA");
            for (what, pdf) in [
                ("grown from B-T", grown(&sign("B-T"))),
                ("grown from B-LT", grown(&sign("B-LT"))),
                ("renewed", grown(&at_once)),
                ("at once", at_once),
            ] {
                let name = format!("{name} {look} {what}");
                let file = bench.keep(&format!("{}.pdf", name.replace(' ', "-")), &pdf);
                let question = Question::new("pades", &file).with("--root", bench.pki.root());
                questions.push(question.with("--expect", "PAdES-BASELINE-LTA").with("--policy", "permissions"));
                made.push((name, file, profile));
            }
        }
    }
    assert_all_accept(&made, &questions);
}

/// Asserts that the claims hold, and that every judge of signatures finds each valid.
fn assert_all_accept(made: &[Made], questions: &[Question]) {
    let mut wrong = rejections(made);
    for tool in ["dss", "pyhanko", "pdfsig", "qpdf"] {
        let verdicts = ask(tool, questions);
        let named = made.iter().zip(verdicts).filter(|(_, verdict)| *verdict != Verdict::Valid);
        wrong.extend(named.map(|((name, ..), verdict)| format!("{name}: {tool} says {verdict:?}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The tagged fixture with other claims; each replaced by as many octets.
fn tagged(part: char, archival: bool, accessible: bool) -> Vec<u8> {
    let text = fixture("tagged");
    let replaced = |text: Vec<u8>, from: &str, to: &str| {
        let place = text.windows(from.len()).position(|window| window == from.as_bytes()).expect("a claim");
        [&text[..place], format!("{to:length$}", length = from.len()).as_bytes(), &text[place + from.len()..]].concat()
    };
    let claim = "<pdfaid:part>2</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance>";
    let other = if archival { claim.replace('2', &part.to_string()) } else { String::new() };
    let text = replaced(text, claim, &other);
    if accessible { text } else { replaced(text, "<pdfuaid:part>1</pdfuaid:part>", "") }
}

#[test]
fn a_second_seal_that_is_seen_leaves_pdf_a_what_it_was_and_is_refused_where_pdf_ua_has_no_place_for_it() {
    let bench = Bench::start();
    let (seal, second) = (bench.seal("p256"), bench.seal("rsa"));
    let (mut made, mut questions) = (Vec::new(), Vec::new());
    for (profile, document) in [
        ("PDF/A-2A", tagged('2', true, false)),
        ("PDF/A-3A", tagged('3', true, false)),
        ("PDF/A-3A,PDF/UA-1", tagged('3', true, true)),
        ("PDF/UA-1", tagged('2', false, true)),
    ] {
        let seen = "appearance = { text = \"Sealed by {signer}\" }";
        for (look, appearance) in [("invisible", ""), ("visible", seen)] {
            for level in ["B-B", "B-LTA"] {
                let mut keep = |what: &str, pdf: &[u8]| {
                    let name = format!("{profile} {look} {level}, {what}");
                    let file = bench.keep(&format!("{}.pdf", made.len()), pdf);
                    let question = Question::new("pades", &file).with("--root", bench.pki.root());
                    let question = question.with("--expect", format!("PAdES-BASELINE-{}", &level[2..]));
                    let crls = if level == "B-B" { bench.crls().to_vec() } else { Vec::new() };
                    questions.push(crls.iter().fold(question, |question, crl| question.with("--crl", crl)));
                    made.push((name, file, profile));
                };
                let once = octets(&bench.sign_pdf(&seal, level, appearance, &document).expect("a seal"));
                keep("once", &once);
                match bench.sign_pdf(&second, level, appearance, &once) {
                    Ok(twice) => keep("twice", &octets(&twice)),
                    Err(error) => {
                        assert!(look == "visible" && profile.contains("UA"), "{profile} {look}: {error}");
                        assert!(error.to_string().contains("PDF/UA and signed already"), "{error}");
                        let twice = bench.sign_pdf(&second, level, "", &once).expect("a seal that is not seen");
                        keep("twice, the second not seen", &octets(&twice));
                    }
                }
            }
        }
    }
    assert_all_accept(&made, &questions);
}
