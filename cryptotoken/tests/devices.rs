//! The operators' pages: one for each profile, with a block for `sigillo.toml` that is accepted as it stands.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use cryptotoken::profile::{SlotName, environment_conflict};
use cryptotoken::{SlotSelector, TokenConfig, TokenProfile};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page(profile: &str) -> String {
    read(&docs().join("devices").join(profile).with_extension("md"))
}

/// Every `toml` block of a page as tokens.
fn tokens(page: &str) -> Vec<TokenConfig> {
    let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks
        .flat_map(|block| {
            let table: toml::Table = block.parse().unwrap_or_else(|error| panic!("{block}\n{error}"));
            assert_eq!(table.keys().collect::<Vec<_>>(), ["token"], "{block}");
            table.get("token").and_then(toml::Value::as_array).unwrap().clone()
        })
        .map(|token| token.try_into().unwrap())
        .collect()
}

#[test]
fn every_profile_has_a_page_whose_block_is_accepted_and_names_the_slot_in_a_stable_way() {
    for name in TokenProfile::names() {
        let page = page(name);
        let tokens = tokens(&page);
        assert!(!tokens.is_empty(), "{name}: there is no block for sigillo.toml");
        for config in tokens {
            assert_eq!(config.profile, name);
            let profile = TokenProfile::load(&config.profile, &config.overrides).unwrap();
            let selector = match config.slot {
                SlotSelector::Label(_) => SlotName::Label,
                SlotSelector::Serial(_) => SlotName::Serial,
                SlotSelector::Id(_) => SlotName::Id,
                SlotSelector::Index(_) => SlotName::Index,
            };
            assert!(profile.slot.stable.contains(&selector), "{name}: {selector:?} is not stable");
            assert!(config.library.is_some() || !profile.module.library.is_empty(), "{name}: no library");
            assert_eq!(environment_conflict(&[config]), None);
        }
        for heading in
            ["## Middleware", "## sigillo.toml", "## First key, request, certificate", "## Pitfalls", "## Unverified"]
        {
            assert!(page.contains(heading), "{name}: no {heading}");
        }
    }
}

#[test]
fn a_page_names_every_variable_that_its_profile_needs() {
    for name in TokenProfile::names() {
        let (page, profile) = (page(name), TokenProfile::load(name, &toml::Table::new()).unwrap());
        for variable in profile.module.env.keys().chain(&profile.module.env_required) {
            assert!(page.contains(variable.as_str()), "{name}: {variable}");
        }
    }
}

fn column(row: &str, number: usize) -> &str {
    row.split('|').nth(number).unwrap().trim()
}

#[test]
fn the_table_of_devices_has_every_profile_and_claims_no_qualified_device_that_the_profile_does_not() {
    let index = read(&docs().join("devices.md"));
    assert_eq!(tokens(&index).len(), 1);
    for name in TokenProfile::names() {
        let row = index.lines().find(|line| line.contains(&format!("(devices/{name}.md)")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in the table"));
        let (hardware, qualified) = (column(row, 3), column(row, 5));
        let qscd = TokenProfile::load(name, &toml::Table::new()).unwrap().assurance.qscd;
        assert_eq!(qualified.starts_with("yes"), qscd, "{row}");
        assert!(hardware == "no" || hardware == "there is none", "{row}");
    }
}
