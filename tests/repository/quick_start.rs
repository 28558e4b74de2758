//! What the README tells people to type works as it stands there.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use tests::programs::{our_program, repository, run};

#[test]
fn the_five_steps_of_the_readme_end_with_a_seal_that_openssl_verifies() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, by_hand) = readme.split_once("### By hand").unwrap();
    let (by_hand, _) = by_hand.split_once("\n## ").unwrap();
    let steps: Vec<&str> = by_hand.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect();
    assert_eq!(steps.len(), 5);

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = steps.concat().replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
    let script = format!("set -euo pipefail; trap 'kill $(jobs -p); wait' EXIT\n{script}");
    let folder = tempfile::tempdir().unwrap();
    let programs = our_program("sigillo").parent().map(Path::to_owned).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    run(Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("SIGILLO__SERVER__LISTEN", format!("127.0.0.1:{port}"))
        .env_remove("SIGILLO_CONFIG"));
    assert_eq!(std::fs::read(folder.path().join("verified")).unwrap(), b"A document of any kind.\n");
}
