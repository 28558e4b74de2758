//! The functions of Utimaco CryptoServer CP5 beside PKCS#11, found by name in the library. Names, arguments and layouts are as
//! published code uses them; the vendor's header was not at hand.

use cryptoki_sys::*;
use openssl::hash::{MessageDigest, hash};

use super::memory::{Authorization, Key, KeyName};
use super::{KeyAuthorization, kak, memory, name};
use crate::gate::{Call, Incoming, pass};
use crate::{foreign, login, sessions};

/// `CK_CP5_AUTH_DATA`: a KAK and how it signs.
#[repr(C)]
struct AuthData {
    modulus_length: CK_ULONG,
    modulus: *const CK_BYTE,
    exponent_length: CK_ULONG,
    exponent: *const CK_BYTE,
    protocol: CK_BYTE,
}

/// `CK_CP5_INITIALIZE_PARAMS`.
#[repr(C)]
struct InitializeParams {
    auth_data: AuthData,
    assigned: CK_BYTE,
}

/// `CK_CP5_AUTHORIZE_PARAMS`.
#[repr(C)]
struct AuthorizeParams {
    count: CK_ULONG,
}

/// `CK_CP5_CHANGEAUTHDATA_PARAMS`.
#[repr(C)]
struct ChangeParams {
    auth_data: AuthData,
}

// The sizes on LP64.
const _: () = assert!(size_of::<AuthData>() == 40 && size_of::<InitializeParams>() == 48);
const _: () = assert!(size_of::<AuthorizeParams>() == 8 && size_of::<ChangeParams>() == 40);

/// What a KAK has to sign, and what happens then.
pub(crate) struct Challenge {
    key: KeyName,
    hash: [u8; 32],
    request: Request,
}

enum Request {
    Initialize { kak: String, protocol: u8, assigned: bool },
    Authorize { remaining: Option<CK_ULONG> },
    Change { kak: String, protocol: u8 },
}

/// Begins to initialise a key, to authorise it or to change its KAK; gives the 32 octets that the KAK has to sign.
///
/// # Safety
/// As for any function of PKCS#11: pointers belong to the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CP5_KeyAuthorizationInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
    hash: *mut CK_BYTE,
    hash_length: *mut CK_ULONG,
) -> CK_RV {
    let asks_length = hash.is_null();
    through("CP5_KeyAuthorizationInit", session, asks_length, |call, rules| {
        let room = [0; 32];
        // SAFETY: the application gave buffer, length and mechanism.
        let (available, mechanism) = unsafe {
            let available = hash_length.as_ref().copied().ok_or(CKR_ARGUMENTS_BAD)?;
            (available, mechanism.as_ref().ok_or(CKR_ARGUMENTS_BAD)?)
        };
        let mut given = room;
        if !asks_length && available >= foreign::length(room.len()) {
            // SAFETY: the application promises that the parameter is the mechanism's.
            let request = unsafe { request(rules, mechanism) }?;
            let challenge = challenge(call, session, key, request)?;
            given = challenge.hash;
            sessions::set_challenge(session, challenge);
        }
        // SAFETY: the application gave both.
        match unsafe { foreign::give(&given, hash, hash_length) } {
            CKR_OK => Ok(()),
            code => Err(code),
        }
    })
}

/// Completes what [`CP5_KeyAuthorizationInit`] began in this session, with the KAK's signature.
///
/// # Safety
/// As for any function of PKCS#11: pointers belong to the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CP5_KeyAuthorization(
    session: CK_SESSION_HANDLE,
    signature: *mut CK_BYTE,
    signature_length: CK_ULONG,
) -> CK_RV {
    through("CP5_KeyAuthorization", session, false, |call, rules| {
        let challenge = sessions::take_challenge(session).ok_or(CKR_OPERATION_NOT_INITIALIZED)?;
        // SAFETY: the application gave both.
        let signature = unsafe { foreign::slice(signature.cast_const(), signature_length) };
        // The refusal of a wrong signature must be remembered, so it is a result of the change and not an error in it.
        memory(call)?.change(|keys| Ok(complete(rules, challenge, signature, keys)))?
    })
}

/// Lets a blocked key be authorised again.
///
/// # Safety
/// As for any function of PKCS#11.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CP5_UnblockKey(session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> CK_RV {
    through("CP5_UnblockKey", session, false, |call, rules| {
        let key = name(call, session, key)?;
        memory(call)?.change(|keys| {
            let key = keys.get_mut(&key).ok_or(rules.codes.wrong_state.0)?;
            key.failures = 0;
            key.authorization = None;
            Ok(())
        })
    })
}

/// Not simulated: `CKR_FUNCTION_NOT_SUPPORTED`.
///
/// # Safety
/// As for any function of PKCS#11.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CP5_BackupObject(
    session: CK_SESSION_HANDLE,
    _object: CK_OBJECT_HANDLE,
    _backup: *mut *mut CK_BYTE,
    _length: *mut CK_ULONG,
) -> CK_RV {
    through("CP5_BackupObject", session, false, |_, _| Err(CKR_FUNCTION_NOT_SUPPORTED))
}

/// Not simulated: `CKR_FUNCTION_NOT_SUPPORTED`.
///
/// # Safety
/// As for any function of PKCS#11.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CP5_RestoreObject(
    session: CK_SESSION_HANDLE,
    _flags: CK_ULONG,
    _backup: *mut CK_BYTE,
    _length: CK_ULONG,
    _object: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    through("CP5_RestoreObject", session, false, |_, _| Err(CKR_FUNCTION_NOT_SUPPORTED))
}

fn through(
    function: &'static str,
    session: CK_SESSION_HANDLE,
    asks_length: bool,
    act: impl FnOnce(&Call, &KeyAuthorization) -> Result<(), CK_RV>,
) -> CK_RV {
    pass(&Incoming { function, session: Some(session), asks_length }, |call| {
        let result =
            call.configuration.key_authorization.as_ref().ok_or(CKR_FUNCTION_NOT_SUPPORTED).and_then(|rules| {
                check_session(call, rules, session)?;
                act(call, rules)
            });
        result.err().unwrap_or(CKR_OK)
    })
}

/// The functions want a read-write session in which a user is logged in.
fn check_session(call: &Call, rules: &KeyAuthorization, session: CK_SESSION_HANDLE) -> Result<(), CK_RV> {
    let state = sessions::real_info(call, session)?.state;
    let right_user = rules.user_type.is_none_or(login::is_logged_in_as);
    match state {
        CKS_RW_USER_FUNCTIONS if right_user => Ok(()),
        CKS_RO_USER_FUNCTIONS | CKS_RO_PUBLIC_SESSION => Err(CKR_SESSION_READ_ONLY),
        _ => Err(CKR_USER_NOT_LOGGED_IN),
    }
}

/// What a mechanism with its parameter asks for.
///
/// # Safety
/// The parameter is of the mechanism, and its pointers belong to the lengths beside them.
unsafe fn request(rules: &KeyAuthorization, mechanism: &CK_MECHANISM) -> Result<Request, CK_RV> {
    let (number, length) = (mechanism.mechanism, mechanism.ulParameterLen);
    let is_change =
        rules.change == Some(number) && (number != rules.authorize || length == size_of_ck::<ChangeParams>());
    // SAFETY: by the contract of this function.
    unsafe {
        if number == rules.initialize {
            let parameter: &InitializeParams = parameter(mechanism)?;
            let (kak, protocol) = auth_data(rules, &parameter.auth_data)?;
            Ok(Request::Initialize { kak, protocol, assigned: parameter.assigned != 0 })
        } else if is_change {
            let parameter: &ChangeParams = parameter(mechanism)?;
            let (kak, protocol) = auth_data(rules, &parameter.auth_data)?;
            Ok(Request::Change { kak, protocol })
        } else if number == rules.authorize {
            let parameter: &AuthorizeParams = parameter(mechanism)?;
            match parameter.count {
                0 => Err(CKR_MECHANISM_PARAM_INVALID),
                count => Ok(Request::Authorize { remaining: (count != rules.unlimited).then_some(count) }),
            }
        } else {
            Err(CKR_MECHANISM_INVALID)
        }
    }
}

fn size_of_ck<T>() -> CK_ULONG {
    foreign::length(size_of::<T>())
}

/// # Safety
/// A parameter of the size of `T` is one.
unsafe fn parameter<T>(mechanism: &CK_MECHANISM) -> Result<&T, CK_RV> {
    if mechanism.ulParameterLen != size_of_ck::<T>() || !mechanism.pParameter.cast::<T>().is_aligned() {
        return Err(CKR_MECHANISM_PARAM_INVALID);
    }
    // SAFETY: by the contract of this function; size and alignment are right.
    unsafe { mechanism.pParameter.cast::<T>().as_ref() }.ok_or(CKR_MECHANISM_PARAM_INVALID)
}

/// # Safety
/// Its pointers belong to the lengths beside them.
unsafe fn auth_data(rules: &KeyAuthorization, data: &AuthData) -> Result<(String, u8), CK_RV> {
    // SAFETY: by the contract of this function.
    let (modulus, exponent) = unsafe {
        (foreign::slice(data.modulus, data.modulus_length), foreign::slice(data.exponent, data.exponent_length))
    };
    if ![kak::PSS_SHA256, kak::PKCS1_SHA256].contains(&data.protocol) {
        return Err(CKR_MECHANISM_PARAM_INVALID);
    }
    Ok((kak::from_numbers(rules, modulus, exponent)?, data.protocol))
}

/// How the device makes the hash is not known; here it is of random octets, so that no answer is good twice.
fn challenge(
    call: &Call,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
    request: Request,
) -> Result<Challenge, CK_RV> {
    if !super::is_private(call, session, key)? {
        return Err(CKR_KEY_TYPE_INCONSISTENT);
    }
    let key = name(call, session, key)?;
    let mut random = [0; 32];
    openssl::rand::rand_bytes(&mut random).map_err(|_| CKR_GENERAL_ERROR)?;
    let digest = hash(MessageDigest::sha256(), &random).map_err(|_| CKR_GENERAL_ERROR)?;
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest.iter()).for_each(|(place, octet)| *place = *octet);
    Ok(Challenge { key, hash, request })
}

fn complete(
    rules: &KeyAuthorization,
    challenge: Challenge,
    signature: &[u8],
    keys: &mut super::memory::Keys,
) -> Result<(), CK_RV> {
    let codes = &rules.codes;
    let Challenge { key, hash, request } = challenge;
    if let Request::Initialize { kak, protocol, assigned } = request {
        if keys.contains_key(&key) {
            return Err(codes.wrong_state.0);
        }
        // The new KAK signs: its owner has it and means this key.
        if !kak::verifies(&kak, protocol, &hash, signature) {
            return Err(codes.wrong_signature.0);
        }
        keys.insert(key, Key { kak, protocol, assigned, failures: 0, authorization: None });
        return Ok(());
    }
    let known = keys.get_mut(&key).ok_or(codes.wrong_state.0)?;
    if known.failures >= rules.attempts {
        return Err(codes.blocked.0);
    }
    if !kak::verifies(&known.kak, known.protocol, &hash, signature) {
        known.failures += 1;
        if known.failures >= rules.attempts {
            known.authorization = None;
        }
        return Err(codes.wrong_signature.0);
    }
    known.failures = 0;
    match request {
        Request::Authorize { remaining } => known.authorization = Some(Authorization { remaining }),
        Request::Change { kak, protocol } => {
            (known.kak, known.protocol, known.authorization) = (kak, protocol, None);
        }
        Request::Initialize { .. } => {}
    }
    Ok(())
}
