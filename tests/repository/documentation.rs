//! What the pages show is accepted by the programs, and what they link to exists.

use std::process::Command;

use tests::programs::repository;

use crate::output;

fn page(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("\n```{language}\n");
    page.split(begin.as_str()).skip(1).map(|block| block.split_once("\n```").unwrap().0).collect()
}

#[test]
fn the_documented_configuration_is_accepted() {
    let page = page("docs/operation.md");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sigillo.toml");
    std::fs::write(&path, blocks(&page, "toml")[0]).unwrap();
    let configuration = administration::Configuration::load(Some(&path)).unwrap();
    assert_eq!(configuration.tokens.len(), 1);
    assert!(configuration.server.tls.is_some());
}

#[test]
fn the_documented_workers_are_accepted() {
    let page = page("docs/workers.md");
    let blocks = blocks(&page, "toml");
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        workers::WorkerConfig::parse(block).unwrap();
    }
}

#[test]
fn the_documented_appearance_is_accepted() {
    let page = page("docs/visible-seals.md");
    workers::WorkerConfig::parse(blocks(&page, "toml")[0]).unwrap();
    let keys = page.split("\n| `").skip(1).map(|row| row.split_once('`').unwrap().0);
    let unknown = |key: &&str| {
        let text = format!("name = \"a\"\nkind = \"pades\"\ncredential = \"c\"\n[appearance]\n{key} = {{ a = [] }}");
        workers::WorkerConfig::parse(&text).unwrap_err().to_string().contains("unknown key")
    };
    assert_eq!(keys.filter(|key| !key.starts_with('{')).find(unknown), None);
}

#[test]
fn the_documented_levels_and_hosts_are_accepted() {
    let page = page("docs/levels.md");
    let folder = tempfile::tempdir().unwrap();
    let root = std::fs::read_to_string(tests::TestPki::create(folder.path()).root()).unwrap();
    let pem: Vec<&str> = root.lines().filter(|line| !line.starts_with("-----")).collect();
    let blocks = blocks(&page, "toml");
    let worker = workers::WorkerConfig::parse(&blocks[0].replace("MIIB…", &pem.join("\n"))).unwrap();
    assert_eq!(worker.trust_anchors().len(), 1);
    let path = folder.path().join("sigillo.toml");
    std::fs::write(&path, blocks[1]).unwrap();
    let fetch = administration::Configuration::load(Some(&path)).unwrap().fetch;
    assert_eq!((fetch.allow_hosts.len(), fetch.accounts.len()), (3, 1));
    let defaults = administration::configuration::FetchConfig::default();
    let times = |fetch: &administration::configuration::FetchConfig| {
        (fetch.public_hosts, fetch.connect_timeout, fetch.timeout, fetch.retry_after, fetch.max_crl_bytes)
    };
    assert_eq!(times(&fetch), times(&defaults));
}

#[test]
fn the_documented_authority_is_accepted() {
    let page = page("docs/timestamps.md");
    workers::WorkerConfig::parse(blocks(&page, "toml")[0]).unwrap();
}

#[test]
fn links_between_pages_lead_somewhere() {
    let tracked = output(Command::new("git").args(["ls-files", "*.md"]));
    let mut links = 0;
    for file in tracked.lines() {
        let folder = repository().join(file).parent().unwrap().to_owned();
        let page = page(file);
        let targets = page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.starts_with("http") && !target.starts_with('#')) {
            let path = target.split_once('#').map_or(target, |(path, _)| path);
            assert!(folder.join(path).exists(), "{file} links to {target}, which does not exist");
            links += 1;
        }
    }
    assert!(links > 10, "only {links} links were seen");
}
