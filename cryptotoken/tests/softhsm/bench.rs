//! A SoftHSM folder, a child process to use it in, and the foreign tools.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptotoken::{LoginMemory, Pkcs11Token, ProcessMemory, TokenConfig};
use cryptotoken_api::{CryptoToken, KeyInfo, KeyLocation, KeySpec, SignatureAlgorithm, Signer, TokenError};
use secrecy::SecretString;

/// Defines a test that runs alone in a child process with an empty SoftHSM.
macro_rules! softhsm_test {
    ($(#[$attribute:meta])* $name:ident, $body:expr $(,)?) => {
        #[test]
        $(#[$attribute])*
        fn $name() {
            $crate::bench::isolated(module_path!(), stringify!($name), $body);
        }
    };
}
pub(crate) use softhsm_test;

pub(crate) const USER_PIN: &str = "493817";
const SO_PIN: &str = "94837261";
const FOLDER: &str = "SIGILLO_TEST_FOLDER";

pub(crate) fn isolated(module: &str, name: &str, body: fn(&Bench)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return body(&Bench { folder: folder.into() });
    }
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let conf = folder.path().join("softhsm2.conf");
    std::fs::write(&conf, format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display()))
        .unwrap();
    std::fs::write(folder.path().join("pin"), USER_PIN).unwrap();
    let test = match module.split_once("::") {
        Some((_, inner)) => format!("{inner}::{name}"),
        None => name.to_owned(),
    };
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture", "--include-ignored"])
        .env(FOLDER, folder.path())
        .env("SOFTHSM2_CONF", conf)
        .env("P11_KIT_SERVER_ADDRESS", format!("unix:path={}", folder.path().join("kit.sock").display()))
        .env("PKCS11SPY", if module.ends_with("outage") { p11_kit() } else { softhsm() })
        .env("PKCS11SPY_OUTPUT", folder.path().join("spy.log"))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "the child ran no test: {text}");
    // Measurements are shown with `--nocapture`.
    print!("{text}");
}

/// The first of `paths` that exists.
fn installed(paths: &[&str], what: &str) -> PathBuf {
    let found = paths.iter().map(PathBuf::from).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{what} is not installed; run: scripts/install-tools"))
}

pub(crate) fn softhsm() -> PathBuf {
    let paths = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib64/pkcs11/libsofthsm2.so",
        "/usr/local/lib/softhsm/libsofthsm2.so",
    ];
    installed(&paths, "SoftHSM")
}

pub(crate) fn spy() -> PathBuf {
    let paths = [
        "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so",
        "/usr/lib/aarch64-linux-gnu/pkcs11-spy.so",
        "/usr/lib64/pkcs11-spy.so",
    ];
    installed(&paths, "pkcs11-spy (opensc-pkcs11)")
}

pub(crate) fn p11_kit() -> PathBuf {
    let paths = [
        "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so",
        "/usr/lib/aarch64-linux-gnu/pkcs11/p11-kit-client.so",
        "/usr/lib64/pkcs11/p11-kit-client.so",
    ];
    installed(&paths, "p11-kit-client.so (p11-kit-modules)")
}

/// Runs a foreign tool and returns its output, standard error included.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; run: scripts/install-tools"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(text) } else { Err(text) }
}

pub(crate) fn openssl(arguments: &[&str]) -> String {
    run("openssl", arguments).unwrap_or_else(|text| panic!("openssl {arguments:?}: {text}"))
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

pub(crate) struct Bench {
    folder: PathBuf,
}

impl Bench {
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> String {
        std::fs::write(self.folder.join(name), content).unwrap();
        self.path(name)
    }

    /// `[[token]]` for the label `sigillo`, with more lines.
    pub(crate) fn config(&self, more: &str) -> TokenConfig {
        let library = if more.contains("library") { String::new() } else { format!("library = {:?}\n", softhsm()) };
        let pin = if more.contains("pin =") { "" } else { "pin = { file = \"pin\" }\n" };
        let slot = if more.contains("slot =") { "" } else { "slot = { label = \"sigillo\" }\n" };
        toml::from_str(&format!("name = \"hsm\"\nprofile = \"softhsm\"\n{library}{pin}{slot}{more}")).unwrap()
    }

    pub(crate) fn open(&self, more: &str) -> Result<Pkcs11Token, TokenError> {
        self.open_with(more, Arc::new(ProcessMemory::default()))
    }

    pub(crate) fn open_with(&self, more: &str, memory: Arc<dyn LoginMemory>) -> Result<Pkcs11Token, TokenError> {
        Pkcs11Token::open(self.config(more), &self.folder, memory)
    }

    /// A token that is initialised and logged in.
    pub(crate) fn token(&self, more: &str) -> Pkcs11Token {
        self.initialize();
        let token = self.open(more).unwrap();
        assert_eq!(token.status().state, cryptotoken_api::TokenState::Ready, "{}", token.status().reason);
        token
    }

    pub(crate) fn initialize(&self) {
        let token = self.open("").unwrap();
        token.initialize(&SecretString::from(SO_PIN), &SecretString::from(USER_PIN)).unwrap();
    }

    /// Another program at the same token.
    pub(crate) fn pkcs11_tool(&self, arguments: &[&str]) -> String {
        let library = softhsm().display().to_string();
        let mut all = vec!["--module", &library, "--token-label", "sigillo", "--login", "--pin", USER_PIN];
        all.extend(arguments);
        run("pkcs11-tool", &all).unwrap_or_else(|text| panic!("pkcs11-tool {arguments:?}: {text}"))
    }

    /// How often a function of PKCS#11 answered this through the spy.
    pub(crate) fn answers(&self, code: &str) -> usize {
        let log = std::fs::read_to_string(self.folder.join("spy.log")).unwrap();
        assert!(log.contains("CKR_OK"), "the spy saw nothing");
        log.lines().filter(|line| line.starts_with("Returned:") && line.contains(code)).count()
    }

    /// How often a function of PKCS#11 was called through the spy.
    pub(crate) fn calls(&self, function: &str) -> usize {
        let log = std::fs::read_to_string(self.folder.join("spy.log")).unwrap();
        // The spy writes "12: C_Login".
        log.lines().filter(|line| line.split_once(": ").is_some_and(|(_, name)| name == function)).count()
    }
}

pub(crate) fn location(key: &KeyInfo) -> KeyLocation {
    KeyLocation { token: "hsm".to_owned(), alias: key.label.parse().unwrap(), id: key.id.clone() }
}

/// The kinds of key that SoftHSM 2.6 makes.
pub(crate) fn made_by_softhsm() -> impl Iterator<Item = KeySpec> {
    KeySpec::ALL.into_iter().filter(|spec| !spec.is_ml_dsa())
}

pub(crate) fn default_signer(token: &Pkcs11Token, key: &KeyInfo, spec: KeySpec) -> Box<dyn Signer> {
    let algorithm = SignatureAlgorithm::for_key(spec, None, None).unwrap();
    token.signer(&location(key), spec, algorithm).unwrap()
}
