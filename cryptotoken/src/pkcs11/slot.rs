//! Find the slot that `sigillo.toml` means: by label, serial number, number or index, never "the first".

use std::time::Duration;

use cryptoki::context::Pkcs11;
use cryptoki::error::Error;
use cryptoki::slot::{Slot, TokenInfo};

use crate::config::SlotSelector;
use crate::pkcs11::error::name;

/// One slot and what its token says of itself; `None` where it cannot be read.
pub(crate) struct Candidate {
    pub(crate) slot: Slot,
    pub(crate) info: Option<TokenInfo>,
}

impl Candidate {
    /// Whether its token waits to be initialised.
    pub(crate) fn is_free(&self) -> bool {
        self.info.as_ref().is_some_and(|info| !info.token_initialized())
    }
}

/// Every slot with a token. A slot that cannot be read hides no other one.
///
/// # Errors
/// When there is none: remoting modules answer so while their device is away.
pub(crate) fn candidates(module: &Pkcs11, retry: u32) -> Result<Vec<Candidate>, String> {
    let slots = module.get_slots_with_token().map_err(|error| format!("C_GetSlotList failed: {}", name(&error)))?;
    if slots.is_empty() {
        return Err("the library shows no slot with a token; is the device connected?".to_owned());
    }
    Ok(slots.into_iter().map(|slot| Candidate { slot, info: read(module, slot, retry) }).collect())
}

/// The one slot meant.
///
/// # Errors
/// A sentence that names what was found.
pub(crate) fn select(candidates: Vec<Candidate>, selector: &SlotSelector) -> Result<Candidate, String> {
    let found = describe(&candidates);
    let mut matching: Vec<Candidate> = candidates
        .into_iter()
        .enumerate()
        .filter(|(index, candidate)| matches(selector, *index, candidate))
        .map(|(_, candidate)| candidate)
        .collect();
    match (matching.pop(), matching.len()) {
        (Some(candidate), 0) => Ok(candidate),
        (Some(_), more) => Err(format!("{} slots have {selector}: name one by serial; found: {found}", more + 1)),
        (None, _) => Err(format!("no slot has {selector}; found: {found}")),
    }
}

/// `CK_TOKEN_INFO` strings are padded with blanks, by some modules with NUL.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c == '\0' || c.is_whitespace())
}

fn matches(selector: &SlotSelector, index: usize, candidate: &Candidate) -> bool {
    let initialized = candidate.info.as_ref().filter(|info| info.token_initialized());
    match selector {
        SlotSelector::Label(label) => initialized.is_some_and(|info| trimmed(info.label()) == label),
        SlotSelector::Serial(serial) => {
            candidate.info.as_ref().is_some_and(|info| trimmed(info.serial_number()) == serial)
        }
        SlotSelector::Id(id) => candidate.slot.id() == *id,
        SlotSelector::Index(wanted) => index == *wanted,
    }
}

fn read(module: &Pkcs11, slot: Slot, retry: u32) -> Option<TokenInfo> {
    for attempt in 0..=retry {
        match module.get_token_info(slot) {
            Ok(info) => return Some(info),
            // Answers that the crate cannot parse (a clock that is not digits) stay as they are.
            Err(error @ Error::Pkcs11(..)) if attempt < retry => {
                tracing::debug!("C_GetTokenInfo of slot {slot}: {}, asking again", name(&error));
                std::thread::sleep(Duration::from_millis(50 << attempt.min(4)));
            }
            Err(error) => {
                tracing::warn!("C_GetTokenInfo of slot {slot} failed: {}", name(&error));
                return None;
            }
        }
    }
    None
}

fn describe(candidates: &[Candidate]) -> String {
    let one = |(index, candidate): (usize, &Candidate)| match &candidate.info {
        Some(info) if info.token_initialized() => format!(
            "index {index} id {} label \"{}\" serial \"{}\"",
            candidate.slot,
            trimmed(info.label()),
            trimmed(info.serial_number())
        ),
        Some(_) => format!("index {index} id {} (not initialised)", candidate.slot),
        None => format!("index {index} id {} (unreadable)", candidate.slot),
    };
    candidates.iter().enumerate().map(one).collect::<Vec<_>>().join("; ")
}
