//! A device against its profile, both ways: what the profile says and the device lacks, what the device offers and the profile does not
//! know. [`compare`] only asks; [`measure()`] tries with throw-away keys, so it writes to the device.
//!
//! One suite for operators (`sigillo token check`) and for tests over every kind of token.

mod measure;

use std::collections::BTreeSet;

use cryptotoken_api::KeySpec;
use serde::Serialize;

pub use measure::{Witness, measure, measure_before};

use crate::config::{SlotSelector, TokenConfig};
use crate::identity::DeviceIdentity;
use crate::profile::{Hashing, LoginMode, SlotName, Support, TokenProfile};

/// One statement of the profile, and what is to be said to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckItem {
    /// The profile's field, with what it is about where it is about several things.
    pub field: String,
    /// What the profile says.
    pub expected: String,
    /// What the device says or did.
    pub found: String,
    /// The outcome.
    pub verdict: Verdict,
    /// Whether a difference here makes the profile the wrong one.
    pub required: bool,
}

/// How a statement and a device go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As the profile says.
    Ok,
    /// Not as the profile says.
    Differs,
    /// The profile or the device does not say.
    Unknown,
}

impl Verdict {
    /// The name in answers and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Differs => "differs",
            Self::Unknown => "unknown",
        }
    }

    /// What a fact says to a declaration; `None`: the fact is not known.
    pub(crate) const fn of(declared: Support, found: Option<bool>) -> Self {
        match (declared, found) {
            (Support::Unknown, _) | (_, None) => Self::Unknown,
            (Support::Yes, Some(true)) | (Support::No, Some(false)) => Self::Ok,
            (Support::Yes, Some(false)) | (Support::No, Some(true)) => Self::Differs,
        }
    }
}

impl CheckItem {
    /// An item that need not fit.
    pub(crate) fn new(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        verdict: Verdict,
    ) -> Self {
        Self { field: field.into(), expected: expected.into(), found: found.into(), verdict, required: false }
    }

    /// The same, but it must fit.
    pub(crate) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// Whether this alone says that the profile is the wrong one for the device.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.required && self.verdict == Verdict::Differs
    }
}

/// What can be learnt of a device without using a key.
#[derive(Clone, Debug, Default)]
pub struct DeviceDescription {
    /// What it says of itself.
    pub identity: DeviceIdentity,
    /// `CKF_LOGIN_REQUIRED`; `None` where the token's information cannot be read.
    pub login_required: Option<bool>,
    /// `CKF_PROTECTED_AUTHENTICATION_PATH`.
    pub pin_pad: Option<bool>,
    /// `ulMaxSessionCount`; the inner `None` where there is no limit or it is not told.
    pub max_sessions: Option<Option<u64>>,
    /// `C_GetMechanismList` and `C_GetMechanismInfo`; `None` where the device does not tell. Vendors' own are not in it.
    pub mechanisms: Option<Vec<MechanismFacts>>,
    /// What each kind of key needs of the device.
    pub needs: Vec<MechanismNeed>,
}

/// One mechanism that a device offers.
#[derive(Clone, Debug)]
pub struct MechanismFacts {
    /// `CKM_…`.
    pub name: String,
    /// Smallest and largest key, in bits where the device follows PKCS#11; `None` where it does not tell.
    pub key_size: Option<(usize, usize)>,
    /// `CKF_SIGN`.
    pub signs: bool,
    /// `CKF_GENERATE_KEY_PAIR`.
    pub generates: bool,
}

/// What one kind of key needs of the device, by the profile.
#[derive(Clone, Debug)]
pub struct MechanismNeed {
    /// The kind of key.
    pub spec: KeySpec,
    /// The mechanism that generates it: `None` where the vendor's tool does, `Some(None)` where the profile has none.
    pub generation: Option<Option<String>>,
    /// Mechanisms for the default signature scheme; empty where it is off.
    pub signing: BTreeSet<String>,
    /// Mechanisms for RSASSA-PSS.
    pub pss: BTreeSet<String>,
}

/// What a token's profile says against what its device says.
#[must_use]
pub fn compare(profile: &TokenProfile, config: &TokenConfig, device: &DeviceDescription) -> Vec<CheckItem> {
    let mut items = identity(profile, &device.identity);
    items.push(slot(profile, &config.slot));
    items.extend(login(profile, device));
    items.push(sessions(profile, config, device));
    items.extend(device.needs.iter().map(|need| kind_of_key(profile, need, device)));
    items.extend(pss(profile, device));
    items.extend(offered_beside(device));
    items
}

fn identity(profile: &TokenProfile, device: &DeviceIdentity) -> Vec<CheckItem> {
    let findings = profile.identity.compare(device).into_iter();
    findings
        .map(|finding| {
            let verdict = match finding.fits {
                Some(true) => Verdict::Ok,
                Some(false) => Verdict::Differs,
                None => Verdict::Unknown,
            };
            let expected = if finding.expected.is_empty() { NOT_KNOWN.into() } else { finding.expected.join(" or ") };
            let expected = if finding.field == "identity.exports" { finding.expected.join(", ") } else { expected };
            let found = finding.found.filter(|found| !found.is_empty()).unwrap_or_else(|| "nothing".into());
            CheckItem::new(finding.field, expected, found, verdict).required()
        })
        .collect()
}

fn slot(profile: &TokenProfile, selector: &SlotSelector) -> CheckItem {
    let name = match selector {
        SlotSelector::Label(_) => SlotName::Label,
        SlotSelector::Serial(_) => SlotName::Serial,
        SlotSelector::Id(_) => SlotName::Id,
        SlotSelector::Index(_) => SlotName::Index,
    };
    let stable: Vec<&str> = profile.slot.stable.iter().map(|name| name.name()).collect();
    let verdict = if profile.slot.stable.contains(&name) { Verdict::Ok } else { Verdict::Differs };
    CheckItem::new("slot.stable", stable.join(" or "), selector.to_string(), verdict)
}

fn login(profile: &TokenProfile, device: &DeviceDescription) -> Vec<CheckItem> {
    let (expected, wanted) = match profile.login.mode {
        LoginMode::User => ("a login", true),
        LoginMode::None => ("no login", false),
    };
    let found = |flag: Option<bool>, yes: &str, no: &str| match flag {
        Some(true) => yes.to_owned(),
        Some(false) => no.to_owned(),
        None => "not told".to_owned(),
    };
    let verdict = |flag: Option<bool>, wanted: bool| match flag {
        Some(flag) if flag == wanted => Verdict::Ok,
        Some(_) => Verdict::Differs,
        None => Verdict::Unknown,
    };
    let required = device.login_required;
    vec![
        CheckItem::new(
            "login.mode",
            expected,
            found(required, "login required", "no login required"),
            verdict(required, wanted),
        )
        .required(),
        CheckItem::new(
            "login.pin",
            profile.login.pin.as_str(),
            found(device.pin_pad, "typed at the device itself", "given by programs"),
            verdict(device.pin_pad, false),
        ),
    ]
}

fn sessions(profile: &TokenProfile, config: &TokenConfig, device: &DeviceDescription) -> CheckItem {
    let wanted = config.sessions.unwrap_or(profile.session.max);
    // One more holds the login.
    let expected = format!("{wanted} and one for the login");
    let needed = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_add(1);
    let (found, verdict) = match device.max_sessions {
        None => ("not told".to_owned(), Verdict::Unknown),
        Some(None) => ("no limit told".to_owned(), Verdict::Ok),
        Some(Some(max)) => (format!("at most {max}"), if max < needed { Verdict::Differs } else { Verdict::Ok }),
    };
    CheckItem::new("session.max", expected, found, verdict)
}

fn kind_of_key(profile: &TokenProfile, need: &MechanismNeed, device: &DeviceDescription) -> CheckItem {
    let declared = profile.keygen.support(need.spec);
    let field = format!("keygen.kinds.{}", need.spec);
    let Some(offered) = &device.mechanisms else {
        return CheckItem::new(field, declared.name(), "mechanisms not told", Verdict::Unknown);
    };
    let generation = need.generation.clone().flatten();
    if need.signing.is_empty() || (generation.is_none() && need.generation.is_some()) {
        let verdict = Verdict::of(declared, Some(false));
        return CheckItem::new(field, declared.name(), "the profile has no mechanism for it", verdict);
    }
    let mut lacking = Vec::new();
    for name in generation.iter().chain(&need.signing) {
        match offered.iter().find(|mechanism| mechanism.name == *name) {
            None => lacking.push(format!("no {name}")),
            Some(mechanism) => lacking.extend(size_problem(mechanism, need.spec)),
        }
    }
    let can = lacking.is_empty();
    let names: Vec<&str> = generation.iter().chain(&need.signing).map(String::as_str).collect();
    let found = if can { format!("offers {}", names.join(", ")) } else { lacking.join(", ") };
    let item = CheckItem::new(field, declared.name(), found, Verdict::of(declared, Some(can)));
    // What the profile promises must be there; what it does not know of is worth a look and no more.
    if declared == Support::Yes { item.required() } else { item }
}

/// Sizes outside of what the mechanism says it takes. Devices count Ed25519 differently, so it is not judged.
fn size_problem(mechanism: &MechanismFacts, spec: KeySpec) -> Option<String> {
    // Some devices count octets or leave the field empty: no limit below the second number can be meant in bits.
    let (bits, credible) = match spec {
        KeySpec::EcP256 => (256, 160),
        KeySpec::EcP384 => (384, 160),
        KeySpec::EcP521 => (521, 160),
        spec => (usize::try_from(spec.modulus_bits()?).ok()?, 1024),
    };
    let (least, most) = mechanism.key_size?;
    (most >= credible && !(least..=most).contains(&bits))
        .then(|| format!("{} takes {least} to {most} bits", mechanism.name))
}

/// RSASSA-PSS is no key's default scheme, so a device without it is not the wrong one.
fn pss(profile: &TokenProfile, device: &DeviceDescription) -> Option<CheckItem> {
    let offered = device.mechanisms.as_ref()?;
    let need = device.needs.iter().find(|need| need.spec == KeySpec::Rsa2048)?;
    let names: BTreeSet<&str> = offered.iter().map(|mechanism| mechanism.name.as_str()).collect();
    let has = |name: &str| names.contains(name);
    let item = |expected: &str, found: String, verdict| Some(CheckItem::new("sign.rsa_pss", expected, found, verdict));
    if profile.sign.rsa_pss == Hashing::Off {
        return match has("CKM_RSA_PKCS_PSS") {
            true => item("off", "offers CKM_RSA_PKCS_PSS".into(), Verdict::Unknown),
            false => item("off", "not offered".into(), Verdict::Ok),
        };
    }
    let lacking: Vec<String> = need.pss.iter().filter(|name| !has(name)).map(|name| format!("no {name}")).collect();
    let expected = need.pss.iter().cloned().collect::<Vec<_>>().join(", ");
    match lacking.is_empty() {
        true => item(&expected, "offered".into(), Verdict::Ok),
        false => item(&expected, lacking.join(", "), Verdict::Differs),
    }
}

/// Mechanisms that sign or generate pairs and that nothing here uses.
fn offered_beside(device: &DeviceDescription) -> Option<CheckItem> {
    let used: BTreeSet<&str> = device
        .needs
        .iter()
        .flat_map(|need| need.generation.iter().flatten().chain(&need.signing).chain(&need.pss))
        .map(String::as_str)
        .collect();
    let offered = device.mechanisms.as_ref()?.iter();
    let beside: Vec<&str> = offered
        .filter(|mechanism| (mechanism.signs || mechanism.generates) && !used.contains(mechanism.name.as_str()))
        // Signing for PKCS#11, but with secret keys.
        .filter(|mechanism| !mechanism.name.contains("MAC"))
        .map(|mechanism| mechanism.name.as_str())
        .collect();
    let found = beside.join(", ");
    (!beside.is_empty()).then(|| CheckItem::new("mechanisms", "those above", format!("also {found}"), Verdict::Unknown))
}

pub(crate) const NOT_KNOWN: &str = "not known";

#[cfg(test)]
mod tests;
