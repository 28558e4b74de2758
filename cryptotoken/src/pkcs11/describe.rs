//! What library, token and mechanisms are, for comparison with a profile. Reads only; needs no login.

use std::collections::BTreeSet;
use std::path::Path;

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::MechanismType;
use cryptoki::slot::{Limit, TokenInfo};
use cryptotoken_api::{CryptoToken, DigestAlgorithm, KeySpec, SignatureAlgorithm, SignatureScheme, TokenError};

use crate::conformance::{DeviceDescription, MechanismFacts, MechanismNeed};
use crate::identity::DeviceIdentity;
use crate::pkcs11::Pkcs11Token;
use crate::pkcs11::connection::NotReady;
use crate::pkcs11::slot::{self, trimmed};
use crate::pkcs11::{manage, mechanism, module};
use crate::profile::{KeygenMode, TokenProfile};

/// What library and token say of themselves. What cannot be read is absent.
pub(crate) fn identity(
    library: Option<&Path>,
    profile: &TokenProfile,
    module: &Pkcs11,
    info: Option<&TokenInfo>,
) -> DeviceIdentity {
    let library_info = module.get_library_info().ok();
    let text = |text: &str| Some(trimmed(text).to_owned());
    let wanted = &profile.identity.exports;
    let exports = (!wanted.is_empty()).then(|| exported(library, profile, wanted)).flatten();
    let identity = DeviceIdentity {
        library_manufacturer: library_info.as_ref().and_then(|info| text(info.manufacturer_id())),
        library_description: library_info.as_ref().and_then(|info| text(info.library_description())),
        library_version: library_info.as_ref().map(|info| info.library_version().to_string()),
        token_manufacturer: info.and_then(|info| text(info.manufacturer_id())),
        token_model: info.and_then(|info| text(info.model())),
        exports,
    };
    if profile.identity.confirm(&identity) == Some(false) {
        tracing::warn!("the device is not the one that its profile describes: {identity:?}; run: sigillo token check");
    }
    identity
}

/// Which of these functions the library's file names, as every file does that exports them: with NUL before and behind.
fn exported(library: Option<&Path>, profile: &TokenProfile, wanted: &[String]) -> Option<BTreeSet<String>> {
    let path = module::locate(library, &profile.module).ok()?;
    let octets = std::fs::read(path).ok()?;
    let names: BTreeSet<&[u8]> = octets.split(|octet| *octet == 0).collect();
    Some(wanted.iter().filter(|name| names.contains(name.as_bytes())).cloned().collect())
}

impl Pkcs11Token {
    /// Everything that can be learnt of the device without using a key.
    ///
    /// # Errors
    /// [`TokenError::Unavailable`] when library or slot are away; [`TokenError::Configuration`] when `sigillo.toml` must be changed.
    pub fn describe(&self) -> Result<DeviceDescription, TokenError> {
        let (config, profile) = (self.config(), self.profile());
        let unavailable = |reason| TokenError::Unavailable { token: self.name().to_owned(), reason };
        let (module, _) = module::load(config.library.as_deref(), &profile.module)
            .map_err(|error| NotReady::from(error).into_token_error(self.name()))?;
        let _visit = module
            .gate()
            .enter(module.gate().generation(), self.deadline())
            .map_err(|_| unavailable("the library is being started anew".to_owned()))?;
        let module = module.pkcs11();
        let candidates = slot::candidates(module, profile.slot.retry).map_err(unavailable)?;
        let slot = slot::select(candidates, &config.slot).map_err(unavailable)?;
        let info = slot.info.as_ref();
        let mechanisms = module.get_mechanism_list(slot.slot).ok().map(|list| {
            list.into_iter()
                .map(|kind| {
                    let info = module.get_mechanism_info(slot.slot, kind).ok();
                    MechanismFacts {
                        name: kind.to_string(),
                        key_size: info.as_ref().map(|info| (info.min_key_size(), info.max_key_size())),
                        signs: info.as_ref().is_none_or(cryptoki::mechanism::MechanismInfo::sign),
                        generates: info.as_ref().is_none_or(cryptoki::mechanism::MechanismInfo::generate_key_pair),
                    }
                })
                .collect()
        });
        Ok(DeviceDescription {
            identity: identity(config.library.as_deref(), profile, module, info),
            login_required: info.map(TokenInfo::login_required),
            pin_pad: info.map(TokenInfo::protected_authentication_path),
            max_sessions: info.map(|info| match info.max_session_count() {
                Limit::Max(max) => Some(max),
                Limit::Infinite | Limit::Unavailable => None,
            }),
            mechanisms,
            needs: needs(profile),
        })
    }
}

/// What each kind of key needs of the device, by the profile.
fn needs(profile: &TokenProfile) -> Vec<MechanismNeed> {
    KeySpec::ALL
        .into_iter()
        .map(|spec| {
            let generating = manage::keygen_mechanism(&profile.keygen, spec).map(|kind| kind.mechanism_type());
            let generation = match profile.keygen.mode {
                KeygenMode::External => None,
                KeygenMode::Pkcs11 => Some(generating.map(|kind| kind.to_string())),
            };
            let default = SignatureAlgorithm::for_key(spec, None, None).map(SignatureAlgorithm::scheme).ok();
            MechanismNeed {
                spec,
                generation,
                signing: default.map(|scheme| signing(profile, spec, scheme)).unwrap_or_default(),
                pss: signing(profile, spec, SignatureScheme::RsaPss),
            }
        })
        .collect()
}

fn signing(profile: &TokenProfile, spec: KeySpec, scheme: SignatureScheme) -> BTreeSet<String> {
    DigestAlgorithm::ALL
        .into_iter()
        .filter_map(|digest| SignatureAlgorithm::for_key(spec, Some(scheme), Some(digest)).ok())
        .filter_map(|algorithm| mechanism::choose(&profile.sign, None, spec, algorithm))
        .map(|plan| plan.mechanism().mechanism_type())
        .map(|kind: MechanismType| kind.to_string())
        .collect()
}
