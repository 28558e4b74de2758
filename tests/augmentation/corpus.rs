//! The levels above B-B over a corpus of foreign PDFs, where one is at hand: each is sealed so that foreign programs accept it, or refused.
//!
//! Every third file at one of the levels, or all at each of them with `SIGILLO_CORPUS_ALL`. `SIGILLO_CORPUS` names the folder of another corpus,
//! `SIGILLO_CORPUS_KEEP` one for what was sealed.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::programs::repository;
use tests::verifiers::ask;
use tests::{Question, Verdict};
use workers::{DocumentContent, WorkerError};

use crate::bench::{Bench, Seal, octets};

const LEVELS: [&str; 3] = ["B-T", "B-LT", "B-LTA"];

const TOOLS: [&str; 4] = ["dss", "pyhanko", "pdfsig", "qpdf"];

/// How long pyHanko, which compares all revisions, and EU DSS, which draws all pages, may take over a file: one of them may give up.
const SECONDS: &str = "60";

/// A file at one level.
struct Case {
    before: PathBuf,
    name: String,
    level: &'static str,
    /// The sealed file, or why there is none.
    sealed: Result<PathBuf, String>,
}

impl Case {
    /// Where it opens with one only.
    fn password(&self) -> Option<&'static str> {
        let lines = include_str!("../fixtures/corpus-passwords.txt").lines();
        lines.filter_map(|line| line.split_once(' ')).find(|(file, _)| *file == self.name).map(|(_, password)| password)
    }

    fn seal(&mut self, bench: &Bench, seal: &Seal, folder: &Path) {
        let document = std::fs::read(&self.before).expect("a file of the corpus");
        let content = DocumentContent::Memory(document.clone().into());
        let parameters = self.password().map_or(Value::Null, |password| json!({ "password": password }));
        self.sealed = match bench.sign_kind("pades", seal, self.level, "", content, parameters) {
            Ok(signed) => {
                assert_eq!(signed.level.expect("a level").name(), self.level, "{}", self.name);
                let signed = octets(&signed);
                assert!(signed.starts_with(&document), "{}: the document was changed", self.name);
                let file = folder.join(format!("{}-{}", self.level, self.name));
                std::fs::write(&file, signed).expect("a sealed file");
                Ok(file)
            }
            Err(WorkerError::Pdf(refusal)) => Err(refusal.to_string()),
            Err(error) => panic!("{} at {}: {error}", self.name, self.level),
        };
    }

    fn question(&self, bench: &Bench, tool: &str, crls: &[PathBuf]) -> Option<Question> {
        let file = self.sealed.as_ref().ok()?;
        let question = Question::new("pades", file).with("--root", bench.pki.root()).with("--before", &self.before);
        let question =
            question.with("--seconds", SECONDS).with("--expect", format!("PAdES-BASELINE-{}", &self.level[2..]));
        let question = match self.password() {
            Some(password) => question.with("--password", password),
            None => question,
        };
        // At B-T revocation is looked for outside; above, everything is inside or the verdict is bad.
        let outside = if tool == "dss" && self.level == "B-T" { crls } else { &[] };
        Some(outside.iter().fold(question, |question, crl| question.with("--crl", crl)))
    }
}

/// The PDFs of the corpus; none when there is no corpus.
fn corpus() -> Option<Vec<PathBuf>> {
    let folder =
        std::env::var_os("SIGILLO_CORPUS").map_or_else(|| repository().join("../shared/corpus"), PathBuf::from);
    let folder = folder.join("pdf");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        tests::report(&format!("no corpus at {}: set SIGILLO_CORPUS to its folder", folder.display()));
        return None;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "pdf"));
    files.sort();
    Some(files)
}

/// What a table cell shows of a verdict.
fn letter(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "v",
        Verdict::Invalid(_) => "X",
        Verdict::NotApplicable(_) => "-",
    }
}

#[test]
fn foreign_programs_accept_every_level_on_the_pdfs_of_the_corpus() {
    let Some(files) = corpus() else { return };
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let folder = std::env::var_os("SIGILLO_CORPUS_KEEP").map_or_else(|| bench.path(""), PathBuf::from);
    let all = std::env::var_os("SIGILLO_CORPUS_ALL").is_some();
    let mut cases = Vec::new();
    for (number, before) in files.iter().enumerate() {
        for (rank, level) in LEVELS.into_iter().enumerate() {
            if all || (number % 3 == 0 && (number / 3 + rank) % LEVELS.len() == 0) {
                let name = before.file_name().expect("a name").to_string_lossy().into_owned();
                let mut case = Case { before: before.clone(), name, level, sealed: Err(String::new()) };
                case.seal(&bench, &seal, &folder);
                cases.push(case);
            }
        }
    }
    let crls = bench.crls();
    let verdicts = std::thread::scope(|scope| {
        let judges = TOOLS.map(|tool| {
            let questions: Vec<_> = cases.iter().filter_map(|case| case.question(&bench, tool, &crls)).collect();
            scope.spawn(move || ask(tool, &questions))
        });
        judges.map(|judge| judge.join().expect("the verdicts"))
    });

    let mut verdicts = verdicts.map(Vec::into_iter);
    let mut table = format!("{:64} level DSS pyHanko poppler qpdf\n", "file");
    let (mut rejected, mut accepted) = (Vec::new(), 0);
    for case in &cases {
        let (name, level) = (&case.name, case.level);
        if let Err(reason) = &case.sealed {
            table.push_str(&format!("{name:64} {level:5} refused: {reason}\n"));
            continue;
        }
        let judged = verdicts.each_mut().map(|verdicts| verdicts.next().expect("a verdict of each"));
        let letters @ [dss, pyhanko, pdfsig, qpdf] = judged.each_ref().map(letter);
        table.push_str(&format!("{name:64} {level:5} {dss:3} {pyhanko:7} {pdfsig:7} {qpdf}\n"));
        // Where pyHanko cannot read the document itself, EU DSS stands in for it; the other way round nobody would name the level.
        if matches!(letters, ["v", "v" | "-", "v", "v" | "-"]) {
            accepted += 1;
        } else {
            rejected.push(format!("{name} at {level}: {:?}", TOOLS.iter().zip(judged).collect::<Vec<_>>()));
        }
    }
    tests::report(&table);
    tests::report(&format!("{} cases, {accepted} sealed and accepted, {} rejected", cases.len(), rejected.len()));
    assert!(rejected.is_empty(), "{}", rejected.join("\n"));
    assert!(!all || accepted * 220 >= cases.len() * 196, "only {accepted} of {}", cases.len());
}
