//! A SoftHSM with a token, the simulator before it, and a child process to use both in.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

/// Defines a test that runs alone in a child process with a new token.
macro_rules! simulator_test {
    ($name:ident, $body:expr) => {
        #[test]
        fn $name() {
            $crate::bench::isolated(module_path!(), stringify!($name), $body);
        }
    };
}
pub(crate) use simulator_test;

pub(crate) const LABEL: &str = "sigillo";
pub(crate) const USER_PIN: &str = "493817";
const SO_PIN: &str = "94837261";
const FOLDER: &str = "SIGILLO_TEST_FOLDER";
pub(crate) const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

pub(crate) fn isolated(module: &str, name: &str, body: fn(&Bench)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return body(&Bench { folder: folder.into() });
    }
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench { folder: folder.path().to_owned() };
    let tokens = folder.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let softhsm_conf = folder.path().join("softhsm2.conf");
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
    std::fs::write(&softhsm_conf, text).unwrap();
    let mut initialize = Command::new("softhsm2-util");
    initialize.args(["--init-token", "--free", "--label", LABEL, "--so-pin", SO_PIN, "--pin", USER_PIN]);
    run(initialize.env("SOFTHSM2_CONF", &softhsm_conf));
    bench.configure("");
    let test = match module.split_once("::") {
        Some((_, inner)) => format!("{inner}::{name}"),
        None => name.to_owned(),
    };
    let text = run(Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(FOLDER, folder.path())
        .env("SOFTHSM2_CONF", softhsm_conf)
        .env(token_simulator::VARIABLE, bench.path("simulator.toml")));
    assert!(text.contains("1 passed"), "the child ran no test: {text}");
    let shown: String =
        text.lines().filter_map(|line| line.strip_prefix(SHOWN)).map(|line| format!("{line}\n")).collect();
    // Not captured, so that it is shown of a test that passes, too.
    std::io::stdout().write_all(shown.as_bytes()).unwrap();
}

/// Begins lines that are to be seen whether the test passes or not.
pub(crate) const SHOWN: &str = "shown: ";

/// Runs a program that must succeed and returns its output, standard error included.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; run: scripts/install-tools"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

/// The real module.
pub(crate) fn softhsm() -> PathBuf {
    let paths = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib64/pkcs11/libsofthsm2.so",
        "/usr/local/lib/softhsm/libsofthsm2.so",
    ];
    let found = paths.iter().map(PathBuf::from).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("SoftHSM is not installed; run: scripts/install-tools"))
}

pub(crate) fn pin(pin: &str) -> AuthPin {
    AuthPin::from(pin.to_owned())
}

/// The code that a call of the module failed with.
#[track_caller]
pub(crate) fn code<T>(result: Result<T, Error>) -> RvError {
    match result {
        Ok(_) => panic!("the call succeeded"),
        Err(Error::Pkcs11(code, _)) => code,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) struct Bench {
    folder: PathBuf,
}

impl Bench {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What the simulator does from now on, beside being in front of SoftHSM and recording calls.
    pub(crate) fn configure(&self, more: &str) {
        let text = format!("module = {:?}\ncall_log = \"calls\"\nstate = \"state\"\n{more}", softhsm());
        token_simulator::configure(&self.path("simulator.toml"), &text).unwrap();
    }

    /// The same for a copy of [`Bench::copy`].
    pub(crate) fn configure_copy(&self, name: &str, more: &str) {
        let text = format!("module = \"{name}-softhsm.so\"\n{more}");
        token_simulator::configure(&self.path(&format!("{name}.toml")), &text).unwrap();
    }

    /// A simulator of its own name and configuration, before a SoftHSM of its own, initialised.
    pub(crate) fn copy(&self, name: &str, more: &str) -> Pkcs11 {
        self.configure_copy(name, more);
        std::fs::copy(softhsm(), self.path(&format!("{name}-softhsm.so"))).unwrap();
        let copy = self.path(&format!("{name}.so"));
        std::fs::copy(token_simulator::library().unwrap(), &copy).unwrap();
        let module = Pkcs11::new(copy).unwrap();
        initialize(&module).unwrap();
        module
    }

    pub(crate) fn calls(&self) -> BTreeMap<String, u64> {
        token_simulator::calls(&self.path("calls")).unwrap()
    }

    pub(crate) fn count(&self, function: &str) -> u64 {
        self.calls().get(function).copied().unwrap_or_default()
    }

    /// The module, initialised.
    pub(crate) fn module(&self) -> Pkcs11 {
        let module = Pkcs11::new(token_simulator::library().unwrap()).unwrap();
        initialize(&module).unwrap();
        module
    }

    /// The module and a session in which the user is logged in.
    pub(crate) fn logged_in(&self) -> (Pkcs11, Session) {
        let module = self.module();
        let session = log_in(&module);
        (module, session)
    }
}

pub(crate) fn initialize(module: &Pkcs11) -> Result<(), Error> {
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
}

pub(crate) fn slot(module: &Pkcs11) -> Slot {
    let slots = module.get_slots_with_initialized_token().unwrap();
    assert_eq!(slots.len(), 1);
    slots[0]
}

pub(crate) fn log_in(module: &Pkcs11) -> Session {
    let session = module.open_rw_session(slot(module)).unwrap();
    session.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
    session
}

pub(crate) fn public_template(label: &str, id: &[u8]) -> Vec<Attribute> {
    let label = label.as_bytes().to_vec();
    vec![Attribute::Token(true), Attribute::Verify(true), Attribute::Label(label), Attribute::Id(id.to_vec())]
}

pub(crate) fn private_template(label: &str, id: &[u8]) -> Vec<Attribute> {
    let label = Attribute::Label(label.as_bytes().to_vec());
    let flags = [Attribute::Token(true), Attribute::Private(true), Attribute::Sensitive(true), Attribute::Sign(true)];
    [flags.to_vec(), vec![Attribute::Extractable(false), label, Attribute::Id(id.to_vec())]].concat()
}

/// A new key on P-256: public half, private half.
pub(crate) fn generate(session: &Session, label: &str, id: &[u8]) -> Result<(ObjectHandle, ObjectHandle), Error> {
    let public = [public_template(label, id), vec![Attribute::EcParams(P256.to_vec())]].concat();
    session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private_template(label, id))
}

/// The one private key of the token. SoftHSM gives other handles after each login.
pub(crate) fn private_key(session: &Session) -> ObjectHandle {
    let found = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).unwrap();
    assert_eq!(found.len(), 1);
    found[0]
}

/// A signature with a key of [`generate`].
pub(crate) fn sign(session: &Session, key: ObjectHandle) -> Result<Vec<u8>, Error> {
    session.sign(&Mechanism::Ecdsa, key, &[7; 32])
}
