//! What is linked into the programs may be distributed with them: the lists of `deny.toml`, held without cargo-deny too.

use tests::programs::repository;

use crate::metadata;

fn allowed() -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("deny.toml")).unwrap();
    let table: toml::Table = toml::from_str(&text).unwrap();
    let allow = table["licenses"]["allow"].as_array().unwrap();
    allow.iter().map(|licence| licence.as_str().unwrap().to_owned()).collect()
}

/// Whether an SPDX expression can be fulfilled by these licences. Old crates write `/` for `OR`.
fn permits(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = expression.split_whitespace().rev().collect();
    either(&mut words, allowed) && words.is_empty()
}

fn either(words: &mut Vec<&str>, allowed: &[String]) -> bool {
    let mut permitted = both(words, allowed);
    while words.last() == Some(&"OR") {
        words.pop();
        permitted |= both(words, allowed);
    }
    permitted
}

fn both(words: &mut Vec<&str>, allowed: &[String]) -> bool {
    let mut permitted = one(words, allowed);
    while words.last() == Some(&"AND") {
        words.pop();
        permitted &= one(words, allowed);
    }
    permitted
}

fn one(words: &mut Vec<&str>, allowed: &[String]) -> bool {
    let Some(word) = words.pop() else { return false };
    if word == "(" {
        let permitted = either(words, allowed);
        return words.pop() == Some(")") && permitted;
    }
    if words.last() == Some(&"WITH") {
        words.pop();
        let exception = words.pop().unwrap_or_default();
        return allowed.contains(&format!("{word} WITH {exception}"));
    }
    allowed.iter().any(|licence| licence == word)
}

#[test]
fn every_package_has_a_licence_of_the_list() {
    let allowed = allowed();
    for package in metadata().packages.iter().filter(|package| package.source.is_some()) {
        let licence = package.license.as_deref().unwrap_or("none");
        assert!(permits(licence, &allowed), "{} {}: {licence}", package.name, package.version);
    }
}

#[test]
fn every_package_comes_from_the_registry_or_this_repository() {
    for package in &metadata().packages {
        let known = package.source.as_ref().is_none_or(|source| source.is_crates_io());
        assert!(known, "{} comes from {:?}", package.name, package.source);
    }
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT".to_owned(), "Unicode-3.0".to_owned()];
    for permitted in ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(GPL-3.0 OR MIT) AND Unicode-3.0", "Unicode-3.0 AND MIT"]
    {
        assert!(permits(permitted, &allowed), "{permitted}");
    }
    for refused in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-3.0) AND Zlib", "MIT WITH Some-exception", ""] {
        assert!(!permits(refused, &allowed), "{refused}");
    }
}
