//! Whether the device behind a profile is the one that the profile describes.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::profile::IdentityPatterns;

/// What library and token say of themselves; `None` where they say nothing or cannot be read.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceIdentity {
    /// `CK_INFO.manufacturerID`.
    pub library_manufacturer: Option<String>,
    /// `CK_INFO.libraryDescription`.
    pub library_description: Option<String>,
    /// `CK_INFO.libraryVersion`.
    pub library_version: Option<String>,
    /// `CK_TOKEN_INFO.manufacturerID`.
    pub token_manufacturer: Option<String>,
    /// `CK_TOKEN_INFO.model`.
    pub token_model: Option<String>,
    /// Those of the profile's `identity.exports` that the library has; `None` where the library cannot be read as a file.
    pub exports: Option<BTreeSet<String>>,
}

/// One expectation against one fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFinding {
    /// Name of the pattern list in the profile.
    pub field: &'static str,
    /// What the profile expects; empty where nobody knows.
    pub expected: Vec<String>,
    /// What was found.
    pub found: Option<String>,
    /// Whether it fits; `None` where one of both is not known.
    pub fits: Option<bool>,
}

impl IdentityPatterns {
    /// Each expectation against what the device says.
    #[must_use]
    pub fn compare(&self, device: &DeviceIdentity) -> Vec<IdentityFinding> {
        let one = |field, patterns: &[String], found: Option<&String>| {
            let found = found.filter(|text| !text.is_empty()).cloned();
            let fits = found
                .as_ref()
                .filter(|_| !patterns.is_empty())
                .map(|text| patterns.iter().any(|pattern| matches(pattern, text)));
            IdentityFinding { field, expected: patterns.to_vec(), found, fits }
        };
        let mut findings = vec![
            one("identity.library_manufacturer", &self.library_manufacturer, device.library_manufacturer.as_ref()),
            one("identity.library_description", &self.library_description, device.library_description.as_ref()),
            one("identity.token_manufacturer", &self.token_manufacturer, device.token_manufacturer.as_ref()),
            one("identity.token_model", &self.token_model, device.token_model.as_ref()),
        ];
        if !self.exports.is_empty() {
            let has_all = |found: &BTreeSet<String>| self.exports.iter().all(|name| found.contains(name));
            findings.push(IdentityFinding {
                field: "identity.exports",
                expected: self.exports.clone(),
                found: device.exports.as_ref().map(|found| found.iter().cloned().collect::<Vec<_>>().join(", ")),
                fits: device.exports.as_ref().map(has_all),
            });
        }
        findings
    }

    /// Whether this is the device: `Some(false)` where one fact contradicts, `None` where the profile expects nothing or a fact that it
    /// expects cannot be had.
    #[must_use]
    pub fn confirm(&self, device: &DeviceIdentity) -> Option<bool> {
        let asked: Vec<_> = self.compare(device).into_iter().filter(|finding| !finding.expected.is_empty()).collect();
        if asked.iter().any(|finding| finding.fits == Some(false)) {
            return Some(false);
        }
        (!asked.is_empty() && asked.iter().all(|finding| finding.fits == Some(true))).then_some(true)
    }
}

/// `*` stands for any text; case does not matter.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_with_any_text_for_its_stars_and_in_any_case() {
        for (pattern, text, expected) in [
            ("SoftHSM", "SoftHSM", true),
            ("SoftHSM", "SoftHSM project", false),
            ("softhsm*", "SoftHSM project", true),
            ("*safenet*", "SafeNet, Inc.", true),
            ("*safenet*", "Thales", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
            ("ab*ba", "aba", false),
            ("*", "anything", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    fn patterns(manufacturer: &[&str], exports: &[&str]) -> IdentityPatterns {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        IdentityPatterns {
            library_manufacturer: owned(manufacturer),
            exports: owned(exports),
            ..IdentityPatterns::default()
        }
    }

    #[test]
    fn a_device_is_confirmed_only_by_facts_and_refuted_by_one_that_contradicts() {
        let device = DeviceIdentity {
            library_manufacturer: Some("Utimaco IS GmbH".into()),
            exports: Some(BTreeSet::new()),
            ..DeviceIdentity::default()
        };
        let utimaco = "Utimaco IS GmbH";
        assert_eq!(patterns(&[utimaco], &[]).confirm(&device), Some(true));
        assert_eq!(patterns(&["SoftHSM"], &[]).confirm(&device), Some(false));
        // The general purpose library under the profile of the certified one.
        assert_eq!(patterns(&[utimaco], &["CP5_KeyAuthorization"]).confirm(&device), Some(false));
        assert_eq!(patterns(&[], &[]).confirm(&device), None, "nothing expected confirms nothing");
        let unreadable = DeviceIdentity { exports: None, ..device };
        assert_eq!(patterns(&[utimaco], &["CP5_KeyAuthorization"]).confirm(&unreadable), None);
        assert_eq!(patterns(&["*"], &[]).confirm(&DeviceIdentity::default()), None);
    }
}
