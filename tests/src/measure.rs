//! What a request, a server, or a program costs. Memory in octets, time in seconds.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::programs::repository;
use crate::{LivePki, RawConnection, TestService};

/// What a program took from beginning to end.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Processor time, of the program and of the kernel for it.
    pub processor: f64,
    /// The most memory at a time.
    pub memory: u64,
}

impl Cost {
    /// Of this command.
    ///
    /// # Errors
    /// The last line of what it says when it fails.
    pub fn of(command: &Command) -> Result<Self, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut timed = Command::new("/usr/bin/time");
        timed.args(["-q", "-f", "%U %S %M", "-o"]).arg(file.path()).arg(command.get_program()).args(command.get_args());
        let output = timed.output().expect("the package `time` is needed: apt-get install time");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("no reason").to_owned());
        }
        let text = std::fs::read_to_string(file.path()).unwrap();
        let [user, system, kibibytes] = *text.split_whitespace().collect::<Vec<_>>() else { panic!("{text}") };
        let seconds = |text: &str| text.parse::<f64>().unwrap();
        Ok(Self { processor: seconds(user) + seconds(system), memory: kibibytes.parse::<u64>().unwrap() * 1024 })
    }
}

/// A server that takes big documents, with a worker of this kind for each of these levels, and a key of its API for all of them.
#[must_use]
pub fn service(pki: &LivePki, kind: &str, levels: &[&str]) -> (TestService, String) {
    let limits = "max_document_bytes = \"1GiB\"\nmax_pending_bytes = \"1GiB\"\nrequest_timeout = \"5m\"\n";
    let service = TestService::builder().server(limits).sections(&pki.configuration()).start();
    service.live_key("seal", "ec-p256", pki);
    for level in levels {
        let timestamp = format!("timestamp = {{ url = \"{}\" }}\n", pki.timestamp_url());
        let above = if *level == "B-B" { String::new() } else { timestamp + &pki.trust_anchors() };
        service.worker(level, kind, "seal", &format!("level = \"{level}\"\n{above}"));
    }
    let key = service.api_key("bench", levels);
    (service, key)
}

/// Sends a document to a worker to be signed and takes the answer as it comes: status, and how long it all took.
pub fn request(url: &str, worker: &str, key: &str, media_type: &str, document: &[u8]) -> (u16, Duration) {
    let started = Instant::now();
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let path = format!("/v1/workers/{worker}/sign/raw");
    stream.write_all(&RawConnection::head(&path, key, media_type, document.len())).unwrap();
    stream.write_all(document).unwrap();
    let mut answer = BufReader::with_capacity(1 << 18, stream);
    let (mut status, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        answer.read_line(&mut line).unwrap();
        match line.trim_end().split_once(' ') {
            None => break,
            Some((version, rest)) if version.starts_with("HTTP/") => status = rest[..3].parse().unwrap(),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length:") => length = value.parse().unwrap(),
            Some(_) => {}
        }
    }
    let received = std::io::copy(&mut answer.take(length), &mut std::io::sink()).unwrap();
    assert_eq!(received, length);
    (status, started.elapsed())
}

/// A server that hashes what it is sent and sends it back. Its URL.
pub fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut stream = BufReader::with_capacity(1 << 18, connection.unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                match line.trim_end().split_once(' ') {
                    None => break,
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length:") => {
                        length = value.parse().unwrap();
                    }
                    Some(_) => {}
                }
            }
            let mut document = Vec::new();
            stream.by_ref().take(length).read_to_end(&mut document).unwrap();
            std::hint::black_box(openssl::sha::sha256(&document));
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            stream.get_mut().write_all(head.as_bytes()).unwrap();
            stream.get_mut().write_all(&document).unwrap();
        }
    });
    url
}

/// A figure of `/proc/PID/status`.
pub fn memory(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Has the kernel count the peak of a process, `VmHWM`, from here on (proc(5)).
pub fn forget_peak(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

/// Processor time of a process so far, and of the kernel for it.
pub fn processor_time(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after) = stat.rsplit_once(')').unwrap();
    let ticks = after.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap());
    ticks.sum::<f64>() / 100.0
}

/// Octets in MiB, for people.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub fn mebibytes(octets: u64) -> f64 {
    octets as f64 / f64::from(1 << 20)
}

/// What others need for the same document: pyHanko, signxml and EU DSS, each started anew.
pub struct Peers<'p> {
    pki: &'p LivePki,
    folder: tempfile::TempDir,
    key: PathBuf,
    chain: PathBuf,
    pkcs12: PathBuf,
}

impl<'p> Peers<'p> {
    /// With a key of their own.
    pub fn new(pki: &'p LivePki) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = pki.seal("peers");
        let pkcs12 = folder.path().join("peers.p12");
        let mut openssl = Command::new("openssl");
        openssl.args(["pkcs12", "-export", "-passout", "pass:password", "-name", "peers", "-in"]).arg(&chain);
        openssl.arg("-inkey").arg(&key).arg("-certfile").arg(pki.issuing());
        crate::programs::run(openssl.arg("-out").arg(&pkcs12));
        Self { pki, folder, key, chain, pkcs12 }
    }

    /// Shows what others take to seal a PDF (B-B), beside the processor time of ours.
    pub fn seal_pdf(&self, document: &[u8], ours: f64) {
        let mut pyhanko = self.program("pyhanko-sign");
        pyhanko.args(["--level", "B-B", "--field", "Seal", "--tsa", &self.pki.timestamp_url(), "--key"]).arg(&self.key);
        pyhanko.arg("--chain").arg(&self.chain).arg("--issuer").arg(self.pki.issuing());
        pyhanko.arg("--root").arg(self.pki.root());
        self.show("pyHanko", pyhanko, document, ours);
        self.show("EU DSS", self.dss("PAdES-BASELINE-B"), document, ours);
    }

    /// Shows what others take to put a signature into XML (B-B), beside the processor time of ours.
    pub fn sign_xml(&self, document: &[u8], ours: f64) {
        let mut signxml = self.program("signxml-sign");
        signxml.args(["--algorithm", "ecdsa-sha256", "--key"]).arg(&self.key).arg("--chain").arg(&self.chain);
        self.show("signxml", signxml, document, ours);
        let mut dss = self.dss("XAdES-BASELINE-B");
        dss.args(["--packaging", "ENVELOPED"]);
        self.show("EU DSS", dss, document, ours);
    }

    fn dss(&self, level: &str) -> Command {
        let mut dss = self.program("eu-dss/sign");
        dss.args(["--level", level, "--key"]).arg(&self.pkcs12);
        dss.arg("--root").arg(self.pki.root()).arg("--cert").arg(self.pki.issuing());
        dss
    }

    fn program(&self, name: &str) -> Command {
        Command::new(repository().join("tests/verifiers").join(name))
    }

    fn show(&self, name: &str, mut command: Command, document: &[u8], ours: f64) {
        let (file, out) = (self.folder.path().join("document"), self.folder.path().join("out"));
        std::fs::write(&file, document).unwrap();
        match Cost::of(command.arg("--out").arg(&out).arg(&file)) {
            Ok(Cost { processor, memory }) => {
                assert!(std::fs::metadata(&out).unwrap().len() > document.len() as u64, "{name} signed nothing");
                let times = mebibytes(memory) / mebibytes(document.len() as u64);
                let ratio = processor / ours;
                println!(
                    "  {name:10} {processor:6.2} s of CPU = {ratio:5.1} x ours, {:5.0} MiB = {times:4.1} x the file",
                    mebibytes(memory)
                );
            }
            Err(reason) => println!("  {name:10} does not: {reason}"),
        }
    }
}
