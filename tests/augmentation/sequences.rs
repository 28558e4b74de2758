//! Several seals of a PDF, by different workers and by EU DSS, at different levels, in fields that are there and in new ones.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::programs::{repository, run};
use tests::verifiers::ask;
use tests::{Question, Verdict};
use workers::WorkerError;

use crate::bench::{Bench, octets};
use crate::forms::Form;
use crate::makers::{Maker, Order, dss_does};

const LEVELS: [&str; 4] = ["B-B", "B-T", "B-LT", "B-LTA"];
const TOOLS: [&str; 4] = ["dss", "pyhanko", "pdfsig", "qpdf"];

/// A document with the level that EU DSS must name, if one is the same for all signatures.
struct Made {
    name: String,
    file: PathBuf,
    expected: Option<&'static str>,
}

/// All that is not valid. Revocation is looked for outside up to B-T.
fn rejections(bench: &Bench, tools: &[&str], made: &[Made]) -> Vec<String> {
    let crls = bench.crls();
    let mut wrong = Vec::new();
    for &tool in tools {
        let question = |made: &Made| {
            let question = Question::new("pades", &made.file).with("--root", bench.pki.root());
            let question = match made.expected {
                Some(level) => question.with("--expect", format!("PAdES-BASELINE-{}", &level[2..])),
                None => question,
            };
            match (tool, made.expected) {
                ("dss", None | Some("B-B" | "B-T")) => {
                    crls.iter().fold(question, |question, crl| question.with("--crl", crl))
                }
                _ => question,
            }
        };
        let verdicts = ask(tool, &made.iter().map(question).collect::<Vec<_>>());
        let valid = verdicts.iter().filter(|verdict| **verdict == Verdict::Valid).count();
        tests::report(&format!("{tool}: {valid} of {} valid", verdicts.len()));
        let named = verdicts.iter().zip(made).filter(|(verdict, _)| **verdict != Verdict::Valid);
        wrong.extend(named.map(|(verdict, made)| format!("{}: {tool} says {verdict:?}", made.name)));
    }
    wrong
}

#[test]
fn three_workers_of_different_levels_seal_one_form_in_fields_of_its_own_and_in_new_ones() {
    let bench = Bench::start();
    let seals = ["p256", "rsa", "p384"].map(|algorithm| bench.seal(algorithm));
    let form =
        Form::new().signature("first", "", "").signature("second", "", "").below("contract", "buyer").text("name");
    let form = form.pdf();
    let fields: [[Option<&str>; 3]; 3] =
        [[Some("second"), None, Some("first")], [None, Some("contract.buyer"), Some("approval")], [None, None, None]];
    let mut made = Vec::new();
    for (row, fields) in fields.iter().enumerate() {
        let mut pdf = form.clone();
        for ((seal, field), level) in seals.iter().zip(fields).zip(["B-B", "B-LT", "B-LTA"]) {
            let name = format!("{fields:?} until {level}");
            let definition = field.map(|field| format!("field = \"{field}\"")).unwrap_or_default();
            let sealed =
                bench.sign_pdf(seal, level, &definition, &pdf).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(sealed.level.expect("a level").name(), level);
            let sealed = octets(&sealed);
            assert!(sealed.starts_with(&pdf), "{name}: the document was changed");
            pdf = sealed;
        }
        made.push(Made {
            name: format!("{fields:?}"),
            file: bench.keep(&format!("three-{row}.pdf"), &pdf),
            expected: None,
        });
        // And all of them at B-LTA, by augmenting the first ones.
        let all = octets(&bench.augment_pdf("B-LTA", &pdf).expect("all of them"));
        made.push(Made {
            name: format!("{fields:?}, all"),
            file: bench.keep(&format!("three-all-{row}.pdf"), &all),
            expected: Some("B-LTA"),
        });
    }
    let mut wrong = rejections(&bench, &["dss", "pdfsig", "qpdf"], &made);
    // pyHanko's engine for archived signatures takes the time of a signature from its CMS alone, which one of B-B does not have.
    for made in &mut made {
        made.expected = None;
    }
    wrong.extend(rejections(&bench, &["pyhanko"], &made));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn seals_of_eu_dss_are_augmented_and_stay_valid_under_ours_and_over_them() {
    let bench = Bench::start();
    let (seal, other) = (bench.seal("p256"), bench.seal("rsa"));
    let report = repository().join("tests/fixtures/pdf/report.pdf");
    let document = std::fs::read(&report).expect("a fixture");
    let (mut made, mut beyond_pyhanko, mut by_dss) = (Vec::new(), Vec::new(), Vec::new());
    for level in LEVELS {
        let theirs =
            Maker::Dss.make_one(&bench, &other, Order::new(level, &report, bench.path(&format!("dss-{level}.pdf"))));
        let mut keep = |name: String, octets: &[u8]| {
            let kept = Made { file: bench.keep(&format!("{name}.pdf"), octets), name, expected: Some("B-LTA") };
            if ["B-B", "B-LTA"].contains(&level) { beyond_pyhanko.push(kept) } else { made.push(kept) }
        };
        let grown = octets(&bench.augment_pdf("B-LTA", &theirs).unwrap_or_else(|error| panic!("{level}: {error}")));
        assert!(grown.starts_with(&theirs), "{level}: the document was changed");
        keep(format!("dss-{level}-grown"), &grown);
        let ours =
            octets(&bench.sign_pdf(&seal, "B-LTA", "", &theirs).unwrap_or_else(|error| panic!("{level}: {error}")));
        let all = octets(&bench.augment_pdf("B-LTA", &ours).unwrap_or_else(|error| panic!("all, {level}: {error}")));
        keep(format!("ours-over-dss-{level}"), &all);
        // And theirs over ours, and ours augmented by them.
        let ours = octets(&bench.sign_pdf(&seal, level, "", &document).expect("a seal"));
        let file = bench.keep(&format!("ours-{level}.pdf"), &ours);
        let over = Order::new(level, &file, bench.path(&format!("dss-over-{level}.pdf")));
        let out = over.out.clone();
        Maker::Dss.make_one(&bench, &other, over);
        by_dss.push(Made { name: format!("dss over ours, {level}"), file: out, expected: Some(level) });
        let out = bench.path(&format!("dss-grown-{level}.pdf"));
        dss_does(&bench, &other, "augment", "B-LTA", &file, &out);
        by_dss.push(Made { name: format!("ours grown by dss, {level}"), file: out, expected: Some("B-LTA") });
    }
    let mut wrong = rejections(&bench, &TOOLS, &made);
    let mut beyond_pyhanko: Vec<_> = beyond_pyhanko.into_iter().chain(by_dss).collect();
    wrong.extend(rejections(&bench, &["dss", "pdfsig", "qpdf"], &beyond_pyhanko));
    // What pyHanko expects of an archived signature, the time in its CMS and nothing but maintenance after it, these do not have:
    // to pyHanko a document timestamp of EU DSS is one more filled form.
    for made in &mut beyond_pyhanko {
        made.expected = made.expected.filter(|level| *level == "B-LT");
    }
    wrong.extend(rejections(&bench, &["pyhanko"], &beyond_pyhanko));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_worker_locks_fields_in_a_new_field_of_clear_and_encrypted_documents() {
    let bench = Bench::start();
    let (seal, next) = (bench.seal("p256"), bench.seal("rsa"));
    let form = Form::new().signature("second", "", "").text("name").text("nimi (õ)").pdf();
    let clear = bench.keep("clear.pdf", &form);
    let mut documents = vec![("clear", form)];
    for (name, options) in ENCRYPTIONS {
        documents.push((name, encrypted(&bench, name, options, &clear)));
    }
    let locks = [
        ("lock = \"all\"", false),
        ("lock = { include = [\"name\", \"nimi (õ)\"] }", true),
        ("lock = { exclude = [\"second\"] }", true),
    ];
    let mut made = Vec::new();
    for (document, octets_of) in &documents {
        for (lock, open) in locks {
            let name = format!("{document} {lock}");
            let first = bench.sign_pdf(&seal, "B-T", lock, octets_of).unwrap_or_else(|error| panic!("{name}: {error}"));
            let first = octets(&first);
            let mut keep = |name: String, octets: &[u8], level| {
                let file = bench.keep(&format!("locked-{}.pdf", made.len()), octets);
                made.push(Made { name, file, expected: Some(level) });
            };
            keep(name.clone(), &first, "B-T");
            match (bench.sign_pdf(&next, "B-LTA", "field = \"second\"", &first), open) {
                (Ok(second), true) => {
                    // The first one too gets what it lacks.
                    let all = bench.augment_pdf("B-LTA", &octets(&second)).expect("validation data for both");
                    keep(format!("{name}, twice"), &octets(&all), "B-LTA");
                }
                (Err(WorkerError::Pdf(_)), false) => {}
                (outcome, _) => panic!("{name}: {outcome:?}"),
            }
        }
    }
    let mut wrong = rejections(&bench, &["dss", "pdfsig", "qpdf"], &made);
    // pyHanko 0.38 has no revision 5, and stumbles over names of a lock that are encrypted (`DecryptedObjectProxy`).
    made.retain(|made| !made.name.contains("Acrobat 9"));
    made.retain(|made| made.name.starts_with("clear") || !made.name.ends_with("twice"));
    wrong.extend(rejections(&bench, &["pyhanko"], &made));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Encryptions that open with the empty password: options of qpdf.
const ENCRYPTIONS: [(&str, &[&str]); 6] = [
    ("rc4-40", &["--allow-weak-crypto", "--encrypt", "", "owner", "40", "--"]),
    ("rc4-128", &["--allow-weak-crypto", "--encrypt", "", "owner", "128", "--use-aes=n", "--"]),
    ("rc4-128 by crypt filter", &["--allow-weak-crypto", "--encrypt", "", "owner", "128", "--force-V4", "--"]),
    ("aes-128", &["--encrypt", "", "owner", "128", "--use-aes=y", "--cleartext-metadata", "--"]),
    ("aes-256", &["--encrypt", "", "owner", "256", "--"]),
    ("aes-256 of Acrobat 9", &["--allow-weak-crypto", "--encrypt", "", "owner", "256", "--force-R5", "--"]),
];

fn encrypted(bench: &Bench, name: &str, options: &[&str], file: &Path) -> Vec<u8> {
    let out = bench.path(&format!("{name}.pdf"));
    run(Command::new("qpdf").args(options).arg(file).arg(&out));
    std::fs::read(out).expect("what qpdf wrote")
}
