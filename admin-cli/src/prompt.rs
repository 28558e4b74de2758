//! Secrets and confirmations: from files, or typed on a terminal. Never from arguments, which every user of the machine can read.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use crate::failure::Failure;

/// A secret from a file; a newline at its end is no part of it.
pub(crate) fn secret_from_file(path: &Path) -> Result<SecretString, Failure> {
    let secret = SecretString::from(std::fs::read_to_string(path).map_err(Failure::file(path))?);
    let text = secret.expose_secret();
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(SecretString::from(text.strip_suffix('\r').unwrap_or(text)))
}

/// A secret from a file, else typed once.
pub(crate) fn secret(file: Option<&Path>, what: &str, option: &str) -> Result<SecretString, Failure> {
    match file {
        Some(path) => secret_from_file(path),
        None => typed(what, option),
    }
}

/// A new secret from a file, else typed twice.
pub(crate) fn new_secret(file: Option<&Path>, what: &str, option: &str) -> Result<SecretString, Failure> {
    if let Some(path) = file {
        return secret_from_file(path);
    }
    let (first, again) = (typed(what, option)?, typed(&format!("{what} again"), option)?);
    if first.expose_secret() == again.expose_secret() {
        Ok(first)
    } else {
        Err(Failure::Usage(format!("the two entries of the {what} differ; nothing was done")))
    }
}

/// Makes sure that what cannot be undone is meant: `--yes`, or the name typed on a terminal.
pub(crate) fn confirm(yes: bool, what: &str, name: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::Usage(format!("this would {what}; say --yes to confirm")));
    }
    eprint!("This will {what}. Type \"{name}\" to confirm: ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    if answer.trim() == name { Ok(()) } else { Err(Failure::refused("not confirmed; nothing was done")) }
}

fn typed(what: &str, option: &str) -> Result<SecretString, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "the {what} is missing: name a file with {option}, or type it on a terminal"
        )));
    }
    Ok(SecretString::from(rpassword::prompt_password(format!("{what}: "))?))
}
