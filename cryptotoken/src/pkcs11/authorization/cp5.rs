//! The functions of Utimaco CryptoServer CP5 beside PKCS#11, found by name in the library that is loaded already.
//!
//! Names, arguments and layouts are as published integrations use them (LP64); the vendor's header was not at hand. This file is the
//! only one that calls a library past `cryptoki`.

#![expect(unsafe_code, reason = "functions of a vendor's library take raw pointers and are found by name")]

use std::ffi::{c_int, c_void};
use std::path::Path;
use std::ptr;

use cryptoki::context::Function;
use cryptoki::error::{Error, Rv};
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use cryptoki_sys::{CK_BYTE, CK_MECHANISM, CK_OBJECT_HANDLE, CK_RV, CK_SESSION_HANDLE, CK_ULONG};
use libloading::os::unix::{Library, RTLD_LAZY};

/// `CP5_KeyAuthorizationInit`.
type KeyAuthorizationInit =
    unsafe extern "C" fn(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE, *mut CK_BYTE, *mut CK_ULONG) -> CK_RV;
/// `CP5_KeyAuthorization`.
type KeyAuthorization = unsafe extern "C" fn(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG) -> CK_RV;
/// `CP5_UnblockKey`.
type UnblockKey = unsafe extern "C" fn(CK_SESSION_HANDLE, CK_OBJECT_HANDLE) -> CK_RV;

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

/// A KAK as the device takes it: big-endian numbers, and the vendor's number of the protocol.
pub(super) struct KakNumbers {
    pub(super) modulus: Vec<u8>,
    pub(super) exponent: Vec<u8>,
    pub(super) protocol: u8,
}

/// What a mechanism carries.
pub(super) enum Parameter<'a> {
    Initialize { kak: &'a KakNumbers, assigned: bool },
    Authorize { count: u64 },
    Change { kak: &'a KakNumbers },
}

/// The functions of one loaded library.
pub(crate) struct Cp5 {
    begin: KeyAuthorizationInit,
    complete: KeyAuthorization,
    unblock: UnblockKey,
    // The functions live as long as this does.
    _library: Library,
}

/// Only what is loaded: the functions must be those of the instance that PKCS#11 is spoken with, whose sessions they take. The number
/// is that of glibc and musl.
const RTLD_NOLOAD: c_int = 4;

impl Cp5 {
    /// Finds the functions in the library that was loaded from `path`.
    ///
    /// # Errors
    /// A sentence that names the library.
    pub(crate) fn find(path: &Path) -> Result<Self, String> {
        let missing = |function: &str| {
            format!(
                "{} has no {function}: it is not the library of this device; a general-purpose library or one for remoting does not have it",
                path.display()
            )
        };
        // SAFETY: nothing is loaded, so no initialiser runs.
        let library = unsafe { Library::open(Some(path), RTLD_LAZY | RTLD_NOLOAD) }
            .map_err(|_| format!("{} was replaced since it was loaded; restart the service", path.display()))?;
        // SAFETY: the types are those of the vendor's functions of these names, as far as they are published.
        unsafe {
            let begin = library.get::<KeyAuthorizationInit>(b"CP5_KeyAuthorizationInit\0");
            let begin = *begin.map_err(|_| missing("CP5_KeyAuthorizationInit"))?;
            let complete = library.get::<KeyAuthorization>(b"CP5_KeyAuthorization\0");
            let complete = *complete.map_err(|_| missing("CP5_KeyAuthorization"))?;
            let unblock = *library.get::<UnblockKey>(b"CP5_UnblockKey\0").map_err(|_| missing("CP5_UnblockKey"))?;
            Ok(Self { begin, complete, unblock, _library: library })
        }
    }

    /// Begins in this session, and returns what the KAK has to sign.
    pub(super) fn begin(
        &self,
        session: &Session,
        key: ObjectHandle,
        mechanism: u64,
        parameter: &Parameter<'_>,
    ) -> Result<Vec<u8>, Error> {
        match parameter {
            Parameter::Initialize { kak, assigned } => {
                let mut value = InitializeParams { auth_data: auth_data(kak)?, assigned: u8::from(*assigned) };
                self.begin_with(session, key, mechanism, &mut value)
            }
            Parameter::Authorize { count } => {
                self.begin_with(session, key, mechanism, &mut AuthorizeParams { count: number(*count)? })
            }
            Parameter::Change { kak } => {
                self.begin_with(session, key, mechanism, &mut ChangeParams { auth_data: auth_data(kak)? })
            }
        }
    }

    fn begin_with<T>(
        &self,
        session: &Session,
        key: ObjectHandle,
        mechanism: u64,
        parameter: &mut T,
    ) -> Result<Vec<u8>, Error> {
        let mut mechanism = CK_MECHANISM {
            mechanism: number(mechanism)?,
            pParameter: ptr::from_mut(parameter).cast::<c_void>(),
            ulParameterLen: number(size_of::<T>())?,
        };
        // As long as any hash, so that one of another length is seen and not cut.
        let mut hash = vec![0; 64];
        let mut length = number(hash.len())?;
        // SAFETY: every pointer is to a live value of the length beside it, and the parameter is of the mechanism.
        let code = unsafe {
            (self.begin)(session.handle(), &raw mut mechanism, key.handle(), hash.as_mut_ptr(), &raw mut length)
        };
        checked(code)?;
        hash.truncate(usize::try_from(length).unwrap_or_default());
        Ok(hash)
    }

    /// Completes what was begun in this session, with the KAK's signature.
    pub(super) fn complete(&self, session: &Session, signature: &[u8]) -> Result<(), Error> {
        let length = number(signature.len())?;
        // The function takes a pointer to what it may change.
        let mut signature = signature.to_vec();
        // SAFETY: the pointer is to a live value of this length.
        checked(unsafe { (self.complete)(session.handle(), signature.as_mut_ptr(), length) })
    }

    /// `CP5_UnblockKey`.
    pub(super) fn unblock(&self, session: &Session, key: ObjectHandle) -> Result<(), Error> {
        // SAFETY: any number may be given as a handle.
        checked(unsafe { (self.unblock)(session.handle(), key.handle()) })
    }
}

/// Points into `kak`, which must outlive it.
fn auth_data(kak: &KakNumbers) -> Result<AuthData, Error> {
    Ok(AuthData {
        modulus_length: number(kak.modulus.len())?,
        modulus: kak.modulus.as_ptr(),
        exponent_length: number(kak.exponent.len())?,
        exponent: kak.exponent.as_ptr(),
        protocol: kak.protocol,
    })
}

fn number(value: impl TryInto<CK_ULONG>) -> Result<CK_ULONG, Error> {
    value.try_into().map_err(|_| Error::InvalidValue)
}

fn checked(code: CK_RV) -> Result<(), Error> {
    match Rv::from(code) {
        Rv::Ok => Ok(()),
        // The crate has no name for these functions; what the code says is the same anywhere.
        Rv::Error(error) => Err(Error::Pkcs11(error, Function::SignInit)),
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn parameters_have_the_layout_of_published_integrations() {
        assert_eq!(size_of::<AuthData>(), 40);
        assert_eq!(offset_of!(AuthData, modulus_length), 0);
        assert_eq!(offset_of!(AuthData, modulus), 8);
        assert_eq!(offset_of!(AuthData, exponent_length), 16);
        assert_eq!(offset_of!(AuthData, exponent), 24);
        assert_eq!(offset_of!(AuthData, protocol), 32);
        assert_eq!((size_of::<InitializeParams>(), offset_of!(InitializeParams, assigned)), (48, 40));
        assert_eq!((size_of::<AuthorizeParams>(), size_of::<ChangeParams>()), (8, 40));
    }

    #[test]
    fn a_library_that_is_not_loaded_is_not_loaded_for_its_functions() {
        let error = Cp5::find(Path::new("/nonexistent/libcs_pkcs11_R2.so")).err().unwrap();
        assert!(error.contains("/nonexistent/libcs_pkcs11_R2.so"), "{error}");
    }
}
