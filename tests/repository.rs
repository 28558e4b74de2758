//! What holds for the repository as a whole: layers, licences, the OpenAPI document, what may stand in a file.

#[path = "repository/documentation.rs"]
mod documentation;
#[path = "repository/files.rs"]
mod files;
#[path = "repository/layers.rs"]
mod layers;
#[path = "repository/licences.rs"]
mod licences;
#[path = "repository/openapi.rs"]
mod openapi;
#[path = "repository/quick_start.rs"]
mod quick_start;

use std::process::Command;

/// The packages that are built on this machine, as cargo sees them.
fn metadata() -> cargo_metadata::Metadata {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cargo_metadata::MetadataCommand::new()
        .manifest_path(tests::programs::repository().join("Cargo.toml"))
        .other_options(["--locked".to_owned(), "--filter-platform".to_owned(), platform])
        .exec()
        .unwrap()
}

/// Standard output of a program that is run in the root of the repository and must succeed.
fn output(command: &mut Command) -> String {
    let output = tests::programs::run(command.current_dir(tests::programs::repository()));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
