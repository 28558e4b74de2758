//! "The HSM" in another process, to be killed and started again: p11-kit's remoting in front of SoftHSM.

use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::programs::run;
use crate::service::TestServiceBuilder;
use crate::token::TestToken;

/// A device that is off at first.
pub struct RemoteDevice {
    /// p11-kit's server and what it starts for each client, all of one process group.
    group: Option<Child>,
    folder: TempDir,
}

const CLIENTS: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so",
    "/usr/lib/aarch64-linux-gnu/pkcs11/p11-kit-client.so",
    "/usr/lib64/pkcs11/p11-kit-client.so",
];

const ONE_SESSION: &str = "sessions = 1\noverride = { \"recovery.depth\" = \"module\" }\n";

fn client() -> &'static Path {
    let client = CLIENTS.iter().map(Path::new).find(|path| path.exists());
    client.expect("p11-kit-client.so is missing; install it with: scripts/install-tools")
}

impl RemoteDevice {
    /// Makes a place for one.
    ///
    /// # Panics
    /// When there is no temporary folder.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("sigillo-device-").tempdir().expect("a temporary folder");
        Self { group: None, folder }
    }

    /// Has a service use it. One session is all there is: when p11-kit's client 0.24 loses its connection, it wakes one of the threads
    /// that wait for an answer and leaves the others waiting for ever, and no library can be started anew under a thread that is inside.
    ///
    /// # Panics
    /// When p11-kit is missing.
    #[must_use]
    pub fn behind(&self, service: TestServiceBuilder) -> TestServiceBuilder {
        self.reached_by(service).library(client()).token(ONE_SESSION)
    }

    /// Has a service use it as a second token of this name beside its own, with the token of this label on it.
    ///
    /// # Panics
    /// When p11-kit is missing.
    #[must_use]
    pub fn beside(&self, service: TestServiceBuilder, name: &str, label: &str) -> TestServiceBuilder {
        self.reached_by(service).token(&format!(
            "[[token]]\nname = \"{name}\"\nprofile = \"softhsm\"\nlibrary = \"{}\"\nslot = {{ label = \"{label}\" }}\n\
             pin = {{ file = \"pin\" }}\n{ONE_SESSION}",
            client().display()
        ))
    }

    fn reached_by(&self, service: TestServiceBuilder) -> TestServiceBuilder {
        service.environment("P11_KIT_SERVER_ADDRESS", &format!("unix:path={}", self.socket().display()))
    }

    /// Starts it with the keys of `token`, after killing the one that may run.
    ///
    /// # Panics
    /// When p11-kit is missing or does not listen.
    pub fn start(&mut self, token: &TestToken) {
        self.kill();
        let _ = std::fs::remove_file(self.socket());
        let server = Command::new("p11-kit")
            .args(["server", "--foreground", "--name"])
            .arg(self.socket())
            .arg("--provider")
            .arg(token.library())
            .arg("pkcs11:")
            .env("SOFTHSM2_CONF", token.configuration())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let install = "install it with: scripts/install-tools";
        self.group = Some(server.unwrap_or_else(|error| panic!("p11-kit cannot be run ({error}); {install}")));
        let until = Instant::now() + Duration::from_secs(5);
        while UnixStream::connect(self.socket()).is_err() {
            assert!(Instant::now() < until, "p11-kit does not listen");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it as a power cut would.
    ///
    /// # Panics
    /// When it was not running.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.group.take() {
            run(Command::new("kill").args(["-KILL", "--", &format!("-{}", server.id())]));
            server.wait().expect("the end of the device");
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("device.sock")
    }
}

impl Default for RemoteDevice {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for RemoteDevice {
    fn drop(&mut self) {
        self.kill();
    }
}
