//! What was called: one line for each call, in the order in which they came, of all processes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::configuration::Configuration;

/// How often each function was called, by the `call_log` of a configuration. A file that is not there has no calls.
///
/// Calls that only ask for the length of their output are counted apart: `C_Sign length`. `C_Finalize overlapping` counts the times
/// when `C_Finalize` came while other calls ran, which PKCS#11 leaves undefined.
///
/// # Errors
/// Any but a missing file.
pub fn calls(log: &Path) -> io::Result<BTreeMap<String, u64>> {
    let text = match std::fs::read_to_string(log) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let mut counts = BTreeMap::new();
    for name in text.lines().filter_map(|line| line.split_once(' ')).map(|(_, name)| name) {
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    Ok(counts)
}

/// Writes `<process> <what>` at the end of the log. Before the call does anything, so that one that hangs or kills is there too.
pub(crate) fn record(configuration: &Configuration, what: &str) {
    let Some(path) = &configuration.call_log else { return };
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if open.as_ref().is_none_or(|(opened, _)| opened != path) {
        match OpenOptions::new().create(true).append(true).open(path) {
            Ok(file) => *open = Some((path.clone(), file)),
            Err(error) => eprintln!("token-simulator: {}: {error}", path.display()),
        }
    }
    if let Some((path, file)) = open.as_mut() {
        // One write, so that the lines of several processes do not mix.
        if let Err(error) = file.write_all(format!("{} {what}\n", std::process::id()).as_bytes()) {
            eprintln!("token-simulator: {}: {error}", path.display());
        }
    }
}

static OPEN: Mutex<Option<(PathBuf, File)>> = Mutex::new(None);
