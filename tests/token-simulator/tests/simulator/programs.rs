//! Other programs use the simulator as any module: `pkcs11-tool`, and Sigillo's own token for every key and algorithm.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki::object::{Attribute, ObjectClass};
use cryptoki_sys::CKR_OK;
use cryptotoken::lifecycle::{generate, self_test};
use cryptotoken::{Pkcs11Token, ProcessMemory};
use cryptotoken_api::{
    CryptoToken, DigestAlgorithm, KeyInfo, KeyLocation, KeySpec, SignatureAlgorithm, SignatureScheme, SignerError,
    TokenState,
};

use crate::bench::{Bench, LABEL, USER_PIN, run, simulator_test, slot};
use crate::kak::{Cp5, Kak, PSS};

simulator_test!(pkcs11_tool_makes_a_key_and_signs_and_openssl_verifies, |bench: &Bench| {
    let library = token_simulator::library().unwrap();
    let tool = |arguments: &[&str]| {
        let mut command = Command::new("pkcs11-tool");
        command.arg("--module").arg(&library).args(["--token-label", LABEL, "--login", "--pin", USER_PIN]);
        run(command.args(arguments))
    };
    let path = |name: &str| bench.path(name).display().to_string();
    let (data, signature, public) = (path("data"), path("signature"), path("public.der"));
    std::fs::write(&data, "some data").unwrap();
    tool(&["--keypairgen", "--key-type", "rsa:2048", "--id", "01", "--label", "seal"]);
    let objects = tool(&["--list-objects"]);
    assert!(objects.contains("Private Key Object") && objects.contains("seal"), "{objects}");
    tool(&["--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", "01", "-i", &data, "-o", &signature]);
    tool(&["--read-object", "--type", "pubkey", "--id", "01", "-o", &public]);
    run(Command::new("openssl").args(["dgst", "-sha256", "-verify", &public, "-keyform", "DER"]).args([
        "-signature",
        &signature,
        &data,
    ]));
    assert_eq!((bench.count("C_Login"), bench.count("C_GenerateKeyPair")), (4, 1));
});

fn open(bench: &Bench, profile: &str, more: &str) -> Pkcs11Token {
    let library = token_simulator::library().unwrap();
    let config = toml_config(profile, &library.display().to_string(), more);
    let token = Pkcs11Token::open(config, &bench.path(""), Arc::new(ProcessMemory::default())).unwrap();
    assert_eq!(token.status().state, TokenState::Ready, "{}", token.status().reason);
    token
}

pub(crate) fn open_with_pin(bench: &Bench, profile: &str, more: &str) -> Pkcs11Token {
    std::fs::write(bench.path("pin"), USER_PIN).unwrap();
    open(bench, profile, more)
}

fn toml_config(profile: &str, library: &str, more: &str) -> cryptotoken::TokenConfig {
    let text = format!(
        "name = 'hsm'\nprofile = '{profile}'\nlibrary = '{library}'\npin = {{ file = 'pin' }}\nslot = {{ label = '{LABEL}' }}\n{more}"
    );
    toml::from_str(&text).unwrap()
}

/// The kinds of key that the token behind makes.
fn made_by_softhsm() -> impl Iterator<Item = KeySpec> {
    KeySpec::ALL.into_iter().filter(|spec| !spec.is_ml_dsa())
}

fn algorithms(spec: KeySpec) -> impl Iterator<Item = SignatureAlgorithm> {
    let all = SignatureScheme::ALL.into_iter().flat_map(|scheme| DigestAlgorithm::ALL.map(|digest| (scheme, digest)));
    all.filter_map(move |(scheme, digest)| SignatureAlgorithm::for_key(spec, Some(scheme), Some(digest)).ok())
}

/// Makes a key and has OpenSSL verify a signature with each algorithm that it can; says how many those are.
fn sign_with_everything(token: &Pkcs11Token, alias: &str, spec: KeySpec) -> usize {
    let key: KeyInfo = generate(token, &alias.parse().unwrap(), spec).unwrap();
    let location: KeyLocation = location(&key);
    let public = key.public_key.unwrap();
    let algorithms = algorithms(spec);
    let signed = algorithms.filter(|algorithm| match token.signer(&location, spec, *algorithm) {
        Ok(signer) => {
            self_test(signer.as_ref(), &public, Instant::now() + Duration::from_secs(20)).unwrap();
            true
        }
        Err(SignerError::UnsupportedAlgorithm { .. }) => false,
        Err(error) => panic!("{algorithm}: {error}"),
    });
    signed.count()
}

fn location(key: &KeyInfo) -> KeyLocation {
    KeyLocation { token: "hsm".into(), alias: key.label.parse().unwrap(), id: key.id.clone() }
}

simulator_test!(sigillo_signs_with_every_key_and_algorithm_as_on_softhsm, |bench: &Bench| {
    let token = open_with_pin(bench, "softhsm", "");
    for spec in made_by_softhsm() {
        assert_eq!(sign_with_everything(&token, &format!("key-{spec}"), spec), algorithms(spec).count());
    }
    assert_eq!(token.keys().unwrap().len(), made_by_softhsm().count());
    assert_eq!(bench.count("C_Login"), 1);
});

simulator_test!(
    sigillo_signs_with_every_key_and_algorithm_on_a_device_that_codes_and_names_otherwise,
    |bench: &Bench| {
        bench.configure(
        "[ec]\nsignature = 'x9.62'\npoint = 'raw'\n[sessions]\nlimit = 4\nread_only = 'CKR_FUNCTION_NOT_SUPPORTED'\n\
         [naming]\ndevice_assigns_id = true\n[mechanisms]\nrefused = ['CKM_SHA256_RSA_PKCS', 'CKM_SHA256_RSA_PKCS_PSS']\n\
         [templates]\nrefused = ['CKA_ALLOWED_MECHANISMS', 'CKA_SIGN_RECOVER', 'CKA_VERIFY_RECOVER']\n\
         [identity]\nmanufacturer = 'Another maker'",
    );
        let token = open_with_pin(bench, "generic", "override = { \"session.read_write\" = true }");
        for spec in made_by_softhsm() {
            assert_eq!(sign_with_everything(&token, &format!("key-{spec}"), spec), algorithms(spec).count());
        }
    }
);

simulator_test!(sigillo_takes_each_simulated_device_for_what_its_profile_describes_and_signs_on_it, |bench: &Bench| {
    let bare = "override = { 'module.env_required' = [], 'module.env' = {} }";
    for name in token_simulator::DEVICES {
        bench.configure(token_simulator::device(name).unwrap());
        let pin = if *name == "cloudhsm" { format!("crypto_user:{USER_PIN}") } else { USER_PIN.to_owned() };
        std::fs::write(bench.path("pin"), pin).unwrap();
        let token = open(bench, name, bare);
        assert_ne!(token.status().device_confirmed, Some(false), "{name}: {:?}", token.describe());
        match *name {
            // Assigned keys come from the vendor's tools.
            "nshield-cc" => drop(generate(&token, &"seal".parse().unwrap(), KeySpec::Rsa2048).unwrap_err()),
            "utimaco-cp5" => sign_when_authorised(&token),
            _ => assert!(sign_with_everything(&token, &format!("{name}-rsa"), KeySpec::Rsa2048) > 0),
        }
        if !["trident", "nshield-cc", "utimaco-cp5"].contains(name) {
            assert!(sign_with_everything(&token, &format!("{name}-ec"), KeySpec::EcP256) > 0);
        }
    }
});

fn sign_when_authorised(token: &Pkcs11Token) {
    let key = generate(token, &"seal".parse().unwrap(), KeySpec::Rsa2048).unwrap();
    let algorithm = SignatureAlgorithm::for_key(KeySpec::Rsa2048, None, None).unwrap();
    let signer = token.signer(&location(&key), KeySpec::Rsa2048, algorithm).unwrap();
    let sign = || {
        let deadline = Instant::now() + Duration::from_secs(20);
        self_test(signer.as_ref(), key.public_key.as_ref().unwrap(), deadline)
    };
    sign().unwrap_err();
    // Another part of the process, in which the user is logged in since the token is.
    let module = cryptoki::context::Pkcs11::new(token_simulator::library().unwrap()).unwrap();
    let session = module.open_rw_session(slot(&module)).unwrap();
    let private = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(key.id.as_bytes().to_vec())];
    let object = session.find_objects(&private).unwrap()[0];
    let (cp5, kak) = (Cp5::new(), Kak::new(2048, PSS));
    assert_eq!(cp5.initialize(&session, object, &kak), CKR_OK);
    sign().unwrap_err();
    assert_eq!(cp5.authorize(&session, object, &kak, 1), CKR_OK);
    sign().unwrap();
    sign().unwrap_err();
}
