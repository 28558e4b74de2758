//! A service with a time-stamping unit, and the openssl program as its client.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use tests::pki::Profile;
use tests::programs::{output, run};
use tests::{Answer, Client, TestService};

/// The policy of the unit; a second and a third one is this with more.
pub(crate) const POLICY: &str = "1.3.6.1.4.1.99999.1";

/// A running service with the workers that a test asks for.
pub(crate) struct Authority {
    pub(crate) service: TestService,
    pub(crate) client: Client,
    files: AtomicUsize,
}

/// What `openssl ts -reply -text` says of a reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) file: PathBuf,
    pub(crate) text: String,
}

/// A definition that vouches for the clock of the machine, which need not be synchronised.
pub(crate) fn trusted(more: &str) -> String {
    format!("policy = \"{POLICY}\"\nclock = \"trusted\"\n{more}")
}

impl Authority {
    /// One worker, `tsa`, with a P-256 key.
    pub(crate) fn simple() -> Self {
        Self::new(&[("tsa", "ec-p256", trusted(""))])
    }

    /// Workers: name, kind of key, definition. One key for each kind.
    pub(crate) fn new(workers: &[(&str, &str, String)]) -> Self {
        let service = TestService::builder().start();
        let mut keys: Vec<&str> = workers.iter().map(|(_, spec, _)| *spec).collect();
        keys.sort_unstable();
        keys.dedup();
        for spec in keys {
            service.key_with(&format!("tsu-{spec}"), spec, "timestamp", &Profile::timestamping());
        }
        for (name, spec, definition) in workers {
            service.worker(name, "timestamp", &format!("tsu-{spec}"), definition);
        }
        let names: Vec<&str> = workers.iter().map(|(name, ..)| *name).collect();
        let client = service.client().key(&service.api_key("stamper", &names));
        Self { service, client, files: AtomicUsize::new(0) }
    }

    /// A revocation list of the authority that certified the units, empty, DER: EU DSS takes no timestamp without one.
    pub(crate) fn revocation_list(&self, unit: &str) -> PathBuf {
        let folder = self.service.folder().join("pki");
        let (pem, der) = (folder.join("list.pem"), folder.join("list.crl"));
        let mut openssl = Command::new("openssl");
        openssl.args(["ca", "-gencrl", "-crldays", "30", "-md", "sha256", "-keyfile", "root.key", "-cert", "root.pem"]);
        run(openssl.args(["-config", &format!("{unit}.ca"), "-out"]).arg(&pem).current_dir(&folder));
        run(Command::new("openssl").args(["crl", "-outform", "DER", "-in"]).arg(&pem).arg("-out").arg(&der));
        der
    }

    /// A new file.
    pub(crate) fn file(&self, ending: &str) -> PathBuf {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.service.folder().join(format!("{number}.{ending}"))
    }

    /// A request that openssl makes over a file.
    pub(crate) fn query(&self, data: &Path, arguments: &[&str]) -> PathBuf {
        let file = self.file("tsq");
        let mut openssl = Command::new("openssl");
        openssl.args(["ts", "-query", "-data"]).arg(data).args(arguments).arg("-out").arg(&file);
        run(&mut openssl);
        file
    }

    /// What the worker answers.
    pub(crate) fn ask(&self, worker: &str, query: &[u8]) -> Answer {
        self.client.post(&format!("/tsa/{worker}"), "application/timestamp-query", query)
    }

    /// A reply of the protocol, as openssl reads it.
    pub(crate) fn reply(&self, worker: &str, query: &[u8]) -> Reply {
        self.read(self.ask(worker, query))
    }

    /// What openssl reads in an answer.
    pub(crate) fn read(&self, answer: Answer) -> Reply {
        assert_eq!(answer.media_type, "application/timestamp-reply", "{}", String::from_utf8_lossy(&answer.body));
        let file = self.file("tsr");
        std::fs::write(&file, answer.success()).unwrap();
        let text = output(Command::new("openssl").args(["ts", "-reply", "-text", "-in"]).arg(&file));
        assert!(text.status.success(), "openssl cannot read the reply {}", file.display());
        Reply { file, text: String::from_utf8_lossy(&text.stdout).into_owned() }
    }

    /// Whether openssl takes the reply for an answer to the query.
    pub(crate) fn verifies(&self, query: &Path, reply: &Reply, untrusted: Option<&Path>) -> Result<(), String> {
        let mut openssl = Command::new("openssl");
        openssl.args(["ts", "-verify", "-queryfile"]).arg(query).arg("-in").arg(&reply.file);
        openssl.arg("-CAfile").arg(self.service.pki().root());
        if let Some(untrusted) = untrusted {
            openssl.arg("-untrusted").arg(untrusted);
        }
        let verified = output(&mut openssl);
        let said = String::from_utf8_lossy(&verified.stdout).into_owned() + &String::from_utf8_lossy(&verified.stderr);
        if verified.status.success() && said.contains("Verification: OK") { Ok(()) } else { Err(said) }
    }
}

impl Reply {
    /// Whether it has a token.
    pub(crate) fn is_granted(&self) -> bool {
        self.text.contains("Status: Granted.")
    }

    /// The value of a line such as `Policy OID: …`.
    pub(crate) fn value(&self, name: &str) -> &str {
        let line = self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name}: {}", self.text)).trim()
    }

    /// The failure information of a rejection.
    pub(crate) fn failure(&self) -> &str {
        assert!(self.text.contains("Status: Rejected."), "{}", self.text);
        self.value("Failure info")
    }

    /// The token by itself.
    pub(crate) fn token(&self) -> PathBuf {
        let token = self.file.with_extension("token");
        let mut openssl = Command::new("openssl");
        run(openssl.args(["ts", "-reply", "-token_out", "-in"]).arg(&self.file).arg("-out").arg(&token));
        token
    }
}
