//! One changed byte in any signed part of our output is rejected by foreign programs.

use std::path::{Path, PathBuf};

use tests::Verdict;
use tests::programs::fixture;
use tests::verifiers::ask;

use crate::bench::{bench, question, sign};

/// A change: where the byte is, found by what stands before it.
struct Change {
    what: &'static str,
    place: fn(&[u8]) -> usize,
}

#[test]
fn foreign_programs_reject_a_pdf_in_which_one_byte_is_changed() {
    let changes = [
        Change { what: "the first page", place: |file| after(file, b"/MediaBox") + 2 },
        Change { what: "the signature dictionary", place: |file| after(file, b"/SubFilter") + 6 },
        Change { what: "the end of the file", place: |file| file.len() - 8 },
        Change { what: "the signature", place: |file| after(file, b"/Contents") + 400 },
    ];
    // A changed /SubFilter may make a tool see no signature at all, which is a rejection too.
    rejected("pades", &["openssl", "pyhanko", "pdfsig", "dss"], &changes);
}

#[test]
fn foreign_programs_reject_xml_in_which_one_byte_is_changed() {
    let changes = [
        Change { what: "the order", place: |file| after(file, b"<cbc:ID>") },
        Change { what: "a digest", place: |file| after(file, b"DigestValue>") + 3 },
        Change { what: "the signed properties", place: |file| after(file, b"SigningTime>") + 3 },
        Change { what: "the signature", place: |file| after(file, b"-value\">") + 20 },
    ];
    rejected("xades", &["dss", "xmlsec1", "signxml"], &changes);
}

#[test]
fn foreign_programs_reject_cms_in_which_one_byte_is_changed() {
    let changes = [
        Change { what: "the content", place: |_| 5_000 },
        Change { what: "the signed attributes", place: |file| after(file, SIGNING_TIME) + 6 },
        Change { what: "the signature", place: |file| file.len() - 20 },
    ];
    rejected("cades-encapsulated", &["dss", "openssl", "pyhanko"], &changes);
}

#[test]
fn foreign_programs_reject_a_detached_signature_beside_another_document() {
    let file = sign("cades-detached", "p256");
    let other = bench().service.folder().join("other.txt");
    let mut document = std::fs::read(fixture("binary/crlf.txt")).unwrap();
    document[3] ^= 1;
    std::fs::write(&other, document).unwrap();
    for tool in ["dss", "openssl", "pyhanko"] {
        let question = tests::Question::new("cades", &file)
            .with("--root", bench().service.pki().root())
            .with("--detached", &other);
        assert!(matches!(ask(tool, &[question])[0], Verdict::Invalid(_)), "{tool}");
    }
}

/// DER of `id-signingTime` with its tag.
const SIGNING_TIME: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x05];

fn after(file: &[u8], part: &[u8]) -> usize {
    let found = file.windows(part.len()).position(|window| window == part);
    found.unwrap_or_else(|| panic!("{} is not in the file", String::from_utf8_lossy(part))) + part.len()
}

fn rejected(format: &str, tools: &[&str], changes: &[Change]) {
    let original = sign(format, "p256");
    let octets = std::fs::read(&original).unwrap();
    let files: Vec<PathBuf> = changes.iter().map(|change| write_changed(&original, &octets, change)).collect();
    for tool in tools {
        let questions: Vec<_> = files.iter().map(|file| question(format, "p256", file)).collect();
        for (change, verdict) in changes.iter().zip(ask(tool, &questions)) {
            assert!(matches!(verdict, Verdict::Invalid(_)), "{tool} on {} of {format}: {verdict:?}", change.what);
        }
    }
}

fn write_changed(original: &Path, octets: &[u8], change: &Change) -> PathBuf {
    let mut changed = octets.to_vec();
    let place = (change.place)(octets);
    // Digits and letters stay what they are, so that the file is still well-formed.
    changed[place] = match changed[place] {
        b'0'..=b'8' | b'A'..=b'Y' | b'a'..=b'y' => changed[place] + 1,
        b'9' => b'8',
        b'Z' => b'Y',
        b'z' => b'y',
        other => other ^ 1,
    };
    let name = original.file_stem().unwrap().to_string_lossy();
    let file = original.with_file_name(format!("{name}-changed-{place}"));
    std::fs::write(&file, changed).unwrap();
    file
}
