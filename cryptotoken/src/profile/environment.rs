//! Tokens whose libraries cannot share one environment.
//!
//! The environment belongs to the process, and a library reads it when it is loaded, once. So two tokens that need another value of
//! the same variable need two processes (two nodes), whether their library is the same or not.

use std::collections::BTreeMap;

use crate::config::TokenConfig;
use crate::profile::TokenProfile;

/// What keeps tokens from living in one process, in words for the operator; `None` when nothing does.
///
/// Tokens whose profile cannot be had are passed over: opening them says why.
#[must_use]
pub fn environment_conflict(tokens: &[TokenConfig]) -> Option<String> {
    let mut wanted: BTreeMap<String, (String, &str, String)> = BTreeMap::new();
    for token in tokens {
        let Ok(profile) = TokenProfile::load(&token.profile, &token.overrides) else { continue };
        let library = library(token, &profile);
        for (variable, value) in profile.module.env {
            match wanted.get(&variable) {
                Some((other_value, other, other_library)) if *other_value != value => {
                    let libraries = if *other_library == library {
                        format!("both load {library}, which reads it once for the whole process")
                    } else {
                        "a process has one environment".to_owned()
                    };
                    return Some(format!(
                        "token \"{other}\" needs {variable}={other_value} and token \"{}\" needs {variable}={value}, but \
                         {libraries}; configure both devices in one file of the vendor's, or give each token a node of its own",
                        token.name
                    ));
                }
                Some(_) => {}
                None => {
                    wanted.insert(variable, (value, &token.name, library.clone()));
                }
            }
        }
    }
    None
}

/// By what two tokens have the same library: the path named, else the search path's.
fn library(token: &TokenConfig, profile: &TokenProfile) -> String {
    let named = token.library.clone();
    let found = || profile.module.library.iter().find(|path| path.exists()).or(profile.module.library.first()).cloned();
    let path = named.or_else(found).unwrap_or_default();
    // Two names of one library are one library.
    path.canonicalize().unwrap_or(path).display().to_string()
}
