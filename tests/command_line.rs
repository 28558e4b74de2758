//! The command line: what it keeps to itself, and what it does not do past the rules of the service.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::TestService;
use tests::programs::{our_program, run};

#[test]
fn a_test_of_a_worker_for_qualified_seals_does_not_pass_the_gate() {
    let service = TestService::builder().create();
    service.key("seal", "ec-p256", "document");
    service.worker("cms", "cades", "seal", "");
    // As if it had been applied while the device of the key was a qualified one.
    let script = "import sqlite3, sys\n\
        db = sqlite3.connect(sys.argv[1])\n\
        db.execute(\"UPDATE worker_version SET definition = json_set(definition, '$.qualified', 'eseal')\")\n\
        db.commit()\n";
    run(Command::new("python3").args(["-c", script]).arg(service.folder().join("sigillo.db")));
    let uses = |events: &[Value]| events.iter().filter(|event| event["event"] == "signing-intended").count();
    let before = uses(&service.audit_events());
    let output = service.try_sigillo(&["worker", "test", "cms"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("qualified device"), "{stderr}");
    assert_eq!(uses(&service.audit_events()), before);
}

#[test]
fn a_command_leaves_no_core_dump_because_pins_pass_through_it() {
    let service = TestService::builder().create();
    let pipe = service.folder().join("pipe");
    run(Command::new("mkfifo").arg(&pipe));
    // It waits for its configuration as long as nobody writes into the pipe.
    let mut command = Command::new(our_program("sigillo"));
    let mut child = command.arg("--config").arg(&pipe).arg("status").stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    let core = loop {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let core: Vec<String> = limits
            .lines()
            .filter(|line| line.starts_with("Max core file size"))
            .flat_map(|line| line.split_whitespace().skip(4).take(2).map(str::to_owned).collect::<Vec<_>>())
            .collect();
        if core == ["0", "0"] || Instant::now() > until {
            break core;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(core, ["0", "0"]);
}

#[test]
fn a_variable_of_somebody_else_that_is_no_text_does_not_stop_a_command() {
    let service = TestService::builder().create();
    let mut command = Command::new(our_program("sigillo"));
    command.arg("--config").arg(service.folder().join("sigillo.toml")).args(["worker", "list"]);
    command.envs(service.environment().iter().map(|(name, value)| (name, value)));
    run(command.env("OTHERS", OsStr::from_bytes(b"\xff\xfe")).current_dir(service.folder()));
}
