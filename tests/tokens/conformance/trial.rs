//! What is done with one device, in a process of its own: compared, measured, killed and started again.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptotoken::conformance::{CheckItem, compare, measure_before};
use cryptotoken::lifecycle::{generate, self_test};
use cryptotoken::{Pkcs11Token, ProcessMemory, TokenConfig};
use cryptotoken_api::{
    CryptoToken, KeyAlias, KeyInfo, KeyLocation, KeySpec, PublicKey, SignatureAlgorithm, SignatureScheme, TokenState,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tests::Device;
use tests::device::SO_PIN;
use tests::programs::{repository, run};

/// What came of it.
#[derive(Default, Deserialize, Serialize)]
pub(super) struct Outcome {
    pub(super) items: Vec<Item>,
    /// How many signatures others verified, too.
    pub(super) verified: usize,
    /// What became of the token when its power was cut.
    pub(super) recovery: String,
}

/// A [`CheckItem`] as it was written down.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Item {
    pub(super) field: String,
    pub(super) found: String,
    pub(super) verdict: String,
}

impl From<CheckItem> for Item {
    fn from(item: CheckItem) -> Self {
        Self { field: item.field, found: item.found, verdict: item.verdict.name().to_owned() }
    }
}

/// Initialises the token where nothing has, as `sigillo token init` does.
pub(super) fn initialize(config: TokenConfig, folder: &Path) {
    let token = Pkcs11Token::open(config, folder, Arc::new(ProcessMemory::default())).unwrap();
    if token.status().state == TokenState::Uninitialized {
        let pin = token.config().pin.read().unwrap().unwrap();
        token.initialize(&SecretString::from(SO_PIN), &pin).unwrap();
    }
}

/// Compares and measures.
pub(super) fn measure(config: TokenConfig, folder: &Path) -> Outcome {
    let token = Pkcs11Token::open(config, folder, Arc::new(ProcessMemory::default())).unwrap();
    token.reconnect().unwrap();
    let mut items = compare(token.profile(), token.config(), &token.describe().unwrap());
    let mut verified = 0;
    items.extend(measure_before(&token, &mut |key, algorithm, specimen| {
        let value = match algorithm.scheme() {
            SignatureScheme::Ecdsa => specimen.value.to_ecdsa_der().unwrap(),
            _ => specimen.value.as_bytes().to_vec(),
        };
        verified_by_others(folder, key, algorithm, specimen.data.as_bytes(), &value);
        verified += 1;
    }));
    let left: Vec<_> = token.keys().unwrap().into_iter().filter(|key| key.label.starts_with("sigillo-check")).collect();
    assert!(left.is_empty(), "keys are left behind: {left:?}");
    Outcome { items: items.into_iter().map(Item::from).collect(), verified, recovery: String::new() }
}

/// Cuts the power under a token that signs, and sees whether it signs again in this process.
pub(super) fn recover(device: &mut Device, config: TokenConfig, folder: &Path) -> String {
    let token = Pkcs11Token::open(config, folder, Arc::new(ProcessMemory::default())).unwrap();
    let alias: KeyAlias = "kept".parse().unwrap();
    let kept = [KeySpec::EcP256, KeySpec::Rsa2048].into_iter().find_map(|spec| {
        let key = generate(&token, &alias, spec).ok()?;
        Some((key, spec))
    });
    let Some((key, spec)) = kept else { return "no key".to_owned() };
    let location = KeyLocation { token: token.name().to_owned(), alias, id: key.id.clone() };
    let sign = || sign(&token, &location, &key, spec);
    if sign().is_err() {
        return "no signature".to_owned();
    }
    if !device.switch_off() {
        return "nothing to cut".to_owned();
    }
    let noticed = sign().is_err();
    device.switch_on();
    let back = Instant::now();
    while let Err(error) = sign() {
        if back.elapsed() > PATIENCE {
            return format!("needs another process: {error}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    (if noticed { "heals" } else { "goes on" }).to_owned()
}

fn sign(token: &Pkcs11Token, location: &KeyLocation, key: &KeyInfo, spec: KeySpec) -> Result<(), String> {
    let algorithm = SignatureAlgorithm::for_key(spec, None, None).unwrap();
    let signer = token.signer(location, spec, algorithm).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + Duration::from_secs(5);
    self_test(signer.as_ref(), key.public_key.as_ref().unwrap(), deadline).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        cause.unwrap_or_else(|| error.to_string())
    })
}

/// A second opinion: our own verification has been asked already.
fn verified_by_others(folder: &Path, key: &PublicKey, algorithm: SignatureAlgorithm, data: &[u8], value: &[u8]) {
    let write = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let (data, value) = (write("data", data), write("signature", value));
    let key = write("key.der", key.spki_der());
    let digest = format!("-{}", algorithm.digest().name().replace('-', "").to_lowercase());
    let mut command = Command::new("openssl");
    match algorithm.scheme() {
        SignatureScheme::Eddsa => {
            command.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey"]).arg(key);
            command.arg("-in").arg(data).arg("-sigfile").arg(value);
        }
        SignatureScheme::MlDsa => {
            command = Command::new("bash");
            let script = ". scripts/tools-env && exec \"$SIGILLO_TOOLS_DIR/venv/bin/python\" -c \"$@\"";
            command.args(["-c", script, "bash", PYTHON]).args([key, data, value]).current_dir(repository());
        }
        scheme => {
            command.args(["dgst", &digest, "-keyform", "DER"]);
            if scheme == SignatureScheme::RsaPss {
                command.args(["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]);
            }
            command.arg("-verify").arg(key).arg("-signature").arg(value).arg(data);
        }
    }
    run(&mut command);
}

/// OpenSSL 3.0 does not know ML-DSA; the library of Python's cryptography brings a later one.
const PYTHON: &str = "
import sys
from cryptography.hazmat.primitives.serialization import load_der_public_key
key, data, signature = (open(path, 'rb').read() for path in sys.argv[1:])
load_der_public_key(key).verify(signature, data)
";

/// How long a device has to be used again.
const PATIENCE: Duration = Duration::from_secs(5);
