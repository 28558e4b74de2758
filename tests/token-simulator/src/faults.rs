//! Faults that a test orders: a code, a delay, a hang, for all calls of a function or some of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cryptoki_sys::CK_RV;
use serde::Deserialize;

use crate::configuration::{self, Configuration};
use crate::function_list;
use crate::names::Code;

/// One `[[fault]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// Which function, or `*` for each.
    function: String,
    /// What it returns. Absent: what the device does.
    code: Option<Code>,
    /// Whether the device does its work all the same, and only the answer is lost.
    #[serde(default)]
    performed: bool,
    /// How long the call takes before anything else happens.
    #[serde(default)]
    delay_ms: u64,
    /// Whether the call does not go on until the configuration file is changed.
    #[serde(default)]
    hang: bool,
    /// How many calls are let through first.
    #[serde(default)]
    after: u64,
    /// Every which call is hit, of those that remain.
    #[serde(default = "one")]
    every: u64,
    /// How many calls are hit. Absent: no end.
    times: Option<u64>,
    /// How many calls came since the configuration was read.
    #[serde(skip)]
    seen: AtomicU64,
}

fn one() -> u64 {
    1
}

impl Fault {
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.function != "*" && !function_list::NAMES.contains(&self.function.as_str()) {
            return Err(format!("a fault names the function \"{}\", which there is not", self.function));
        }
        if self.every == 0 { Err("a fault cannot hit every 0th call".to_owned()) } else { Ok(()) }
    }

    /// Whether this call is hit.
    fn hits(&self) -> bool {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        let Some(since) = number.checked_sub(self.after) else { return false };
        since % self.every == 0 && self.times.is_none_or(|times| since / self.every < times)
    }
}

/// What is to happen to one call.
#[derive(Default)]
pub(crate) struct Fate {
    delay: Duration,
    hang: bool,
    /// What is returned instead of doing anything.
    pub(crate) refused: Option<CK_RV>,
    /// What is returned instead of success.
    pub(crate) lost: Option<CK_RV>,
}

/// The fate of the next call of `function`: the delays of all faults that hit it and the first of their codes.
pub(crate) fn next(configuration: &Configuration, function: &str) -> Fate {
    let mut fate = Fate::default();
    for fault in configuration.faults.iter().filter(|fault| fault.function == "*" || fault.function == function) {
        if !fault.hits() {
            continue;
        }
        fate.delay += Duration::from_millis(fault.delay_ms);
        fate.hang |= fault.hang;
        let code = if fault.performed { &mut fate.lost } else { &mut fate.refused };
        *code = code.or(fault.code.map(|code| code.0));
    }
    fate
}

impl Fate {
    /// Waits as ordered and gives the configuration as it is afterwards.
    pub(crate) fn wait(&self, configuration: Arc<Configuration>) -> Result<Arc<Configuration>, CK_RV> {
        if self.delay.is_zero() && !self.hang {
            return Ok(configuration);
        }
        std::thread::sleep(self.delay);
        loop {
            let now = configuration::current()?;
            if !self.hang || !Arc::ptr_eq(&now, &configuration) {
                return Ok(now);
            }
            std::thread::sleep(POLL);
        }
    }
}

const POLL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(more: &str) -> String {
        let fault: Fault = toml::from_str(&format!("function = 'C_Sign'\ncode = 'CKR_DEVICE_ERROR'\n{more}")).unwrap();
        (0..10).map(|_| if fault.hits() { '!' } else { '.' }).collect()
    }

    #[test]
    fn a_fault_hits_the_calls_it_is_ordered_for() {
        assert_eq!(hits(""), "!!!!!!!!!!");
        assert_eq!(hits("times = 2"), "!!........");
        assert_eq!(hits("after = 3\ntimes = 1"), "...!......");
        assert_eq!(hits("every = 3"), "!..!..!..!");
        assert_eq!(hits("every = 3\nafter = 1\ntimes = 2"), ".!..!.....");
    }
}
