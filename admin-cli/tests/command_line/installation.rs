//! An installation in a temporary folder: `sigillo.toml`, PIN files, a SoftHSM token of its own, an OpenSSL CA.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Installation {
    folder: TempDir,
}

/// What a run of `sigillo` came to.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output of a run that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// JSON of a run that must have succeeded.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok()).expect("JSON on standard output")
    }

    /// The problem document of a run that must have ended with this exit code.
    #[track_caller]
    pub(crate) fn problem(self, code: i32) -> Value {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "standard output belongs to answers");
        serde_json::from_str(&self.stderr).expect("one problem document on standard error")
    }

    /// What people read of a run that must have ended with this exit code.
    #[track_caller]
    pub(crate) fn complaint(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self.stderr
    }
}

impl Installation {
    /// A folder with a configuration and PIN files; the token is not initialised, the database not made.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let installation = Self { folder };
        installation.write(
            "sigillo.toml",
            "[[token]]\nname = \"hsm\"\nprofile = \"softhsm\"\nslot = { label = \"sigillo\" }\npin = { file = \"pin\" }\n",
        );
        installation.write("pin", "2468\n");
        installation.write("so-pin", "13579246\n");
        std::fs::create_dir(installation.path("tokens")).expect("a folder");
        let tokens = installation.path("tokens");
        installation.write(
            "softhsm2.conf",
            &format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display()),
        );
        installation
    }

    /// With database, administrator and an initialised token.
    pub(crate) fn initialized() -> Self {
        let installation = Self::new();
        installation.sigillo("init").ok();
        installation.sigillo("token init hsm --so-pin-file so-pin --pin-file pin").ok();
        installation
    }

    /// With a key `seal` and its certificate, too.
    pub(crate) fn certified() -> Self {
        let installation = Self::initialized();
        installation.sigillo("key generate --token hsm --alias seal --spec ec-p256").ok();
        installation.request("seal");
        installation.certify("seal");
        installation.sigillo("certificate import --token hsm --key seal --chain seal-chain.pem").ok();
        installation
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).expect("a file");
    }

    /// Runs `sigillo` in the folder, without a terminal. Arguments are separated by blanks.
    pub(crate) fn sigillo(&self, line: &str) -> Run {
        self.sigillo_with(&line.split(' ').collect::<Vec<_>>(), &[])
    }

    pub(crate) fn sigillo_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let output = self
            .command(Path::new(env!("CARGO_BIN_EXE_sigillo")))
            .env_remove("SIGILLO_CONFIG")
            .env_remove("SIGILLO_API_KEY")
            .env_remove("SIGILLO_LOG")
            .envs(environment.iter().copied())
            .args(arguments)
            .output()
            .expect("sigillo runs");
        run(output)
    }

    pub(crate) fn openssl(&self, line: &str) -> Run {
        let output = self.command(Path::new("openssl")).args(line.split(' ')).output();
        run(output.expect("openssl is missing; run: scripts/install-tools"))
    }

    /// Changes the database behind the back of `sigillo`.
    pub(crate) fn sql(&self, statement: &str) {
        let program = "import sqlite3,sys; c=sqlite3.connect('sigillo.db'); c.execute(sys.argv[1]); c.commit()";
        let output = self.command(Path::new("python3")).args(["-c", program, statement]).output();
        run(output.expect("python3 is missing; run: scripts/install-tools")).ok();
    }

    /// A certification request in `NAME.csr`.
    pub(crate) fn request(&self, name: &str) {
        let file = format!("{name}.csr");
        let subject = "C=EE, O=Acme AS, organizationIdentifier=NTREE-12345678, CN=Acme e-Seal";
        let arguments = ["csr", "create", "--token", "hsm", "--key", name, "--subject", subject, "--out", &file];
        self.sigillo_with(&arguments, &[]).ok();
    }

    /// Has a CA certify `NAME.csr`; the chain is in `NAME-chain.pem`.
    pub(crate) fn certify(&self, name: &str) {
        self.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=CA",
        )
        .ok();
        self.write("leaf.ext", "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,nonRepudiation\n");
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -days 20 -extfile leaf.ext -out {name}.pem"
        ))
        .ok();
        let read = |file: &str| std::fs::read_to_string(self.path(file)).expect("a certificate");
        self.write(&format!("{name}-chain.pem"), &(read("ca.pem") + &read(&format!("{name}.pem"))));
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env("SOFTHSM2_CONF", self.path("softhsm2.conf"))
            .stdin(std::process::Stdio::null());
        command
    }
}

fn run(output: Output) -> Run {
    Run {
        code: output.status.code().expect("an exit code"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Without it the token's profile finds no library, and every test here would fail less clearly.
#[test]
fn softhsm_is_there() {
    let usual = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm.so", "/usr/lib64/libsofthsm2.so"];
    assert!(usual.iter().any(|path| Path::new(path).exists()), "SoftHSM is missing; run: scripts/install-tools");
}
