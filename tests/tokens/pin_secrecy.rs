//! A PIN is in the file that `sigillo.toml` names and nowhere else (promise 5).

use std::io::ErrorKind;
use std::path::Path;

use tests::{TestService, token};

/// The PIN as text, and in the ways in which programs write bytes down.
fn disguises(pin: &str) -> Vec<Vec<u8>> {
    let hexadecimal = hex::encode(pin);
    let list = format!("{:?}", pin.as_bytes());
    vec![pin.into(), hexadecimal.to_uppercase().into(), hexadecimal.into(), list.into()]
}

fn holds_no_pin(what: &str, octets: &[u8], pin: &str) {
    for disguise in disguises(pin) {
        let found = octets.windows(disguise.len()).any(|window| window == disguise);
        assert!(!found, "{what} has the PIN as {}", String::from_utf8_lossy(&disguise));
    }
}

/// Everything of the service that is on disk, but for the PIN file and what is the token's own.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.file_name().unwrap().to_str().unwrap() {
            "pin" | "tokens" => {}
            _ if path.is_dir() => files.extend(self::files(&path)),
            _ => files.push(path),
        }
    }
    files
}

fn process(pid: u32, pin: &str) {
    for name in ["cmdline", "environ"] {
        match std::fs::read(format!("/proc/{pid}/{name}")) {
            Ok(octets) => holds_no_pin(name, &octets, pin),
            // What nobody of this user may read tells nothing.
            Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied),
        }
    }
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let columns: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(columns[4..6], ["0", "0"], "no core dump: {core}");
}

#[test]
fn the_pin_is_in_no_log_database_argument_environment_answer_or_core_dump() {
    for pin in [token::PIN, "8086-wrong"] {
        let mut service = TestService::builder().environment("SIGILLO_LOG", "trace,cryptoki=trace").create();
        service.key("seal", "ec-p256", "document");
        service.worker("cms", "cades", "seal", "");
        let key = service.api_key("caller", &["cms"]);
        std::fs::write(service.folder().join("pin"), pin).unwrap();
        service.start();
        let answer = service.client().key(&key).sign("cms", b"document");
        assert_eq!(answer.status, if pin == token::PIN { 200 } else { 503 });
        holds_no_pin("the answer", &answer.body, pin);
        for path in ["/health/ready", "/metrics"] {
            holds_no_pin(path, &service.client().get(path).body, pin);
        }
        for arguments in [&["token", "list"][..], &["token", "check", "hsm"], &["token", "unlock", "hsm"], &["status"]]
        {
            let output = service.try_sigillo(arguments);
            holds_no_pin(&format!("sigillo {arguments:?}"), &[output.stdout, output.stderr].concat(), pin);
        }
        process(service.server().pid(), pin);
        // While it runs, so that the write-ahead log of the database is there too.
        let files = files(service.folder());
        let names: Vec<&str> = files.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        for expected in ["sigillo.db", "sigillo.log", "sigillo.toml"] {
            assert!(names.contains(&expected), "{names:?}");
        }
        assert!(service.server().log().len() > 1000, "at this level there is a log to look through");
        for file in files {
            holds_no_pin(&file.display().to_string(), &std::fs::read(&file).unwrap(), pin);
        }
    }
}
