//! Canonical forms and refusals, judged by xmllint and, for subtrees, by xmlsec1.

use super::EXCLUSIVE;
use crate::xades::xml_error::XmlFault;

mod generator;
mod oracle;

use generator::Random;
use oracle::{accepted_by_xmllint, assert_same_as_xmllint, ours};

/// How many generated documents a test tries; xmllint takes most of the time.
fn cases() -> u64 {
    std::env::var("SIGILLO_XML_CASES").ok().map_or(300, |cases| cases.parse().unwrap())
}

fn same(documents: &[&str]) {
    assert_same_as_xmllint(&documents.iter().map(|document| document.as_bytes().to_vec()).collect::<Vec<_>>());
}

#[test]
fn generated_documents_have_the_canonical_form_that_xmllint_writes() {
    let documents: Vec<Vec<u8>> =
        (0..cases()).map(|seed| generator::document(&mut Random::new(seed)).into_bytes()).collect();
    for batch in documents.chunks(300) {
        assert_same_as_xmllint(batch);
    }
}

#[test]
fn spoilt_documents_that_are_accepted_have_the_canonical_form_that_xmllint_writes() {
    let mut accepted = Vec::new();
    let mut refused = Vec::new();
    for seed in 0..cases() * 10 {
        let random = &mut Random::new(seed);
        let document = generator::document(random);
        let octets = generator::spoil(random, &document);
        match ours(&octets, &EXCLUSIVE) {
            // libxml2 drops an empty `xml:base` even where nothing around it is omitted; Canonical XML 1.1 does not.
            Ok(_) if octets.windows(8).any(|window| window == b"xml:base") => {}
            Ok(_) => accepted.push(octets),
            Err(error) => refused.push((octets, error)),
        }
    }
    assert!(accepted.len() > 100 && refused.len() > 1000, "{} accepted, {} refused", accepted.len(), refused.len());
    for batch in accepted.chunks(300) {
        assert_same_as_xmllint(batch);
    }
    // Where we refuse and libxml2 does not, we must mean it.
    for batch in refused.chunks(500) {
        let octets: Vec<Vec<u8>> = batch.iter().map(|(octets, _)| octets.clone()).collect();
        for number in accepted_by_xmllint(&octets) {
            let (octets, error) = &batch[number];
            let intended = matches!(
                error.fault,
                XmlFault::DocumentType
                    | XmlFault::RelativeNamespace { .. }
                    | XmlFault::AmpersandInNamespace { .. }
                    | XmlFault::UnsupportedEncoding { .. }
                    | XmlFault::Version { .. }
                    // libxml2 ends reading at a NUL after the root element.
                    | XmlFault::Character { code: 0 }
            );
            assert!(intended, "{error} in {:?}", String::from_utf8_lossy(octets));
        }
    }
}

#[test]
fn subtrees_have_the_canonical_form_that_xmlsec1_digests() {
    for seed in 0..cases() / 6 {
        let random = &mut Random::new(seed);
        let name = ["target", "a:target", "é:target"][random.below(3)];
        let references = oracle::references();
        let document = generator::subtree(random, name, &oracle::signature_template(&references));
        let digested = oracle::digested_by_xmlsec1(&document);
        assert_eq!(digested.len(), references.len());
        for (reference, expected) in references.iter().zip(digested) {
            let ours =
                oracle::part(document.as_bytes(), reference.part, reference.omission, &reference.method).unwrap();
            let shown = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
            assert_eq!(
                shown(&expected),
                shown(&ours),
                "{:?} {} of {document:?}",
                reference.method,
                reference.transforms
            );
        }
    }
}

#[test]
fn the_documents_of_the_corpus_have_the_canonical_form_that_xmllint_writes() {
    let beside_repository = || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("SIGILLO_CORPUS").map_or_else(beside_repository, Into::into).join("xml");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("the corpus is absent: {}", folder.display());
        return;
    };
    let mut documents = Vec::new();
    for entry in entries {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        if octets.windows(9).any(|window| window == b"<!DOCTYPE") {
            assert_eq!(ours(&octets, &EXCLUSIVE).unwrap_err().fault, XmlFault::DocumentType);
        } else {
            documents.push(octets);
        }
    }
    println!("{} documents of the corpus", documents.len());
    assert_same_as_xmllint(&documents);
}
