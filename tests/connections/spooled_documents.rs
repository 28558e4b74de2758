//! What holds of documents in the spool folder, whatever their size.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tests::http::multipart;
use tests::programs::our_program;
use tests::verifiers::ask;
use tests::{Answer, Verdict};

use crate::spool_bench::{Bench, MIB, head};

#[test]
fn a_spooled_document_is_sealed_as_one_in_memory_is() {
    let _alone = crate::alone();
    let bench = Bench::new("spool_above = \"16B\"");
    for length in [16, 17, 128, 65_536, MIB - 1, MIB, 3 * MIB + 7, 17 * MIB] {
        let document = bench.document(length);
        for (worker, option) in [("encapsulated", "--content"), ("strong", "--content"), ("detached", "--detached")] {
            let (status, signed) = bench.seal(worker, &document);
            assert_eq!(status, 200, "{worker}, {length}");
            let questions = [bench.question(&signed).with(option, &document)];
            // In more than one octet string.
            let tools: &[&str] = if length > 16 * MIB { &["openssl", "dss"] } else { &["openssl", "pyhanko"] };
            for tool in tools {
                assert_eq!(ask(tool, &questions)[0], Verdict::Valid, "{tool}: {worker}, {length}");
            }
        }
    }
    bench.nothing_left();
    // What is on record of the document is its digest.
    let digest = hex::encode(openssl::sha::sha256(&std::fs::read(bench.document(3 * MIB + 7)).unwrap()));
    let events = bench.service.audit_events();
    assert_eq!(events.iter().filter(|event| event["documentSha256"] == digest.as_str()).count(), 3);
}

#[test]
fn callers_who_hang_up_leave_nothing_in_the_spool_folder() {
    let _alone = crate::alone();
    let bench = Bench::new("max_spool_bytes = \"100MiB\"");
    let document = bench.document(64 * MIB);
    for _ in 0..3 {
        // In the middle of the upload.
        let mut upload = bench.upload("encapsulated", 64 * MIB);
        std::io::copy(&mut File::open(&document).unwrap().take(40 * MIB), &mut upload).unwrap();
        bench.eventually_spooled(1);
        drop(upload);
        bench.nothing_left();
        // In the middle of the download.
        let mut upload = bench.upload("encapsulated", 64 * MIB);
        std::io::copy(&mut File::open(&document).unwrap(), &mut upload).unwrap();
        let mut answer = BufReader::new(upload);
        assert_eq!(head(&mut answer).0, 200);
        answer.read_exact(&mut vec![0; 100_000]).unwrap();
        bench.eventually_spooled(1);
        drop(answer);
        bench.nothing_left();
    }
    // Their places were given back.
    assert_eq!(bench.seal("encapsulated", &document).0, 200);
    bench.nothing_left();
    let events = bench.service.audit_events();
    let count =
        |name: &str| events.iter().filter(|event| event["client"] == "caller" && event["event"] == name).count();
    // Whoever hung up while sending got no signature; whoever did so later has one on record.
    assert_eq!((count("signing-intended"), count("request-completed")), (4, 4));
}

#[test]
fn what_finds_no_place_is_refused_with_the_reason() {
    let _alone = crate::alone();
    let bench = Bench::new("max_spool_bytes = \"100MiB\"\nmax_pending_bytes = \"32MiB\"");
    let document = bench.document(64 * MIB);
    let mut first = bench.upload("encapsulated", 64 * MIB);
    std::io::copy(&mut File::open(&document).unwrap().take(60 * MIB), &mut first).unwrap();
    bench.eventually_spooled(1);
    let (status, problem) = bench.seal("encapsulated", &document);
    let problem = std::fs::read_to_string(problem).unwrap();
    assert_eq!(status, 503, "{problem}");
    assert!(problem.contains("urn:sigillo:problem:overloaded") && problem.contains("no room"), "{problem}");
    drop(first);
    bench.nothing_left();

    // More than there will ever be place for, on the disk or, where the format needs it there, in memory.
    for (worker, length, limit) in [("encapsulated", 101 * MIB, "100 MiB"), ("pdf", 64 * MIB, "32 MiB")] {
        let (status, problem) = bench.seal(worker, &bench.document(length));
        let problem = std::fs::read_to_string(problem).unwrap();
        assert_eq!(status, 413, "{problem}");
        assert!(problem.contains(&format!("larger than {limit}")), "{problem}");
    }
    bench.nothing_left();
}

/// Sends a request without `Content-Length`, by chunks of these many octets each.
fn chunked(bench: &Bench, worker: &str, document: &Path, size: usize) -> TcpStream {
    let mut stream = TcpStream::connect(bench.service.server().url().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    let head = format!(
        "POST /v1/workers/{worker}/sign/raw HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        bench.key
    );
    stream.write_all(head.as_bytes()).unwrap();
    let (mut document, mut chunk) = (File::open(document).unwrap(), vec![0; size]);
    loop {
        let length = document.read(&mut chunk).unwrap();
        let sent = [format!("{length:x}\r\n").as_bytes(), &chunk[..length], b"\r\n"].concat();
        // The server may have refused, and closed, before all of it was sent.
        if stream.write_all(&sent).is_err() || length == 0 {
            return stream;
        }
    }
}

fn answer_of(stream: TcpStream) -> (u16, Vec<u8>) {
    let mut answer = BufReader::new(stream);
    let (status, length) = head(&mut answer);
    let mut body = Vec::new();
    answer.take(length).read_to_end(&mut body).unwrap();
    (status, body)
}

#[test]
fn a_document_whose_length_is_not_announced_is_sealed_or_refused_as_any_other() {
    let _alone = crate::alone();
    let bench = Bench::new("spool_above = \"1MiB\"\nmax_spool_bytes = \"8MiB\"");
    // In memory, on the way to the disk with the first chunk, and later.
    for (length, size) in [(1000, 7), (MIB, 100_000), (MIB + 1, 2 << 20), (5 * MIB + 3, 65_537)] {
        let document = bench.document(length);
        let (status, body) = answer_of(chunked(&bench, "encapsulated", &document, size));
        assert_eq!(status, 200, "{length}");
        let signed = bench.service.folder().join("signed");
        std::fs::write(&signed, body).unwrap();
        let question = bench.question(&signed).with("--content", &document);
        assert_eq!(ask("openssl", &[question])[0], Verdict::Valid, "{length}");
    }
    // What is too large is refused where it gets so, before all of it is there.
    let document = bench.document(9 * MIB);
    let (status, problem) = answer_of(chunked(&bench, "encapsulated", &document, 65_536));
    let problem = String::from_utf8(problem).unwrap();
    assert!(status == 413 && problem.contains("larger than 8 MiB"), "{status} {problem}");
    bench.nothing_left();
}

#[test]
fn a_server_whose_spool_folder_takes_no_file_does_not_start() {
    for (folder, what) in [("missing", "No such file"), ("sigillo.toml", "Not a directory"), ("/proc/self", "")] {
        let service = tests::TestService::builder().server(&format!("spool = \"{folder}\"")).create();
        let mut server = Command::new(our_program("sigillo-server"));
        server.arg("--config").arg(service.folder().join("sigillo.toml"));
        server.envs(service.environment().iter().map(|(name, value)| (name, value)));
        let output = server.stdin(Stdio::null()).output().unwrap();
        let log = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success(), "{folder}: {log}");
        for part in ["server.spool", folder, what] {
            assert!(log.contains(part), "{folder}: {part:?} is not in {log}");
        }
        assert!(!log.contains("listening on"), "{log}");
    }
}

fn form(bench: &Bench, worker: &str, accept: &str, document: &[u8]) -> Answer {
    let parameters = b"{}".as_slice();
    let (media_type, body) = multipart(&[("document", document), ("parameters", parameters)]);
    let headers = [("Content-Type", media_type.as_str()), ("Accept", accept)];
    let client = bench.service.client().key(&bench.key);
    client.try_send("POST", &format!("/v1/workers/{worker}/sign"), &headers, &body).unwrap()
}

fn in_json(bench: &Bench, worker: &str, document: &[u8]) -> Answer {
    let client = bench.service.client().key(&bench.key);
    client.post_json(&format!("/v1/workers/{worker}/sign"), &json!({ "document": STANDARD.encode(document) }))
}

#[test]
fn what_must_be_in_memory_is_limited_by_what_may_be_there() {
    let _alone = crate::alone();
    let bench = Bench::new("max_pending_bytes = \"8MiB\"");
    let client = bench.service.client().key(&bench.key);
    let document = std::fs::read(bench.document(9 * MIB)).unwrap();
    let bare = |path: &str| client.post(path, "application/octet-stream", &document);
    let refused = [
        ("a plain signature", bare("/v1/workers/values/sign/raw"), "8 MiB"),
        ("a PDF", bare("/v1/workers/pdf/sign/raw"), "8 MiB"),
        ("a second signature", bare("/v1/workers/co-sign/sign/raw"), "8 MiB"),
        ("a signature to augment", bare("/v1/workers/encapsulated/augment"), "8 MiB"),
        ("a form for a PDF", form(&bench, "pdf", "application/pdf", &document), "8 MiB"),
        ("a form answered in JSON", form(&bench, "encapsulated", "application/json", &document), "8 MiB"),
        ("JSON", in_json(&bench, "encapsulated", &document), "3456 KiB"),
        ("JSON that would fit once only", in_json(&bench, "encapsulated", &document[..4 << 20]), "3456 KiB"),
    ];
    for (what, answer, limit) in refused {
        assert_eq!((answer.status, answer.problem().as_str()), (413, "too-large"), "{what}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("larger than {limit}")), "{what}: {detail}");
    }
    let events = bench.service.audit_events();
    assert!(events.iter().all(|event| event["client"] != "caller" || event["event"] != "signing-intended"));
    // The largest that is not refused finds its place.
    assert_eq!(in_json(&bench, "encapsulated", &document[..3456 << 10]).status, 200);
    assert_eq!(bare("/v1/workers/encapsulated/sign/raw").status, 200);
    bench.nothing_left();
}

#[test]
fn a_document_in_a_form_is_spooled_where_the_answer_is_the_signature_itself() {
    let _alone = crate::alone();
    let bench = Bench::new("max_pending_bytes = \"4MiB\"\nspool_above = \"1MiB\"");
    let path = bench.document(17 * MIB);
    let document = std::fs::read(&path).unwrap();
    for (worker, option) in [("encapsulated", "--content"), ("detached", "--detached")] {
        let answer = form(&bench, worker, "application/octet-stream", &document);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let signed = bench.service.folder().join("signed");
        std::fs::write(&signed, answer.body).unwrap();
        let question = bench.question(&signed).with(option, &path);
        assert_eq!(ask("openssl", &[question])[0], Verdict::Valid, "{worker}");
    }
    bench.nothing_left();
    // Small ones are answered in either way.
    assert_eq!(form(&bench, "encapsulated", "application/octet-stream", b"small").status, 200);
    assert_eq!(form(&bench, "encapsulated", "application/json", b"small").status, 200);
}

/// Has 64 MiB sealed, and the answer at hand, of which nothing but the head has been read.
fn answer_at_hand(bench: &Bench) -> BufReader<TcpStream> {
    let document = bench.document(64 * MIB);
    let mut upload = bench.upload("encapsulated", 64 * MIB);
    std::io::copy(&mut File::open(&document).unwrap(), &mut upload).unwrap();
    let mut answer = BufReader::new(upload);
    assert_eq!(head(&mut answer).0, 200);
    answer
}

#[test]
fn a_caller_who_takes_nothing_of_an_answer_is_cut_off() {
    let _alone = crate::alone();
    let bench = Bench::new("send_timeout = \"1s\"");
    let mut answer = answer_at_hand(&bench);
    let started = Instant::now();
    bench.eventually_spooled(0);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    // The connection is gone too, not only the document.
    let rest = std::io::copy(&mut answer, &mut std::io::sink());
    assert!(!matches!(rest, Ok(rest) if rest >= 64 * MIB), "{rest:?}");
    // And others are served.
    assert_eq!(bench.seal("encapsulated", &bench.document(MIB)).0, 200);
}

#[test]
fn a_caller_who_takes_an_answer_too_slowly_does_not_get_the_rest() {
    let _alone = crate::alone();
    let bench = Bench::new("send_timeout = \"2s\"\nmin_send_rate = \"64MiB\"");
    let mut answer = answer_at_hand(&bench);
    let (started, mut received, mut block) = (Instant::now(), 0, vec![0; 512 << 10]);
    let cut = loop {
        // Never long without taking something, but no more than 5 MiB a second.
        std::thread::sleep(Duration::from_millis(100));
        match answer.read(&mut block) {
            Ok(0) | Err(_) => break started.elapsed(),
            Ok(length) => received += length as u64,
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{received} octets, and no end");
    };
    assert!(received < 64 * MIB, "all of it in {cut:?}");
    bench.nothing_left();
    let log = bench.service.server().log();
    assert!(log.contains("was not taken within 3 s"), "{log}");
}
