//! What earlier signatures of a PDF allow: our decision beside the judgement of pyHanko, EU DSS and poppler.

use std::path::PathBuf;

use tests::verifiers::ask;
use tests::{Question, Verdict};
use workers::WorkerError;

use crate::bench::{Bench, octets};
use crate::forms::Form;
use crate::makers::{Maker, Order, dss_does};

/// What the field of the first signature locks: name, entries of `/Lock`.
const LOCKS: [(&str, &str); 11] = [
    ("none", ""),
    ("all", "/Action/All"),
    ("include second", "/Action/Include/Fields[(second)]"),
    ("include name", "/Action/Include/Fields[(name)]"),
    ("exclude second", "/Action/Exclude/Fields[(second)]"),
    ("exclude name", "/Action/Exclude/Fields[(name)]"),
    ("include contract", "/Action/Include/Fields[(contract)]"),
    ("exclude contract", "/Action/Exclude/Fields[(contract)]"),
    ("include name, P 1", "/Action/Include/Fields[(name)]/P 1"),
    ("include name, P 2", "/Action/Include/Fields[(name)]/P 2"),
    ("include name, P 3", "/Action/Include/Fields[(name)]/P 3"),
];

/// With a certification these locks only.
const LOCKS_OF_CERTIFICATIONS: [usize; 4] = [0, 2, 5, 8];

/// Where the second signature goes: in a new field, in one that is there, in one below another.
const TARGETS: [&str; 3] = ["approval", "second", "contract.buyer"];

/// Who makes the first signature.
const FIRST: [Option<Maker>; 3] = [None, Some(Maker::PyHanko), Some(Maker::Dss)];

/// Locks over fields that are not there yet. EU DSS takes the field of a document timestamp for one of them and warns, whoever made
/// it; ISO 32000-2, 12.8.2.2.2, has document timestamps for no changes.
const EVERY_NEW_FIELD: [&str; 2] = ["all", "exclude name"];

struct Case {
    first: Option<Maker>,
    certification: Option<u8>,
    lock: &'static str,
    target: &'static str,
    /// What we say; none when we sealed.
    refusal: Option<String>,
    /// Ours; where we refuse, pyHanko's in our place, when it does it.
    file: Option<PathBuf>,
}

impl Case {
    fn name(&self) -> String {
        let first = self.first.map_or("ours".to_owned(), |maker| format!("{maker:?}").to_lowercase());
        let certification = self.certification.map_or("-".to_owned(), |level| level.to_string());
        format!("{first:8} {certification:^5} {:18} {:15}", self.lock, self.target)
    }
}

fn form(lock: &str) -> Vec<u8> {
    Form::new().signature("first", lock, "").signature("second", "", "").below("contract", "buyer").text("name").pdf()
}

#[test]
fn the_permission_matrix_agrees_with_pyhanko_eu_dss_and_poppler() {
    let bench = Bench::start();
    let mut cases = seconds(&bench, firsts(&bench, "B-B", &combinations()));
    counter_evidence(&bench, &mut cases);
    let crls = bench.crls();
    let made: Vec<_> = cases.iter().filter_map(|case| case.file.clone()).collect();
    let verdicts = ["pyhanko", "dss", "pdfsig", "qpdf"].map(|tool| {
        let question = |file: &PathBuf| {
            let question = Question::new("pades", file).with("--root", bench.pki.root());
            match tool {
                "dss" => crls
                    .iter()
                    .fold(question.with("--policy", "permissions"), |question, crl| question.with("--crl", crl)),
                _ => question,
            }
        };
        ask(tool, &made.iter().map(question).collect::<Vec<_>>()).into_iter()
    });
    let [mut pyhanko, mut dss, mut pdfsig, mut qpdf] = verdicts;
    let mut wrong = Vec::new();
    tests::report("first    DocMDP lock               second          | ours    | pyhanko | dss     | pdfsig");
    for case in &cases {
        let next = |verdicts: &mut dyn Iterator<Item = Verdict>| match &case.file {
            Some(_) => verdicts.next().expect("a verdict of each"),
            None => Verdict::NotApplicable("nobody made it".into()),
        };
        let judged = [("pyhanko", next(&mut pyhanko)), ("dss", next(&mut dss)), ("pdfsig", next(&mut pdfsig))];
        let structure = next(&mut qpdf);
        let words = judged.each_ref().map(|(_, verdict)| word(verdict));
        let ours = if case.refusal.is_some() { "refused" } else { "sealed" };
        tests::report(&format!("{} | {ours:7} | {:7} | {:7} | {}", case.name(), words[0], words[1], words[2]));
        match &case.refusal {
            None => {
                for (tool, verdict) in judged.iter().chain([&("qpdf", structure)]) {
                    if *verdict != Verdict::Valid {
                        wrong.push(format!("{}: sealed, and {tool} says {verdict:?}", case.name()));
                    }
                }
            }
            Some(refusal) => {
                if judged.iter().all(|(_, verdict)| *verdict == Verdict::Valid) {
                    wrong.push(format!("{}: refused ({refusal}), and all accept it", case.name()));
                }
            }
        }
    }
    let (sealed, refused): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case.refusal.is_none());
    tests::report(&format!("{} sealed, {} refused", sealed.len(), refused.len()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn validation_data_and_document_timestamps_follow_whatever_the_first_signature_forbids() {
    let bench = Bench::start();
    let chosen =
        |(certification, lock): &(Option<u8>, usize)| certification.is_some() && *lock == 0 || [1, 5, 8].contains(lock);
    let combinations: Vec<_> = combinations().into_iter().filter(chosen).collect();
    let (mut wrong, mut made) = (Vec::new(), Vec::new());
    for (case, document) in firsts(&bench, "B-T", &combinations) {
        let grown = bench.augment_pdf("B-LTA", &document).unwrap_or_else(|error| panic!("{}: {error}", case.name()));
        let file = bench.keep(&format!("grown-{}.pdf", made.len()), &octets(&grown));
        made.push((case.name(), file, EVERY_NEW_FIELD.contains(&case.lock)));
        if case.name().starts_with("dss") && case.lock == EVERY_NEW_FIELD[0] {
            // What EU DSS adds itself it rejects as well.
            let (from, to) = (bench.keep("grows.pdf", &document), bench.path("grown-by-dss.pdf"));
            dss_does(&bench, &bench.seal("p384"), "augment", "B-LTA", &from, &to);
            let question = Question::new("pades", &to).with("--root", bench.pki.root());
            let verdicts = ask("dss", &[question.clone(), question.with("--policy", "permissions")]);
            let [Verdict::Valid, Verdict::Invalid(why)] = verdicts.as_slice() else { panic!("{verdicts:?}") };
            assert!(why.contains("/FieldMDP"), "{why}");
        }
    }
    for tool in ["pyhanko", "dss", "pdfsig", "qpdf"] {
        let question = |(_, file, every_new_field): &(String, PathBuf, bool)| {
            let question = Question::new("pades", file).with("--root", bench.pki.root());
            let policy = if *every_new_field { "default" } else { "permissions" };
            question.with("--policy", policy).with("--expect", "PAdES-BASELINE-LTA")
        };
        let verdicts = ask(tool, &made.iter().map(question).collect::<Vec<_>>());
        let valid = verdicts.iter().filter(|verdict| **verdict == Verdict::Valid).count();
        tests::report(&format!("{tool}: {valid} of {} valid", verdicts.len()));
        let rejected = verdicts.into_iter().zip(&made).filter(|(verdict, _)| *verdict != Verdict::Valid);
        wrong.extend(rejected.map(|(verdict, (name, ..))| format!("{name}: {tool} says {verdict:?}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Invalid(_) => "invalid",
        Verdict::NotApplicable(_) => "-",
    }
}

/// Certification and lock of the first signature.
fn combinations() -> Vec<(Option<u8>, usize)> {
    let certifications = (1..=3).flat_map(|level| LOCKS_OF_CERTIFICATIONS.map(|lock| (Some(level), lock)));
    (0..LOCKS.len()).map(|lock| (None, lock)).chain(certifications).collect()
}

/// The forms with their first signatures, by each maker.
fn firsts(bench: &Bench, level: &'static str, combinations: &[(Option<u8>, usize)]) -> Vec<(Case, Vec<u8>)> {
    let (ours, theirs) = (bench.seal("p256"), bench.seal("rsa"));
    let mut firsts = Vec::new();
    for first in FIRST {
        let mut orders = Vec::new();
        for (certification, lock) in combinations {
            let file = bench.keep(&format!("form-{lock}.pdf"), &form(LOCKS[*lock].1));
            let out = bench.path(&format!("first-{first:?}-{certification:?}-{lock}.pdf"));
            orders.push(Order::new(level, &file, out).field("first").certification(*certification));
        }
        match first {
            Some(maker) => {
                let made = maker.make(bench, &theirs, &orders);
                assert!(made.iter().all(Result::is_ok), "{maker:?}: {made:?}");
            }
            None => {
                for order in &orders {
                    let mut definition = "field = \"first\"".to_owned();
                    if let Some(level) = order.certification {
                        definition += &format!("\ncertification = {level}");
                    }
                    let form = std::fs::read(&order.file).expect("the form");
                    let signed = bench.sign_pdf(&ours, level, &definition, &form).expect("a first signature");
                    std::fs::write(&order.out, octets(&signed)).expect("a file");
                }
            }
        }
        for ((certification, lock), order) in combinations.iter().zip(&orders) {
            let case = Case {
                first,
                certification: *certification,
                lock: LOCKS[*lock].0,
                target: "",
                refusal: None,
                file: None,
            };
            firsts.push((case, std::fs::read(&order.out).expect("a first signature")));
        }
    }
    firsts
}

/// A second signature of ours in every target of every first one, or our refusal.
fn seconds(bench: &Bench, firsts: Vec<(Case, Vec<u8>)>) -> Vec<Case> {
    let seal = bench.seal("p384");
    let mut cases = Vec::new();
    for (first, document) in firsts {
        for target in TARGETS {
            let mut case = Case { target, refusal: None, file: None, ..first };
            let file = bench.path(&format!("second-{}.pdf", cases.len()));
            match bench.sign_pdf(&seal, "B-B", &format!("field = \"{target}\""), &document) {
                Ok(signed) => {
                    std::fs::write(&file, octets(&signed)).expect("a file");
                    case.file = Some(file);
                }
                Err(WorkerError::Pdf(refusal)) => {
                    std::fs::write(file.with_extension("first"), &document).expect("a file");
                    case.refusal = Some(refusal.to_string());
                }
                Err(error) => panic!("{}: {error}", case.name()),
            }
            cases.push(case);
        }
    }
    cases
}

/// What pyHanko makes of the cases that we refuse.
fn counter_evidence(bench: &Bench, cases: &mut [Case]) {
    let seal = bench.seal("p521");
    let refused: Vec<_> = (0..cases.len()).filter(|number| cases[*number].refusal.is_some()).collect();
    let order = |number: &usize| {
        let file = bench.path(&format!("second-{number}.first"));
        Order::new("B-B", &file, bench.path(&format!("second-{number}.pdf"))).field(cases[*number].target)
    };
    let orders: Vec<_> = refused.iter().map(order).collect();
    let made = Maker::PyHanko.make(bench, &seal, &orders);
    for ((number, order), made) in refused.into_iter().zip(orders).zip(made) {
        cases[number].file = made.is_ok().then_some(order.out);
    }
}
