//! PDF seals of every level over every kind of file, those made by others and older ones, and what each foreign program says.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::live_pki::Timestamp;
use tests::programs::{repository, run};
use tests::verifiers::ask;
use tests::{Question, Verdict};
use workers::WorkerError;

use crate::bench::{ALGORITHMS, Bench, Seal, octets};

const LEVELS: [&str; 4] = ["B-B", "B-T", "B-LT", "B-LTA"];

/// Files of every kind of cross-reference section, and encrypted ones.
fn files(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    let fixture = |name: &str| repository().join("tests/fixtures/pdf").join(name);
    let fixtures =
        ["report.pdf", "report-xref-stream.pdf", "report-linearized.pdf", "report-encrypted.pdf", "form.pdf"];
    let mut files: Vec<_> =
        fixtures.iter().map(|name| ((*name).to_owned(), std::fs::read(fixture(name)).expect("a fixture"))).collect();
    let encryptions: [(&str, &[&str]); 4] = [
        ("aes-256", &["--encrypt", "", "owner", "256", "--"]),
        ("aes-128", &["--encrypt", "", "owner", "128", "--use-aes=y", "--"]),
        ("rc4-128", &["--allow-weak-crypto", "--encrypt", "", "owner", "128", "--use-aes=n", "--"]),
        ("aes-256-streams", &["--object-streams=generate", "--encrypt", "", "owner", "256", "--"]),
    ];
    for (name, options) in encryptions {
        let out = bench.path(name);
        run(Command::new("qpdf").args(options).arg(fixture("report.pdf")).arg(&out));
        files.push((name.to_owned(), std::fs::read(&out).expect("what qpdf wrote")));
    }
    files
}

const TOOLS: [&str; 4] = ["dss", "pyhanko", "pdfsig", "qpdf"];

/// What these tools say of PDFs of these levels; all that is not valid.
fn rejections(bench: &Bench, tools: &[&str], made: &[(String, PathBuf, &str)]) -> Vec<String> {
    let crls = bench.crls();
    let mut wrong = Vec::new();
    for &tool in tools {
        let question = |(_, file, level): &(String, PathBuf, &str)| {
            let question = Question::new("pades", file).with("--root", bench.pki.root());
            let question = question.with("--expect", format!("PAdES-BASELINE-{}", &level[2..]));
            match (tool, *level) {
                // Up to B-T revocation is looked for outside; above, everything is inside or the verdict is bad.
                ("dss", "B-B" | "B-T") => crls.iter().fold(question, |question, crl| question.with("--crl", crl)),
                _ => question,
            }
        };
        let verdicts = ask(tool, &made.iter().map(question).collect::<Vec<_>>());
        let valid = verdicts.iter().filter(|verdict| **verdict == Verdict::Valid).count();
        tests::report(&format!("{tool}: {valid} of {} valid", verdicts.len()));
        let named = verdicts.iter().zip(made).filter(|(verdict, _)| **verdict != Verdict::Valid);
        wrong.extend(named.map(|(verdict, (name, ..))| format!("{name}: {tool} says {verdict:?}")));
    }
    wrong
}

#[test]
fn every_level_on_every_kind_of_file_is_accepted_and_named_offline() {
    let bench = Bench::start();
    let mut made = Vec::new();
    let seal = bench.seal("p256");
    for (name, file) in files(&bench) {
        for level in LEVELS {
            let name = format!("{name}-{level}");
            let signed = bench.sign_pdf(&seal, level, "", &file).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(signed.level.expect("a level").name(), level, "{name}");
            let signed = octets(&signed);
            assert!(signed.starts_with(&file), "{name}: the document was changed");
            made.push((name.clone(), bench.keep(&format!("{name}.pdf"), &signed), level));
        }
    }
    let file = std::fs::read(repository().join("tests/fixtures/pdf/report.pdf")).expect("a fixture");
    for (algorithm, ..) in ALGORITHMS {
        let seal = bench.seal(algorithm);
        let signed = octets(&bench.sign_pdf(&seal, "B-LTA", "", &file).expect("a seal"));
        made.push((algorithm.to_owned(), bench.keep(&format!("{algorithm}.pdf"), &signed), "B-LTA"));
    }
    let wrong = rejections(&bench, &TOOLS, &made);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_timestamp_that_does_not_fit_stands_beside_the_signature_which_is_not_made_again() {
    let bench = Bench::start();
    bench.pki.timestamp(Timestamp::Large);
    let seal = bench.seal("p256");
    let file = std::fs::read(repository().join("tests/fixtures/pdf/report.pdf")).expect("a fixture");
    let mut made = Vec::new();
    for level in &LEVELS[1..] {
        let signed = bench.sign_pdf(&seal, level, "", &file).unwrap_or_else(|error| panic!("{level}: {error}"));
        assert_eq!(signed.level.expect("a level").name(), *level);
        let signed = octets(&signed);
        assert!(signed.starts_with(&file), "{level}: the document was changed");
        // One in place of the one that did not fit, and at B-LTA the one over all.
        let tokens = signed.windows(12).filter(|window| window == b"ETSI.RFC3161").count();
        assert_eq!(tokens, if *level == "B-LTA" { 2 } else { 1 }, "{level}");
        made.push(((*level).to_owned(), bench.keep(&format!("large-{level}.pdf"), &signed), *level));
        let renewed = octets(&bench.augment_pdf("B-LTA", &signed).expect("a renewed seal"));
        made.push((format!("{level} renewed"), bench.keep(&format!("renewed-{level}.pdf"), &renewed), "B-LTA"));
        // Also behind a certification that forbids every change: it is none (ISO 32000-2, 12.8.2.2.2).
        let certified = octets(&bench.sign_pdf(&seal, level, "certification = 1", &file).expect("a certification"));
        made.push((format!("{level} certified"), bench.keep(&format!("certified-{level}.pdf"), &certified), *level));
    }
    // pyHanko takes the time of a signature from its CMS alone.
    let wrong = rejections(&bench, &["dss", "pdfsig", "qpdf"], &made);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn seals_of_pyhanko_are_augmented_and_renewed_and_stay_valid_under_ours_and_over_them() {
    let bench = Bench::start();
    let (seal, other) = (bench.seal("p256"), bench.seal("rsa"));
    let report = repository().join("tests/fixtures/pdf/report.pdf");
    let (mut made, mut archived) = (Vec::new(), Vec::new());
    // pyHanko takes the time of a signature from its CMS alone, and asks for the status of the last authority too.
    let (mut beyond_pyhanko, mut under_theirs) = (Vec::new(), Vec::new());
    for level in LEVELS {
        let by_pyhanko = pyhanko(&bench, &other, level, "Theirs", &[], &report);
        let signed = std::fs::read(&by_pyhanko).expect("what pyHanko wrote");
        for goal in ["B-T", "B-LT", "B-LTA"] {
            // What has more already is not named after less.
            if LEVELS.iter().position(|each| *each == goal) < LEVELS.iter().position(|each| *each == level) {
                continue;
            }
            let name = format!("pyhanko-{level}-{goal}");
            let grown = bench.augment_pdf(goal, &signed).unwrap_or_else(|error| panic!("{name}: {error}"));
            let grown = octets(&grown);
            assert!(grown.starts_with(&signed), "{name}: the document was changed");
            let kept = (name.clone(), bench.keep(&format!("{name}.pdf"), &grown), goal);
            if level == "B-B" {
                beyond_pyhanko.push(kept)
            } else {
                made.push(kept)
            }
            if goal == "B-LTA" {
                archived.push(grown);
            }
        }
        // Ours over theirs.
        let ours = bench.sign_pdf(&seal, "B-LTA", "", &signed).unwrap_or_else(|error| panic!("over {level}: {error}"));
        let all = bench.augment_pdf("B-LTA", &octets(&ours)).unwrap_or_else(|error| panic!("all, {level}: {error}"));
        let kept = (format!("ours over {level}"), bench.keep(&format!("over-{level}.pdf"), &octets(&all)), "B-LTA");
        if level == "B-B" {
            beyond_pyhanko.push(kept)
        } else {
            made.push(kept)
        }
        // And theirs over ours.
        let ours =
            octets(&bench.sign_pdf(&seal, level, "", &std::fs::read(&report).expect("a fixture")).expect("a seal"));
        let file = bench.keep(&format!("ours-{level}.pdf"), &ours);
        let under = pyhanko(&bench, &other, level, "Theirs", &[], &file);
        under_theirs.push((format!("ours under {level}"), under, level));
    }
    // After the authority has changed its certificate, twice.
    bench.pki.renew_timestamp_authority();
    for (number, once) in archived.iter().enumerate() {
        let twice =
            octets(&bench.augment_pdf("B-LTA", once).unwrap_or_else(|error| panic!("renewal {number}: {error}")));
        assert_eq!(count(&twice, b"/DocTimeStamp"), count(once, b"/DocTimeStamp") + 1, "renewal {number}");
        beyond_pyhanko.push((format!("renewed {number}"), bench.keep(&format!("twice-{number}.pdf"), &twice), "B-LTA"));
        let thrice =
            octets(&bench.augment_pdf("B-LTA", &twice).unwrap_or_else(|error| panic!("third {number}: {error}")));
        beyond_pyhanko.push((format!("third {number}"), bench.keep(&format!("thrice-{number}.pdf"), &thrice), "B-LTA"));
    }
    let mut wrong = rejections(&bench, &TOOLS, &made);
    wrong.extend(rejections(&bench, &["dss", "pdfsig", "qpdf"], &beyond_pyhanko));
    // What pyHanko made last, poppler does not see as covering the file at B-LTA.
    wrong.extend(rejections(&bench, &["dss", "pyhanko", "qpdf"], &under_theirs));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn three_seals_of_different_keys_stay_valid_at_every_level() {
    let bench = Bench::start();
    let seals = ["p256", "rsa", "p384"].map(|algorithm| bench.seal(algorithm));
    let mut made = Vec::new();
    for level in LEVELS {
        let mut pdf = std::fs::read(repository().join("tests/fixtures/pdf/report-xref-stream.pdf")).expect("a fixture");
        for (number, seal) in (1..).zip(&seals) {
            let name = format!("{number} seals of {level}");
            pdf = octets(&bench.sign_pdf(seal, level, "", &pdf).unwrap_or_else(|error| panic!("{name}: {error}")));
            made.push((name, bench.keep(&format!("{level}-{number}.pdf"), &pdf), level));
        }
    }
    let wrong = rejections(&bench, &TOOLS, &made);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_document_timestamp_alone_covers_the_file() {
    let bench = Bench::start();
    let report = std::fs::read(repository().join("tests/fixtures/pdf/report.pdf")).expect("a fixture");
    let stamped = octets(&bench.augment_pdf("B-T", &report).expect("a timestamp"));
    assert!(stamped.starts_with(&report));
    let file = bench.keep("stamped.pdf", &stamped);
    // What the byte range says, read by nothing of ours.
    let text = String::from_utf8_lossy(&stamped[report.len()..]).into_owned();
    let numbers = text.split("/ByteRange [").nth(1).and_then(|rest| rest.split(']').next()).expect("a byte range");
    let numbers: Vec<usize> = numbers.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    let [0, start, second, length] = numbers[..] else { panic!("{numbers:?}") };
    assert_eq!(second + length, stamped.len());
    let digits = String::from_utf8_lossy(&stamped[start + 1..second - 1]).into_owned();
    let token = hex::decode(digits).expect("hexadecimal digits");
    let end = 4 + usize::from(u16::from_be_bytes([token[2], token[3]]));
    let token = bench.keep("token", &token[..end]);
    let covered = bench.keep("covered", &[&stamped[..start], &stamped[second..]].concat());
    let question = Question::new("timestamp", &token).with("--root", bench.pki.root()).with("--detached", &covered);
    let question = bench.crls().iter().fold(question, |question, crl| question.with("--crl", crl));
    for tool in ["openssl", "dss"] {
        assert_eq!(ask(tool, std::slice::from_ref(&question)), [Verdict::Valid], "{tool}");
    }
    let question = Question::new("pades", &file).with("--root", bench.pki.root());
    assert_eq!(ask("qpdf", &[question]), [Verdict::Valid]);
}

#[test]
fn what_earlier_signatures_forbid_is_refused_and_what_they_allow_is_accepted() {
    let bench = Bench::start();
    let (seal, other) = (bench.seal("p256"), bench.seal("rsa"));
    let report = repository().join("tests/fixtures/pdf/report.pdf");
    // What pyHanko is told, and whether a seal in the new field `Signature1` may follow.
    let matrix: [(&[&str], bool); 9] = [
        (&["--certify", "1"], false),
        (&["--certify", "2"], true),
        (&["--certify", "3"], true),
        (&["--lock", "All"], false),
        (&["--lock", "Include", "--locked", "Signature1"], false),
        (&["--lock", "Include", "--locked", "Another"], true),
        (&["--lock", "Exclude", "--locked", "Signature1"], true),
        (&["--lock", "Exclude", "--locked", "Another"], false),
        (&["--certify", "2", "--lock", "Include", "--locked", "Signature1"], false),
    ];
    let mut made = Vec::new();
    for (number, (options, allowed)) in matrix.into_iter().enumerate() {
        let name = options.join(" ");
        let theirs = pyhanko(&bench, &other, "B-T", "Theirs", options, &report);
        let theirs = std::fs::read(theirs).expect("what pyHanko wrote");
        match (bench.sign_pdf(&seal, "B-LTA", "", &theirs), allowed) {
            (Ok(signed), true) => {
                // Theirs too gets what it lacks.
                let signed = bench.augment_pdf("B-LTA", &octets(&signed)).expect("validation data for both");
                made.push((name, bench.keep(&format!("after-{number}.pdf"), &octets(&signed)), "B-LTA"));
            }
            (Err(WorkerError::Pdf(_)), false) => {}
            (outcome, _) => panic!("{name}: {outcome:?}"),
        }
    }
    // Validation data and document timestamps may follow even what forbids every change.
    let report = std::fs::read(&report).expect("a fixture");
    for certification in 1..=3 {
        let definition = format!("certification = {certification}");
        let certified = octets(&bench.sign_pdf(&seal, "B-LTA", &definition, &report).expect("a certification"));
        made.push((definition, bench.keep(&format!("certified-{certification}.pdf"), &certified), "B-LTA"));
    }
    let wrong = rejections(&bench, &TOOLS, &made);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Such as people had before PAdES: SHA-1, and encodings that no reader of today makes.
#[test]
fn seals_over_signatures_of_unknown_kinds_are_renewed() {
    let bench = Bench::start();
    let (seal, other) = (bench.seal("p256"), bench.seal("rsa"));
    let mut made = Vec::new();
    for encoding in ["adbe.pkcs7.sha1", "adbe.x509.rsa_sha1", "adbe.pkcs7.detached"] {
        let old = bench.keep(&format!("{encoding}.pdf"), &old_signature(&bench, &other, encoding));
        let document = std::fs::read(&old).expect("a file");
        let refused = bench.augment_pdf("B-LTA", &document).expect_err("a signature that nothing covers");
        assert!(refused.to_string().contains("not known here"), "{refused}");
        let sealed = octets(&bench.sign_pdf(&seal, "B-LTA", "", &document).expect("a seal"));
        let renewed =
            octets(&bench.augment_pdf("B-LTA", &sealed).unwrap_or_else(|error| panic!("{encoding}: {error}")));
        assert!(renewed.starts_with(&sealed), "{encoding}: the document was changed");
        assert_eq!(count(&renewed, b"/DocTimeStamp"), 2, "{encoding}");
        made.push((old, bench.keep(&format!("renewed-{encoding}.pdf"), &renewed)));
    }
    // The others look for one timestamp behind the last signature, or read the old ones not at all.
    for tool in ["dss", "qpdf"] {
        let question = |(old, renewed): &(PathBuf, PathBuf)| {
            let question = Question::new("pades", renewed).with("--root", bench.pki.root()).with("--before", old);
            question.with("--expect", "PAdES-BASELINE-LTA")
        };
        for (verdict, (_, file)) in ask(tool, &made.iter().map(question).collect::<Vec<_>>()).iter().zip(&made) {
            assert_eq!(*verdict, Verdict::Valid, "{tool}: {}", file.display());
        }
    }
}

/// A document with one signature of this encoding over SHA-1 (ISO 32000-2, 12.8.3), by OpenSSL.
fn old_signature(bench: &Bench, seal: &Seal, encoding: &str) -> Vec<u8> {
    let room = "0".repeat(16_000);
    let certificate = hex::encode(seal.credential.chain.leaf().der());
    let signature = format!(
        "<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/{encoding}/Cert<{certificate}>/ByteRange [0 {:30}]/Contents <{room}>>>",
        ""
    );
    let objects = [
        "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]/SigFlags 3>>>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 595 842]>>",
        "<</Type/Page/Parent 2 0 R/Annots[4 0 R]>>",
        "<</Type/Annot/Subtype/Widget/FT/Sig/T(Old)/Rect[0 0 0 0]/F 132/P 3 0 R/V 5 0 R>>",
        &signature,
    ];
    let (mut file, mut table) = ("%PDF-1.4\n".to_owned(), "xref\n0 6\n0000000000 65535 f \n".to_owned());
    for (number, object) in (1..).zip(objects) {
        table += &format!("{:010} 00000 n \n", file.len());
        file += &format!("{number} 0 obj\n{object}\nendobj\n");
    }
    let start = file.len();
    file += &format!("{table}trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n");
    let gap = file.find(&format!("<{room}>")).expect("the room");
    let behind = gap + room.len() + 2;
    let range = format!("[0 {:30}]", format!("{gap} {behind} {}", file.len() - behind));
    let file = file.replace(&format!("[0 {:30}]", ""), &range).into_bytes();
    let covered = [&file[..gap], &file[behind..]].concat();
    let (content, made) = (bench.path("old-content"), bench.path("old-signature"));
    let mut openssl = Command::new("openssl");
    let made_of = if encoding == "adbe.pkcs7.sha1" { openssl::sha::sha1(&covered).to_vec() } else { covered };
    std::fs::write(&content, made_of).expect("what is signed");
    if encoding == "adbe.x509.rsa_sha1" {
        openssl.args(["dgst", "-sha1", "-sign"]).arg(&seal.key).arg("-out").arg(&made).arg(&content);
    } else {
        openssl.args(["cms", "-sign", "-binary", "-md", "sha1", "-outform", "DER", "-inkey"]).arg(&seal.key);
        openssl.args(if encoding == "adbe.pkcs7.sha1" { &["-nodetach"][..] } else { &[] });
        openssl.arg("-signer").arg(&seal.chain).arg("-in").arg(&content).arg("-out").arg(&made);
    }
    run(&mut openssl);
    let mut octets = std::fs::read(&made).expect("a signature");
    if encoding == "adbe.x509.rsa_sha1" {
        // Table 260: an octet string.
        let length = u16::try_from(octets.len()).expect("a length").to_be_bytes();
        octets = [&[4, 0x82][..], &length, &octets].concat();
    }
    let digits = hex::encode(octets);
    [&file[..=gap], digits.as_bytes(), &room.as_bytes()[digits.len()..], &file[behind - 1..]].concat()
}

fn pyhanko(bench: &Bench, seal: &Seal, level: &str, field: &str, more: &[&str], file: &Path) -> PathBuf {
    let out = bench.path(&format!("pyhanko-{level}-{}", file.file_name().expect("a name").to_string_lossy()));
    let mut sign = Command::new(repository().join("tests/verifiers/pyhanko-sign"));
    sign.args(["--level", level, "--field", field, "--tsa", &bench.pki.timestamp_url()]).args(more);
    sign.arg("--key").arg(&seal.key).arg("--chain").arg(&seal.chain).arg("--issuer").arg(bench.pki.issuing());
    run(sign.arg("--root").arg(bench.pki.root()).arg("--out").arg(&out).arg(file));
    out
}

fn count(octets: &[u8], part: &[u8]) -> usize {
    octets.windows(part.len()).filter(|window| *window == part).count()
}
