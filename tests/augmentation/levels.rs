//! Every level with every algorithm and packaging, and what each foreign program says of it.

use tests::Verdict;
use tests::verifiers::ask;

use crate::bench::{ALGORITHMS, Bench, dss_level, octets};

#[test]
fn authorities_may_have_keys_that_no_token_here_has() {
    for curve in ["brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"] {
        let bench = Bench::start_on(curve);
        let signed = bench.sign(&bench.seal("p256"), "B-LTA", "").unwrap_or_else(|error| panic!("{curve}: {error}"));
        let grown = bench.augment("B-LTA", &octets(&signed), None).unwrap_or_else(|error| panic!("{curve}: {error}"));
        let files = [bench.keep("signed", &octets(&signed)), bench.keep("grown", &octets(&grown))];
        let questions: Vec<_> = files.iter().map(|file| bench.about(file, false)).collect();
        let dss: Vec<_> = questions.iter().map(|each| each.clone().with("--expect", "CAdES-BASELINE-LTA")).collect();
        for (tool, questions) in [("dss", dss), ("openssl", questions)] {
            assert_eq!(ask(tool, &questions), [Verdict::Valid, Verdict::Valid], "{curve}: {tool}");
        }
    }
}

#[test]
fn foreign_programs_accept_every_level_and_dss_names_it_offline() {
    let bench = Bench::start();
    let (mut dss, mut openssl, mut pyhanko, mut names) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (algorithm, ..) in ALGORITHMS {
        let seal = bench.seal(algorithm);
        for packaging in ["encapsulated", "detached"] {
            for level in ["B-B", "B-T", "B-LT", "B-LTA"] {
                let name = format!("{algorithm}-{packaging}-{level}");
                let signed = bench.sign(&seal, level, &format!("packaging = \"{packaging}\""));
                let signed = signed.unwrap_or_else(|error| panic!("{name}: {error}"));
                let reached = signed.level.expect("a level");
                assert_eq!((reached.name(), &signed.degraded), (level, &None), "{name}");
                let file = bench.keep(&name, &octets(&signed));
                let question = bench.about(&file, packaging == "detached");
                openssl.push(question.clone());
                if packaging == "detached" {
                    pyhanko.push(question.clone());
                }
                names.push(name);
                dss.push((question.with("--expect", dss_level(reached)), level));
            }
        }
    }
    // Up to B-T revocation is looked for outside; above, everything is inside or the verdict is bad.
    let crls = bench.crls();
    let dss: Vec<_> = dss
        .into_iter()
        .map(|(question, level)| match level {
            "B-B" | "B-T" => crls.iter().fold(question, |question, crl| question.with("--crl", crl)),
            _ => question,
        })
        .collect();
    let mut wrong = Vec::new();
    for (tool, questions) in [("dss", &dss), ("openssl", &openssl), ("pyhanko", &pyhanko)] {
        let verdicts = ask(tool, questions);
        let named = names.iter().filter(|name| tool != "pyhanko" || name.contains("detached"));
        for (verdict, name) in verdicts.iter().zip(named) {
            if *verdict != Verdict::Valid {
                wrong.push(format!("{name}: {tool} says {verdict:?}"));
            }
        }
        tests::report(&format!(
            "{tool}: {} of {} valid",
            verdicts.iter().filter(|v| **v == Verdict::Valid).count(),
            verdicts.len()
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
