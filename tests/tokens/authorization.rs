//! Keys that sign only when they are authorised (EN 419 221-5): a service on the simulator of a CP5 device, which has OpenSSL judge
//! every signature of a key authorisation key (KAK).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tests::programs::run;
use tests::{Answer, TestService, TestToken, token};

/// A service whose keys need authorisation.
struct Cp5 {
    service: TestService,
    // After the service, which uses what is in it.
    device: TempDir,
}

/// Where the service finds the KAK by itself.
enum Automatic {
    Token,
    File,
    Nowhere,
}

/// What the device answers for a key that is not authorised, as an operator has found out.
const RECOGNIZED: &str = "\"key_authorization.unauthorized_errors\" = [\"CKR_KEY_FUNCTION_NOT_PERMITTED\"]";
const NEXT: &str = "sigillo key authorize --token hsm --alias seal";

impl Cp5 {
    /// A service with a second token, `officers`, that holds a KAK; its server is not started.
    fn create(automatic: &Automatic, more: &str) -> Self {
        let device = tempfile::Builder::new().prefix("sigillo-cp5-").tempdir().unwrap();
        // A library of its own, since the simulator starts the one behind it anew.
        let officers = device.path().join("libofficers.so");
        std::fs::copy(TestToken::installed_library(), &officers).unwrap();
        let kak = match automatic {
            Automatic::Token => {
                "[token.key_authorization]\nkak = { token = \"officers\", alias = \"kak\" }\n".to_owned()
            }
            Automatic::File => {
                format!(
                    "[token.key_authorization]\nkak = {{ file = \"{}\" }}\n",
                    device.path().join("kak.pem").display()
                )
            }
            Automatic::Nowhere => String::new(),
        };
        let lines = format!(
            "sessions = 8\n{kak}[token.override]\n\"module.env_required\" = []\n{more}\n\
             [[token]]\nname = \"officers\"\nprofile = \"softhsm\"\nlibrary = \"{}\"\nslot = {{ label = \"officers\" }}\n\
             pin = {{ file = \"pin\" }}\n",
            officers.display()
        );
        let builder = TestService::builder().profile("utimaco-cp5").library(&token_simulator::library().unwrap());
        let configuration = device.path().join("simulator.toml");
        let builder =
            builder.environment(token_simulator::VARIABLE, &configuration.display().to_string()).token(&lines);
        let cp5 = Self { service: builder.create(), device };
        cp5.restarted(0);
        let mut init = Command::new("softhsm2-util");
        init.args(["--init-token", "--free", "--label", "officers", "--so-pin", "so-pin-test", "--pin", token::PIN]);
        run(init.env("SOFTHSM2_CONF", cp5.service.token().configuration()));
        cp5
    }

    /// The same with a KAK on the token `officers`, a key `seal` that is not authorised, and a certificate of it.
    fn certified(automatic: &Automatic, more: &str) -> Self {
        let cp5 = Self::create(automatic, more);
        cp5.make_kak();
        cp5.service.key_only("seal", "ec-p256", "blind");
        cp5.authorize(&["--initialize", "--kak-token", "officers", "--kak-alias", "kak", "--count", "2"]);
        cp5.service.certify("seal", &tests::pki::Profile::default());
        cp5.service.worker("plain", "plain", "seal", "");
        cp5
    }

    fn make_kak(&self) {
        let generate = ["key", "generate", "--token", "officers", "--alias", "kak", "--spec", "rsa-2048"];
        self.service.sigillo(&[&generate[..], &["--purpose", "blind"]].concat());
    }

    /// A device that has been started anew so often.
    fn restarted(&self, restarts: u32) {
        let text = format!(
            "module = \"{}\"\ncall_log = \"calls\"\nstate = \"state\"\n{}change = 0x8000C953\n[device]\nrestarts = {restarts}\n",
            TestToken::installed_library().display(),
            token_simulator::device("utimaco-cp5").unwrap()
        );
        token_simulator::configure(&self.file("simulator.toml"), &text).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.device.path().join(name)
    }

    fn calls(&self, function: &str) -> u64 {
        let calls: BTreeMap<String, u64> = token_simulator::calls(&self.file("calls")).unwrap();
        calls.get(function).copied().unwrap_or_default()
    }

    fn try_authorize(&self, arguments: &[&str]) -> Output {
        let verb = ["key", "authorize", "--token", "hsm", "--alias", "seal"];
        self.service.try_sigillo(&[&verb[..], arguments].concat())
    }

    fn authorize(&self, arguments: &[&str]) -> Value {
        let output = self.try_authorize(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn state(&self) -> String {
        self.service.sigillo(&["credential", "show", "seal"])["state"].as_str().unwrap().to_owned()
    }

    fn authorization(&self) -> Value {
        self.service.sigillo(&["credential", "show", "seal"])["authorizations"][0].clone()
    }

    /// The acts of this name, oldest first.
    fn acts(&self, action: &str) -> Vec<Value> {
        let events = self.service.audit_events();
        events.into_iter().filter(|event| event["action"] == action).collect()
    }

    fn openssl(&self, arguments: &[&str]) {
        run(Command::new("openssl").args(arguments).current_dir(self.device.path()));
    }

    /// Adds a copy of the key on a token that wants no authorisation.
    fn replicate(&self) {
        let file = self.service.folder().join("sigillo.toml");
        let more = format!(
            "[[token]]\nname = \"second\"\nprofile = \"softhsm\"\nlibrary = \"{}\"\nslot = {{ label = \"second\" }}\n\
             pin = {{ file = \"pin\" }}\n",
            self.file("libofficers.so").display()
        );
        std::fs::write(&file, format!("{}\n{more}", std::fs::read_to_string(&file).unwrap())).unwrap();
        // Only a token that is alone can be copied.
        let (tokens, aside) = (self.service.folder().join("tokens"), self.file("aside"));
        let label =
            |path: &Path| String::from_utf8_lossy(&std::fs::read(path.join("token.object")).unwrap()).into_owned();
        let mut folders = std::fs::read_dir(&tokens).unwrap().map(|folder| folder.unwrap().path());
        let officers = folders.find(|folder| label(folder).contains("officers")).unwrap();
        std::fs::create_dir(&aside).unwrap();
        run(Command::new("mv").args([&officers, &aside]));
        let _copy = self.service.token().copy(self.service.folder(), "second");
        run(Command::new("mv").args([&aside.join(officers.file_name().unwrap()), &tokens]));
        let add = ["credential", "replica", "add", "seal", "--token", "second", "--alias", "seal"];
        self.service.sigillo(&[&add[..], &["--justification", "the second site"]].concat());
    }

    /// A KAK in `kak.pem`, its public half in `kak.pub`.
    fn kak_file(&self) {
        self.openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "kak.pem"]);
        self.openssl(&["pkey", "-in", "kak.pem", "-pubout", "-out", "kak.pub"]);
    }
}

/// A refusal that says this.
fn refused(output: &Output, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}{}", String::from_utf8_lossy(&output.stdout));
    for part in parts {
        assert!(said.contains(part), "\"{part}\" is not in: {said}");
    }
}

/// 409 with the next step.
fn not_active(answer: &Answer, part: &str) {
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!((answer.status, answer.problem().as_str()), (409, "credential-not-active"), "{detail}");
    assert!(detail.contains(NEXT) && detail.contains(part), "{detail}");
}

fn eventually(what: &str, mut there: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !there() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_key_signs_after_its_authorisation_exactly_as_often_as_it_may_and_says_before_and_after_what_to_do() {
    let mut cp5 = Cp5::create(&Automatic::Token, RECOGNIZED);
    cp5.make_kak();
    let generate = ["key", "generate", "--token", "hsm", "--alias", "seal", "--spec", "ec-p256", "--purpose", "blind"];
    assert_eq!(cp5.service.sigillo(&generate)["state"], "awaiting-authorization");
    let request = ["csr", "create", "--token", "hsm", "--key", "seal", "--subject", "CN=Seal", "--out", "seal.csr"];
    refused(&cp5.service.try_sigillo(&request), &["awaiting-authorization", NEXT]);
    refused(&cp5.service.try_sigillo(&["key", "test", "--token", "hsm", "--alias", "seal"]), &[NEXT]);
    refused(&cp5.try_authorize(&["--count", "5"]), &["--initialize"]);
    assert_eq!((cp5.calls("CP5_KeyAuthorizationInit"), cp5.state().as_str()), (0, "awaiting-authorization"));

    // The self-test is the first of the two, the certification request the second one.
    let done = cp5.authorize(&["--initialize", "--count", "2"]);
    assert_eq!((&done["state"], &done["authorization"]["remaining"]), (&"awaiting-certificate".into(), &1.into()));
    assert_eq!(done["authorization"]["assigned"], true);
    let unverified = done["warnings"].to_string();
    assert!(unverified.contains("initialize_mechanism = 0x8000c951"), "{unverified}");
    refused(&cp5.try_authorize(&["--initialize", "--count", "5"]), &["is bound to the KAK"]);
    cp5.service.certify("seal", &tests::pki::Profile::default());
    assert_eq!(cp5.state(), "awaiting-authorization");
    cp5.service.worker("plain", "plain", "seal", "");
    let key = cp5.service.api_key("caller", &["plain"]);
    cp5.service.start();
    let client = cp5.service.client().key(&key);
    let signed = cp5.calls("C_Sign");
    not_active(&client.sign("plain", b"document"), "awaiting-authorization");
    assert_eq!(cp5.calls("C_Sign"), signed);

    let done = cp5.authorize(&["--count", "5"]);
    assert_eq!((&done["state"], cp5.calls("C_Sign")), (&"active".into(), signed), "a test would be a real seal now");
    let gauge = |left: &str| {
        let line = format!("sigillo_key_authorization_remaining{{credential=\"seal\",token=\"hsm\"}} {left}\n");
        eventually(&line, || String::from_utf8_lossy(&client.get("/metrics").body).contains(&line));
    };
    gauge("5");
    for _ in 0..4 {
        let _ = client.sign("plain", b"document").success();
    }
    gauge("1");
    let status = cp5.service.sigillo(&["status"])["warnings"].to_string();
    assert!(status.contains("1 left of 5") && status.contains(NEXT), "{status}");
    let shown = cp5.authorization();
    assert!(shown["warning"].as_str().unwrap().contains("1 left of 5"), "{shown}");
    let _ = client.sign("plain", b"document").success();
    not_active(&client.sign("plain", b"document"), "awaiting-authorization");
    assert_eq!((cp5.calls("C_Sign"), cp5.state().as_str()), (signed + 5, "awaiting-authorization"));
    gauge("0");
    refused(
        &cp5.service.try_sigillo(&["key", "test", "--token", "hsm", "--alias", "seal"]),
        &["made the 5 signatures", NEXT],
    );

    cp5.authorize(&["--unlimited"]);
    for _ in 0..7 {
        let _ = client.sign("plain", b"document").success();
    }
    let waits = cp5.acts("credential await-authorization");
    assert_eq!(waits.len(), 2, "{waits:?}");
    let authorized = cp5.acts("key authorize").into_iter().filter(|act| act["detail"]["phase"] == "end");
    let steps: Vec<String> = authorized.map(|act| act["detail"]["step"].to_string()).collect();
    assert_eq!(steps, ["\"initialize\"", "\"authorize\"", "\"authorize\"", "\"authorize\""]);
    let of_kak = |event: &&Value| event["event"] == "signing-intended" && event["keyUse"] == "key-authorization";
    assert_eq!(cp5.service.audit_events().iter().filter(of_kak).count(), 4, "every signature of the KAK is on record");
    cp5.service.sigillo(&["audit", "verify"]);
}

#[test]
fn after_a_restart_of_the_device_a_key_is_authorised_again_once_and_only_for_what_remains() {
    const COUNT: usize = 60;
    const BEFORE: usize = 7;
    let mut cp5 = Cp5::certified(&Automatic::Token, RECOGNIZED);
    cp5.authorize(&["--count", &COUNT.to_string()]);
    let key = cp5.service.api_key("caller", &["plain"]);
    cp5.service.start();
    let client = cp5.service.client().key(&key);
    for _ in 0..BEFORE {
        let _ = client.sign("plain", b"before").success();
    }
    let (authorized, signed) = (cp5.calls("CP5_KeyAuthorization"), cp5.calls("C_Sign"));
    cp5.restarted(1);

    let crowd = |enough: usize| {
        let (made, gone) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..enough {
                        let answer = client.sign("plain", b"after");
                        match answer.status {
                            200 => made.fetch_add(1, Ordering::Relaxed),
                            409 => gone.fetch_add(1, Ordering::Relaxed),
                            // While it connects again.
                            503 => 0,
                            _ => panic!("{}", String::from_utf8_lossy(&answer.body)),
                        };
                    }
                });
            }
        });
        (made.into_inner(), gone.into_inner())
    };
    let (first, gone) = crowd(3);
    assert!(first >= 8 && gone == 0, "{first} {gone}\n{}", cp5.service.server().log());
    assert_eq!(cp5.calls("CP5_KeyAuthorization") - authorized, 1, "once for the key, not for each of its 8 sessions");
    let again: Vec<Value> = cp5.acts("key authorize").into_iter().filter(|act| act["actor"] == "service").collect();
    let count = again.last().unwrap()["detail"]["count"].as_u64().unwrap();
    assert_eq!(count, (COUNT - BEFORE) as u64, "for what remains");
    let (rest, gone) = crowd(20);
    assert!(gone > 0);
    not_active(&client.sign("plain", b"too many"), "awaiting-authorization");
    // Whatever the restart cost is counted, too: what was tried on a lost device may have been signed.
    let events = cp5.service.audit_events();
    let lost = |event: &&Value| event["event"] == "outcome-unknown" || event["event"] == "signing-failed";
    let lost = events.iter().filter(lost).count();
    assert_eq!(BEFORE + first + rest + lost, COUNT, "{BEFORE} {first} {rest} {lost}");
    let ended = cp5.calls("CP5_KeyAuthorization") - authorized;
    let refusals = cp5.calls("C_Sign") - signed;
    tests::report(&format!(
        "{COUNT} authorised, {first} + {rest} after the restart, {ended} authorisations by the service, {refusals} calls of C_Sign"
    ));
    assert_eq!(ended, 1);
    cp5.service.sigillo(&["audit", "verify"]);
}

#[test]
fn where_nobody_knows_how_the_device_refuses_keys_are_authorised_at_first_use_and_after_each_loss() {
    let mut cp5 = Cp5::certified(&Automatic::Token, "");
    cp5.authorize(&["--count", "5"]);
    let key = cp5.service.api_key("caller", &["plain"]);
    cp5.service.start();
    let client = cp5.service.client().key(&key);
    let authorized = cp5.calls("CP5_KeyAuthorization");
    for _ in 0..2 {
        let _ = client.sign("plain", b"before").success();
    }
    assert_eq!(cp5.calls("CP5_KeyAuthorization") - authorized, 1);
    cp5.restarted(1);
    for _ in 0..3 {
        let _ = client.sign("plain", b"after").success();
    }
    assert_eq!(cp5.calls("CP5_KeyAuthorization") - authorized, 2);
    not_active(&client.sign("plain", b"too many"), "awaiting-authorization");
}

#[test]
fn without_a_kak_at_hand_a_restart_of_the_device_waits_for_a_person() {
    let mut cp5 = Cp5::certified(&Automatic::Nowhere, RECOGNIZED);
    let kak = ["--kak-token", "officers", "--kak-alias", "kak"];
    cp5.authorize(&[&kak[..], &["--unlimited"]].concat());
    let key = cp5.service.api_key("caller", &["plain"]);
    cp5.service.start();
    let client = cp5.service.client().key(&key);
    let _ = client.sign("plain", b"before").success();
    cp5.restarted(1);
    eventually("409", || client.sign("plain", b"after").status == 409);
    not_active(&client.sign("plain", b"after"), "awaiting-authorization");
    assert_eq!(cp5.state(), "awaiting-authorization");
    refused(&cp5.try_authorize(&["--unlimited"]), &["where is the KAK?", "--kak-token"]);
    cp5.authorize(&[&kak[..], &["--count", "1"]].concat());
    let _ = client.sign("plain", b"again, without a restart of the service").success();
    not_active(&client.sign("plain", b"after"), "awaiting-authorization");
}

#[test]
fn a_challenge_is_signed_elsewhere_while_the_command_waits_and_is_void_afterwards() {
    let cp5 = Cp5::create(&Automatic::Nowhere, RECOGNIZED);
    cp5.kak_file();
    cp5.service.key_only("seal", "ec-p256", "blind");
    let path = |name: &str| cp5.file(name).display().to_string();
    let offline = |number: u32, what: &[&str]| {
        let (challenge, signature) = (path(&format!("challenge-{number}.json")), path(&format!("signature-{number}")));
        [what, &["--export-challenge", &challenge, "--import-signature", &signature]]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let sign = |challenge: &Path, signature: &str, padding: &[&str]| {
        let exported: Value = serde_json::from_slice(&std::fs::read(challenge).unwrap()).unwrap();
        std::fs::write(cp5.file("hash"), hex::decode(exported["hash"].as_str().unwrap()).unwrap()).unwrap();
        let options = padding.iter().flat_map(|option| ["-pkeyopt", *option]);
        let options: Vec<&str> = ["-pkeyopt", "digest:sha256"].into_iter().chain(options).collect();
        let pkeyutl = ["pkeyutl", "-sign", "-inkey", "kak.pem", "-in", "hash", "-out", signature];
        cp5.openssl(&[&pkeyutl[..], &options].concat());
        exported
    };
    let pss = ["rsa_padding_mode:pss", "rsa_pss_saltlen:32"];
    let waiting = |arguments: Vec<String>, work: &dyn Fn()| {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        std::thread::scope(|scope| {
            let command = scope.spawn(|| cp5.try_authorize(&words));
            work();
            command.join().unwrap()
        })
    };
    let exported = |number: u32| {
        let file = cp5.file(&format!("challenge-{number}.json"));
        let whole = || std::fs::read(&file).is_ok_and(|json| serde_json::from_slice::<Value>(&json).is_ok());
        eventually("a challenge", whole);
        file
    };

    let public = path("kak.pub");
    let output = waiting(offline(1, &["--initialize", "--kak-public", &public]), &|| {
        let challenge = exported(1);
        // A signature that is none does not reach the device.
        std::fs::write(cp5.file("signature-1"), [1; 256]).unwrap();
        std::thread::sleep(Duration::from_millis(600));
        let exported = sign(&challenge, "signature-1.new", &pss);
        for (field, value) in [
            ("step", "initialize"),
            ("mechanism", "0x8000c951"),
            ("protocol", "rsa-pss-sha256"),
            ("key", "seal"),
            ("credential", "seal"),
        ] {
            assert_eq!(exported[field], value);
        }
        assert_eq!(exported["kakPublicKey"].as_str().unwrap(), std::fs::read_to_string(&public).unwrap());
        std::fs::rename(cp5.file("signature-1.new"), cp5.file("signature-1")).unwrap();
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((cp5.calls("CP5_KeyAuthorization"), cp5.state().as_str()), (1, "awaiting-authorization"));

    // The public half is on record now; the signature comes as base64.
    let output = waiting(offline(2, &["--count", "9"]), &|| {
        let exported = sign(&exported(2), "raw", &pss);
        assert_eq!((&exported["step"], &exported["count"]), (&"authorize".into(), &"9".into()));
        cp5.openssl(&["base64", "-in", "raw", "-out", "signature-2"]);
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((cp5.authorization()["remaining"].as_u64(), cp5.state().as_str()), (Some(8), "awaiting-certificate"));

    // Whatever comes after the end of the command is for nothing: the next one has another challenge.
    let late =
        waiting([offline(3, &["--count", "9"]), vec!["--wait".into(), "1".into()]].concat(), &|| drop(exported(3)));
    refused(&late, &["the challenge is void"]);
    sign(&exported(3), "late", &pss);
    let output = waiting([offline(4, &["--count", "9"]), vec!["--wait".into(), "2".into()]].concat(), &|| {
        let (old, new) = (std::fs::read_to_string(exported(3)).unwrap(), std::fs::read_to_string(exported(4)).unwrap());
        assert_ne!(
            serde_json::from_str::<Value>(&old).unwrap()["hash"],
            serde_json::from_str::<Value>(&new).unwrap()["hash"]
        );
        std::fs::copy(cp5.file("late"), cp5.file("signature-4")).unwrap();
    });
    refused(&output, &["the challenge is void"]);
    assert_eq!(cp5.calls("CP5_KeyAuthorization"), 2);
    refused(
        &cp5.try_authorize(&offline(4, &["--count", "9"]).iter().map(String::as_str).collect::<Vec<_>>()),
        &["exists already"],
    );
    let both = cp5
        .try_authorize(&offline(5, &["--initialize", "--count", "9"]).iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn a_kak_in_a_file_is_refused_for_keys_of_qualified_seals_and_closes_their_gate() {
    let mut cp5 = Cp5::create(&Automatic::File, RECOGNIZED);
    cp5.kak_file();
    let ceremony = cp5.file("ceremony.txt").display().to_string();
    std::fs::write(&ceremony, "who was there, and what they saw\n").unwrap();
    let generate = ["key", "generate", "--token", "hsm", "--spec", "ec-p256", "--alias"];
    let evidence = ["--evidence", &ceremony, "--approved-by", "A. Officer"];
    cp5.service.sigillo(&[&generate[..], &["ceremonial"], &evidence].concat());
    let kak = cp5.file("kak.pem").display().to_string();
    let key = ["--kak-key", &kak, "--initialize", "--count", "100"];
    let verb = ["key", "authorize", "--token", "hsm", "--alias", "ceremonial"];
    for arguments in [&key[..], &key[2..]] {
        let output = cp5.service.try_sigillo(&[&verb[..], arguments].concat());
        refused(&output, &["meant for qualified seals", "evidence of a key ceremony", "--kak-token"]);
    }
    assert_eq!(cp5.calls("CP5_KeyAuthorizationInit"), 0);

    cp5.openssl(&["pkcs8", "-topk8", "-in", "kak.pem", "-out", "locked.pem", "-passout", "pass:a passphrase"]);
    let passphrase = cp5.file("passphrase").display().to_string();
    std::fs::write(&passphrase, "a passphrase\n").unwrap();
    cp5.service.key_only("seal", "ec-p256", "document");
    let locked = cp5.file("locked.pem").display().to_string();
    let locked = ["--kak-key", &locked, "--kak-passphrase-file", &passphrase];
    cp5.authorize(&[&locked[..], &["--initialize", "--count", "100"]].concat());
    assert_eq!(cp5.authorization()["kakSource"], "file");
    cp5.service.certify("seal", &tests::pki::Profile::default());
    let gate = cp5.service.try_worker("seals", "cades", "seal", "qualified = \"eseal\"");
    refused(&gate, &["was used from a file"]);

    // For plain seals the service uses the file by itself.
    cp5.service.worker("cms", "cades", "seal", "");
    let key = cp5.service.api_key("caller", &["cms"]);
    cp5.service.start();
    let client = cp5.service.client().key(&key);
    let _ = client.sign("cms", b"before").success();
    let authorized = cp5.calls("CP5_KeyAuthorization");
    cp5.restarted(1);
    eventually("a signature", || client.sign("cms", b"after").status == 200);
    let _ = client.sign("cms", b"after").success();
    assert_eq!(cp5.calls("CP5_KeyAuthorization") - authorized, 1);
}

#[test]
fn a_kak_is_changed_with_the_number_of_the_vendor_s_header_and_a_blocked_key_is_unblocked() {
    for known in [false, true] {
        let number = if known { "\"key_authorization.change_mechanism\" = 0x8000C953" } else { "" };
        let cp5 = Cp5::create(&Automatic::Nowhere, &format!("{RECOGNIZED}\n{number}"));
        cp5.kak_file();
        cp5.service.key_only("seal", "ec-p256", "blind");
        let kak = cp5.file("kak.pem").display().to_string();
        let present = ["--kak-key", &kak];
        cp5.authorize(&[&present[..], &["--initialize", "--protocol", "rsa-pkcs1-sha256", "--unlimited"]].concat());
        cp5.openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out", "new.pem"]);
        cp5.openssl(&["pkey", "-in", "new.pem", "-pubout", "-out", "new.pub"]);
        let (new, public) = (cp5.file("new.pem").display().to_string(), cp5.file("new.pub").display().to_string());
        let change = ["--change", "--new-kak-public", &public];
        if !known {
            let output = cp5.try_authorize(&[&present[..], &change].concat());
            refused(&output, &["key_authorization.change_mechanism", "[token.override]", "vendor's header"]);
            continue;
        }
        // The wrong KAK is found out before the device is asked, which would count it.
        let asked = cp5.calls("CP5_KeyAuthorizationInit");
        refused(&cp5.try_authorize(&["--kak-key", &new, "--unlimited"]), &["is bound to the KAK"]);
        assert_eq!(cp5.calls("CP5_KeyAuthorizationInit"), asked);
        let changed = cp5.authorize(&[&present[..], &change].concat());
        assert!(changed["warnings"].to_string().contains("change_mechanism = 0x8000c953"), "{changed}");
        assert_eq!(
            (&changed["state"], &changed["authorization"]["authorized"]),
            (&"awaiting-authorization".into(), &false.into())
        );
        refused(&cp5.try_authorize(&[&present[..], &["--count", "5"]].concat()), &["is bound to the KAK"]);
        assert_eq!(cp5.authorize(&["--kak-key", &new, "--count", "5"])["state"], "awaiting-certificate");
        let unblocked = cp5.authorize(&["--unblock"]);
        assert_eq!((&unblocked["state"], cp5.calls("CP5_UnblockKey")), (&"awaiting-authorization".into(), 1));
        refused(&cp5.service.try_sigillo(&["key", "test", "--token", "hsm", "--alias", "seal"]), &[NEXT]);
        cp5.authorize(&["--kak-key", &new, "--count", "5"]);
        cp5.service.sigillo(&["key", "test", "--token", "hsm", "--alias", "seal"]);
    }
}

#[test]
fn a_place_of_the_key_that_waits_for_a_person_does_not_stop_the_others() {
    let mut cp5 = Cp5::certified(&Automatic::Nowhere, RECOGNIZED);
    cp5.replicate();
    cp5.authorize(&["--kak-token", "officers", "--kak-alias", "kak", "--unlimited"]);
    let key = cp5.service.api_key("caller", &["plain"]);
    cp5.service.start();
    let client = cp5.service.client().key(&key);
    for _ in 0..4 {
        let _ = client.sign("plain", b"before").success();
    }
    cp5.restarted(1);
    for _ in 0..8 {
        // An outage is one thing; a credential that nobody but a person takes back is another.
        let status = client.sign("plain", b"after").status;
        assert!(status == 200 || status == 503, "{status}");
    }
    assert_eq!(cp5.state(), "active");
    // The place that is left may still be taken out, and then the credential has no other.
    let _ = client.sign("plain", b"at the other place").success();
    cp5.authorize(&["--kak-token", "officers", "--kak-alias", "kak", "--count", "1"]);
}

#[test]
fn a_place_that_was_removed_leaves_no_authorisation_behind() {
    let cp5 = Cp5::certified(&Automatic::Nowhere, RECOGNIZED);
    cp5.replicate();
    let remove = ["credential", "replica", "remove", "seal", "--token", "hsm", "--alias", "seal"];
    cp5.service.sigillo(&remove);
    let shown = cp5.service.sigillo(&["credential", "show", "seal"]);
    assert_eq!(shown["authorizations"], Value::Null, "{shown}");
}

#[test]
fn a_kak_from_a_file_stays_one_when_the_key_is_changed_to_it_again() {
    let cp5 =
        Cp5::create(&Automatic::Nowhere, &format!("{RECOGNIZED}\n\"key_authorization.change_mechanism\" = 0x8000C953"));
    cp5.kak_file();
    cp5.service.key_only("seal", "ec-p256", "blind");
    let (kak, public) = (cp5.file("kak.pem").display().to_string(), cp5.file("kak.pub").display().to_string());
    cp5.authorize(&["--kak-key", &kak, "--initialize", "--count", "5"]);
    cp5.authorize(&["--kak-key", &kak, "--change", "--new-kak-public", &public]);
    assert_eq!(cp5.authorization()["kakSource"], "file");
}
