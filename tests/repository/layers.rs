//! Who may depend on whom. Dev-dependencies are free: tests may look anywhere.

use cargo_metadata::DependencyKind;

use crate::metadata;

/// Each package with the packages of this workspace that it may know.
const LAYERS: &[(&str, &[&str])] = &[
    ("cryptotoken-api", &[]),
    ("cryptotoken", &["cryptotoken-api"]),
    ("workers", &["cryptotoken-api"]),
    ("store", &["cryptotoken-api"]),
    ("administration", &["cryptotoken-api", "cryptotoken", "workers", "store"]),
    ("sigillo-server", &["cryptotoken-api", "cryptotoken", "workers", "store", "administration"]),
    ("sigillo", &["cryptotoken-api", "cryptotoken", "workers", "store", "administration"]),
    ("token-simulator", &[]),
    ("tests", &["cryptotoken-api", "cryptotoken", "workers", "store", "administration", "sigillo-server"]),
];

/// Beginnings of names of foreign packages, with the packages that alone may use them.
const WALLED: &[(&str, &[&str])] = &[
    ("actix", &["sigillo-server"]),
    ("utoipa", &["sigillo-server"]),
    // The simulator is the other side of PKCS#11.
    ("cryptoki", &["cryptotoken", "token-simulator"]),
    ("sqlx", &["store"]),
    ("ureq", &["sigillo-server", "sigillo", "tests"]),
    ("clap", &["sigillo"]),
    ("hayro", &["sigillo-server"]),
    ("lopdf", &["workers"]),
    ("quick-xml", &["workers"]),
    ("anyhow", &["sigillo-server", "sigillo", "tests"]),
];

fn dependencies() -> Vec<(String, String)> {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let normal = packages.iter().flat_map(|package| {
        let links = package.dependencies.iter().filter(|link| link.kind != DependencyKind::Development);
        links.map(|link| (package.name.to_string(), link.name.clone()))
    });
    normal.collect()
}

#[test]
fn a_package_knows_only_packages_of_lower_layers() {
    let ours = |name: &str| LAYERS.iter().any(|(package, _)| *package == name);
    let mut seen = 0;
    for (package, dependency) in dependencies().iter().filter(|(_, dependency)| ours(dependency)) {
        let known = LAYERS.iter().find(|(name, _)| name == package).map(|(_, known)| *known);
        let known =
            known.unwrap_or_else(|| panic!("package {package} has no layer; give it one here and in the guide"));
        assert!(known.contains(&dependency.as_str()), "{package} must not know {dependency}");
        seen += 1;
    }
    assert!(seen >= LAYERS.len(), "only {seen} dependencies were seen");
}

#[test]
fn http_sql_and_pkcs11_stay_in_their_packages() {
    let dependencies = dependencies();
    for (walled, allowed) in WALLED {
        let users = dependencies.iter().filter(|(_, dependency)| dependency.starts_with(walled));
        for (package, dependency) in users {
            assert!(allowed.contains(&package.as_str()), "{package} must not use {dependency}");
        }
    }
    for needed in ["actix-web", "cryptoki", "sqlx"] {
        assert!(
            dependencies.iter().any(|(_, dependency)| dependency == needed),
            "nobody uses {needed}: is it renamed?"
        );
    }
}
