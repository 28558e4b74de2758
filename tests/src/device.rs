//! Devices that run without hardware, each with a token in a folder of its own: software tokens, a software TPM, remoting, the simulator.
//!
//! A device is prepared by one process and used by others, which [`Device::command`] starts: a library reads its environment once, and
//! openCryptoki knows only one place on a machine for its daemon and its tokens, so it gets a machine of its own (namespaces of Linux).

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::programs::{repository, run};
use crate::token::softhsm;

/// Label of every token that can be given one.
pub const LABEL: &str = "sigillo";
/// The user PIN, of as many digits as every device takes.
pub const PIN: &str = "47258369";
/// The PIN of the security officer.
pub const SO_PIN: &str = "58369472";

/// What a device is made of.
#[derive(Clone, Debug)]
pub enum Kind {
    /// SoftHSM: keys in files.
    SoftHsm,
    /// Kryoptic: keys in a database.
    Kryoptic,
    /// The soft token of openCryptoki, behind its daemon.
    OpenCryptoki,
    /// NSS softokn, the token of Firefox.
    Nss,
    /// A software TPM behind tpm2-pkcs11.
    Tpm,
    /// p11-kit's remoting before SoftHSM.
    P11Kit,
    /// The simulator before SoftHSM: its library, and what it simulates.
    Simulator(PathBuf, toml::Table),
}

/// One device.
pub struct Device {
    kind: Kind,
    folder: PathBuf,
    /// What is killed to cut its power; all of one process group.
    process: Option<Child>,
}

impl Device {
    /// Makes the token where that takes no device that runs. `prefix` stands before the PIN where the device wants a user's name there.
    ///
    /// # Panics
    /// When something is not installed.
    #[must_use]
    pub fn prepare(kind: Kind, folder: &Path, prefix: &str) -> Self {
        let device = Self::at(kind, folder);
        device.write("pin", &format!("{prefix}{PIN}"));
        match &device.kind {
            Kind::SoftHsm | Kind::P11Kit | Kind::Simulator(..) => {
                std::fs::create_dir(device.path("tokens")).expect("a folder for the token");
                let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", device.text("tokens"));
                device.write("softhsm2.conf", &text);
                let mut init = Command::new("softhsm2-util");
                init.args(["--init-token", "--free", "--label", LABEL, "--so-pin", SO_PIN, "--pin", PIN]);
                run(init.envs(device.environment()));
                device.simulate(&toml::Table::new());
            }
            Kind::Kryoptic => {
                let text =
                    format!("[[slots]]\nslot = 1\ndbtype = \"sqlite\"\ndbargs = {:?}\n", device.text("token.sql"));
                device.write("kryoptic.conf", &text);
            }
            Kind::Nss => {
                let mut create = Command::new("certutil");
                run(create.args(["-N", "-d", &format!("sql:{}", device.text("")), "-f", &device.text("pin")]));
            }
            Kind::Tpm => {
                for name in ["state", "store"] {
                    std::fs::create_dir(device.path(name)).expect("a folder for the TPM");
                }
                device.write("port", &two_free_ports().to_string());
            }
            Kind::OpenCryptoki => {}
        }
        device
    }

    /// One that was prepared.
    #[must_use]
    pub fn at(kind: Kind, folder: &Path) -> Self {
        Self { kind, folder: folder.to_owned(), process: None }
    }

    /// What processes that use it must have in their environment.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let softhsm = ("SOFTHSM2_CONF", self.text("softhsm2.conf"));
        match &self.kind {
            Kind::SoftHsm => vec![softhsm],
            Kind::Kryoptic => vec![("KRYOPTIC_CONF", self.text("kryoptic.conf"))],
            Kind::Nss | Kind::OpenCryptoki => Vec::new(),
            Kind::Tpm => vec![
                ("TPM2_PKCS11_TCTI", format!("swtpm:host=127.0.0.1,port={}", self.port())),
                ("TPM2_PKCS11_STORE", self.text("store")),
                // What it fails at is in what it returns; the rest are messages about a machine without a TPM.
                ("TPM2_PKCS11_LOG_LEVEL", "0".to_owned()),
                ("TSS2_LOG", "all+NONE".to_owned()),
            ],
            Kind::P11Kit => vec![softhsm, ("P11_KIT_SERVER_ADDRESS", format!("unix:path={}", self.text("kit.sock")))],
            Kind::Simulator(..) => vec![softhsm, ("SIGILLO_SIMULATOR_CONF", self.text("simulator.toml"))],
        }
    }

    /// A process that can use it.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = match self.kind {
            Kind::OpenCryptoki => self.own_machine(program),
            _ => Command::new(program),
        };
        command.envs(self.environment());
        command
    }

    /// Switches it on, in a process of [`Self::command`]. The first time, it gets its PINs where only its own tools give them.
    ///
    /// # Panics
    /// When it does not start.
    pub fn switch_on(&mut self) {
        match &self.kind {
            Kind::SoftHsm | Kind::Kryoptic | Kind::Nss => {}
            Kind::Simulator(..) => {
                self.simulate(&toml::toml! { device.restarts = 1 });
            }
            Kind::P11Kit => {
                let socket = self.path("kit.sock");
                let _ = std::fs::remove_file(&socket);
                let mut server = Command::new("p11-kit");
                server.args(["server", "--foreground", "--name"]).arg(&socket).arg("--provider");
                self.spawn(server.arg(softhsm()).arg("pkcs11:"));
                wait("p11-kit", || UnixStream::connect(&socket).is_ok());
            }
            Kind::Tpm => {
                let port = self.port();
                let mut tpm = Command::new("swtpm");
                tpm.args(["socket", "--tpm2", "--tpmstate", &format!("dir={}", self.text("state"))]);
                tpm.args(["--ctrl", &format!("type=tcp,port={}", port + 1)]);
                tpm.args(["--server", &format!("type=tcp,port={port}"), "--flags", "not-need-init,startup-clear"]);
                self.spawn(&mut tpm);
                // Not by connecting: the TPM takes one client and ends with it.
                wait("swtpm", || TcpListener::bind(("127.0.0.1", port)).is_err());
                if !self.path("initialized").exists() {
                    // A TPM counts every power cut as a wrong PIN and soon locks itself.
                    let mut patience = Command::new("tpm2_dictionarylockout");
                    patience.args(["--setup-parameters", "--max-tries=4294967295", "--recovery-time=1"]);
                    patience.arg(format!("--tcti=swtpm:host=127.0.0.1,port={port}"));
                    run(patience.arg("--lockout-recovery-time=0"));
                    self.write("initialized", "");
                }
            }
            Kind::OpenCryptoki => {
                run(&mut Command::new("pkcsslotd"));
                // Read to the end: the daemon dies of a client that hangs up.
                wait("pkcsslotd", || {
                    let connected = UnixStream::connect("/run/pkcsslotd.socket");
                    connected.is_ok_and(|mut socket| socket.read_to_end(&mut Vec::new()).is_ok())
                });
                if !self.path("initialized").exists() {
                    run(Command::new("sh").args(["-ec", OPENCRYPTOKI_PINS, "sh", SO_PIN, PIN, LABEL]));
                    self.write("initialized", "");
                }
            }
        }
    }

    /// Cuts its power; `false` where there is none to be cut.
    ///
    /// # Panics
    /// When it was not running.
    pub fn switch_off(&mut self) -> bool {
        match &self.kind {
            Kind::SoftHsm | Kind::Kryoptic | Kind::Nss => return false,
            Kind::Simulator(..) => self.simulate(&toml::toml! { device.present = false }),
            Kind::P11Kit | Kind::Tpm => {
                if let Some(mut process) = self.process.take() {
                    run(Command::new("kill").args(["-KILL", "--", &format!("-{}", process.id())]));
                    process.wait().expect("the end of the device");
                }
            }
            Kind::OpenCryptoki => {
                let pid = std::fs::read_to_string("/run/pkcsslotd.pid").expect("the daemon runs");
                run(Command::new("kill").args(["-KILL", pid.trim()]));
                let _ = std::fs::remove_file("/run/pkcsslotd.pid");
                let _ = std::fs::remove_file("/run/pkcsslotd.socket");
            }
        }
        true
    }

    /// Its lines of `[[token]]`, after `name` and `profile` and before `override`.
    #[must_use]
    pub fn token(&self) -> String {
        let slot = match self.kind {
            Kind::OpenCryptoki => "id = 3".to_owned(),
            Kind::Nss => "label = \"NSS Certificate DB\"".to_owned(),
            _ => format!("label = {LABEL:?}"),
        };
        format!("library = {:?}\nslot = {{ {slot} }}\npin = {{ file = {:?} }}\n", self.library(), self.text("pin"))
    }

    /// What of the profile depends on the folder.
    #[must_use]
    pub fn overrides(&self) -> toml::Table {
        let mut overrides = toml::Table::new();
        if matches!(self.kind, Kind::Nss) {
            let directory =
                format!("configdir='sql:{}' certPrefix='' keyPrefix='' secmod='secmod.db' flags=", self.text(""));
            overrides.insert("module.init_args".to_owned(), directory.into());
        }
        overrides
    }

    /// The PKCS#11 library.
    ///
    /// # Panics
    /// When it is not installed.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        match &self.kind {
            Kind::SoftHsm => softhsm(),
            Kind::Kryoptic => kryoptic(),
            Kind::OpenCryptoki => installed("opencryptoki/libopencryptoki.so.0"),
            Kind::Nss => installed("libsoftokn3.so"),
            Kind::Tpm => installed("pkcs11/libtpm2_pkcs11.so"),
            Kind::P11Kit => installed("pkcs11/p11-kit-client.so"),
            Kind::Simulator(library, _) => library.clone(),
        }
    }

    /// Namespaces with copies of the four places that openCryptoki knows. It wants root and a group `pkcs11`; whoever is not root becomes
    /// so there, where only root's own group exists.
    fn own_machine(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["sh", "-ec", OPENCRYPTOKI_MACHINE, "sh"]).arg(self.path("machine")).arg(program);
        command
    }

    /// What the simulator does from now on.
    fn simulate(&self, more: &toml::Table) {
        let Kind::Simulator(_, behaviour) = &self.kind else { return };
        let mut all = toml::Table::new();
        all.insert("module".to_owned(), softhsm().display().to_string().into());
        all.insert("state".to_owned(), self.text("state").into());
        let all = laid_over(laid_over(all, behaviour), more);
        self.write("simulator.new", &all.to_string());
        std::fs::rename(self.path("simulator.new"), self.path("simulator.toml")).expect("a configuration");
    }

    fn spawn(&mut self, command: &mut Command) {
        command.envs(self.environment()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.process_group(0).spawn();
        self.process = Some(process.unwrap_or_else(|error| panic!("{command:?}: {error}; {INSTALL}")));
    }

    fn port(&self) -> u16 {
        std::fs::read_to_string(self.path("port")).ok().and_then(|port| port.parse().ok()).expect("a port")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).expect("a file of the device");
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.switch_off();
        }
    }
}

/// The simulator's configuration `base` with these fields of its sections changed.
#[must_use]
pub fn laid_over(mut base: toml::Table, over: &toml::Table) -> toml::Table {
    for (section, value) in over {
        match (base.get_mut(section), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => old.extend(new.clone()),
            _ => drop(base.insert(section.clone(), value.clone())),
        }
    }
    base
}

fn wait(what: &str, ready: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !ready() {
        assert!(Instant::now() < until, "{what} does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port that is free and whose next one is, too: the TPM's control channel. Below those that systems give out by themselves, since the
/// TPM takes it only later.
fn two_free_ports() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 5_000).expect("a small number") * 2;
    let free = |port: &u16| (0..2).all(|next| TcpListener::bind(("127.0.0.1", port + next)).is_ok());
    (first..32_000).step_by(2).find(free).expect("two free ports beside each other")
}

/// A library of the system.
fn installed(name: &str) -> PathBuf {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is missing; {INSTALL}"))
}

/// The library that `scripts/install-tools` builds.
fn kryoptic() -> PathBuf {
    let script = ". scripts/tools-env && printf %s \"$SIGILLO_KRYOPTIC\"";
    let output = run(Command::new("bash").args(["-c", script]).current_dir(repository()));
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).into_owned());
    assert!(path.exists(), "{} is missing; {INSTALL}", path.display());
    path
}

const INSTALL: &str = "install it with: scripts/install-tools";

/// Arguments: a folder, a program and what it is given. The group file is copied so that `pkcs11` is root's own group.
const OPENCRYPTOKI_MACHINE: &str = r#"
machine=$1
shift
if [ ! -d "$machine" ]; then
    mkdir -p "$machine/etc" "$machine/lib/swtok/TOK_OBJ" "$machine/log" "$machine/run"
    printf 'version opencryptoki-3.1\nslot 3\n{\nstdll = libpkcs11_sw.so\n}\n' >"$machine/etc/opencryptoki.conf"
    sed 's/^pkcs11:\([^:]*\):[0-9]*:.*/pkcs11:\1:0:root/' /etc/group >"$machine/group"
fi
for folder in /etc/opencryptoki /var/lib/opencryptoki; do
    [ -d "$folder" ] || { echo "openCryptoki is missing; install it with: scripts/install-tools" >&2; exit 1; }
done
rm -rf "$machine/run"
mkdir -p "$machine/run/lock/opencryptoki/swtok"
mount --bind "$machine/etc" /etc/opencryptoki
mount --bind "$machine/lib" /var/lib/opencryptoki
mount --bind "$machine/group" /etc/group
mount --bind "$machine/run" /run
exec "$@"
"#;

/// Arguments: the security officer's PIN, the user's PIN, the label. The officer's PIN is 87654321 at first.
const OPENCRYPTOKI_PINS: &str = r#"
printf '87654321\n%s\n' "$3" | pkcsconf -I -c 3
printf '87654321\n%s\n%s\n' "$1" "$1" | pkcsconf -P -c 3
printf '%s\n%s\n%s\n' "$1" "$2" "$2" | pkcsconf -u -c 3
"#;
