//! Several signers of one content, and counter-signatures, judged by foreign programs.

use tests::Verdict;
use tests::verifiers::ask;
use workers::{AugmentationFault, DocumentContent, Fault, SignedDocument, WorkerConfig, WorkerError};

use crate::bench::{Bench, DOCUMENT, Seal, octets};

fn join(bench: &Bench, seal: &Seal, level: &str, mode: &str, cms: &[u8]) -> Result<SignedDocument, WorkerError> {
    let content = DocumentContent::Memory(cms.to_vec().into());
    bench.sign_content(seal, level, &format!("mode = \"{mode}\""), content, serde_json::Value::Null)
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
    for (key, lines) in [
        ("packaging", "mode = \"co-sign\"\npackaging = \"detached\""),
        ("mode", "mode = \"counter-sign\"\nmime_type = \"text/plain\""),
        ("mode", "mode = \"over-sign\""),
    ] {
        let text = format!("name = \"w\"\nkind = \"cades\"\ncredential = \"seal\"\n{lines}");
        let error = WorkerConfig::parse(&text).unwrap_err().to_string();
        assert!(error.contains(&format!("\"{key}\"")), "{lines}: {error}");
    }
}
