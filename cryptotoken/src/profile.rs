//! What differs between vendors, as data: one file per vendor in `profile/`, laid over `profile/generic.toml`.
//!
//! A vendor is never asked for by name in code. Where data cannot say it, add a variant to an enum here, handled in one `match`.

mod device;
mod environment;
mod keys;
mod layers;

use serde::Deserialize;
use toml::{Table, Value};

pub use device::{
    Assurance, AuthorizationLoss, AuthorizationScope, Errors, Ha, HaKind, IdentityPatterns, KeyAuthorization,
    KeyAuthorizationKind, Login, LoginMode, Measure, Module, Recovery, RecoveryDepth, Session, Slot, SlotName, Support,
};
pub use environment::environment_conflict;
pub use keys::{
    Cert, CertStore, EcKeygen, EcdsaEncoding, EddsaKeygen, EddsaParams, EddsaSigning, Hashing, IdRule, Keygen,
    KeygenMode, MlDsaKeygen, MlDsaSigning, Naming, RsaKeygen, Sign, TemplateAttribute,
};

/// A vendor's facts, with the overrides of one token applied.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenProfile {
    /// The library and what it needs.
    pub module: Module,
    /// How slots behave.
    pub slot: Slot,
    /// How one logs in.
    pub login: Login,
    /// How sessions behave.
    pub session: Session,
    /// How keys are generated.
    pub keygen: Keygen,
    /// How objects are named.
    pub naming: Naming,
    /// Who hashes, and what signatures look like.
    pub sign: Sign,
    /// Certificates on the token.
    pub cert: Cert,
    /// How single keys are authorised.
    pub key_authorization: KeyAuthorization,
    /// Return values by what helps against them.
    pub errors: Errors,
    /// What is done about a lost device.
    pub recovery: Recovery,
    /// Who survives the loss of one machine.
    pub ha: Ha,
    /// What a measurement must find.
    pub measure: Measure,
    /// What the device says of itself; never overridden.
    pub identity: IdentityPatterns,
    /// What the device is worth; never overridden.
    pub assurance: Assurance,
    /// Whether `sigillo.toml` changed a field.
    #[serde(skip)]
    pub overridden: bool,
}

/// A profile that cannot be had. `sigillo.toml` must be changed.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is no such profile.
    #[error("there is no profile \"{name}\"; did you mean \"{nearest}\"? Known: {}", known_profiles())]
    Unknown {
        /// The name asked for.
        name: String,
        /// The known one most like it.
        nearest: &'static str,
    },
    /// An override of a field that does not exist.
    #[error("override: the profile has no field \"{path}\"; did you mean \"{nearest}\"?")]
    UnknownField {
        /// The path asked for.
        path: String,
        /// The known one most like it.
        nearest: String,
    },
    /// An override of what an audit relies on.
    #[error("override: \"{0}\" says which device it is and what it is worth, and cannot be overridden")]
    Sealed(String),
    /// An override with a value that the field cannot have.
    #[error("override: {0}")]
    Value(String),
}

impl TokenProfile {
    /// The profile of this name with `overrides` applied.
    ///
    /// # Errors
    /// [`ProfileError`] when there is none, or an override does not fit.
    pub fn load(name: &str, overrides: &Table) -> Result<Self, ProfileError> {
        let vendor = FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text).ok_or_else(|| {
            let names = FILES.iter().map(|(known, _)| *known);
            let nearest = names.max_by(|a, b| layers::similarity(name, a, b)).unwrap_or("generic");
            ProfileError::Unknown { name: name.to_owned(), nearest }
        })?;
        let mut merged = read(GENERIC)?;
        layers::merge(&mut merged, read(vendor)?);
        let known = layers::leaves(&merged);
        let wanted = layers::flatten(overrides, &known);
        for (path, value) in &wanted {
            if layers::is_sealed(path) {
                return Err(ProfileError::Sealed(path.clone()));
            }
            if !known.contains(path) && !layers::is_template_attribute(path) {
                let nearest = layers::nearest(path, &known);
                return Err(ProfileError::UnknownField { path: path.clone(), nearest });
            }
            layers::set(&mut merged, path, value.clone());
            // Each alone, so that the message names the path it belongs to.
            Value::Table(merged.clone())
                .try_into::<Self>()
                .map_err(|error| ProfileError::Value(format!("\"{path}\": {}", error.message())))?;
        }
        let mut profile: Self =
            Value::Table(merged).try_into().map_err(|error| ProfileError::Value(error.to_string()))?;
        profile.overridden = !wanted.is_empty();
        Ok(profile)
    }

    /// The names of all profiles.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name)
    }
}

/// The profiles' names, joined for messages.
fn known_profiles() -> String {
    FILES.map(|(name, _)| name).join(", ")
}

fn read(text: &str) -> Result<Table, ProfileError> {
    text.parse::<Table>().map_err(|error| ProfileError::Value(error.to_string()))
}

const GENERIC: &str = include_str!("profile/generic.toml");

const FILES: [(&str, &str); 12] = [
    ("trident", include_str!("profile/trident.toml")),
    ("utimaco-cp5", include_str!("profile/utimaco-cp5.toml")),
    ("nshield-cc", include_str!("profile/nshield-cc.toml")),
    ("softhsm", include_str!("profile/softhsm.toml")),
    ("primus", include_str!("profile/primus.toml")),
    ("smartcard-hsm", include_str!("profile/smartcard-hsm.toml")),
    ("proteccio", include_str!("profile/proteccio.toml")),
    ("luna", include_str!("profile/luna.toml")),
    ("utimaco-gp", include_str!("profile/utimaco-gp.toml")),
    ("cloudhsm", include_str!("profile/cloudhsm.toml")),
    ("kryoptic", include_str!("profile/kryoptic.toml")),
    ("generic", GENERIC),
];

#[cfg(test)]
mod tests;
