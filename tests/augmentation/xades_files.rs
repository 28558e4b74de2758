//! One XML signature over several files, inside it or beside it.

use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cryptotoken_api::DigestAlgorithm;
use serde_json::{Value, json};
use tests::verifiers::ask;
use tests::{Question, Verdict};
use workers::{AugmentationFault, DocumentContent, Fault, NamedFile, NamedFiles, SpooledDocument, WorkerError};

use crate::bench::{Bench, Seal, octets};
use crate::xades::{LEVELS, by_dss_over, judged, question};
use crate::xades_service::Fixture;

/// Names that must not be taken for something else in a URI; not only XML, and one file without anything.
const FILES: [(&str, &[u8]); 4] = [
    ("invoice.xml", b"<Invoice xmlns='urn:i'>\r\n  <Total>1</Total>\n</Invoice>"),
    ("annex 1 (50%).bin", b"\x00\xFF\r\nno XML"),
    ("R\u{e9}sum\u{e9} & \u{20ac}#1.txt", b"text\n"),
    ("empty", b""),
];

fn keep(folder: &Path, files: &[(&str, &[u8])]) -> Vec<PathBuf> {
    std::fs::create_dir_all(folder).unwrap();
    let write = |(name, octets): &(&str, &[u8])| {
        std::fs::write(folder.join(name), octets).unwrap();
        folder.join(name)
    };
    files.iter().map(write).collect()
}

fn spooled(octets: &[u8]) -> DocumentContent {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(octets).unwrap();
    let digest = DigestAlgorithm::Sha256.digest(octets);
    DocumentContent::Spooled(SpooledDocument::new(file, octets.len() as u64, digest, Box::new(())))
}

fn named(files: &[(&str, &[u8])], content: impl Fn(&[u8]) -> DocumentContent) -> DocumentContent {
    let file = |(name, octets): &(&str, &[u8])| {
        let media_type = name.ends_with(".xml").then(|| "text/xml; charset=utf-8".to_owned());
        NamedFile { name: (*name).to_owned(), media_type, content: content(octets) }
    };
    DocumentContent::Files(NamedFiles::new(files.iter().map(file).collect()).unwrap())
}

fn in_memory(octets: &[u8]) -> DocumentContent {
    DocumentContent::Memory(octets.to_vec().into())
}

fn signed(bench: &Bench, seal: &Seal, level: &str, more: &str, files: DocumentContent) -> Vec<u8> {
    let signed = bench.sign_kind("xades", seal, level, more, files, Value::Null);
    octets(&signed.unwrap_or_else(|error| panic!("{level} {more}: {error}")))
}

fn beside(question: Question, files: &[PathBuf]) -> Question {
    files.iter().fold(question, |question, file| question.with("--detached", file))
}

#[test]
fn one_signature_over_several_files_is_accepted_at_every_level_and_rejected_when_one_is_changed() {
    let bench = Bench::start();
    let files = keep(&bench.path("files"), &FILES);
    let mut changed = FILES;
    changed[2].1 = b"text!\n";
    let changed = keep(&bench.path("changed"), &changed);
    // Each under the name of another.
    let mut swapped = FILES;
    (swapped[0].1, swapped[1].1) = (swapped[1].1, swapped[0].1);
    let swapped = keep(&bench.path("swapped"), &swapped);
    let (mut good, mut bad, mut missing, mut exchanged) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (algorithm, content) in [("p256", in_memory as fn(&[u8]) -> DocumentContent), ("rsa", spooled)] {
        let seal = bench.seal(algorithm);
        for level in LEVELS {
            let signature = signed(&bench, &seal, level, "packaging = \"detached\"", named(&FILES, content));
            let name = format!("{algorithm}-{level}");
            let asked = question(&bench, &bench.keep(&name, &signature), level);
            let covers =
                FILES.iter().fold(asked.clone(), |asked, (name, _)| asked.with("--says", format!("covers={name}")));
            good.push((name.clone(), beside(covers, &files)));
            bad.push((format!("{name} changed"), beside(asked.clone(), &changed)));
            exchanged.push((format!("{name} swapped"), beside(asked.clone(), &swapped)));
            missing.push((format!("{name} missing"), beside(asked, &files[1..])));
        }
    }
    let seal = bench.seal("p384");
    for level in LEVELS {
        let signature = signed(&bench, &seal, level, "packaging = \"enveloping\"", named(&FILES, in_memory));
        let text = String::from_utf8(signature).unwrap();
        // What is called how is signed too.
        assert!(text.contains("<xades:Description>annex 1 (50%).bin</xades:Description><xades:MimeType>"), "{text}");
        assert!(text.contains("invoice.xml</xades:Description><xades:MimeType>text/xml</xades:MimeType>"), "{text}");
        let name = format!("inside-{level}");
        good.push((name.clone(), question(&bench, &bench.keep(&name, text.as_bytes()), level)));
        let annex = STANDARD.encode(FILES[1].1);
        let other = text.replace(&annex, &STANDARD.encode(b"something else"));
        assert_ne!(other, text);
        let name = format!("{name}-changed");
        bad.push((name.clone(), question(&bench, &bench.keep(&name, other.as_bytes()), level)));
    }
    let wrong = [judged("dss", &good), judged("xmlsec1", &good)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // EU DSS takes files whose contents are all there for those that are meant, its own signatures no less.
    for (tool, questions) in
        [("dss", [bad.clone(), missing.clone()].concat()), ("xmlsec1", [bad, missing, exchanged].concat())]
    {
        let asked: Vec<_> = questions.iter().map(|(_, question)| question.clone()).collect();
        let verdicts = questions.iter().zip(ask(tool, &asked));
        let accepted: Vec<_> = verdicts.filter(|(_, each)| !matches!(each, Verdict::Invalid(_))).collect();
        assert!(accepted.is_empty(), "{tool}: {accepted:?}");
    }
}

#[test]
fn a_signature_over_several_files_is_augmented_with_them_and_not_without() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let files = keep(&bench.path("files"), &FILES);
    let ours = signed(&bench, &seal, "B-B", "packaging = \"detached\"", named(&FILES, in_memory));
    let theirs = std::fs::read(by_dss_over(&bench, &seal, "B-T", &files)).unwrap();
    let augment = |level: &str, signature: &[u8], beside| {
        bench.augment_content("xades", level, "", signature.to_vec().into(), beside)
    };
    // In another order, and one more: names say which is which.
    let mut others = FILES.to_vec();
    others.reverse();
    others.push(("more", b"more"));
    let (mut questions, mut for_xmlsec1) = (Vec::new(), Vec::new());
    for (maker, signature) in [("ours", &ours), ("theirs", &theirs)] {
        for (level, content) in [("B-LT", in_memory as fn(&[u8]) -> DocumentContent), ("B-LTA", spooled)] {
            let grown = augment(level, signature, Some(named(&others, content)));
            let grown = octets(&grown.unwrap_or_else(|error| panic!("{maker} {level}: {error}")));
            let again = octets(&augment("B-LTA", &grown, Some(named(&others, content))).unwrap());
            for (which, reached, signature) in [("first", level, grown), ("again", "B-LTA", again)] {
                let label = format!("{maker}-{level}-{which}");
                let asked = beside(question(&bench, &bench.keep(&label, &signature), reached), &files);
                // It does not find files under names as EU DSS writes them.
                if maker == "ours" {
                    for_xmlsec1.push((label.clone(), asked.clone()));
                }
                questions.push((label, asked));
            }
        }
    }
    let wrong = [judged("dss", &questions), judged("xmlsec1", &for_xmlsec1)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let _ = bench.pki.asked();
    let fault = |beside| match augment("B-LTA", &ours, beside).unwrap_err() {
        WorkerError::Augmentation(fault) => fault,
        other => panic!("{other}"),
    };
    assert!(matches!(fault(None), AugmentationFault::NoDocument));
    let missing = fault(Some(named(&FILES[1..], in_memory)));
    assert!(matches!(&missing, AugmentationFault::NoFile { name } if name == "invoice.xml"), "{missing}");
    let (mut changed, mut swapped) = (FILES, FILES);
    changed[3].1 = b"not empty";
    (swapped[0].1, swapped[1].1) = (swapped[1].1, swapped[0].1);
    for wrong in [changed, swapped] {
        assert!(matches!(fault(Some(named(&wrong, in_memory))), AugmentationFault::Signer { position: 1, .. }));
    }
    assert_eq!(bench.pki.asked(), Vec::<String>::new());
}

#[test]
fn each_file_is_stamped_by_itself_before_it_is_signed() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    let files = keep(&bench.path("files"), &FILES);
    let mut questions = Vec::new();
    for (packaging, level, content) in [
        ("detached", "B-T", in_memory as fn(&[u8]) -> DocumentContent),
        ("detached", "B-LTA", spooled),
        ("enveloping", "B-LTA", in_memory),
    ] {
        for (stamped, kind, count) in
            [("true", "ALL_DATA_OBJECTS_TIMESTAMP", 1), ("\"each\"", "INDIVIDUAL_DATA_OBJECTS_TIMESTAMP", FILES.len())]
        {
            let definition =
                format!("packaging = \"{packaging}\"\ncontent_timestamp = {stamped}\nsign_key_info = true");
            let signature = signed(&bench, &seal, level, &definition, named(&FILES, content));
            let stamps = String::from_utf8_lossy(&signature).matches("DataObjectsTimeStamp xmlns").count();
            assert_eq!(stamps, count, "{definition}");
            let name = format!("{packaging}-{level}-{kind}");
            let asked = question(&bench, &bench.keep(&name, &signature), level);
            let asked = asked.with("--says", "content-timestamp=intact");
            let asked = asked.with("--says", format!("content-timestamp-type={kind}"));
            questions.push((name, if packaging == "detached" { beside(asked, &files) } else { asked }));
        }
    }
    let wrong = [judged("dss", &questions), judged("xmlsec1", &questions)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn workers_that_sign_one_document_refuse_several() {
    let bench = Bench::start();
    let seal = bench.seal("p256");
    for (kind, more) in [
        ("xades", ""),
        ("xades", "packaging = \"internally-detached\""),
        ("xades", "packaging = \"enveloping\"\nobject = \"xml\""),
        ("xades", "mode = \"counter-sign\""),
        ("cades", "packaging = \"detached\""),
        ("pades", ""),
    ] {
        let error = bench.sign_kind(kind, &seal, "B-B", more, named(&FILES, in_memory), Value::Null).unwrap_err();
        assert_eq!(error.fault(), Fault::Document, "{kind} {more}: {error}");
        assert!(error.to_string().contains("one document at a time"), "{kind} {more}: {error}");
    }
    let cms = octets(&bench.sign(&seal, "B-B", "packaging = \"detached\"").unwrap());
    let error = bench.augment_content("cades", "B-T", "", cms.into(), Some(named(&FILES, in_memory))).unwrap_err();
    assert!(error.to_string().contains("one document at a time"), "{error}");
}

/// A form in which every file is a part "document" with its name.
fn form(files: &[(&str, &[u8])], first: Option<(&str, &[u8])>) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    let mut part = |disposition: String, octets: &[u8]| {
        body.extend(format!("--limit\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").bytes());
        body.extend_from_slice(octets);
        body.extend(b"\r\n");
    };
    if let Some((name, octets)) = first {
        part(format!("name=\"{name}\""), octets);
    }
    for (name, octets) in files {
        part(format!("name=\"document\"; filename=\"{name}\""), octets);
    }
    body.extend(b"--limit--\r\n");
    ("multipart/form-data; boundary=limit".into(), body)
}

#[test]
fn several_files_are_signed_over_http_and_names_are_judged_before_the_key_is_used() {
    let fixture = Fixture::new(&[
        ("beside", "level = \"B-T\"\npackaging = \"detached\""),
        ("inside", "level = \"B-LTA\"\npackaging = \"enveloping\""),
        ("one", "level = \"B-B\""),
    ]);
    let client = &fixture.client;
    let folder = fixture.folder.path().join("files");
    let files = keep(&folder, &FILES);
    let send = |path: &str, (media_type, body): (String, Vec<u8>)| {
        let headers = [("Content-Type", media_type.as_str()), ("Accept", "application/xml")];
        client.try_send("POST", path, &headers, &body).unwrap()
    };
    let accepted = |signature: &[u8], level: &str, files: &[PathBuf]| {
        let asked = fixture.question(signature, level);
        assert_eq!(ask("dss", &[beside(asked.clone(), files)]), [Verdict::Valid]);
        assert_eq!(ask("xmlsec1", &[beside(asked, files)]), [Verdict::Valid]);
    };
    let signature = send("/v1/workers/beside/sign", form(&FILES, None)).success();
    accepted(&signature, "B-T", &files);
    // Another worker, of another packaging, archives it.
    let archived = send("/v1/workers/inside/augment", form(&FILES, Some(("signature", &signature)))).success();
    accepted(&archived, "B-LTA", &files);
    let documents = |files: &[(&str, &[u8])]| -> Vec<Value> {
        files.iter().map(|(name, octets)| json!({"document": STANDARD.encode(octets), "fileName": name})).collect()
    };
    let sign = |worker: &str, body: &Value| client.post_json(&format!("/v1/workers/{worker}/sign"), body);
    for (worker, level, files) in [("beside", "B-T", &files[..]), ("inside", "B-LTA", &[])] {
        let answer = sign(worker, &json!({"documents": documents(&FILES)})).json();
        accepted(&STANDARD.decode(answer["signedDocument"].as_str().unwrap()).unwrap(), level, files);
    }
    // One file alone under its name.
    let answer = sign("beside", &json!({"documents": documents(&FILES[..1])})).json();
    let alone = STANDARD.decode(answer["signedDocument"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8_lossy(&alone).contains("URI=\"invoice.xml\""));
    accepted(&alone, "B-T", &files[..1]);

    // The same from the command line.
    let key = fixture.folder.path().join("key");
    std::fs::write(&key, fixture.service.api_key("clerk", &["beside"])).unwrap();
    let together = fixture.folder.path().join("files.xades");
    let mut command = std::process::Command::new(tests::programs::our_program("sigillo"));
    command
        .args(["sign", "--worker", "beside", "--server", fixture.service.server().url(), "--together"])
        .arg(&together);
    tests::programs::run(command.arg("--api-key-file").arg(&key).args(&files));
    accepted(&std::fs::read(&together).unwrap(), "B-T", &files);

    let before = fixture.intents();
    let twice = [FILES[0], FILES[1], FILES[0]];
    let nameless = [FILES[0], ("", b"x")];
    let many: Vec<String> = (0..101).map(|number| format!("file-{number}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    for (worker, files, said) in [
        ("beside", &twice[..], "two files are called"),
        ("beside", &nameless, "file 2 has no name"),
        ("beside", &[FILES[0], ("a/../b", b"x")], "no name of a file"),
        ("inside", &many, "101 files"),
        ("one", &FILES, "one document at a time"),
    ] {
        let in_form = send(&format!("/v1/workers/{worker}/sign"), form(files, None));
        for answer in [in_form, sign(worker, &json!({"documents": documents(files)}))] {
            assert_eq!((answer.status, answer.problem().as_str()), (422, "document-unacceptable"), "{said}");
            assert!(answer.json()["detail"].as_str().unwrap().contains(said), "{said}: {}", answer.json());
        }
    }
    for body in [json!({}), json!({"document": "QQ==", "documents": documents(&FILES)}), json!({"documents": "QQ=="})] {
        assert_eq!(sign("beside", &body).status, 400, "{body}");
    }
    let none = sign("beside", &json!({"documents": []}));
    assert_eq!(none.status, 422, "{}", none.json());
    assert_eq!(fixture.intents(), before, "a key was used for what was refused");
}
