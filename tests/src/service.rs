//! A whole service: token, database, authority, keys with certificates, workers, clients, and the server over them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::http::Client;
use crate::kryoptic;
use crate::live_pki::LivePki;
use crate::pki::{Profile, TestPki};
use crate::programs::{our_program, output, run};
use crate::server::Server;
use crate::token::{self, TestToken};

/// Name of the token in `sigillo.toml`.
pub const TOKEN: &str = "hsm";

/// A service that is set up and runs.
pub struct TestService {
    // Before the folder, so that the server ends before its files are removed.
    server: Option<Server>,
    pki: TestPki,
    token: TestToken,
    environment: Vec<(String, String)>,
    folder: TempDir,
}

/// What a service is made of.
#[derive(Default)]
pub struct TestServiceBuilder {
    server: String,
    library: Option<PathBuf>,
    profile: Option<String>,
    kryoptic: bool,
    token: String,
    sections: String,
    pin: Option<String>,
    environment: Vec<(String, String)>,
}

impl TestServiceBuilder {
    /// More sections of `sigillo.toml`.
    #[must_use]
    pub fn sections(mut self, lines: &str) -> Self {
        self.sections.push_str(lines);
        self
    }

    /// More lines for `[server]`.
    #[must_use]
    pub fn server(mut self, lines: &str) -> Self {
        self.server.push_str(lines);
        self
    }

    /// Another PKCS#11 library than SoftHSM's own, such as a spy before it.
    #[must_use]
    pub fn library(mut self, library: &Path) -> Self {
        self.library = Some(library.to_owned());
        self
    }

    /// Another profile of the token than SoftHSM's.
    #[must_use]
    pub fn profile(mut self, profile: &str) -> Self {
        self.profile = Some(profile.to_owned());
        self
    }

    /// Kryoptic for a token; SoftHSM's stands beside it unused.
    #[must_use]
    pub fn kryoptic(mut self) -> Self {
        self.kryoptic = true;
        self
    }

    /// More lines for `[[token]]`.
    #[must_use]
    pub fn token(mut self, lines: &str) -> Self {
        self.token.push_str(lines);
        self
    }

    /// Another PIN in the PIN file than the token's.
    #[must_use]
    pub fn pin(mut self, pin: &str) -> Self {
        self.pin = Some(pin.to_owned());
        self
    }

    /// A variable in the environment of every program of ours.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets everything up but does not start the server.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn create(self) -> TestService {
        let folder = tempfile::Builder::new().prefix("sigillo-test-").tempdir().expect("a temporary folder");
        let token = TestToken::create(folder.path());
        let pki = TestPki::create(folder.path());
        std::fs::write(folder.path().join("pin"), self.pin.as_deref().unwrap_or(token::PIN)).expect("a PIN file");
        let (profile, slot, own) = match self.kryoptic {
            true => ("kryoptic", format!("id = {}", kryoptic::SLOT), kryoptic::library()),
            false => ("softhsm", format!("label = \"{}\"", token::LABEL), token.library().to_owned()),
        };
        let configuration = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n{}\n[database]\nurl = \"sqlite://sigillo.db\"\n\
             [[token]]\nname = \"{TOKEN}\"\nprofile = \"{}\"\nlibrary = \"{}\"\n\
             slot = {{ {slot} }}\npin = {{ file = \"pin\" }}\n{}\n{}\n",
            self.server,
            self.profile.as_deref().unwrap_or(profile),
            self.library.unwrap_or(own).display(),
            self.token,
            self.sections
        );
        std::fs::write(folder.path().join("sigillo.toml"), configuration).expect("sigillo.toml");
        let softhsm = ("SOFTHSM2_CONF".to_owned(), token.configuration().display().to_string());
        let mut environment = [vec![softhsm], self.environment].concat();
        if self.kryoptic {
            let conf = kryoptic::configure(folder.path()).display().to_string();
            environment.push((kryoptic::VARIABLE.to_owned(), conf));
        }
        let service = TestService { server: None, pki, token, environment, folder };
        if self.kryoptic {
            std::fs::write(service.folder().join("so-pin"), "so-pin-test").expect("a PIN file");
            service.sigillo(&["token", "init", TOKEN, "--so-pin-file", "so-pin", "--pin-file", "pin"]);
        }
        service
    }

    /// Sets everything up and starts the server.
    #[must_use]
    pub fn start(self) -> TestService {
        let mut service = self.create();
        service.start();
        service
    }
}

impl TestService {
    /// What to make one of.
    #[must_use]
    pub fn builder() -> TestServiceBuilder {
        TestServiceBuilder::default()
    }

    /// The folder of configuration, database, token and authority.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The authority.
    #[must_use]
    pub const fn pki(&self) -> &TestPki {
        &self.pki
    }

    /// The token.
    #[must_use]
    pub const fn token(&self) -> &TestToken {
        &self.token
    }

    /// Environment of our programs.
    #[must_use]
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// Starts the server.
    pub fn start(&mut self) {
        self.server = Some(Server::start(&self.folder().join("sigillo.toml"), &self.environment));
    }

    /// The running server.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("the server was started")
    }

    /// Takes the server out, to stop or kill it.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn take_server(&mut self) -> Server {
        self.server.take().expect("the server was started")
    }

    /// A client without credentials.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.server().url())
    }

    /// Runs `sigillo` to its end.
    #[must_use]
    pub fn try_sigillo(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(our_program("sigillo"));
        command.arg("--config").arg(self.folder().join("sigillo.toml")).args(["--output", "json"]).args(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        output(command.current_dir(self.folder()))
    }

    /// Runs `sigillo`, which must succeed, and returns the JSON it prints (null for nothing).
    ///
    /// # Panics
    /// When it fails.
    pub fn sigillo(&self, arguments: &[&str]) -> Value {
        let output = self.try_sigillo(arguments);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "sigillo {arguments:?} failed: {stdout}{stderr}");
        serde_json::from_str(&stdout).unwrap_or(Value::Null)
    }

    /// Generates a key without certificate.
    pub fn key_only(&self, alias: &str, spec: &str, purpose: &str) {
        self.sigillo(&["key", "generate", "--token", TOKEN, "--alias", alias, "--spec", spec, "--purpose", purpose]);
    }

    /// Generates a key and gives it a certificate of this profile.
    pub fn key_with(&self, alias: &str, spec: &str, purpose: &str, profile: &Profile) {
        self.key_only(alias, spec, purpose);
        self.certify(alias, profile);
    }

    /// Generates a key and gives it a certificate.
    pub fn key(&self, alias: &str, spec: &str, purpose: &str) {
        self.key_with(alias, spec, purpose, &Profile::default());
    }

    /// Requests, makes and imports the certificate of a key.
    ///
    /// # Panics
    /// When that fails.
    pub fn certify(&self, alias: &str, profile: &Profile) {
        let chain = self.pki.certify(&self.request(alias), profile);
        self.import(alias, &chain);
    }

    /// Generates a key that a live authority certifies. Returns the chain.
    pub fn live_key(&self, alias: &str, spec: &str, live: &LivePki) -> PathBuf {
        self.key_only(alias, spec, "document");
        let chain = live.certify(&self.request(alias));
        self.import(alias, &chain);
        chain
    }

    /// Has a key sign its certification request.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn request(&self, alias: &str) -> PathBuf {
        let request = self.folder().join(format!("{alias}.csr"));
        let subject = format!("C=EE, O=Acme AS, organizationIdentifier=NTREE-12345678, CN=Seal {alias}");
        let path = request.display().to_string();
        // By force, as a key may be certified again.
        let create = ["csr", "create", "--force", "--token", TOKEN, "--key", alias];
        self.sigillo(&[&create[..], &["--subject", &subject, "--out", &path]].concat());
        request
    }

    /// Imports the certificate of a key.
    ///
    /// # Panics
    /// When that fails.
    pub fn import(&self, alias: &str, chain: &Path) {
        let chain = chain.display().to_string();
        self.sigillo(&["certificate", "import", "--token", TOKEN, "--key", alias, "--chain", &chain]);
    }

    /// The signer's certificate of a key, PEM.
    #[must_use]
    pub fn leaf(&self, alias: &str) -> PathBuf {
        self.folder().join("pki").join(format!("{alias}.pem"))
    }

    /// Applies a worker; `definition` has the keys beside name, kind and credential.
    ///
    /// # Panics
    /// When that fails.
    pub fn worker(&self, name: &str, kind: &str, credential: &str, definition: &str) {
        let output = self.try_worker(name, kind, credential, definition);
        assert!(output.status.success(), "worker {name}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Applies a worker, or sees it refused.
    ///
    /// # Panics
    /// When the definition cannot be written.
    #[must_use]
    pub fn try_worker(&self, name: &str, kind: &str, credential: &str, definition: &str) -> Output {
        let file = self.folder().join(format!("{name}.worker.toml"));
        let text = format!("name = \"{name}\"\nkind = \"{kind}\"\ncredential = \"{credential}\"\n{definition}\n");
        std::fs::write(&file, text).expect("a definition");
        self.try_sigillo(&["worker", "apply", "-f", &file.display().to_string()])
    }

    /// Makes a client that may use these workers, and returns its API key.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn api_key(&self, client: &str, workers: &[&str]) -> String {
        let added = self.sigillo(&["client", "add", client]);
        for worker in workers {
            self.sigillo(&["grant", "add", client, "--worker", worker]);
        }
        added["apiKey"].as_str().expect("an API key").to_owned()
    }

    /// Changes the database behind the service's back, as somebody can who has the file. The last statement must change one row.
    pub fn sql(&self, statements: &[&str]) {
        let script = "import sqlite3, sys\n\
            db = sqlite3.connect(sys.argv[1])\n\
            changed = [db.execute(statement).rowcount for statement in sys.argv[2:]]\n\
            assert changed[-1] == 1, changed\n\
            db.commit()\n";
        let mut python = Command::new("python3");
        run(python.args(["-c", script]).arg(self.folder().join("sigillo.db")).args(statements));
    }

    /// The audit records, oldest first: their events.
    ///
    /// # Panics
    /// When they cannot be exported.
    #[must_use]
    pub fn audit_events(&self) -> Vec<Value> {
        let output = self.try_sigillo(&["audit", "export"]);
        assert!(output.status.success(), "audit export: {}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let event = |line: &str| -> Value {
            let record: Value = serde_json::from_str(line).expect("a record");
            serde_json::from_str(record["event"].as_str().expect("an event")).expect("an event in JSON")
        };
        lines.lines().map(event).collect()
    }
}
