//! Visible seals, rendered and read by poppler, checked by qpdf. The pictures stay in the folder that cargo gives tests, for people
//! to look at.

use std::path::{Path, PathBuf};
use std::process::Command;

use cryptotoken_api::KeySpec;
use workers::WorkerError;

use crate::pdf::{LAST, document, pdfsig, qpdf_check};
use crate::software_key::{SoftwareKey, run};

/// Where pictures go.
fn gallery() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("visible-seals");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A sealed document in the gallery, with a picture of each page beside it.
pub(crate) struct Shown {
    file: PathBuf,
}

impl Shown {
    fn new(name: &str, sealed: &[u8]) -> Self {
        let file = gallery().join(format!("{name}.pdf"));
        std::fs::write(&file, sealed).unwrap();
        let picture = gallery().join(name);
        run(Command::new("pdftoppm").args(["-png", "-r", "72", "-cropbox"]).arg(&file).arg(picture)).unwrap();
        Self { file }
    }

    /// What poppler reads on a page, without the text of the page itself.
    fn text(&self) -> String {
        let text = run(Command::new("pdftotext").args(["-layout", "-nopgbrk"]).arg(&self.file).arg("-")).unwrap();
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && *line != "Invoice 2026-1")
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Name and type of each font that is not Helvetica; all must be embedded, subset, and mapped to Unicode.
    fn fonts(&self) -> Vec<String> {
        let table = run(Command::new("pdffonts").arg(&self.file)).unwrap();
        let fonts = table.lines().skip(2).filter(|line| !line.starts_with("Helvetica"));
        fonts
            .map(|line| {
                let cells: Vec<&str> = line.split_whitespace().collect();
                assert_eq!(cells[cells.len() - 5..cells.len() - 2], ["yes", "yes", "yes"], "{table}");
                cells[0].split_once('+').unwrap().1.to_owned()
            })
            .collect()
    }
}

fn sign(definition: &str, document: &[u8]) -> Result<Vec<u8>, WorkerError> {
    let key = SoftwareKey::generate(KeySpec::EcP256);
    Ok(key.sign(&format!("kind = \"pades\"\n{definition}"), document)?.contiguous().into_owned())
}

/// Signs and lets poppler and qpdf judge.
fn shown(name: &str, definition: &str, document: &[u8]) -> Shown {
    let sealed = sign(definition, document).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(sealed.starts_with(document), "{name}: the document was altered");
    let shown = Shown::new(name, &sealed);
    qpdf_check(&shown.file).unwrap_or_else(|output| panic!("{name}: {output}"));
    assert_eq!(pdfsig(&shown.file).last(), Some(&LAST), "{name}");
    shown
}

#[test]
fn text_in_the_scripts_of_europe_is_shown_with_embedded_glyphs_and_can_be_read_again() {
    let definition = "reason = \"Kinnitatud: õige – Žižek\"\nlocation = \"Αθήνα, Київ\"\n\
        [appearance]\ntext = \"Sealed by {signer}, {organization}\\n{reason}\\n{location}\\n{custom.number}\\nfi ffi\"\n\
        custom = { number = \"№ 2026-17\" }\nborder_color = \"#203080\"\nbackground = \"#f0f4ff\"";
    let shown = shown("scripts", definition, &document("", &[]));
    let expected = "Sealed by Test Seal, Acme AS\nKinnitatud: õige – Žižek\nΑθήνα, Київ\n№ 2026-17\nfi ffi";
    assert_eq!(shown.text(), expected);
    assert_eq!(shown.fonts(), ["DejaVuSansCondensed"]);
}
