//! A service with a spool folder, and what is sent to it from files.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tests::{Question, RawConnection, TestService};

pub(crate) const MIB: u64 = 1 << 20;

const WORKERS: [&str; 6] = ["encapsulated", "detached", "strong", "pdf", "values", "co-sign"];

/// A service with a spool folder.
pub(crate) struct Bench {
    pub(crate) service: TestService,
    pub(crate) key: String,
}

impl Bench {
    pub(crate) fn new(server: &str) -> Self {
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
        service.key("blind", "ec-p256", "blind");
        service.worker("values", "plain", "blind", "");
        service.worker("co-sign", "cades", "seal", "mode = \"co-sign\"");
        let key = service.api_key("caller", &WORKERS);
        Self { service, key }
    }

    /// A document of so many octets: mostly holes, and no two blocks alike.
    pub(crate) fn document(&self, length: u64) -> PathBuf {
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
    pub(crate) fn seal(&self, worker: &str, document: &Path) -> (u16, PathBuf) {
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

    pub(crate) fn upload(&self, worker: &str, length: u64) -> TcpStream {
        let mut stream = TcpStream::connect(self.service.server().url().trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(600))).unwrap();
        let path = format!("/v1/workers/{worker}/sign/raw");
        let length = usize::try_from(length).unwrap();
        stream.write_all(&RawConnection::head(&path, &self.key, "application/octet-stream", length)).unwrap();
        stream
    }

    pub(crate) fn question(&self, signed: &Path) -> Question {
        Question::new("cades", signed).with("--root", self.service.pki().root())
    }

    /// Files in the spool folder that the server has open.
    pub(crate) fn spooled(&self) -> usize {
        let folder = self.service.folder().join("spool").canonicalize().unwrap();
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.service.server().pid())).unwrap();
        let targets = descriptors.filter_map(|each| std::fs::read_link(each.unwrap().path()).ok());
        targets.filter(|target| target.starts_with(&folder)).count()
    }

    pub(crate) fn eventually_spooled(&self, count: usize) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.spooled() != count {
            assert!(Instant::now() < until, "{} spooled documents, not {count}", self.spooled());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Nothing is left: no open file, and never one with a name.
    pub(crate) fn nothing_left(&self) {
        self.eventually_spooled(0);
        assert_eq!(std::fs::read_dir(self.service.folder().join("spool")).unwrap().count(), 0);
    }

    /// A figure of `/proc/PID/status`, in octets.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.service.server().pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

/// Status and length of an answer.
pub(crate) fn head(answer: &mut impl BufRead) -> (u16, u64) {
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
