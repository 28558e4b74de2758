//! Encrypted PDFs, augmented: what their access permissions let in, and passwords where they open with one only.

use std::process::Command;

use serde_json::json;
use tests::live_pki::Timestamp;
use tests::programs::{repository, run};
use tests::verifiers::ask;
use tests::{Question, Verdict};
use workers::error::Discrepancy;
use workers::pades::refusal::PdfRefusal;
use workers::{AugmentationFault, DocumentContent, WorkerError};

use crate::bench::{Bench, octets};
use crate::makers::dss_is_refused;

/// What qpdf calls the permissions, and whether they allow new fields (ISO 32000-2, table 22, bits 4 and 6).
const PERMISSIONS: [(&str, bool); 3] = [("all", true), ("annotate", false), ("none", false)];

fn encrypted(bench: &Bench, user: &str, permissions: &str, file: &str) -> Vec<u8> {
    let out = bench.path("encrypted.pdf");
    let mut qpdf = Command::new("qpdf");
    qpdf.args(["--encrypt", user, "owner", "256", &format!("--modify={permissions}"), "--"]);
    run(qpdf.arg(repository().join("tests/fixtures/pdf").join(file)).arg(&out));
    std::fs::read(&out).expect("what qpdf wrote")
}

fn forbidden(error: &WorkerError) -> bool {
    let refusal = match error {
        WorkerError::Pdf(refusal) | WorkerError::Augmentation(AugmentationFault::Pdf(refusal)) => refusal,
        other => panic!("{other}"),
    };
    matches!(refusal, PdfRefusal::AccessPermissions(_))
}

#[test]
fn document_timestamps_need_the_permission_to_add_fields_unless_the_owner_sends_them() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let mut made = Vec::new();
    for (permissions, new_fields) in PERMISSIONS {
        let document = encrypted(&bench, "", permissions, "report.pdf");
        let owner = json!({ "password": "owner" });
        let sign = |level: &str| {
            let content = DocumentContent::Memory(document.clone().into());
            octets(&bench.sign_kind("pades", &seal, level, "", content, owner.clone()).expect("a seal"))
        };
        let (plain, stamped) = (sign("B-B"), sign("B-T"));
        // From what, to which level, whether a document timestamp is needed.
        let cases = [
            ("a document", &document, "B-T", true),
            ("B-B", &plain, "B-T", true),
            ("B-B", &plain, "B-LTA", true),
            ("B-T", &stamped, "B-LT", false),
            ("B-T", &stamped, "B-LTA", true),
        ];
        for (from, pdf, level, timestamp) in cases {
            let name = format!("{permissions}, {from} to {level}");
            let _ = bench.pki.asked();
            match bench.augment_pdf(level, pdf) {
                Ok(grown) => {
                    assert!(new_fields || !timestamp, "{name}: augmented");
                    made.push((name.clone(), bench.keep(&format!("{}.pdf", made.len()), &octets(&grown)), from, level));
                }
                Err(error) => {
                    assert!(!new_fields && timestamp && forbidden(&error), "{name}: {error}");
                    assert_eq!(bench.pki.asked(), Vec::<String>::new(), "{name}: it was refused too late");
                    if from == "B-T" {
                        let (from, to) = (bench.keep("from.pdf", pdf), bench.path("by-dss.pdf"));
                        let why = dss_is_refused(&bench, &seal, "augment", level, &from, &to);
                        assert!(why.contains("ermission"), "{name}: EU DSS says {why}");
                    }
                }
            }
            let name = format!("{name}, as owner");
            let grown = bench.augment_pdf_with(level, pdf, &owner).unwrap_or_else(|error| panic!("{name}: {error}"));
            made.push((name, bench.keep(&format!("{}.pdf", made.len()), &octets(&grown)), from, level));
        }
    }
    // pyHanko takes the time of a signature from its CMS alone; what has no signature is for qpdf.
    let mut wrong = Vec::new();
    for tool in ["dss", "pyhanko", "pdfsig", "qpdf"] {
        let asked = made.iter().filter(|(_, _, from, _)| {
            *from == "B-T" || tool == "qpdf" || (*from == "B-B" && matches!(tool, "dss" | "pdfsig"))
        });
        let asked: Vec<_> = asked.collect();
        let crls = bench.crls();
        let question = |(_, file, _, level): &&(String, std::path::PathBuf, &str, &str)| {
            let question = Question::new("pades", file).with("--root", bench.pki.root());
            let question = question.with("--expect", format!("PAdES-BASELINE-{}", &level[2..]));
            match (tool, *level) {
                ("dss", "B-T") => crls.iter().fold(question, |question, crl| question.with("--crl", crl)),
                _ => question,
            }
        };
        let verdicts = ask(tool, &asked.iter().map(question).collect::<Vec<_>>());
        let rejected = asked.iter().zip(verdicts).filter(|(_, verdict)| *verdict != Verdict::Valid);
        wrong.extend(rejected.map(|((name, ..), verdict)| format!("{name}: {tool} says {verdict:?}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn where_only_forms_may_be_filled_a_seal_with_a_document_timestamp_is_refused_before_the_key_is_used() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let document = encrypted(&bench, "", "form", "form-hybrid.pdf");
    let sign = |level: &str| bench.sign_pdf(&seal, level, "field = \"approval\"", &document);
    sign("B-LT").expect("a seal in a field that is there");
    let _ = bench.pki.asked();
    assert!(forbidden(&sign("B-LTA").expect_err("a document timestamp needs a new field")));
    let asked = bench.pki.asked();
    assert!(!asked.iter().any(|what| what.contains("tsa")), "{asked:?}");
}

#[test]
fn where_only_forms_may_be_filled_a_long_timestamp_is_in_the_seal_or_the_seal_is_withheld() {
    let bench = Bench::start();
    bench.pki.timestamp(Timestamp::Large);
    let seal = bench.seal("p256");
    let document = encrypted(&bench, "", "form", "form-hybrid.pdf");
    let mut made = Vec::new();
    for level in ["B-T", "B-LT"] {
        let signed = bench.sign_pdf(&seal, level, "field = \"approval\"", &document);
        let signed = octets(&signed.unwrap_or_else(|error| panic!("{level}: {error}")));
        assert!(!signed.windows(12).any(|window| window == b"ETSI.RFC3161"), "{level}: a new field was added");
        made.push((level, bench.keep(&format!("long-{level}.pdf"), &signed)));
    }
    let crls = bench.crls();
    for tool in ["dss", "pyhanko", "pdfsig", "qpdf"] {
        let question = |(level, file): &(&str, std::path::PathBuf)| {
            let question = Question::new("pades", file).with("--root", bench.pki.root());
            let question = question.with("--expect", format!("PAdES-BASELINE-{}", &level[2..]));
            match (tool, *level) {
                ("dss", "B-T") => crls.iter().fold(question, |question, crl| question.with("--crl", crl)),
                _ => question,
            }
        };
        let verdicts = ask(tool, &made.iter().map(question).collect::<Vec<_>>());
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Valid), "{tool}: {verdicts:?}");
    }
    // Even more than there is room for.
    bench.pki.timestamp(Timestamp::Huge);
    for level in ["B-T", "B-LT"] {
        let error = bench.sign_pdf(&seal, level, "field = \"approval\"", &document).expect_err("no place for it");
        let WorkerError::Withheld(Discrepancy::Augmentation(AugmentationFault::Pdf(refusal))) = error else {
            panic!("{level}: {error}");
        };
        assert!(matches!(refusal, PdfRefusal::AccessPermissions(_)), "{level}: {refusal}");
    }
}

#[test]
fn a_sealed_pdf_that_a_password_opens_is_augmented_with_the_password() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let document = encrypted(&bench, "open sesame", "all", "report.pdf");
    let password = |password: &str| json!({ "password": password });
    let content = DocumentContent::Memory(document.into());
    let sealed = bench.sign_kind("pades", &seal, "B-T", "", content, password("open sesame"));
    let sealed = octets(&sealed.expect("a seal"));
    for refused in [json!({}), password("wrong")] {
        let error = bench.augment_pdf_with("B-LTA", &sealed, &refused).expect_err("it needs the password");
        assert!(!error.to_string().contains("wrong\""), "{error}");
        assert_eq!(error.fault(), workers::Fault::Document, "{error}");
    }
    let error = bench.augment_pdf_with("B-LTA", &sealed, &json!({"reason": "r"})).expect_err("nothing to choose");
    assert_eq!(error.fault(), workers::Fault::Parameters, "{error}");
    for given in ["open sesame", "owner"] {
        let grown = octets(&bench.augment_pdf_with("B-LTA", &sealed, &password(given)).expect("a grown seal"));
        let grown = octets(&bench.augment_pdf_with("B-LTA", &grown, &password(given)).expect("a renewed seal"));
        assert!(grown.starts_with(&sealed));
        let question = Question::new("pades", &bench.keep("grown.pdf", &grown)).with("--root", bench.pki.root());
        let question = question.with("--password", given).with("--expect", "PAdES-BASELINE-LTA");
        for tool in ["dss", "pyhanko", "pdfsig", "qpdf"] {
            assert_eq!(ask(tool, std::slice::from_ref(&question)), [Verdict::Valid], "{tool}, {given}");
        }
    }
}
