//! PAdES over a corpus of foreign PDFs, where one is at hand: every file is sealed so that foreign tools accept it, or refused.
//!
//! `SIGILLO_CORPUS` names the folder of another corpus, `SIGILLO_CORPUS_KEEP` one for what was sealed.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cryptotoken_api::KeySpec;
use workers::{DocumentContent, SigningParameters, WorkerError};

use crate::software_key::{SoftwareKey, processor_time, report, run};

/// Beside the repository, unless `SIGILLO_CORPUS` says where.
fn corpus() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    std::env::var_os("SIGILLO_CORPUS").map_or_else(beside, PathBuf::from).join("pdf")
}

/// The password of a file of the corpus that opens with one only.
fn password(name: &str) -> Option<&'static str> {
    let lines = include_str!("../../../tests/fixtures/corpus-passwords.txt").lines();
    lines.filter_map(|line| line.split_once(' ')).find(|(file, _)| *file == name).map(|(_, password)| password)
}

/// How long pyHanko, which compares all revisions, and EU DSS, which draws all pages, may take over a file: one of them may give up.
const SECONDS: &str = "60";

/// One file and what became of it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) before: PathBuf,
    pub(crate) password: Option<&'static str>,
    /// The sealed file, or why there is none.
    pub(crate) sealed: Result<PathBuf, String>,
}

fn seal(key: &SoftwareKey, before: &Path, folder: &Path) -> Case {
    let name = before.file_name().unwrap().to_string_lossy().into_owned();
    let after = folder.join(&name);
    let document = std::fs::read(before).unwrap();
    let start = processor_time();
    let password = password(&name);
    let parameters = password.map(|password| serde_json::Map::from_iter([("password".to_owned(), password.into())]));
    let parameters = SigningParameters::new(parameters.unwrap_or_default());
    let sealed = match key.sign_with("kind = \"pades\"", DocumentContent::Memory(document.into()), parameters) {
        Ok(signed) => {
            std::fs::write(&after, signed.contiguous()).unwrap();
            Ok(after)
        }
        Err(WorkerError::Pdf(refusal)) => Err(refusal.to_string()),
        Err(error) => panic!("{name}: {error}"),
    };
    let took = processor_time() - start;
    assert!(took < Duration::from_secs(20), "{name} took {took:?}");
    Case { name, before: before.to_owned(), password, sealed }
}

/// What each verifier says of each sealed file: `valid`, `invalid`, `n/a` …, and why.
pub(crate) fn judge(tool: &str, root: &Path, cases: &[Case]) -> BTreeMap<PathBuf, (String, String)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/verifiers").join(tool);
    let mut command = Command::new(script);
    let mut judge = command
        .args(["--batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut questions = judge.stdin.take().unwrap();
    for case in cases {
        if let Ok(after) = &case.sealed {
            let paths = [root, &case.before, after].map(|path| path.to_str().unwrap());
            let [root, before, after] = paths;
            let mut arguments = vec!["--format", "pades", "--root", root, "--before", before, "--seconds", SECONDS];
            arguments.extend(case.password.iter().flat_map(|password| ["--password", password]));
            writeln!(questions, "{}\t{after}", arguments.join("\t")).unwrap();
        }
    }
    drop(questions);
    let output = judge.wait_with_output().unwrap();
    let verdict = |line: &str| {
        let mut parts = line.splitn(3, '\t').map(str::to_owned);
        let file = PathBuf::from(parts.next()?);
        Some((file, (parts.next()?, parts.next()?)))
    };
    String::from_utf8_lossy(&output.stdout).lines().filter_map(verdict).collect()
}

/// The first page as pixels, if poppler can draw it.
fn first_page(file: &Path) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("page");
    // Some pages of such corpora take for ever.
    let mut command = Command::new("timeout");
    run(command.args(["10", "pdftoppm", "-q", "-l", "1", "-r", "20", "-singlefile"]).arg(file).arg(&to)).ok()?;
    std::fs::read(to.with_extension("ppm")).ok()
}

/// What a table cell shows of a verdict: one letter, so that a rejection stands out.
fn letter(verdict: Option<&(String, String)>) -> &'static str {
    match verdict.map(|(verdict, _)| verdict.as_str()) {
        Some("valid") => "v",
        Some("n/a") => "-",
        Some("invalid") => "X",
        _ => "?",
    }
}

#[test]
fn foreign_tools_accept_every_seal_on_the_pdfs_of_the_corpus() {
    let Ok(entries) = std::fs::read_dir(corpus()) else {
        report(&format!("no corpus at {}: nothing was sealed; set SIGILLO_CORPUS to its folder", corpus().display()));
        return;
    };
    let key = SoftwareKey::generate(KeySpec::EcP256);
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("SIGILLO_CORPUS_KEEP").map_or(temporary.path().to_owned(), PathBuf::from);
    key.write_certificates(&folder);
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pdf"));
    paths.sort();
    let cases: Vec<Case> = paths.iter().map(|path| seal(&key, path, &folder)).collect();

    let root = folder.join("root.pem");
    let tools = ["pyhanko", "pdfsig", "dss", "qpdf"];
    let (verdicts, differing) = std::thread::scope(|scope| {
        let judges = tools.map(|tool| scope.spawn(|| judge(tool, &root, &cases)));
        let differing = differing_pages(&cases);
        (judges.map(|judge| judge.join().unwrap()), differing)
    });

    let mut table = format!("{:64} {:8} pyHanko poppler DSS qpdf\n", "file", "result");
    let mut rejected = Vec::new();
    let mut accepted = 0;
    for case in &cases {
        let after = match &case.sealed {
            Ok(after) => after,
            Err(reason) => {
                table.push_str(&format!("{:64} refused  {reason}\n", case.name));
                continue;
            }
        };
        let [pyhanko, pdfsig, dss, qpdf] = verdicts.each_ref().map(|verdicts| verdicts.get(after));
        let letters = [pyhanko, pdfsig, dss, qpdf].map(letter);
        // Nobody rejects it, and nobody fails to answer; EU DSS decides where pyHanko cannot read the document.
        let is_accepted = matches!(letters, ["v", "v", "v" | "-", "v" | "-"] | ["-", "v", "v", "v" | "-"]);
        let differs = differing.contains(&case.name);
        accepted += usize::from(is_accepted && !differs);
        let result = if is_accepted && !differs { "sealed" } else { "REJECTED" };
        let [pyhanko, pdfsig, dss, qpdf] = letters;
        table.push_str(&format!("{:64} {result:8} {pyhanko:7} {pdfsig:7} {dss:3} {qpdf}\n", case.name));
        if !is_accepted || differs {
            let why = verdicts.iter().zip(tools).filter_map(|(verdicts, tool)| Some((tool, verdicts.get(after)?)));
            let why: Vec<String> = why
                .filter(|(_, (verdict, _))| verdict != "valid")
                .map(|(tool, (verdict, why))| format!("{tool}: {verdict}: {why}"))
                .collect();
            rejected.push(format!("{}: differs {differs}: {}", case.name, why.join("; ")));
        }
    }
    report(&table);
    report(&format!("{} files, {accepted} sealed and accepted, {} rejected", cases.len(), rejected.len()));
    assert!(rejected.is_empty(), "{}", rejected.join("\n"));
    // Of the 220 the others need a certificate, are forbidden to be changed, or have lost more than their order.
    assert!(cases.len() != 220 || accepted >= 196, "only {accepted} of {}", cases.len());
}

/// The files of a sample whose first page looks otherwise after than before.
fn differing_pages(cases: &[Case]) -> Vec<String> {
    let every = if std::env::var_os("SIGILLO_CORPUS_ALL").is_some() { 1 } else { 5 };
    let sample = cases.iter().step_by(every);
    let sealed = sample.filter_map(|case| Some((case, case.sealed.as_ref().ok()?)));
    // What poppler could not draw before, it may draw now.
    let differs =
        |case: &Case, after: &Path| first_page(&case.before).is_some_and(|page| first_page(after) != Some(page));
    let differing = sealed.filter(|(case, after)| differs(case, after));
    differing.map(|(case, _)| case.name.clone()).collect()
}
