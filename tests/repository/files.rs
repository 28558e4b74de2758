//! What may stand in a tracked file: nothing of the machine it was written on, no host that only builds know.

use std::process::Command;

use tests::programs::repository;

use crate::output;

/// Written in parts, so that this file does not contain them.
const PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
const HOSTS: &[&str] = &[
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("repo1.ma", "ven.org"),
    concat!("repo.ma", "ven.apache.org"),
    concat!("registry.np", "mjs.org"),
    concat!("deb.debian", ".org"),
];

#[test]
fn no_tracked_file_names_a_path_of_a_machine_or_a_registry_host() {
    let tracked = output(Command::new("git").args(["ls-files", "-z"]));
    let files: Vec<&str> = tracked.split('\0').filter(|file| !file.is_empty()).collect();
    assert!(files.contains(&"Cargo.toml"), "git does not list the files of this repository");
    for file in files {
        // A tracked file may be deleted and not committed yet.
        let Ok(octets) = std::fs::read(repository().join(file)) else { continue };
        for (number, line) in String::from_utf8_lossy(&octets).lines().enumerate() {
            for host in HOSTS {
                assert!(!line.contains(host), "{file}:{} names {host}", number + 1);
            }
            for path in PATHS {
                let named = line.match_indices(path).any(|(at, _)| begins_a_path(line, at));
                assert!(!named, "{file}:{} names a path below {path}", number + 1);
            }
        }
    }
}

// What stands behind a variable or the name of a folder is no path from the root of a machine.
fn begins_a_path(line: &str, at: usize) -> bool {
    line[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric() && !"}_-.)/*$".contains(before))
}

#[test]
fn a_path_is_told_from_a_part_of_one() {
    assert!(begins_a_path("cd /srv/x", 3));
    assert!(begins_a_path("/srv/x", 0));
    assert!(!begins_a_path("$folder/srv/x", 7));
}
