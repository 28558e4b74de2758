//! What foreign programs say: `tests/verifiers`, many questions to one process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::programs::repository;

/// A file to judge, with the arguments of `tests/verifiers`.
#[derive(Clone, Debug)]
pub struct Question {
    arguments: Vec<String>,
}

/// What a tool says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted.
    Valid,
    /// Rejected, and why.
    Invalid(String),
    /// The tool cannot judge this, and why.
    NotApplicable(String),
}

impl Question {
    /// About a file of a format: `cades`, `pades`, `xades` or `plain`.
    #[must_use]
    pub fn new(format: &str, file: &Path) -> Self {
        Self { arguments: vec![file.display().to_string(), "--format".into(), format.into()] }
    }

    /// The same question with one more argument.
    #[must_use]
    pub fn with(mut self, argument: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.arguments.push(argument.to_owned());
        self.arguments.push(value.as_ref().to_string_lossy().into_owned());
        self
    }

    fn line(&self) -> String {
        // The file comes last on the line.
        let (file, options) = self.arguments.split_first().expect("a file");
        format!("{}\t{file}\n", options.join("\t"))
    }
}

/// Asks one tool all questions. The verdicts come in the order of the questions.
///
/// # Panics
/// When the tool is missing or could not answer one.
#[must_use]
pub fn ask(tool: &str, questions: &[Question]) -> Vec<Verdict> {
    let script: PathBuf = repository().join("tests/verifiers").join(tool);
    let mut child = Command::new(&script)
        .args(["--batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}", script.display()));
    let list: String = questions.iter().map(Question::line).collect();
    let mut stdin = child.stdin.take().expect("a pipe");
    // From a thread of its own, as the tool answers before it has read all.
    let writer = std::thread::spawn(move || stdin.write_all(list.as_bytes()));
    let output = child.wait_with_output().expect("the tool's answers");
    writer.join().expect("no panic").expect("the tool reads all questions");
    let answers = String::from_utf8_lossy(&output.stdout).into_owned();
    let verdicts: Vec<Verdict> = answers.lines().map(verdict).collect();
    assert_eq!(
        verdicts.len(),
        questions.len(),
        "{tool} did not answer every question: {answers}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    verdicts
}

fn verdict(line: &str) -> Verdict {
    let mut fields = line.splitn(3, '\t').skip(1);
    let (verdict, detail) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default().to_owned());
    match verdict {
        "valid" => Verdict::Valid,
        "invalid" => Verdict::Invalid(detail),
        "n/a" => Verdict::NotApplicable(detail),
        _ => panic!("no verdict: {line}"),
    }
}
