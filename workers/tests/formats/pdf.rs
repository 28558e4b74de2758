//! PDFs made for the tests, and the tools that judge sealed ones.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use crate::software_key::run;

/// A PDF of numbered objects with a cross-reference table; object 1 is the catalog.
pub(crate) fn pdf(objects: &[&str]) -> Vec<u8> {
    let mut file = "%PDF-1.7\n%\u{e9}\u{e9}\n".to_owned();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (index, object) in objects.iter().enumerate() {
        writeln!(table, "{:010} 00000 n ", file.len()).unwrap();
        write!(file, "{} 0 obj\n{object}\nendobj\n", index + 1).unwrap();
    }
    let start = file.len();
    let id = "<00112233445566778899AABBCCDDEEFF>";
    let size = objects.len() + 1;
    write!(file, "{table}trailer\n<</Size {size}/Root 1 0 R/ID[{id}{id}]>>\nstartxref\n{start}\n%%EOF\n").unwrap();
    file.into_bytes()
}

/// Objects 3 to 6 of every document here: two pages, a font, a content stream.
pub(crate) const PAGES: [&str; 4] = [
    "<</Type/Page/Parent 2 0 R/Resources<</Font<</F1 5 0 R>>>>/Contents 6 0 R>>",
    "<</Type/Page/Parent 2 0 R/Resources<</Font<</F1 5 0 R>>>>/Contents 6 0 R/Rotate 90>>",
    "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    "<</Length 46>>\nstream\nBT /F1 24 Tf 72 700 Td (Invoice 2026-1) Tj ET\nendstream",
];
/// The page tree, object 2; the size of its pages is not a number that single precision holds.
pub(crate) const TREE: &str = "<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2/MediaBox[0 0 595.2755905511 841.8897637795]>>";

/// A document of two pages, with these objects beside them from number 7 on, and this in its catalog.
pub(crate) fn document(catalog: &str, more: &[&str]) -> Vec<u8> {
    let catalog = format!("<</Type/Catalog/Pages 2 0 R{catalog}>>");
    let mut objects = vec![catalog.as_str(), TREE];
    objects.extend(PAGES);
    objects.extend(more);
    pdf(&objects)
}

/// What qpdf makes of a document.
pub(crate) fn qpdf(document: &[u8], options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from.pdf"), folder.path().join("to.pdf"));
    std::fs::write(&from, document).unwrap();
    run(Command::new("qpdf").args(options).arg(&from).arg(&to)).unwrap();
    std::fs::read(to).unwrap()
}

/// What qpdf says of the structure; `Ok` only without errors and warnings.
pub(crate) fn qpdf_check(file: &Path) -> Result<String, String> {
    run(Command::new("qpdf").arg("--check").arg(file))
}

/// What poppler says of each signature, in order of the file: intact, and covering the whole file.
pub(crate) fn pdfsig(file: &Path) -> Vec<PopplerVerdict> {
    // pdfsig exits 0 for a digest mismatch, so only its words count.
    let output = run(Command::new("pdfsig").arg("-nocert").arg(file)).unwrap_or_else(|output| output);
    output
        .split("Signature #")
        .skip(1)
        .filter(|signature| !signature.contains("field is not signed"))
        .map(|signature| PopplerVerdict {
            intact: signature.contains("Signature is Valid."),
            whole_file: signature.contains("Total document signed"),
        })
        .collect()
}

/// The text that poppler shows of a document, if it can open that.
pub(crate) fn pdftotext(document: &[u8]) -> Option<String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, document).unwrap();
    run(Command::new("pdftotext").arg("-q").arg(file.path()).arg("-")).ok()
}

/// What poppler says of one signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PopplerVerdict {
    pub(crate) intact: bool,
    pub(crate) whole_file: bool,
}

/// An intact signature over the whole file.
pub(crate) const LAST: PopplerVerdict = PopplerVerdict { intact: true, whole_file: true };
/// An intact signature over an earlier revision.
pub(crate) const EARLIER: PopplerVerdict = PopplerVerdict { intact: true, whole_file: false };
