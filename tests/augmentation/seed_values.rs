//! What the author of a form demands of a signature: met, or refused where pyHanko would reject it.

use std::path::PathBuf;

use tests::verifiers::ask;
use tests::{Question, Verdict};
use workers::WorkerError;
use workers::pades::refusal::PdfRefusal;

use crate::bench::{Bench, bundle, octets};
use crate::forms::Form;
use crate::makers::{Maker, Order};

/// Lines of the worker that pyHanko is told as well.
const APPROVED: &str = "reason = \"Approved\"";
const CERTIFIED: &str = "certification = 2";
const FINAL: &str = "certification = 1";

/// Entries of `/SV`, lines of the worker, and a part of our refusal.
const DEMANDS: [(&str, &str, Option<&str>); 41] = [
    ("/Filter/Adobe.PPKLite/Ff 1", "", None),
    ("/Filter/Entrust.PPKEF/Ff 1", "", Some("handler")),
    ("/Filter/Entrust.PPKEF", "", None),
    ("/SubFilter[/ETSI.CAdES.detached/adbe.pkcs7.detached]/Ff 2", "", None),
    ("/SubFilter[/adbe.pkcs7.detached/ETSI.CAdES.detached]/Ff 2", "", Some("adbe.pkcs7.detached")),
    ("/SubFilter[/adbe.pkcs7.detached]/Ff 2", "", Some("adbe.pkcs7.detached")),
    ("/SubFilter[/adbe.pkcs7.detached]", "", None),
    ("/DigestMethod[(SHA256)(SHA512)]/Ff 64", "", None),
    ("/DigestMethod[(SHA384)(SHA512)]/Ff 64", "", Some("SHA384")),
    ("/DigestMethod[(SHA384)(SHA512)]/Ff 64", "digest = \"SHA-384\"", None),
    ("/DigestMethod[(SHA1)]", "", None),
    ("/Reasons[(Approved)(Seen)]/Ff 8", APPROVED, None),
    ("/Reasons[(Rejected)(Seen)]/Ff 8", APPROVED, Some("\"Rejected\" or \"Seen\"")),
    ("/Reasons[(Rejected)(Seen)]/Ff 8", "", Some("\"Rejected\" or \"Seen\"")),
    ("/Reasons[(Rejected)(Seen)]", APPROVED, None),
    ("/Reasons[(.)]/Ff 8", APPROVED, Some("no reason")),
    ("/Reasons[(.)]/Ff 8", "", None),
    ("/Ff 8", APPROVED, Some("no reason")),
    ("/MDP<</P 0>>", "", None),
    ("/MDP<</P 0>>", CERTIFIED, Some("approval")),
    ("/MDP<</P 2>>", CERTIFIED, None),
    ("/MDP<</P 3>>", CERTIFIED, Some("level 3")),
    ("/MDP<</P 2>>", "", Some("level 2")),
    ("/TimeStamp<</URL(http://tsa.example.com)/Ff 1>>", "", Some("timestamp")),
    ("/TimeStamp<</URL(http://tsa.example.com)/Ff 0>>", "", None),
    ("/AddRevInfo true/Ff 32", "", Some("revocation")),
    ("/AddRevInfo false/Ff 32", "", None),
    ("/AddRevInfo true", "", None),
    ("/LegalAttestation[(Sound)]/Ff 16", "", Some("attestation")),
    ("/LockDocument/true/Ff 128", "", Some("locked")),
    ("/LockDocument/true/Ff 128", FINAL, None),
    ("/LockDocument/false/Ff 128", FINAL, Some("not locked")),
    ("/LockDocument/false/Ff 128", CERTIFIED, None),
    ("/LockDocument/auto/Ff 128", "", None),
    ("/V 3/Ff 4", "", None),
    ("/V 4/Ff 4", "", Some("version 4")),
    ("/Cert<</KeyUsage[(11XXXXXXX)]/Ff 32>>", "", None),
    ("/Cert<</KeyUsage[(XXXXX1)(10)]/Ff 32>>", "", Some("key usage")),
    ("/Cert<</SubjectDN[<</CN(Seal p256)/O(Acme AS)>>]/Ff 8>>", "", None),
    ("/Cert<</SubjectDN[<</CN(Seal p256)/O(Other AS)>>]/Ff 8>>", "", Some("Other AS")),
    ("/Cert<</SubjectDN[<</CN(Nobody)>>]>>", "", None),
];

/// Demands that we enforce though pyHanko does not look: entries, a part of our refusal.
const BEYOND_PYHANKO: [(&str, &str); 3] = [
    ("/AppearanceFilter(Company)/Ff 256", "appearance"),
    ("/Cert<</SignaturePolicyOID(1.2.3)>>", "signature policy"),
    ("/Ff(none)", "cannot be read"),
];

struct Case {
    name: String,
    file: PathBuf,
    sealed: bool,
}

#[test]
fn seed_values_are_met_or_refused_as_pyhanko_judges() {
    let bench = Bench::start();
    let (seal, other) = (bench.seal("p256"), bench.seal("rsa"));
    let text = |path: PathBuf, number: usize| {
        let der = bundle(&path)[number].der().to_vec();
        format!("<{}>", hex::encode(der))
    };
    let (issuing, root) = (text(bench.pki.issuing(), 0), text(bench.pki.root(), 0));
    let (ours, theirs) = (text(seal.chain.clone(), 0), text(other.chain.clone(), 0));
    let mut demands: Vec<(String, &str, Option<&str>)> =
        DEMANDS.iter().map(|(seed, definition, refusal)| ((*seed).to_owned(), *definition, *refusal)).collect();
    demands.push((format!("/Cert<</Issuer[{issuing}]/Ff 2>>"), "", None));
    demands.push((format!("/Cert<</Issuer[{theirs}{root}]/Ff 2>>"), "", None));
    demands.push((format!("/Cert<</Issuer[{theirs}]/Ff 2>>"), "", Some("issuer")));
    demands.push((format!("/Cert<</Subject[{theirs}{ours}]/Ff 1>>"), "", None));
    demands.push((format!("/Cert<</Subject[{theirs}]/Ff 1>>"), "", Some("signer")));
    let mut cases: Vec<Case> = Vec::new();
    let mut orders = Vec::new();
    for (seed, definition, expected) in &demands {
        let form = Form::new().signature("first", "", seed).pdf();
        let file = bench.keep(&format!("form-{}.pdf", cases.len()), &form);
        let out = bench.path(&format!("sealed-{}.pdf", cases.len()));
        let name = format!("{:.70} {definition}", seed);
        match (bench.sign_pdf(&seal, "B-B", &format!("field = \"first\"\n{definition}"), &form), expected) {
            (Ok(signed), None) => std::fs::write(&out, octets(&signed)).expect("a file"),
            (Err(WorkerError::Pdf(refusal @ PdfRefusal::SeedValue { .. })), Some(part)) => {
                assert!(refusal.to_string().contains(part), "{name}: {refusal}");
                let certification = [CERTIFIED, FINAL].iter().position(|line| line == definition);
                let mut order = Order::new("B-B", &file, out.clone()).field("first");
                order = order.certification(certification.map(|position| [2, 1][position]));
                order.more.push("--ignore-seed-values");
                if *definition == APPROVED {
                    order.more.extend(["--reason", "Approved"]);
                }
                orders.push(order);
            }
            (outcome, _) => panic!("{name}: {outcome:?}"),
        }
        cases.push(Case { name, file: out, sealed: expected.is_none() });
    }
    let made = Maker::PyHanko.make(&bench, &seal, &orders);
    // It reads the demands even where it ignores them, and does not sign against every one.
    for (order, made) in orders.iter().zip(made) {
        if made.is_err() {
            cases.retain(|case| case.file != order.out);
        }
    }
    let question = |case: &Case| Question::new("pades", &case.file).with("--root", bench.pki.root());
    let crls = bench.crls();
    let mut wrong = Vec::new();
    for (case, verdict) in cases.iter().zip(ask("pyhanko", &cases.iter().map(question).collect::<Vec<_>>())) {
        let word = if case.sealed { "sealed" } else { "refused" };
        tests::report(&format!("{:90} {word:8} pyhanko: {verdict:?}", case.name));
        if case.sealed != (verdict == Verdict::Valid) {
            wrong.push(format!("{}: {word}, and pyHanko says {verdict:?}", case.name));
        }
    }
    let sealed: Vec<_> = cases.iter().filter(|case| case.sealed).collect();
    for tool in ["dss", "pdfsig", "qpdf"] {
        let with_crls = |case: &&Case| crls.iter().fold(question(case), |question, crl| question.with("--crl", crl));
        for (case, verdict) in sealed.iter().zip(ask(tool, &sealed.iter().map(with_crls).collect::<Vec<_>>())) {
            if verdict != Verdict::Valid {
                wrong.push(format!("{}: {tool} says {verdict:?}", case.name));
            }
        }
    }
    tests::report(&format!("{} sealed, {} refused", sealed.len(), cases.len() - sealed.len()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn demands_that_no_verifier_looks_at_are_refused_too() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    for (seed, part) in BEYOND_PYHANKO {
        let form = Form::new().signature("first", "", seed).pdf();
        let error = bench.sign_pdf(&seal, "B-B", "field = \"first\"", &form).expect_err(seed);
        assert!(error.to_string().contains(part), "{seed}: {error}");
    }
    let policy = |oid: &str| Form::new().signature("first", "", &format!("/Cert<</OID[({oid})]/Ff 4>>")).pdf();
    let error = bench.sign_pdf(&seal, "B-B", "field = \"first\"", &policy("1.2.3.4")).expect_err("no such policy");
    assert!(error.to_string().contains("policy"), "{error}");
}

#[test]
fn a_demanded_timestamp_is_made_by_a_worker_that_never_degrades_and_refused_by_one_that_may() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let seed = "/TimeStamp<</URL(http://tsa.example.com)/Ff 1>>";
    let form = Form::new().signature("first", "", seed).pdf();
    let mut made = Vec::new();
    for level in ["B-T", "B-LTA"] {
        let signed = octets(&bench.sign_pdf(&seal, level, "field = \"first\"", &form).expect("a seal"));
        made.push((level, bench.keep(&format!("{level}.pdf"), &signed)));
    }
    let question = |(level, file): &(&str, PathBuf)| {
        let question = Question::new("pades", file).with("--root", bench.pki.root());
        question.with("--expect", format!("PAdES-BASELINE-{}", &level[2..]))
    };
    assert_eq!(ask("pyhanko", &made.iter().map(question).collect::<Vec<_>>()), [Verdict::Valid, Verdict::Valid]);
    let may = "field = \"first\"\ndegrade = \"on-outage\"\nminimum_level = \"B-B\"";
    let error = bench.sign_pdf(&seal, "B-T", may, &form).expect_err("it may be left out");
    assert!(error.to_string().contains("timestamp"), "{error}");
}
