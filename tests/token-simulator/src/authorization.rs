//! Keys that must be authorised before they sign, as those of Utimaco CryptoServer CP5 (EN 419 221-5): which key may sign how often.
//!
//! A key is generated, then initialised with the public half of a key authorisation key (KAK), then authorised for a number of
//! signatures by a signature of that KAK. `cp5` has the vendor's functions, `kak` the KAK, `memory` what the device remembers.

mod cp5;
mod kak;
mod memory;

use cryptoki_sys::*;
use serde::Deserialize;

pub(crate) use cp5::Challenge;
pub use cp5::{CP5_BackupObject, CP5_KeyAuthorization, CP5_KeyAuthorizationInit, CP5_RestoreObject, CP5_UnblockKey};
pub(crate) use memory::KeyName;

use crate::gate::{Call, real};
use crate::names::Code;
use crate::{foreign, identity, sessions};
use memory::{Authorization, Memory};

/// `[key_authorization]`: its presence is what makes keys need it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KeyAuthorization {
    /// `CKM_CP5_INITIALIZE`.
    initialize: CK_MECHANISM_TYPE,
    /// `CKM_CP5_AUTHORIZE`.
    authorize: CK_MECHANISM_TYPE,
    /// `CKM_CP5_CHANGEAUTHDATA`, of which the number is not known: absent, there is no such mechanism. The number of `authorize`
    /// may be given; the length of the parameter then says which is meant.
    change: Option<CK_MECHANISM_TYPE>,
    /// `ulCount` of an authorisation without limit.
    unlimited: CK_ULONG,
    /// The least length of a KAK in bits.
    minimum_kak_bits: u32,
    /// What stands before the modulus and exponent of a KAK.
    leading_zero: LeadingZero,
    /// After how many wrong signatures of a KAK in a row a key is blocked.
    attempts: u32,
    /// The user type that must be logged in, where an ordinary user is not enough. It is one of `login.user_types`.
    pub(crate) user_type: Option<CK_USER_TYPE>,
    /// Where an unauthorised key is refused.
    pub(crate) refuses_at: RefusesAt,
    codes: Codes,
}

impl Default for KeyAuthorization {
    fn default() -> Self {
        Self {
            initialize: 0x8000_C951,
            authorize: 0x8000_C952,
            change: None,
            unlimited: 0xFFFF_FFFF,
            minimum_kak_bits: 2048,
            leading_zero: LeadingZero::Any,
            attempts: 3,
            user_type: None,
            refuses_at: RefusesAt::Sign,
            codes: Codes::default(),
        }
    }
}

/// Whether the big-endian numbers of a KAK are written as signed ones, which begin with a zero octet where the first bit is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LeadingZero {
    /// As one likes.
    Any,
    /// They must be; else `CKR_MECHANISM_PARAM_INVALID`.
    Required,
    /// They must not begin with zero; else `CKR_MECHANISM_PARAM_INVALID`.
    Forbidden,
}

/// The function that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum RefusesAt {
    #[serde(rename = "C_SignInit")]
    SignInit,
    #[serde(rename = "C_Sign")]
    Sign,
}

/// The codes of refusals, none of which is known of the device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Codes {
    /// A key that is not initialised or not authorised is to sign.
    unauthorized: Code,
    /// A key is to sign that has made all signatures it was authorised for.
    exhausted: Code,
    /// A key is blocked by wrong signatures of its KAK.
    blocked: Code,
    /// A signature of a KAK is wrong.
    wrong_signature: Code,
    /// A key is to be initialised again, or authorised before it is initialised.
    wrong_state: Code,
}

impl Default for Codes {
    fn default() -> Self {
        Self {
            unauthorized: Code(CKR_KEY_FUNCTION_NOT_PERMITTED),
            exhausted: Code(CKR_KEY_FUNCTION_NOT_PERMITTED),
            blocked: Code(CKR_KEY_FUNCTION_NOT_PERMITTED),
            wrong_signature: Code(CKR_SIGNATURE_INVALID),
            wrong_state: Code(CKR_ACTION_PROHIBITED),
        }
    }
}

/// The name of a key that needs authorisation to sign; `None` where it needs none.
pub(crate) fn needed(call: &Call, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> Result<Option<KeyName>, CK_RV> {
    if call.configuration.key_authorization.is_none() || !is_private(call, session, key)? {
        return Ok(None);
    }
    name(call, session, key).map(Some)
}

/// Whether a key may sign now.
pub(crate) fn check(call: &Call, rules: &KeyAuthorization, key: &KeyName) -> Result<(), CK_RV> {
    memory(call)?.read(|keys| refusal(rules, keys.get(key)).map_or(Ok(()), Err))
}

/// Uses up one of the signatures that a key is authorised for.
pub(crate) fn take_one(call: &Call, rules: &KeyAuthorization, key: &KeyName) -> Result<(), CK_RV> {
    memory(call)?.change(|keys| {
        if let Some(code) = refusal(rules, keys.get(key)) {
            return Err(code);
        }
        if let Some(Authorization { remaining: Some(remaining), .. }) =
            keys.get_mut(key).and_then(|key| key.authorization.as_mut())
        {
            *remaining = remaining.saturating_sub(1);
        }
        Ok(())
    })
}

/// Undoes [`take_one`] for a signature that was not made.
pub(crate) fn give_back(call: &Call, rules: &KeyAuthorization, key: &KeyName) {
    let given = memory(call).and_then(|memory| {
        memory.change(|keys| {
            if let Some(Authorization { remaining: Some(remaining), .. }) =
                keys.get_mut(key).and_then(|key| key.authorization.as_mut())
            {
                *remaining = remaining.saturating_add(1).min(rules.unlimited);
            }
            Ok(())
        })
    });
    if let Err(code) = given {
        eprintln!("token-simulator: a signature that was not made stays counted: {code:#x}");
    }
}

fn refusal(rules: &KeyAuthorization, key: Option<&memory::Key>) -> Option<CK_RV> {
    let codes = &rules.codes;
    let key = match key {
        None => return Some(codes.unauthorized.0),
        Some(key) if key.failures >= rules.attempts => return Some(codes.blocked.0),
        Some(key) => key,
    };
    match &key.authorization {
        None => Some(codes.unauthorized.0),
        Some(Authorization { remaining: Some(0) }) => Some(codes.exhausted.0),
        Some(_) => None,
    }
}

/// Refuses a private key for anything but signatures, which alone are counted.
pub(crate) fn only_signs(call: &Call, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> Result<(), CK_RV> {
    match needed(call, session, key)? {
        Some(_) => Err(CKR_KEY_FUNCTION_NOT_PERMITTED),
        None => Ok(()),
    }
}

/// `C_DestroyObject`: what was authorised goes with the key.
pub(crate) unsafe fn destroy(call: &Call, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) -> CK_RV {
    let key = match needed(call, session, object) {
        Ok(key) => key,
        Err(code) => return code,
    };
    let code = real!(call, C_DestroyObject(session, object));
    match key {
        Some(key) if code == CKR_OK => remove(call, &key),
        _ => code,
    }
}

/// A new key is not authorised, whatever key had its id before.
pub(crate) fn forget(call: &Call, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> CK_RV {
    match needed(call, session, key) {
        Ok(Some(key)) => remove(call, &key),
        Ok(None) => CKR_OK,
        Err(code) => code,
    }
}

fn remove(call: &Call, key: &KeyName) -> CK_RV {
    let removed = memory(call).and_then(|memory| {
        memory.change(|keys| {
            keys.remove(key);
            Ok(())
        })
    });
    removed.err().unwrap_or(CKR_OK)
}

fn memory(call: &Call) -> Result<Memory<'_>, CK_RV> {
    let folder = call.configuration.state.as_deref().ok_or(CKR_GENERAL_ERROR)?;
    Ok(Memory::new(folder, call.configuration.device.restarts))
}

fn is_private(call: &Call, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) -> Result<bool, CK_RV> {
    let class = value(call, session, object, CKA_CLASS)?;
    Ok(foreign::number(&class) == Some(CKO_PRIVATE_KEY))
}

/// The token's serial number and the key's `CKA_ID`, by which the vendor's protocol finds a key.
fn name(call: &Call, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> Result<KeyName, CK_RV> {
    let slot = sessions::real_info(call, session)?.slotID;
    let token = identity::token(call, slot).ok_or(CKR_TOKEN_NOT_PRESENT)?;
    let serial = String::from_utf8_lossy(&token.serialNumber).trim_end().to_owned();
    Ok(KeyName(format!("{serial}/{}", hex::encode(value(call, session, key, CKA_ID)?))))
}

/// An attribute as the real module has it, of at most 256 octets.
pub(crate) fn value(
    call: &Call,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    name: CK_ATTRIBUTE_TYPE,
) -> Result<Vec<u8>, CK_RV> {
    let mut octets = [0u8; 256];
    let mut attribute = foreign::attribute(name, &octets);
    attribute.pValue = octets.as_mut_ptr().cast();
    match real!(call, C_GetAttributeValue(session, object, &raw mut attribute, 1)) {
        // SAFETY: it points to `octets`, which the real module has filled.
        CKR_OK => Ok(unsafe { foreign::value(&attribute) }.to_vec()),
        code => Err(code),
    }
}
