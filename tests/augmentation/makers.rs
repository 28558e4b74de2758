//! PDF seals made by others: pyHanko and EU DSS, many orders to one process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::programs::repository;

use crate::bench::{Bench, Seal};
use crate::others::pkcs12;

/// Who makes a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    PyHanko,
    Dss,
}

/// What is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// `B-B` … `B-LTA`.
    pub(crate) level: &'static str,
    /// An empty field; a new one where there is none of the name (pyHanko) or no name is given (DSS).
    pub(crate) field: Option<String>,
    /// DocMDP level.
    pub(crate) certification: Option<u8>,
    /// Of pyHanko alone: more options.
    pub(crate) more: Vec<&'static str>,
    /// The document.
    pub(crate) file: PathBuf,
    /// Where the seal goes.
    pub(crate) out: PathBuf,
}

impl Order {
    pub(crate) fn new(level: &'static str, file: &Path, out: PathBuf) -> Self {
        Self { level, field: None, certification: None, more: Vec::new(), file: file.to_owned(), out }
    }

    pub(crate) fn field(self, name: &str) -> Self {
        Self { field: Some(name.to_owned()), ..self }
    }

    pub(crate) fn certification(self, level: Option<u8>) -> Self {
        Self { certification: level, ..self }
    }
}

impl Maker {
    /// Carries out the orders with one key. Why one is refused is in its place.
    pub(crate) fn make(self, bench: &Bench, seal: &Seal, orders: &[Order]) -> Vec<Result<(), String>> {
        let (program, common) = match self {
            Self::PyHanko => ("pyhanko-sign", pyhanko_options(bench, seal)),
            Self::Dss => ("eu-dss/sign", dss_options(bench, seal)),
        };
        let line = |order: &Order| {
            let mut words = common.clone();
            let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
            option(
                "--level",
                if self == Self::Dss { order.level.replace("B-", "PAdES-BASELINE-") } else { order.level.into() },
            );
            if let Some(field) = &order.field {
                option("--field", field.clone());
            }
            if let Some(level) = order.certification {
                option("--certify", level.to_string());
            }
            option("--out", order.out.display().to_string());
            words.extend(order.more.iter().map(|word| (*word).to_owned()));
            words.push(order.file.display().to_string());
            words.join("\t") + "\n"
        };
        batch(program, orders.iter().map(line).collect())
    }

    /// Carries out one order, which must not be refused.
    pub(crate) fn make_one(self, bench: &Bench, seal: &Seal, order: Order) -> Vec<u8> {
        let out = order.out.clone();
        let made = self.make(bench, seal, &[order]);
        assert_eq!(made, [Ok(())], "{self:?}");
        std::fs::read(out).expect("what was made")
    }
}

/// EU DSS brings a PDF to a level, or puts a document timestamp on it (`augment`, `stamp`).
pub(crate) fn dss_does(bench: &Bench, seal: &Seal, deed: &str, level: &str, file: &Path, out: &Path) -> Vec<u8> {
    assert_eq!(dss_tries(bench, seal, deed, level, file, out), Ok(()), "{deed}");
    std::fs::read(out).expect("what EU DSS wrote")
}

/// Why it does not.
pub(crate) fn dss_is_refused(bench: &Bench, seal: &Seal, deed: &str, level: &str, file: &Path, out: &Path) -> String {
    dss_tries(bench, seal, deed, level, file, out).expect_err("EU DSS refuses it")
}

fn dss_tries(bench: &Bench, seal: &Seal, deed: &str, level: &str, file: &Path, out: &Path) -> Result<(), String> {
    let mut words = dss_options(bench, seal);
    words.extend(["--do", deed, "--level", &level.replace("B-", "PAdES-BASELINE-"), "--out"].map(str::to_owned));
    words.extend([out.display().to_string(), file.display().to_string()]);
    batch("eu-dss/sign", vec![words.join("\t") + "\n"]).remove(0)
}

fn pyhanko_options(bench: &Bench, seal: &Seal) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    let (issuing, root) = (path(&bench.pki.issuing()), path(&bench.pki.root()));
    let options = [
        ("--key", path(&seal.key)),
        ("--chain", path(&seal.chain)),
        ("--issuer", issuing),
        ("--root", root),
        ("--tsa", bench.pki.timestamp_url()),
    ];
    options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

fn dss_options(bench: &Bench, seal: &Seal) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    let authority = bench.pki.timestamp_authority();
    let unit = pkcs12(bench, &authority, &authority.with_extension("key"), "unit");
    let name = seal.key.file_stem().expect("a name").to_string_lossy().into_owned();
    let key = pkcs12(bench, &seal.chain, &seal.key, &name);
    let mut options = vec![
        ("--key", path(&key)),
        ("--tsa", path(&unit)),
        ("--root", path(&bench.pki.root())),
        ("--cert", path(&bench.pki.issuing())),
    ];
    options.extend(bench.crls().iter().map(|crl| ("--crl", path(crl))));
    options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

fn batch(program: &str, orders: Vec<String>) -> Vec<Result<(), String>> {
    let script = repository().join("tests/verifiers").join(program);
    let mut child = Command::new(&script)
        .arg("--batch")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}", script.display()));
    let mut stdin = child.stdin.take().expect("a pipe");
    let count = orders.len();
    // From a thread of its own, as the program answers before it has read all.
    let writer = std::thread::spawn(move || stdin.write_all(orders.concat().as_bytes()));
    let output = child.wait_with_output().expect("the program's answers");
    writer.join().expect("no panic").expect("the program reads all orders");
    let answers = String::from_utf8_lossy(&output.stdout).into_owned();
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    let results: Vec<_> = answers
        .lines()
        .map(|line| match line.split_once('\t') {
            None if line == "done" => Ok(()),
            Some(("refused", why)) => Err(why.to_owned()),
            _ => panic!("{program} answers {line}"),
        })
        .collect();
    assert_eq!(results.len(), count, "{program} did not carry out every order: {problem}");
    results
}
