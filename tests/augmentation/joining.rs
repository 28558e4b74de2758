//! Several signers of one content, and counter-signatures, judged by foreign programs.

use tests::Verdict;
use tests::verifiers::ask;
use workers::{AugmentationFault, DocumentContent, Fault, SignedDocument, SignerDocument, WorkerConfig, WorkerError};

use crate::bench::{Bench, DOCUMENT, Seal, octets};

fn join(bench: &Bench, seal: &Seal, level: &str, mode: &str, cms: &[u8]) -> Result<SignedDocument, WorkerError> {
    let content = DocumentContent::Memory(cms.to_vec().into());
    bench.sign_content(seal, level, &format!("mode = \"{mode}\""), content, serde_json::Value::Null)
}

/// Joins a detached signature over the document.
fn join_detached(
    bench: &Bench,
    seal: &Seal,
    level: &str,
    mode: &str,
    cms: &[u8],
) -> Result<SignedDocument, WorkerError> {
    let content = DocumentContent::Memory(DOCUMENT.into());
    let document = SignerDocument { content, media_type: None, signature: Some(cms.to_vec().into()) };
    bench.sign_document("cades", seal, level, &format!("mode = \"{mode}\""), document, serde_json::Value::Null)
}

#[test]
fn a_signer_and_a_counter_signer_join_and_everything_grows_to_b_lta() {
    let bench = Bench::start();
    let (first, second) = (bench.seal("p256"), bench.seal("rsa"));
    let crls = bench.crls();
    let (mut dss, mut openssl) = (Vec::new(), Vec::new());
    for mode in ["co-sign", "counter-sign"] {
        for level in ["B-B", "B-T"] {
            let one = octets(&bench.sign(&first, level, "").unwrap());
            let both =
                join(&bench, &second, level, mode, &one).unwrap_or_else(|error| panic!("{mode} {level}: {error}"));
            assert_eq!(both.level.unwrap().name(), level);
            let file = bench.keep(&format!("{mode}-{level}"), &octets(&both));
            let question = bench.about(&file, false).with("--signers", "2");
            openssl.push(bench.about(&file, false));
            let question = question.with("--expect", format!("CAdES-BASELINE-{}", &level[2..]));
            dss.push(crls.iter().fold(question, |question, crl| question.with("--crl", crl)));

            let archived = octets(&bench.augment("B-LTA", &octets(&both), None).unwrap());
            let file = bench.keep(&format!("{mode}-{level}-archived"), &archived);
            openssl.push(bench.about(&file, false));
            let question = bench.about(&file, false).with("--signers", "2");
            dss.push(if mode == "co-sign" { question.with("--expect", "CAdES-BASELINE-LTA") } else { question });
        }
    }
    for (tool, questions) in [("dss", dss), ("openssl", openssl)] {
        for (verdict, question) in ask(tool, &questions).into_iter().zip(&questions) {
            assert_eq!(verdict, Verdict::Valid, "{tool}: {question:?}");
        }
    }
}

#[test]
fn a_detached_signature_is_joined_with_its_document_beside_it() {
    let bench = Bench::start();
    let (first, second) = (bench.seal("p256"), bench.seal("rsa"));
    let crls = bench.crls();
    let (mut dss, mut others) = (Vec::new(), Vec::new());
    for mode in ["co-sign", "counter-sign"] {
        let one = octets(&bench.sign(&first, "B-T", "packaging = \"detached\"").unwrap());
        let both = join_detached(&bench, &second, "B-T", mode, &one).unwrap_or_else(|error| panic!("{mode}: {error}"));
        assert_eq!(both.media_type, "application/pkcs7-signature");
        let file = bench.keep(&format!("{mode}-detached"), &octets(&both));
        others.push(bench.about(&file, true));
        let question = bench.about(&file, true).with("--signers", "2").with("--expect", "CAdES-BASELINE-T");
        dss.push(crls.iter().fold(question, |question, crl| question.with("--crl", crl)));
    }
    for (tool, questions) in [("dss", dss), ("openssl", others)] {
        for (verdict, question) in ask(tool, &questions).into_iter().zip(&questions) {
            assert_eq!(verdict, Verdict::Valid, "{tool}: {question:?}");
        }
    }
}

#[test]
fn a_co_signer_reaches_its_level_and_the_others_keep_theirs() {
    let bench = Bench::start();
    let (first, second) = (bench.seal("p256"), bench.seal("rsa"));
    let crls = bench.crls();
    let (mut dss, mut openssl) = (Vec::new(), Vec::new());
    for detached in [false, true] {
        let packaging = if detached { "packaging = \"detached\"" } else { "" };
        for (under, level) in [("B-B", "B-LT"), ("B-T", "B-LTA"), ("B-LT", "B-LT"), ("B-LTA", "B-LTA")] {
            let name = format!("{under}-{level}-{detached}");
            let one = octets(&bench.sign(&first, under, packaging).unwrap());
            let join = if detached { join_detached } else { join };
            let both = join(&bench, &second, level, "co-sign", &one).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(both.level.unwrap().name(), level);
            let both = octets(&both);
            let stamps = usize::from(under == "B-LTA") + usize::from(level == "B-LTA");
            assert_eq!(crate::others::archive_timestamps(&both).len(), stamps, "{name}");
            let file = bench.keep(&name, &both);
            openssl.push(bench.about(&file, detached));
            let question = bench.about(&file, detached).with("--signers", "2");
            dss.push(if under == level {
                question.with("--expect", format!("CAdES-BASELINE-{}", &level[2..]))
            } else {
                crls.iter().fold(question, |question, crl| question.with("--crl", crl))
            });
        }
    }
    for (tool, questions) in [("dss", dss), ("openssl", openssl)] {
        for (verdict, question) in ask(tool, &questions).into_iter().zip(&questions) {
            assert_eq!(verdict, Verdict::Valid, "{tool}: {question:?}");
        }
    }
}

#[test]
fn what_cannot_be_joined_is_refused_before_the_key_is_used() {
    let bench = Bench::start();
    let (first, second) = (bench.seal("p256"), bench.seal("p384"));
    let one = octets(&bench.sign(&first, "B-B", "").unwrap());
    let detached = octets(&bench.sign(&first, "B-B", "packaging = \"detached\"").unwrap());
    let two = octets(&join(&bench, &second, "B-B", "co-sign", &one).unwrap());
    let mut forged = one.clone();
    *forged.last_mut().unwrap() ^= 1;
    for (mode, cms) in [("co-sign", DOCUMENT), ("co-sign", &forged), ("co-sign", &detached), ("counter-sign", &two)] {
        let error = join(&bench, &second, "B-B", mode, cms).unwrap_err();
        assert_eq!(error.fault(), Fault::Document, "{error}");
    }
    let error = join(&bench, &second, "B-B", "counter-sign", &detached).unwrap_err();
    assert!(matches!(error, WorkerError::Augmentation(AugmentationFault::Detached)), "{error}");
    // Of another document; of one that has its own inside; for a worker that joins none.
    let other = octets(
        &bench
            .sign_content(
                &first,
                "B-B",
                "packaging = \"detached\"",
                DocumentContent::Memory("another".into()),
                serde_json::Value::Null,
            )
            .unwrap(),
    );
    let error = join_detached(&bench, &second, "B-B", "co-sign", &other).unwrap_err();
    assert!(matches!(error, WorkerError::Augmentation(AugmentationFault::Signer { position: 1, .. })), "{error}");
    let error = join_detached(&bench, &second, "B-B", "sign", &detached).unwrap_err();
    assert_eq!(error.fault(), Fault::Parameters, "{error}");
    let long_term =
        format!("level = \"B-LT\"\ntimestamp = {{ url = \"https://tsa.example\" }}\n{}", bench.pki.trust_anchors());
    for (key, lines) in [
        ("packaging", "mode = \"co-sign\"\npackaging = \"detached\""),
        ("mode", "mode = \"counter-sign\"\nmime_type = \"text/plain\""),
        ("mode", "mode = \"over-sign\""),
        ("level", &format!("mode = \"counter-sign\"\n{long_term}")),
    ] {
        let text = format!("name = \"w\"\nkind = \"cades\"\ncredential = \"seal\"\n{lines}");
        let error = WorkerConfig::parse(&text).unwrap_err().to_string();
        assert!(error.contains(&format!("\"{key}\"")), "{lines}: {error}");
    }
}
