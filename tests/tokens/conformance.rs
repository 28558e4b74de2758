//! Every kind of token against its profile, by the measurement that `sigillo token check --keys` makes, on every module that runs
//! without hardware and on the simulator under every profile.
//!
//! `tests/tokens/*.toml` say of each module how it is set up and what must come of it, so that a change of either is seen. Every signature
//! is verified by this project and by OpenSSL, or Python's cryptography. The table is shown whether the tests pass or not.

#[path = "conformance/table.rs"]
mod table;
#[path = "conformance/trial.rs"]
mod trial;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cryptotoken::{TokenConfig, TokenProfile};
use cryptotoken_api::KeySpec;
use serde::{Deserialize, Serialize};
use tests::Device;
use tests::device::{self, Kind};
use tests::programs::{output, repository};

use trial::{Item, Outcome};

/// One `tests/tokens/*.toml`.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Description {
    /// What is set up: a name of [`kind`].
    device: String,
    /// Which profile the token wears.
    profile: String,
    /// What the profile is made to say.
    #[serde(default, rename = "override")]
    overrides: toml::Table,
    /// More of the simulator's configuration than `tests/token-simulator/devices` has under the name of the profile.
    #[serde(default)]
    simulator: toml::Table,
    /// What stands before the PIN.
    #[serde(default)]
    pin_prefix: String,
    /// One process for each kind of key: the module makes no second one in the same.
    #[serde(default)]
    separately: bool,
    /// What is not as the profile says: fields of the check, with what the device does.
    #[serde(default)]
    differs: BTreeMap<String, String>,
    /// What must stand in the table. Kinds of keys that are not named are those that the module does not make.
    expected: BTreeMap<String, String>,
}

/// Where a process of its own finds what it is to do.
const TRIAL: &str = "SIGILLO_TRIAL";

/// Modules that are tried at the same time: most of the time goes into the search for prime numbers.
const AT_ONCE: usize = 2;

fn descriptions() -> BTreeMap<String, Description> {
    let folder = std::fs::read_dir(repository().join("tests/tokens")).unwrap();
    let files =
        folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let described = files.map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let description = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), description)
    });
    described.collect()
}

fn kind(description: &Description) -> Kind {
    match description.device.as_str() {
        "softhsm" => Kind::SoftHsm,
        "kryoptic" => Kind::Kryoptic,
        "opencryptoki" => Kind::OpenCryptoki,
        "nss" => Kind::Nss,
        "tpm" => Kind::Tpm,
        "p11-kit" => Kind::P11Kit,
        "simulator" => {
            let known = token_simulator::device(&description.profile).unwrap_or_default();
            let behaviour = device::laid_over(known.parse().unwrap(), &description.simulator);
            Kind::Simulator(token_simulator::library().unwrap(), behaviour)
        }
        other => panic!("no device is called {other}"),
    }
}

/// The token, with more of the profile overridden.
fn config(description: &Description, device: &Device, more: toml::Table) -> TokenConfig {
    let mut overrides = device.overrides();
    overrides.extend(description.overrides.clone());
    overrides.extend(more);
    let text = format!("name = \"device\"\nprofile = {:?}\n{}", description.profile, device.token());
    let mut table: toml::Table = text.parse().unwrap();
    table.insert("override".to_owned(), overrides.into());
    table.try_into().unwrap()
}

/// No keys of these kinds.
fn without(kinds: impl Iterator<Item = KeySpec>) -> toml::Table {
    kinds.map(|spec| (format!("keygen.kinds.{spec}"), "no".into())).collect()
}

/// What one process is to do.
#[derive(Deserialize, Serialize)]
struct Task {
    description: Description,
    folder: PathBuf,
    more: toml::Table,
    step: Step,
}

/// How far a process goes.
#[derive(Clone, Copy, Deserialize, PartialEq, Serialize)]
enum Step {
    Initialize,
    Measure,
    Recover,
}

impl Task {
    fn do_it(&self) {
        let mut device = Device::at(kind(&self.description), &self.folder);
        let config = config(&self.description, &device, self.more.clone());
        device.switch_on();
        let mut outcome = Outcome::default();
        match self.step {
            Step::Initialize => trial::initialize(config, &self.folder),
            Step::Measure => outcome = trial::measure(config, &self.folder),
            Step::Recover => outcome.recovery = trial::recover(&mut device, config, &self.folder),
        }
        std::fs::write(self.folder.join("outcome.json"), serde_json::to_vec(&outcome).unwrap()).unwrap();
    }

    /// In another process.
    fn delegate(&self, device: &Device) -> Result<Outcome, String> {
        let file = self.folder.join("task.json");
        std::fs::write(&file, serde_json::to_vec(self).unwrap()).unwrap();
        let test = format!("{}::every_module_does_what_is_written_of_it", module_path!().split_once("::").unwrap().1);
        let mut command = device.command(&std::env::current_exe().unwrap());
        command.args(["--exact", &test, "--nocapture"]).env(TRIAL, file);
        let profile = TokenProfile::load(&self.description.profile, &toml::Table::new()).unwrap();
        command.envs(profile.module.env);
        command.envs(profile.module.env_required.into_iter().map(|variable| (variable, self.folder.clone())));
        let _ = std::fs::remove_file(self.folder.join("outcome.json"));
        let output = output(&mut command);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        match std::fs::read(self.folder.join("outcome.json")) {
            Ok(outcome) if output.status.success() => Ok(serde_json::from_slice(&outcome).unwrap()),
            _ => Err(text),
        }
    }
}

/// All that is tried with one module.
fn attempt(description: &Description) -> Result<Outcome, String> {
    let folder = tempfile::Builder::new().prefix("sigillo-token-").tempdir().unwrap();
    let device = Device::prepare(kind(description), folder.path(), &description.pin_prefix);
    let task = |more, step| {
        let folder = folder.path().to_owned();
        Task { description: description.clone(), folder, more, step }.delegate(&device)
    };
    task(toml::Table::new(), Step::Initialize)?;
    let mut all = Outcome::default();
    if description.separately {
        for spec in KeySpec::ALL {
            let others = || KeySpec::ALL.into_iter().filter(|other| *other != spec);
            let outcome = task(without(others()), Step::Measure)?;
            all.verified += outcome.verified;
            let about_others = |item: &Item| others().any(|other| item.field.contains(other.name()));
            let items = outcome.items.into_iter().filter(|item| !about_others(item));
            for item in items {
                if !all.items.iter().any(|known| known.field == item.field) {
                    all.items.push(item);
                }
            }
        }
    } else {
        all = task(toml::Table::new(), Step::Measure)?;
    }
    all.recovery = task(toml::Table::new(), Step::Recover)?.recovery;
    Ok(all)
}

#[test]
fn every_module_does_what_is_written_of_it() {
    if let Some(file) = std::env::var_os(TRIAL) {
        let task: Task = serde_json::from_slice(&std::fs::read(Path::new(&file)).unwrap()).unwrap();
        return task.do_it();
    }
    let descriptions = descriptions();
    for profile in TokenProfile::names() {
        let simulated = |description: &Description| description.device == "simulator" && description.profile == profile;
        assert!(descriptions.values().any(simulated), "no simulator under the profile {profile}");
    }
    let only = std::env::var("SIGILLO_MODULES").unwrap_or_default();
    let chosen = |name: &str| only.is_empty() || only.split(',').any(|one| one == name);
    let list: Vec<_> = descriptions.iter().filter(|(name, _)| chosen(name)).collect();
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((name, description)) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = attempt(description);
                    outcomes.lock().unwrap().insert((*name).clone(), outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    tests::report(&table::draw(&outcomes));
    let wrong: Vec<String> = list
        .iter()
        .flat_map(|(name, description)| match outcomes.get(*name) {
            Some(Ok(outcome)) => table::differences(name, description, outcome),
            Some(Err(output)) => vec![format!("{name}:\n{output}")],
            None => vec![format!("{name} was not tried")],
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
