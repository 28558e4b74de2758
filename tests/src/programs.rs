//! Programs: ours, built once, and those of others.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in a folder of the repository")
}

/// A document of `tests/fixtures`.
#[must_use]
pub fn fixture(path: &str) -> PathBuf {
    repository().join("tests/fixtures").join(path)
}

/// One of our programs, built with the profile of the tests.
#[must_use]
pub fn our_program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        // …/target/PROFILE/deps/test-binary
        let test = std::env::current_exe().expect("the path of the test");
        let folder = test.ancestors().nth(2).expect("the profile's folder").to_owned();
        let target = folder.parent().expect("the target folder");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--package", "sigillo", "--package", "sigillo-server"]);
        build.arg("--target-dir").arg(target).current_dir(repository());
        if folder.file_name().is_some_and(|profile| profile == "release") {
            build.arg("--release");
        }
        run(&mut build);
        folder
    });
    folder.join(name)
}

/// Runs a program that must succeed.
///
/// # Panics
/// When it cannot be run, or fails; the message has its output.
pub fn run(command: &mut Command) -> Output {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?} failed with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs a program to its end, whatever the end is.
///
/// # Panics
/// When it cannot be run.
pub fn output(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    command.output().unwrap_or_else(|error| {
        panic!("{} cannot be run ({error}); install what tests need with: scripts/install-tools", program.display())
    })
}
