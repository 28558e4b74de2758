//! The other side of key authorisation: the vendor's functions as a program calls them, and a KAK as its owner uses it. Layouts and
//! numbers are written down a second time here, so that a slip on one side is seen.

use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use cryptoki_sys::*;
use libloading::{Library, Symbol};
use openssl::md::Md;
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sign::RsaPssSaltlen;

pub(crate) const INITIALIZE: CK_MECHANISM_TYPE = 0x8000_C951;
pub(crate) const AUTHORIZE: CK_MECHANISM_TYPE = 0x8000_C952;
pub(crate) const PSS: u8 = 1;
pub(crate) const PKCS1: u8 = 2;

type KeyAuthorizationInit =
    unsafe extern "C" fn(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE, *mut u8, *mut CK_ULONG) -> CK_RV;
type KeyAuthorization = unsafe extern "C" fn(CK_SESSION_HANDLE, *mut u8, CK_ULONG) -> CK_RV;
type UnblockKey = unsafe extern "C" fn(CK_SESSION_HANDLE, CK_OBJECT_HANDLE) -> CK_RV;

/// The vendor's functions, by name.
pub(crate) struct Cp5(Library);

impl Cp5 {
    pub(crate) fn new() -> Self {
        // SAFETY: the module is loaded already.
        Self(unsafe { Library::new(token_simulator::library().unwrap()) }.unwrap())
    }

    fn function<T>(&self, name: &str) -> Symbol<'_, T> {
        // SAFETY: the types above are the vendor's.
        unsafe { self.0.get(name.as_bytes()) }.unwrap()
    }

    /// The hash that is to be signed.
    pub(crate) fn begin(
        &self,
        session: &Session,
        key: ObjectHandle,
        mechanism: CK_MECHANISM_TYPE,
        parameter: &[u8],
    ) -> Result<[u8; 32], CK_RV> {
        let begin: Symbol<'_, KeyAuthorizationInit> = self.function("CP5_KeyAuthorizationInit");
        let mut mechanism = CK_MECHANISM {
            mechanism,
            pParameter: parameter.as_ptr().cast_mut().cast(),
            ulParameterLen: parameter.len() as CK_ULONG,
        };
        let (mut hash, mut length) = ([0; 32], 32);
        // SAFETY: all pointers are to live values of the lengths given.
        let code =
            unsafe { begin(session.handle(), &raw mut mechanism, key.handle(), hash.as_mut_ptr(), &raw mut length) };
        assert_eq!(length, 32);
        if code == CKR_OK { Ok(hash) } else { Err(code) }
    }

    pub(crate) fn complete(&self, session: &Session, signature: &[u8]) -> CK_RV {
        let complete: Symbol<'_, KeyAuthorization> = self.function("CP5_KeyAuthorization");
        // SAFETY: the pointer is to a live value of this length.
        unsafe { complete(session.handle(), signature.as_ptr().cast_mut(), signature.len() as CK_ULONG) }
    }

    pub(crate) fn unblock(&self, session: &Session, key: ObjectHandle) -> CK_RV {
        let unblock: Symbol<'_, UnblockKey> = self.function("CP5_UnblockKey");
        // SAFETY: any numbers may be given as handles.
        unsafe { unblock(session.handle(), key.handle()) }
    }

    pub(crate) fn initialize(&self, session: &Session, key: ObjectHandle, kak: &Kak) -> CK_RV {
        let numbers = kak.numbers();
        self.perform(session, key, INITIALIZE, numbers.initialize(1), kak)
    }

    pub(crate) fn authorize(&self, session: &Session, key: ObjectHandle, kak: &Kak, count: CK_ULONG) -> CK_RV {
        self.perform(session, key, AUTHORIZE, count.to_ne_bytes(), kak)
    }

    /// Both calls, with the KAK between them.
    pub(crate) fn perform(
        &self,
        session: &Session,
        key: ObjectHandle,
        mechanism: CK_MECHANISM_TYPE,
        parameter: impl AsRef<[u8]>,
        kak: &Kak,
    ) -> CK_RV {
        match self.begin(session, key, mechanism, parameter.as_ref()) {
            Ok(hash) => self.complete(session, &kak.sign(&hash)),
            Err(code) => code,
        }
    }
}

/// A KAK and how it signs.
pub(crate) struct Kak {
    key: PKey<Private>,
    protocol: u8,
    leading_zero: bool,
}

impl Kak {
    pub(crate) fn new(bits: u32, protocol: u8) -> Self {
        Self { key: PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap(), protocol, leading_zero: true }
    }

    /// Whether its modulus is sent with a zero octet before it, as published code does and [`Kak::new`] too.
    pub(crate) fn written(self, leading_zero: bool) -> Self {
        Self { leading_zero, ..self }
    }

    pub(crate) const fn protocol(&self) -> u8 {
        self.protocol
    }

    /// The public half, DER `SubjectPublicKeyInfo`.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        self.key.public_key_to_der().unwrap()
    }

    pub(crate) fn sign(&self, hash: &[u8]) -> Vec<u8> {
        let mut context = PkeyCtx::new(&self.key).unwrap();
        context.sign_init().unwrap();
        if self.protocol == PSS {
            context.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            context.set_rsa_mgf1_md(Md::sha256()).unwrap();
            context.set_rsa_pss_saltlen(RsaPssSaltlen::custom(32)).unwrap();
        } else {
            context.set_rsa_padding(Padding::PKCS1).unwrap();
        }
        context.set_signature_md(Md::sha256()).unwrap();
        let mut signature = Vec::new();
        context.sign_to_vec(hash, &mut signature).unwrap();
        signature
    }

    pub(crate) fn numbers(&self) -> Numbers {
        let rsa = self.key.rsa().unwrap();
        let number = |octets: Vec<u8>| if self.leading_zero { [&[0][..], &octets].concat() } else { octets };
        let modulus = number(rsa.n().to_vec());
        Numbers { modulus, exponent: rsa.e().to_vec(), protocol: self.protocol }
    }
}

/// The public half as the vendor's structures point to it.
pub(crate) struct Numbers {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    protocol: u8,
}

impl Numbers {
    /// `CK_CP5_INITIALIZE_PARAMS`, 48 octets; it points into `self`.
    pub(crate) fn initialize(&self, assigned: u8) -> Vec<u8> {
        let numbers = [
            self.modulus.len().to_ne_bytes(),
            (self.modulus.as_ptr() as usize).to_ne_bytes(),
            self.exponent.len().to_ne_bytes(),
            (self.exponent.as_ptr() as usize).to_ne_bytes(),
        ];
        let mut octets = numbers.concat();
        octets.extend([self.protocol, 0, 0, 0, 0, 0, 0, 0, assigned, 0, 0, 0, 0, 0, 0, 0]);
        octets
    }

    /// `CK_CP5_CHANGEAUTHDATA_PARAMS`, 40 octets; it points into `self`.
    pub(crate) fn change(&self) -> Vec<u8> {
        self.initialize(0)[..40].to_vec()
    }
}
