//! xmllint (libxml2) as the judge of canonical forms and of well-formedness.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::xades::canonicalization::{Algorithm, Method, Omission, Part, canonicalize};
use crate::xades::document::{InternalSubset, XmlDocument};
use crate::xades::xml_error::XmlError;

/// Each of the algorithms with the option that makes xmllint use it; xmllint keeps comments.
pub(super) const METHODS: [(&str, Method); 3] = [
    ("--c14n", Method { algorithm: Algorithm::Inclusive, comments: true }),
    ("--c14n11", Method { algorithm: Algorithm::Inclusive11, comments: true }),
    ("--exc-c14n", Method { algorithm: Algorithm::Exclusive { inclusive_prefixes: Vec::new() }, comments: true }),
];

/// Our canonical form of a whole document.
pub(super) fn ours(octets: &[u8], method: &Method) -> Result<Vec<u8>, XmlError> {
    part(octets, Part::Document, Omission::Nothing, method)
}

/// Our canonical form of a part that must be there.
pub(super) fn part(octets: &[u8], part: Part<'_>, omit: Omission, method: &Method) -> Result<Vec<u8>, XmlError> {
    let document = XmlDocument::decode_with(octets, InternalSubset::Allowed)?;
    let canonical = canonicalize(&document, part, omit, method, Vec::new())?;
    Ok(canonical.unwrap_or_else(|| panic!("{part:?} is not in the document")))
}

/// Writes documents as files; the folder is removed with the value.
pub(super) struct Files {
    _folder: tempfile::TempDir,
    pub(super) paths: Vec<PathBuf>,
}

impl Files {
    pub(super) fn write(documents: &[Vec<u8>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = documents.iter().enumerate().map(|(number, document)| {
            let path = folder.path().join(format!("document-{number}.xml"));
            std::fs::write(&path, document).unwrap();
            path
        });
        Self { paths: paths.collect(), _folder: folder }
    }
}

/// Runs a verifier's tool.
pub(super) fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; install the tools with scripts/install-tools"))
}

/// Asserts that xmllint reads every document and writes the same canonical form as we do, by every algorithm.
pub(super) fn assert_same_as_xmllint(documents: &[Vec<u8>]) {
    let files = Files::write(documents);
    for (option, method) in METHODS {
        let expected: Vec<Vec<u8>> = documents.iter().map(|octets| ours(octets, &method).unwrap()).collect();
        // One process for all, which writes their canonical forms one after the other.
        let together = run(Command::new("xmllint").args([option, "--nonet"]).args(&files.paths));
        if together.stdout == expected.concat() && together.status.success() {
            continue;
        }
        for ((path, octets), expected) in files.paths.iter().zip(documents).zip(&expected) {
            let output = run(Command::new("xmllint").args([option, "--nonet"]).arg(path));
            let shown = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
            assert!(output.status.success(), "xmllint refuses {:?}: {}", shown(octets), shown(&output.stderr));
            assert_eq!(shown(&output.stdout), shown(expected), "{option} of {:?}", shown(octets));
        }
    }
}

/// Of the documents, the numbers of those xmllint finds no fault with.
pub(super) fn accepted_by_xmllint(documents: &[Vec<u8>]) -> Vec<usize> {
    let files = Files::write(documents);
    let output = run(Command::new("xmllint").args(["--noout", "--nonet"]).args(&files.paths));
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let complained = |path: &Path| complaints.contains(&format!("{}:", path.display()));
    (0..documents.len()).filter(|&number| !complained(&files.paths[number])).collect()
}

/// A part of a document and how it is canonicalised, written as a `ds:Reference`.
pub(super) struct Reference {
    pub(super) uri: &'static str,
    pub(super) transforms: String,
    pub(super) part: Part<'static>,
    pub(super) omission: Omission,
    pub(super) method: Method,
}

/// The element that xmlsec1 is to look up as `T`, by every method; and the document less the signature.
pub(super) fn references() -> Vec<Reference> {
    let prefixes = ["a".to_owned(), String::new(), "é".to_owned()];
    let mut references = Vec::new();
    for comments in [false, true] {
        for algorithm in [
            Algorithm::Inclusive,
            Algorithm::Inclusive11,
            Algorithm::Exclusive { inclusive_prefixes: Vec::new() },
            Algorithm::Exclusive { inclusive_prefixes: prefixes.to_vec() },
        ] {
            let list = match &algorithm {
                Algorithm::Exclusive { inclusive_prefixes } if !inclusive_prefixes.is_empty() => {
                    "<n:InclusiveNamespaces xmlns:n=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"a #default é\"/>"
                }
                _ => "",
            };
            let method = Method { algorithm, comments };
            let canonicalization = format!("<ds:Transform Algorithm=\"{}\">{list}</ds:Transform>", method.uri());
            let (part, nothing) = (Part::ElementWithId("T"), Omission::Nothing);
            references.push(Reference {
                uri: "#xpointer(id('T'))",
                transforms: canonicalization.clone(),
                part,
                omission: nothing,
                method: method.clone(),
            });
            for transform in [
                "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>",
                "<ds:Transform Algorithm=\"http://www.w3.org/2002/06/xmldsig-filter2\"><f:XPath \
                 xmlns:f=\"http://www.w3.org/2002/06/xmldsig-filter2\" Filter=\"subtract\">/descendant::ds:Signature\
                 </f:XPath></ds:Transform>",
            ] {
                references.push(Reference {
                    uri: "#xpointer(/)",
                    transforms: format!("{transform}{canonicalization}"),
                    part: Part::Document,
                    omission: Omission::Signatures,
                    method: method.clone(),
                });
            }
        }
    }
    references
}

/// A signature for xmlsec1 to fill in.
pub(super) fn signature_template(references: &[Reference]) -> String {
    let reference = |reference: &Reference| {
        format!(
            "<ds:Reference URI=\"{}\"><ds:Transforms>{}</ds:Transforms><ds:DigestMethod \
             Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue/></ds:Reference>",
            reference.uri, reference.transforms
        )
    };
    format!(
        "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo><ds:CanonicalizationMethod \
         Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/><ds:SignatureMethod \
         Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256\"/>{}</ds:SignedInfo><ds:SignatureValue/>\
         </ds:Signature>",
        references.iter().map(reference).collect::<String>()
    )
}

/// What xmlsec1 digests for each reference of the document's signature template. Its `Id` of an
/// element `target` is an identifier.
pub(super) fn digested_by_xmlsec1(document: &str) -> Vec<Vec<u8>> {
    let files = Files::write(&[document.as_bytes().to_vec(), b"a key for a test".to_vec()]);
    let names = ["", "urn:a:", "urn:e:", "urn:another:", "urn:default:"].map(|namespace| format!("{namespace}target"));
    let output = run(Command::new("xmlsec1")
        .arg("--sign")
        .args(names.iter().flat_map(|name| ["--id-attr:Id", name]))
        .args(["--store-references", "--print-debug", "--hmackey"])
        .arg(&files.paths[1])
        .arg("--output")
        .arg(files.paths[1].with_extension("signed"))
        .arg(&files.paths[0]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (start, end) = ("== PreDigest data - start buffer:\n", "\n== PreDigest data - end buffer");
    let mut digested = Vec::new();
    let mut rest = &output.stdout[..];
    while let Some(position) = rest.windows(start.len()).position(|window| window == start.as_bytes()) {
        rest = &rest[position + start.len()..];
        let length = rest.windows(end.len()).position(|window| window == end.as_bytes()).unwrap();
        digested.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    digested
}
