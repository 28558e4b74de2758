//! Every format with every algorithm, and what each foreign program says of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use tests::Verdict;
use tests::verifiers::ask;

use crate::bench::{ALGORITHMS, FORMATS, exists, question, sign};

/// Who must accept a format. `n/a` is allowed only where this table says that the tool does not know the algorithm.
const TOOLS: [(&str, &[&str]); 5] = [
    ("plain", &["openssl", "cryptography"]),
    ("cades-encapsulated", &["dss", "openssl", "pyhanko"]),
    ("cades-detached", &["dss", "openssl", "pyhanko"]),
    ("pades", &["dss", "openssl", "pyhanko", "pdfsig", "qpdf"]),
    ("xades", &["dss", "xmlsec1", "signxml"]),
];

/// xmlsec1 before 1.3 has no RSA-PSS; OpenSSL before 3.2 no EdDSA in CMS.
const UNABLE: [(&str, &str); 3] =
    [("xmlsec1", "xades-rsa-pss"), ("openssl", "cades-encapsulated-ed25519"), ("openssl", "cades-detached-ed25519")];

#[test]
fn foreign_programs_accept_every_format_with_every_algorithm_and_dss_names_the_level() {
    let cells: Vec<(&str, &str)> = FORMATS
        .iter()
        .flat_map(|(format, ..)| ALGORITHMS.iter().map(move |(algorithm, ..)| (*format, *algorithm)))
        .filter(|(format, algorithm)| exists(format, algorithm))
        .collect();
    assert_eq!(cells.len(), 28);
    let files: Vec<_> = cells.iter().map(|(format, algorithm)| sign(format, algorithm)).collect();

    let mut verdicts: BTreeMap<(usize, &str), Verdict> = BTreeMap::new();
    for tool in ["dss", "openssl", "pyhanko", "cryptography", "pdfsig", "qpdf", "xmlsec1", "signxml"] {
        let asked: Vec<usize> = (0..cells.len()).filter(|i| tools(cells[*i].0).contains(&tool)).collect();
        let questions: Vec<_> = asked
            .iter()
            .map(|i| {
                let (format, algorithm) = cells[*i];
                let question = question(format, algorithm, &files[*i]);
                match (tool, level(format), algorithm) {
                    ("dss", level, "ed25519") => question.with("--expect", level).with("--policy", "ed25519"),
                    ("dss", level, _) => question.with("--expect", level),
                    _ => question,
                }
            })
            .collect();
        for (cell, verdict) in asked.into_iter().zip(ask(tool, &questions)) {
            verdicts.insert((cell, tool), verdict);
        }
    }

    let mut table = String::from("\n");
    let mut wrong = Vec::new();
    for (i, (format, algorithm)) in cells.iter().enumerate() {
        let name = format!("{format}-{algorithm}");
        write!(table, "{name:<28}").unwrap();
        let mut accepted = 0;
        for tool in tools(format) {
            let verdict = &verdicts[&(i, *tool)];
            let expected_unable = UNABLE.contains(&(*tool, name.as_str()));
            let word = match verdict {
                Verdict::Valid => "valid",
                Verdict::Invalid(_) => "INVALID",
                Verdict::NotApplicable(_) => "n/a",
            };
            accepted += usize::from(*verdict == Verdict::Valid && *tool != "qpdf");
            if (*verdict == Verdict::Valid) == expected_unable || matches!(verdict, Verdict::Invalid(_)) {
                wrong.push(format!("{name}: {tool} says {verdict:?}"));
            }
            write!(table, " {tool}={word}").unwrap();
        }
        if accepted < 2 {
            wrong.push(format!("{name}: accepted by {accepted} tools only"));
        }
        table.push('\n');
    }
    tests::report(&table);
    assert!(wrong.is_empty(), "{table}\n{}", wrong.join("\n"));
}

fn tools(format: &str) -> &'static [&'static str] {
    TOOLS.iter().find(|(name, _)| *name == format).unwrap().1
}

fn level(format: &str) -> &'static str {
    match format {
        "pades" => "PAdES-BASELINE-B",
        "xades" => "XAdES-BASELINE-B",
        _ => "CAdES-BASELINE-B",
    }
}
