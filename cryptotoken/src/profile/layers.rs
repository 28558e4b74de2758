//! One profile from three layers: generic facts, a vendor's, the overrides of one token.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

/// What no override may touch: what an audit relies on.
const SEALED: [&str; 2] = ["assurance", "identity"];

/// The one table whose keys are free, so that it is overridden as a whole.
const FREE_TABLE: &str = "module.env";

/// Lays `over` over `base`, table by table.
pub(super) fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Dotted paths of everything that is no section.
pub(super) fn leaves(table: &Table) -> BTreeSet<String> {
    fn walk(prefix: &str, table: &Table, paths: &mut BTreeSet<String>) {
        for (key, value) in table {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                Value::Table(inner) if path != FREE_TABLE => walk(&path, inner, paths),
                _ => {
                    paths.insert(path);
                }
            }
        }
    }
    let mut paths = BTreeSet::new();
    walk("", table, &mut paths);
    paths
}

/// Overrides may be written `"a.b" = 1` or `a.b = 1`; both become the path `a.b`.
pub(super) fn flatten(table: &Table, known: &BTreeSet<String>) -> Vec<(String, Value)> {
    fn walk(prefix: &str, table: &Table, known: &BTreeSet<String>, found: &mut Vec<(String, Value)>) {
        for (key, value) in table {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                Value::Table(inner) if !known.contains(&path) => walk(&path, inner, known, found),
                _ => found.push((path, value.clone())),
            }
        }
    }
    let mut found = Vec::new();
    walk("", table, known, &mut found);
    found
}

/// Whether no override may touch this path.
pub(super) fn is_sealed(path: &str) -> bool {
    SEALED.contains(&path.split('.').next().unwrap_or_default())
}

/// Templates may gain attributes that the generic ones lack; which exist is checked when the value is read.
pub(super) fn is_template_attribute(path: &str) -> bool {
    ["keygen.private_template.CKA_", "keygen.public_template.CKA_"].iter().any(|prefix| path.starts_with(prefix))
}

/// The path most like this one, of those that may be overridden.
pub(super) fn nearest(path: &str, known: &BTreeSet<String>) -> String {
    let open = known.iter().filter(|known| !is_sealed(known));
    open.max_by(|a, b| similarity(path, a, b)).cloned().unwrap_or_default()
}

/// Which of two names is more like the wanted one.
pub(super) fn similarity(to: &str, a: &str, b: &str) -> std::cmp::Ordering {
    strsim::jaro_winkler(to, a).total_cmp(&strsim::jaro_winkler(to, b))
}

/// Puts a value at a dotted path whose sections exist.
pub(super) fn set(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        Some((section, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(section) {
                set(inner, rest, value);
            }
        }
        None => {
            table.insert(path.to_owned(), value);
        }
    }
}

/// Reads `"600s"` and the like.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "\"{text}\" is no duration: write a number and ms, s, m or h, such as \"600s\""
        ))
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3600)?)),
        _ => None,
    }
}
