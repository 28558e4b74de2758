//! PAdES signatures before every verifier of `tests/verifiers`, and samples with one changed byte before the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use cryptotoken_api::KeySpec;

use crate::pades::forms;
use crate::pades_appearance::rich_seals;
use crate::pdf::document;
use crate::software_key::SoftwareKey;

const TOOLS: [&str; 5] = ["dss", "pyhanko", "openssl", "pdfsig", "qpdf"];

/// What the verifier says of each file: `valid`, `invalid` …, and why.
pub(crate) fn judge(
    tool: &str,
    format: &str,
    expected: &str,
    roots: &[PathBuf],
    files: &[PathBuf],
) -> Vec<(String, String)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/verifiers").join(tool);
    let mut command = Command::new(&script);
    command.args(["--format", format, "--expect", expected]);
    for root in roots {
        command.arg("--root").arg(root);
    }
    let output = command.args(files).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let verdicts: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.split_once('\t')?.1.split_once('\t'))
        .map(|(verdict, why)| (verdict.to_owned(), why.to_owned()))
        .collect();
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(verdicts.len(), files.len(), "{tool} did not judge every file: {problem}{text}");
    verdicts
}

/// Signed documents in a folder, with the roots of their signers.
pub(crate) struct Samples {
    folder: tempfile::TempDir,
    pub(crate) names: Vec<String>,
    files: Vec<PathBuf>,
    roots: Vec<PathBuf>,
}

impl Samples {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), names: Vec::new(), files: Vec::new(), roots: Vec::new() }
    }

    pub(crate) fn trust(&mut self, key: &SoftwareKey) {
        let root = self.folder.path().join(format!("root{}.pem", self.roots.len()));
        std::fs::write(&root, key.root.to_pem().unwrap()).unwrap();
        self.roots.push(root);
    }

    pub(crate) fn add(&mut self, name: String, document: &[u8]) {
        let file = self.folder.path().join(format!("{}.pdf", self.files.len()));
        std::fs::write(&file, document).unwrap();
        self.names.push(name);
        self.files.push(file);
    }

    pub(crate) fn judge(&self, tool: &str) -> Vec<(String, String)> {
        judge(tool, "pades", "PAdES-BASELINE-B", &self.roots, &self.files)
    }

    /// By every verifier, and EU DSS names the level.
    pub(crate) fn are_accepted(&self) {
        for tool in TOOLS {
            for (name, (verdict, why)) in self.names.iter().zip(self.judge(tool)) {
                assert_eq!(verdict, "valid", "{tool} on {name}: {why}");
                assert!(tool != "dss" || why.contains("PAdES-BASELINE-B"), "{name}: {why}");
            }
        }
    }
}

#[test]
fn every_verifier_accepts_every_algorithm_and_form_and_eu_dss_names_the_baseline_level() {
    let mut samples = Samples::new();
    let algorithms = [
        (KeySpec::Rsa3072, ""),
        (KeySpec::Rsa3072, "signature_scheme = \"rsa-pss\""),
        (KeySpec::Rsa3072, "signature_scheme = \"rsa-pss\"\ndigest = \"SHA-512\""),
        (KeySpec::EcP256, ""),
        (KeySpec::EcP384, ""),
        (KeySpec::EcP521, ""),
    ];
    for (spec, definition) in algorithms {
        let key = SoftwareKey::generate(spec);
        samples.trust(&key);
        let definition = format!("kind = \"pades\"\nreason = \"Approved\"\nlocation = \"Põlva\"\n{definition}");
        let signed = key.sign(&definition, &document("", &[])).unwrap();
        samples.add(format!("{spec} {definition}"), &signed.contiguous());
    }
    let (first, second) = (SoftwareKey::generate(KeySpec::EcP256), SoftwareKey::generate(KeySpec::Rsa3072));
    samples.trust(&first);
    samples.trust(&second);
    for (form, document) in forms() {
        let once = first.sign("kind = \"pades\"", &document).unwrap().contiguous().into_owned();
        samples.add(format!("{form}, one seal"), &once);
        samples.add(format!("{form}, two seals"), &second.sign("kind = \"pades\"", &once).unwrap().contiguous());
    }
    let visible = "kind = \"pades\"\n[appearance]\ntext = \"{signer}: Kinnitatud õigesti, Αθήνα\\n{time}\"";
    for (form, document) in forms() {
        let once = first.sign(visible, &document).unwrap().contiguous().into_owned();
        samples.add(format!("{form}, one visible seal"), &once);
        samples.add(format!("{form}, two visible seals"), &second.sign(visible, &once).unwrap().contiguous());
    }
    for (name, definition, document) in rich_seals() {
        let once = first.sign(&definition, &document).unwrap().contiguous().into_owned();
        samples.add(format!("{name}, rich seal"), &once);
        // PDF/UA, whose structure must not change any more.
        if name != "tagged" {
            samples.add(format!("{name}, two rich seals"), &second.sign(&definition, &once).unwrap().contiguous());
        }
    }
    for level in 1..=3 {
        let definition = format!("kind = \"pades\"\ncertification = {level}");
        let certified = first.sign(&definition, &document("", &[])).unwrap().contiguous().into_owned();
        samples.add(format!("certified at {level}"), &certified);
        if level > 1 {
            let twice = second.sign("kind = \"pades\"", &certified).unwrap();
            samples.add(format!("certified at {level}, two seals"), &twice.contiguous());
        }
    }
    samples.are_accepted();
}

#[test]
fn every_verifier_of_signatures_rejects_one_changed_byte() {
    let mut samples = Samples::new();
    let key = SoftwareKey::generate(KeySpec::EcP256);
    samples.trust(&key);
    let signed = key.sign("kind = \"pades\"", &document("", &[])).unwrap().contiguous().into_owned();
    let find = |text: &[u8]| signed.windows(text.len()).position(|window| window == text).unwrap();
    for (name, place) in [("document", find(b"Invoice")), ("time", find(b"/M(D:") + 8), ("field", find(b"/F 132") + 3)]
    {
        let mut changed = signed.clone();
        changed[place] ^= 0x01;
        samples.add(name.to_owned(), &changed);
    }
    for tool in ["dss", "pyhanko", "openssl", "pdfsig"] {
        for (name, (verdict, why)) in samples.names.iter().zip(samples.judge(tool)) {
            assert_eq!(verdict, "invalid", "{tool} on a changed byte in {name}: {why}");
        }
    }
}
