//! XML signatures: every packaging, level and algorithm, and signatures of others, as foreign programs see them.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tests::programs::{repository, run};
use tests::verifiers::ask;
use tests::{Question, Verdict};
use workers::{AugmentationFault, DocumentContent, WorkerError};

use crate::bench::{ALGORITHMS, Bench, Seal, octets};
use crate::others::pkcs12;

/// With what canonicalization and encodings stumble over: a declaration, mixed line ends, prefixes, references, a comment, no `Id`.
const INVOICE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<Invoice xmlns=\"urn:invoice\" xmlns:c='urn:c'>\r\n  \
    <c:Total currency='EUR' c:b=\"&lt;2&quot;&#10;\">1 000,00 \u{20AC}</c:Total><!-- inside --><![CDATA[<&>]]>\n</Invoice>\n";

pub(crate) const LEVELS: [&str; 4] = ["B-B", "B-T", "B-LT", "B-LTA"];

const PACKAGINGS: [&str; 4] = ["enveloped", "enveloping", "detached", "internally-detached"];

pub(crate) fn sign(bench: &Bench, seal: &Seal, level: &str, more: &str, document: &[u8]) -> Vec<u8> {
    let content = DocumentContent::Memory(document.to_vec().into());
    let signed = bench.sign_kind("xades", seal, level, more, content, serde_json::Value::Null);
    let signed = signed.unwrap_or_else(|error| panic!("{level} {more}: {error}"));
    assert_eq!(signed.level.map(|reached| reached.name()), Some(level), "{more}");
    octets(&signed)
}

pub(crate) fn question(bench: &Bench, file: &Path, level: &str) -> Question {
    let question = Question::new("xades", file).with("--root", bench.pki.root());
    let question = question.with("--expect", level.replace("B-", "XAdES-BASELINE-"));
    match level {
        "B-B" | "B-T" => bench.crls().iter().fold(question, |question, crl| question.with("--crl", crl)),
        _ => question,
    }
}

/// What a tool does not find valid, and how often it had no opinion.
pub(crate) fn judged(tool: &str, questions: &[(String, Question)]) -> Vec<String> {
    let asked: Vec<Question> = questions.iter().map(|(_, question)| question.clone()).collect();
    let verdicts = ask(tool, &asked);
    let count = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| wanted(verdict)).count();
    tests::report(&format!(
        "{tool}: {} of {} valid, {} not judged",
        count(|each| *each == Verdict::Valid),
        verdicts.len(),
        count(|each| matches!(each, Verdict::NotApplicable(_)))
    ));
    let named = questions.iter().zip(verdicts);
    named
        .filter(|(_, verdict)| matches!(verdict, Verdict::Invalid(_)))
        .map(|((name, _), verdict)| format!("{tool}: {name}: {verdict:?}"))
        .collect()
}

#[test]
fn foreign_programs_accept_every_packaging_and_level_and_dss_names_it_offline() {
    let bench = Bench::start();
    std::fs::write(bench.path("document"), INVOICE).unwrap();
    let (mut all, mut basic) = (Vec::new(), Vec::new());
    for (algorithm, ..) in ALGORITHMS {
        let seal = bench.seal(algorithm);
        for packaging in PACKAGINGS {
            for level in LEVELS {
                let name = format!("{algorithm}-{packaging}-{level}");
                let signed = sign(&bench, &seal, level, &format!("packaging = \"{packaging}\""), INVOICE.as_bytes());
                let file = bench.keep(&name, &signed);
                let mut question = question(&bench, &file, level);
                if packaging == "detached" {
                    question = question.with("--detached", bench.path("document"));
                }
                if level == "B-B" {
                    basic.push((name.clone(), question.clone()));
                }
                all.push((name, question));
            }
        }
    }
    let mut wrong = Vec::new();
    let mut table = String::from("\n");
    for (tool, questions) in [("dss", &all), ("xmlsec1", &all), ("signxml", &basic)] {
        let verdicts = ask(tool, &questions.iter().map(|(_, question)| question.clone()).collect::<Vec<_>>());
        for ((name, _), verdict) in questions.iter().zip(verdicts) {
            let word = match &verdict {
                Verdict::Valid => "valid",
                Verdict::Invalid(_) => "INVALID",
                Verdict::NotApplicable(_) => "n/a",
            };
            // xmlsec1 before 1.3 has no RSA-PSS; signxml judges what is in the document around the signature.
            let unable = (tool == "xmlsec1" && name.starts_with("pss"))
                || (tool == "signxml" && (name.contains("-enveloping") || name.contains("-detached-B")));
            if matches!(verdict, Verdict::Invalid(_)) || (verdict != Verdict::Valid && !unable) {
                wrong.push(format!("{tool}: {name}: {verdict:?}"));
            }
            table += &format!("{name:<36} {tool}={word}\n");
        }
    }
    tests::report(&table);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn signatures_of_ours_are_brought_to_lta_by_eu_dss_and_renewed_by_us() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let beside = bench.keep("document", INVOICE.as_bytes());
    let authority = bench.pki.timestamp_authority();
    let unit = pkcs12(&bench, &authority, &authority.with_extension("key"), "unit");
    let mut questions = Vec::new();
    for packaging in PACKAGINGS {
        for level in ["B-B", "B-LT", "B-LTA"] {
            let name = format!("{packaging}-{level}");
            let ours = sign(&bench, &seal, level, &format!("packaging = \"{packaging}\""), INVOICE.as_bytes());
            let (file, out) = (bench.keep(&name, &ours), bench.path(&format!("{name}-by-dss")));
            let mut augment = Command::new(repository().join("tests/verifiers/eu-dss/sign"));
            augment.args(["--do", "augment", "--level", "XAdES-BASELINE-LTA", "--tsa"]).arg(&unit);
            augment.arg("--root").arg(bench.pki.root()).arg("--cert").arg(bench.pki.issuing());
            for crl in bench.crls() {
                augment.arg("--crl").arg(crl);
            }
            if packaging == "detached" {
                augment.arg("--detached").arg(&beside);
            }
            run(augment.arg("--out").arg(&out).arg(file));
            let theirs = std::fs::read(&out).unwrap();
            let document = (packaging == "detached").then_some(INVOICE.as_bytes());
            let renewed = bench.augment_kind("xades", "B-LTA", &theirs, document);
            let renewed = octets(&renewed.unwrap_or_else(|error| panic!("{name}: {error}")));
            for (by, signed) in [("dss", theirs), ("us", renewed)] {
                let asked = question(&bench, &bench.keep(&format!("{name}-{by}"), &signed), "B-LTA");
                let asked = if packaging == "detached" { asked.with("--detached", &beside) } else { asked };
                questions.push((format!("{name} {by}"), asked));
            }
        }
    }
    let wrong = [judged("dss", &questions), judged("xmlsec1", &questions)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_output_is_the_input_and_the_signature() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let utf16: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain("<a b='c'/>".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let latin: &[u8] = b"<?xml version='1.0' encoding='ISO-8859-1'?>\n<a>\xE4</a>\r\n";
    let (mut questions, mut wide) = (Vec::new(), Vec::new());
    for (name, document) in [("utf-8", INVOICE.as_bytes()), ("utf-16", &utf16), ("latin", latin)] {
        let packagings = ["enveloped", "internally-detached"];
        let cells = packagings.iter().flat_map(|packaging| LEVELS.map(|level| (*packaging, level)));
        for (packaging, level) in cells {
            let signed = sign(&bench, &seal, level, &format!("packaging = \"{packaging}\""), document);
            let common = |one: &mut dyn Iterator<Item = (u8, u8)>| one.take_while(|(one, other)| one == other).count();
            let start = common(&mut signed.iter().copied().zip(document.iter().copied()));
            let end = common(&mut signed.iter().rev().copied().zip(document.iter().rev().copied()));
            if packaging == "enveloped" && name != "utf-16" {
                assert!(start + end >= document.len(), "{name} {packaging}");
            }
            let file = bench.keep(&format!("{name}-{packaging}-{level}"), &signed);
            // EU DSS does not take UTF-16 for XML.
            let list = if name == "utf-16" { &mut wide } else { &mut questions };
            list.push((format!("{name} {packaging} {level}"), question(&bench, &file, level)));
        }
    }
    // What is around is not XML at all.
    let signed = sign(&bench, &seal, "B-LTA", "packaging = \"enveloping\"", b"\0\xFF no XML");
    let file = bench.keep("binary", &signed);
    questions.push(("binary".into(), question(&bench, &file, "B-LTA")));
    wide.extend(questions.clone());
    let wrong = [judged("dss", &questions), judged("xmlsec1", &wide)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_worker_states_is_in_the_signature() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let policy = b"We seal invoices, and nothing else.\n";
    std::fs::write(bench.path("policy"), policy).unwrap();
    let digest = |content: &[u8]| STANDARD.encode(openssl::sha::sha256(content));
    let statements = |digest: String| {
        format!(
            "commitment_type = \"proof-of-approval\"\nclaimed_roles = [\"Clerk <A&B>\", \"Sekret\u{e4}r\"]\n\
             signer_location = {{ locality = \"Tallinn\", postal_address = [\"Pikk 1\", \"10111\"], country = \"EE\" }}\n\
             signature_policy = {{ oid = \"1.2.3.4\", digest = \"{digest}\", uri = \"https://example.com/policy?a=1&b=2\" }}"
        )
    };
    // EU DSS validates the schema, and the digest of the policy, whose document it is given.
    let said = [
        "role=Clerk <A&B>",
        "role=Sekret\u{e4}r",
        "locality=Tallinn",
        "country=EE",
        "policy=1.2.3.4",
        "policy-url=https://example.com/policy?a=1&b=2",
    ];
    let asked = |name: &str, digest: String, level: &str, fits: &str| {
        let signed = sign(&bench, &seal, level, &statements(digest), INVOICE.as_bytes());
        let question = question(&bench, &bench.keep(name, &signed), level);
        let question = question.with("--signature-policy", format!("1.2.3.4={}", bench.path("policy").display()));
        let question = question.with("--says", format!("policy-document={fits}"));
        (name.to_owned(), said.iter().fold(question, |question, said| question.with("--says", said)))
    };
    let good = ["B-B", "B-T", "B-LT", "B-LTA"].map(|level| asked(level, digest(policy), level, "fits"));
    // Of another document: EU DSS says so, and leaves the verdict to who asks.
    let good = [&good[..], &[asked("other", digest(b"We seal anything."), "B-LTA", "other")]].concat();
    let wrong = [judged("dss", &good), judged("xmlsec1", &good)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_document_signed_by_dss_keeps_that_signature_valid_beside_ours() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let first = by_dss(&bench, &seal, "B-LTA", "ENVELOPED", INVOICE.as_bytes());
    let twice = sign(&bench, &seal, "B-LTA", "", &std::fs::read(&first).unwrap());
    let thrice = sign(&bench, &seal, "B-LTA", "", &twice);
    let questions = [("twice", twice), ("thrice", thrice)]
        .map(|(name, signed)| (name.to_owned(), question(&bench, &bench.keep(name, &signed), "B-LTA")));
    let wrong = [judged("dss", &questions), judged("xmlsec1", &questions)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn signatures_of_eu_dss_are_brought_to_every_level_and_renewed() {
    let bench = Bench::start();
    std::fs::write(bench.path("document"), INVOICE).unwrap();
    let mut questions = Vec::new();
    for (algorithm, packaging) in [("p256", "ENVELOPED"), ("rsa", "ENVELOPING"), ("p384", "DETACHED")] {
        let seal = bench.seal(algorithm);
        let beside = (packaging == "DETACHED").then_some(INVOICE.as_bytes());
        for (made, reached) in
            [("B-B", "B-T"), ("B-B", "B-LT"), ("B-B", "B-LTA"), ("B-T", "B-LTA"), ("B-LT", "B-LTA"), ("B-LTA", "B-LTA")]
        {
            let name = format!("{algorithm}-{packaging}-{made}-{reached}");
            let signature = std::fs::read(by_dss(&bench, &seal, made, packaging, INVOICE.as_bytes())).unwrap();
            let augmented = bench.augment_kind("xades", reached, &signature, beside);
            let augmented = octets(&augmented.unwrap_or_else(|error| panic!("{name}: {error}")));
            assert!(is_only_added_to(&signature, &augmented), "{name}");
            let mut question = question(&bench, &bench.keep(&name, &augmented), reached);
            if beside.is_some() {
                question = question.with("--detached", bench.path("document"));
            }
            questions.push((name, question));
        }
    }
    let wrong = judged("dss", &questions);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_lta_signature_is_renewed_after_the_authority_has_changed_its_certificate() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let first = sign(&bench, &seal, "B-LTA", "", INVOICE.as_bytes());
    bench.pki.renew_timestamp_authority();
    let second = octets(&bench.augment_kind("xades", "B-LTA", &first, None).unwrap());
    bench.pki.renew_timestamp_authority();
    let third = octets(&bench.augment_kind("xades", "B-LTA", &second, None).unwrap());
    assert!(is_only_added_to(&first, &second) && is_only_added_to(&second, &third));
    assert_eq!(String::from_utf8_lossy(&third).matches("<xades141:ArchiveTimeStamp").count(), 3);
    let file = bench.keep("renewed", &third);
    let wrong = judged("dss", &[("renewed".into(), question(&bench, &file, "B-LTA"))]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_cannot_be_built_on_is_refused_before_anything_is_asked_for() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let detached = sign(&bench, &seal, "B-B", "packaging = \"detached\"", INVOICE.as_bytes());
    let archived = sign(&bench, &seal, "B-LTA", "", INVOICE.as_bytes());
    let replaced = |from: &str, to: &str| {
        let text = String::from_utf8(archived.clone()).unwrap();
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).into_bytes()
    };
    let _ = bench.pki.asked();
    let fault = |signature: &[u8], document: Option<&[u8]>, level| match bench
        .augment_kind("xades", level, signature, document)
        .unwrap_err()
    {
        WorkerError::Augmentation(fault) => fault,
        other => panic!("{other}"),
    };
    assert!(matches!(fault(&detached, None, "B-T"), AugmentationFault::NoDocument));
    assert!(matches!(fault(&detached, Some(b"<other/>"), "B-T"), AugmentationFault::Signer { position: 1, .. }));
    assert!(matches!(fault(&replaced("1 000,00", "9 000,00"), None, "B-LTA"), AugmentationFault::Signer { .. }));
    let value = replaced("</ds:SignatureValue>", " </ds:SignatureValue>");
    assert!(matches!(fault(&value, None, "B-LTA"), AugmentationFault::Imprint { .. }));
    let values = replaced("</xades:CertificateValues>", " </xades:CertificateValues>");
    assert!(matches!(fault(&values, None, "B-LTA"), AugmentationFault::Imprint { .. }));
    assert!(matches!(fault(INVOICE.as_bytes(), None, "B-LTA"), AugmentationFault::Malformed(_)));
    assert!(matches!(fault(b"no XML", None, "B-LTA"), AugmentationFault::Xml(_)));
    assert!(matches!(fault(&archived, None, "B-LT"), AugmentationFault::Attribute { .. }));
    assert_eq!(bench.pki.asked(), Vec::<String>::new());
}

/// Whether all octets of one are in the other, in order.
fn is_only_added_to(before: &[u8], after: &[u8]) -> bool {
    let mut rest = after.iter();
    after.len() > before.len() && before.iter().all(|octet| rest.any(|other| other == octet))
}

fn by_dss(bench: &Bench, seal: &Seal, level: &str, packaging: &str, document: &[u8]) -> PathBuf {
    order_dss(bench, seal, level, packaging, &[bench.keep("document", document)])
}

/// One detached signature over several files.
pub(crate) fn by_dss_over(bench: &Bench, seal: &Seal, level: &str, files: &[PathBuf]) -> PathBuf {
    order_dss(bench, seal, level, "DETACHED", files)
}

fn order_dss(bench: &Bench, seal: &Seal, level: &str, packaging: &str, files: &[PathBuf]) -> PathBuf {
    let out = bench.path(&format!("dss-{level}-{packaging}"));
    let authority = bench.pki.timestamp_authority();
    let unit = pkcs12(bench, &authority, &authority.with_extension("key"), "unit");
    let mut sign = Command::new(repository().join("tests/verifiers/eu-dss/sign"));
    sign.args(["--level", &level.replace("B-", "XAdES-BASELINE-"), "--packaging", packaging]);
    sign.arg("--tsa").arg(unit).arg("--root").arg(bench.pki.root()).arg("--cert").arg(bench.pki.issuing());
    for crl in bench.crls() {
        sign.arg("--crl").arg(crl);
    }
    let (document, others) = files.split_first().expect("a file");
    for other in others {
        sign.arg("--and").arg(other);
    }
    sign.arg("--key").arg(pkcs12(bench, &seal.chain, &seal.key, "seal"));
    run(sign.arg("--out").arg(&out).arg(document));
    out
}
