//! A PKCS#11 library without anything before it: sessions, one key, `C_SignInit` and `C_Sign`.
//!
//! The process has it initialised already, and is logged in; both belong to the process, not to whoever calls (PKCS#11 3.0, 5.4 and 5.6).

#![expect(unsafe_code, reason = "PKCS#11 is an interface of C")]

use std::path::Path;

use cryptoki_sys::*;

/// A library that is loaded already.
pub(crate) struct Library(pub(crate) Pkcs11);

/// A session, with the handle of the key.
pub(crate) struct Session<'a> {
    pub(crate) library: &'a Library,
    pub(crate) handle: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
}

impl Library {
    pub(crate) fn open(path: &Path) -> Self {
        // SAFETY: it is loaded already, so no initialiser runs.
        Self(unsafe { Pkcs11::new(path) }.unwrap())
    }

    /// One in which the private key with this identifier is found, in whatever slot.
    pub(crate) fn session(&self, id: &[u8]) -> Session<'_> {
        let mut slots = [0; 16];
        let mut count = slots.len() as CK_ULONG;
        // SAFETY: the buffer has room for as many as `count` says.
        check(unsafe { self.0.C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &raw mut count) });
        for slot in &slots[..usize::try_from(count).unwrap()] {
            let mut handle = 0;
            // SAFETY: no callback is given.
            let opened =
                unsafe { self.0.C_OpenSession(*slot, CKF_SERIAL_SESSION, std::ptr::null_mut(), None, &raw mut handle) };
            if opened != CKR_OK {
                continue;
            }
            let mut session = Session { library: self, handle, key: 0 };
            if session.find(id) {
                return session;
            }
        }
        panic!("no slot has the key");
    }
}

impl Session<'_> {
    fn find(&mut self, id: &[u8]) -> bool {
        let mut class = CKO_PRIVATE_KEY;
        let mut template = [
            CK_ATTRIBUTE {
                type_: CKA_CLASS,
                pValue: (&raw mut class).cast(),
                ulValueLen: size_of_val(&class) as CK_ULONG,
            },
            CK_ATTRIBUTE { type_: CKA_ID, pValue: id.as_ptr().cast_mut().cast(), ulValueLen: id.len() as CK_ULONG },
        ];
        let mut found = 0;
        // SAFETY: template and places for the answer live through the calls.
        unsafe {
            check(self.library.0.C_FindObjectsInit(self.handle, template.as_mut_ptr(), template.len() as CK_ULONG));
            check(self.library.0.C_FindObjects(self.handle, &raw mut self.key, 1, &raw mut found));
            check(self.library.0.C_FindObjectsFinal(self.handle));
        }
        found == 1
    }

    /// One signature.
    pub(crate) fn sign(&mut self, mechanism: CK_MECHANISM_TYPE, input: &[u8]) {
        let mut mechanism = CK_MECHANISM { mechanism, pParameter: std::ptr::null_mut(), ulParameterLen: 0 };
        let mut signature = [0; 512];
        let mut length = signature.len() as CK_ULONG;
        // SAFETY: the input is only read, and the buffer has room for as many octets as `length` says.
        unsafe {
            check(self.library.0.C_SignInit(self.handle, &raw mut mechanism, self.key));
            let input_length = input.len() as CK_ULONG;
            let (input, output) = (input.as_ptr().cast_mut(), signature.as_mut_ptr());
            check(self.library.0.C_Sign(self.handle, input, input_length, output, &raw mut length));
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // SAFETY: the session is this one's own.
        check(unsafe { self.library.0.C_CloseSession(self.handle) });
    }
}

#[track_caller]
pub(crate) fn check(code: CK_RV) {
    assert_eq!(code, CKR_OK, "{code:#x}");
}
