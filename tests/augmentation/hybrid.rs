//! Files with a cross-reference table and a stream at once, sealed several times and raised to B-LTA.

use tests::programs::repository;
use tests::verifiers::ask;
use tests::{Question, Verdict};

use crate::bench::{Bench, octets};

/// What is behind the document: tables, as before, and nothing that readers of the other kind look for.
fn is_of_tables(update: &[u8]) -> bool {
    let text = String::from_utf8_lossy(update);
    text.contains("\nxref\n") && text.contains("\ntrailer\n") && !text.contains("/XRef") && !text.contains("/ObjStm")
}

#[test]
fn a_hybrid_file_stays_one_and_every_verifier_accepts_each_seal_on_it() {
    let bench = Bench::start();
    let (first, second) = (bench.seal("p256"), bench.seal("rsa"));
    let document = std::fs::read(repository().join("tests/fixtures/pdf/form-hybrid.pdf")).expect("a fixture");
    let visible = "appearance = { text = \"Sealed by {signer}\" }";
    // What is made, from what, and the level of the last seal.
    let mut made = Vec::new();
    for (place, definition) in [
        ("new field", String::new()),
        ("hidden field", "field = \"approval\"".to_owned()),
        ("seen", visible.to_owned()),
        ("hidden field, seen", format!("field = \"approval\"\n{visible}")),
    ] {
        for level in ["B-B", "B-T", "B-LT", "B-LTA"] {
            let name = format!("{place} {level}");
            let once = bench.sign_pdf(&first, level, &definition, &document);
            let once = octets(&once.unwrap_or_else(|error| panic!("{name}: {error}")));
            let twice = bench.sign_pdf(&second, level, "", &once);
            let twice = octets(&twice.unwrap_or_else(|error| panic!("{name}, twice: {error}")));
            made.push((name.clone(), document.clone(), once.clone(), level));
            made.push((format!("{name}, twice"), once, twice, level));
        }
    }
    let mut questions = Vec::new();
    for (number, (name, before, after, level)) in made.iter().enumerate() {
        assert!(after.starts_with(before), "{name}: the document was changed");
        assert!(is_of_tables(&after[document.len()..]), "{name}: another kind of section");
        let before = bench.keep(&format!("{number}-before.pdf"), before);
        let question = Question::new("pades", &bench.keep(&format!("{number}.pdf"), after));
        let question = question.with("--root", bench.pki.root()).with("--before", &before);
        questions.push((question.with("--expect", format!("PAdES-BASELINE-{}", &level[2..])), *level));
    }
    let crls = bench.crls();
    let mut wrong = Vec::new();
    for tool in ["dss", "pyhanko", "pdfsig", "qpdf"] {
        // Up to B-T revocation is looked for outside; above, everything is inside or the verdict is bad.
        let asked = questions.iter().map(|(question, level)| match (tool, *level) {
            ("dss", "B-B" | "B-T") => crls.iter().fold(question.clone(), |question, crl| question.with("--crl", crl)),
            _ => question.clone(),
        });
        let verdicts = ask(tool, &asked.collect::<Vec<_>>());
        let named = made.iter().zip(verdicts).filter(|(_, verdict)| *verdict != Verdict::Valid);
        wrong.extend(named.map(|((name, ..), verdict)| format!("{name}: {tool} says {verdict:?}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
