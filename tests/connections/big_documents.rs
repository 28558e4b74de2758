//! Documents that are bigger than the memory that a request may take: sealed from a file that has no name.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tests::verifiers::ask;
use tests::{Question, RawConnection, TestService, Verdict};

const MIB: u64 = 1 << 20;

struct Bench {
    service: TestService,
    key: String,
}

impl Bench {
    fn new(server: &str) -> Self {
        let mut service = TestService::builder()
            .server(&format!("spool = \"spool\"\nmax_document_bytes = \"6GiB\"\nrequest_timeout = \"10m\"\n{server}"))
            .create();
        std::fs::create_dir(service.folder().join("spool")).unwrap();
        service.start();
        service.key("seal", "ec-p256", "document");
        service.key("strong", "ec-p384", "document");
        service.worker("encapsulated", "cades", "seal", "");
        service.worker("detached", "cades", "seal", "packaging = \"detached\"");
        service.worker("strong", "cades", "strong", "");
        service.worker("pdf", "pades", "seal", "");
        let key = service.api_key("caller", &["encapsulated", "detached", "strong", "pdf"]);
        Self { service, key }
    }

    /// A document of so many octets: mostly holes, and no two blocks alike.
    fn document(&self, length: u64) -> PathBuf {
        let path = self.service.folder().join("document");
        let mut file = File::create(&path).unwrap();
        file.write_all_at(b"the first octets", 0).unwrap();
        for block in 1..length / (16 * MIB) {
            file.write_all_at(&block.to_be_bytes(), block * 16 * MIB).unwrap();
        }
        file.set_len(length).unwrap();
        file.flush().unwrap();
        path
    }

    /// Has a document sealed; neither it nor the answer is in this process's memory.
    fn seal(&self, worker: &str, document: &Path) -> (u16, PathBuf) {
        let signed = self.service.folder().join("signed");
        let length = document.metadata().unwrap().len();
        let mut stream = self.upload(worker, length);
        // The server may have refused, and closed, before all of it was sent.
        let sent = std::io::copy(&mut File::open(document).unwrap(), &mut stream);
        let mut answer = BufReader::new(stream);
        let (status, announced) = head(&mut answer);
        assert!(sent.is_ok() || status != 200, "{sent:?}");
        let received = std::io::copy(&mut answer.take(announced), &mut File::create(&signed).unwrap()).unwrap();
        assert_eq!(received, announced, "the whole answer");
        (status, signed)
    }

    fn upload(&self, worker: &str, length: u64) -> TcpStream {
        let mut stream = TcpStream::connect(self.service.server().url().trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(600))).unwrap();
        let path = format!("/v1/workers/{worker}/sign/raw");
        let length = usize::try_from(length).unwrap();
        stream.write_all(&RawConnection::head(&path, &self.key, "application/octet-stream", length)).unwrap();
        stream
    }

    fn question(&self, signed: &Path) -> Question {
        Question::new("cades", signed).with("--root", self.service.pki().root())
    }

    /// Files in the spool folder that the server has open.
    fn spooled(&self) -> usize {
        let folder = self.service.folder().join("spool").canonicalize().unwrap();
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.service.server().pid())).unwrap();
        let targets = descriptors.filter_map(|each| std::fs::read_link(each.unwrap().path()).ok());
        targets.filter(|target| target.starts_with(&folder)).count()
    }

    fn eventually_spooled(&self, count: usize) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.spooled() != count {
            assert!(Instant::now() < until, "{} spooled documents, not {count}", self.spooled());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Nothing is left: no open file, and never one with a name.
    fn nothing_left(&self) {
        self.eventually_spooled(0);
        assert_eq!(std::fs::read_dir(self.service.folder().join("spool")).unwrap().count(), 0);
    }

    /// A figure of `/proc/PID/status`, in octets.
    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.service.server().pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

/// Status and length of an answer.
fn head(answer: &mut impl BufRead) -> (u16, u64) {
    let (mut status, mut length) = (0, None);
    loop {
        let mut line = String::new();
        answer.read_line(&mut line).unwrap();
        match line.trim_end().split_once(' ') {
            None => return (status, length.expect("an answer that says its length")),
            Some((version, rest)) if version.starts_with("HTTP/") => status = rest[..3].parse().unwrap(),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length:") => length = value.parse().ok(),
            Some(_) => {}
        }
    }
}

/// Changes one bit in the middle of a file.
fn change(file: &Path) {
    let middle = file.metadata().unwrap().len() / 2;
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut octet = [0];
    file.read_exact_at(&mut octet, middle).unwrap();
    file.write_all_at(&[octet[0] ^ 1], middle).unwrap();
}

/// Has a document of this size sealed in memory that does not grow, and asks these tools, before and after a bit was changed.
fn sealed_in_little_memory(length: u64, worker: &str, tools: &[&str]) {
    let bench = Bench::new("");
    for _ in 0..3 {
        assert_eq!(bench.seal(worker, &bench.document(MIB)).0, 200);
    }
    let document = bench.document(length);
    let idle = bench.memory("VmRSS:");
    // The kernel counts the peak from here on.
    std::fs::write(format!("/proc/{}/clear_refs", bench.service.server().pid()), "5").unwrap();
    let started = Instant::now();
    let (status, signed) = bench.seal(worker, &document);
    let took = started.elapsed().as_secs_f32();
    let peak = bench.memory("VmHWM:");
    tests::report(&format!(
        "{worker:12} {:5} MiB: {took:6.1} s, idle {:3} MiB, peak {:3} MiB",
        length / MIB,
        idle / MIB,
        peak / MIB
    ));
    assert_eq!(status, 200, "{}", std::fs::read_to_string(&signed).unwrap_or_default());
    assert!(peak < idle + 64 * MIB, "from {idle} to {peak} octets");
    bench.nothing_left();

    let encapsulated = worker == "encapsulated";
    assert_eq!(signed.metadata().unwrap().len() > length, encapsulated);
    let question = bench.question(&signed).with(if encapsulated { "--content" } else { "--detached" }, &document);
    for &tool in tools {
        assert_eq!(ask(tool, std::slice::from_ref(&question))[0], Verdict::Valid, "{tool}: {worker}, {length} octets");
    }
    change(if encapsulated { &signed } else { &document });
    for &tool in tools {
        // Of the encapsulated one nothing but the signature says what must be in it.
        let question = if encapsulated { bench.question(&signed) } else { question.clone() };
        let verdict = &ask(tool, &[question])[0];
        assert!(matches!(verdict, Verdict::Invalid(_)), "{tool}: {worker}, {length} octets: {verdict:?}");
    }
}

#[test]
fn a_document_of_300_mib_is_sealed_in_little_memory() {
    let _alone = crate::alone();
    sealed_in_little_memory(300 * MIB, "encapsulated", &["bouncycastle"]);
    sealed_in_little_memory(300 * MIB, "detached", &["openssl"]);
}

/// Whether the sizes that take minutes are wanted: up to 9 GB of disk.
fn big() -> bool {
    let wanted = std::env::var_os("SIGILLO_BIG").is_some();
    if !wanted {
        tests::report("set SIGILLO_BIG=1 to seal documents of 1.9 to 4.9 GiB too");
    }
    wanted
}

#[test]
fn documents_of_1_9_gib_are_sealed_in_little_memory() {
    let _alone = crate::alone();
    if big() {
        // The buffer in which OpenSSL reads a CMS grows to 0x5ffffffc octets and no further; what is beside a CMS it reads in pieces.
        sealed_in_little_memory(1946 * MIB, "encapsulated", &["dss-stream", "bouncycastle"]);
        sealed_in_little_memory(1946 * MIB, "detached", &["dss", "openssl"]);
    }
}

#[test]
fn documents_beyond_2_gib_are_sealed_in_little_memory() {
    let _alone = crate::alone();
    if big() {
        sealed_in_little_memory(2560 * MIB, "encapsulated", &["dss-stream", "bouncycastle"]);
        sealed_in_little_memory(2560 * MIB, "detached", &["dss", "pyhanko"]);
    }
}

#[test]
fn documents_beyond_4_gib_are_sealed_in_little_memory() {
    let _alone = crate::alone();
    if big() {
        sealed_in_little_memory(5000 * MIB, "detached", &["dss"]);
        sealed_in_little_memory(4200 * MIB, "encapsulated", &["dss-stream"]);
    }
}

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
