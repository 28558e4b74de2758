//! Many keys: one that the library makes, and copies of its files under other identifiers. SoftHSM would take an hour to make so many.

#![expect(unsafe_code, reason = "PKCS#11 is an interface of C")]

use std::path::Path;

use cryptoki_sys::*;

use crate::raw::{Library, check};

/// P-256 (RFC 5480, section 2.1.1.1).
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// Makes a key pair in the first slot, where SoftHSM lists the initialised one. Its label is its identifier, too. The private half is none that
/// only users see, since of those SoftHSM encrypts every attribute.
pub(crate) fn make(library: &Library, id: &str) {
    let (mut slots, mut count, mut session) = ([0; 16], 16, 0);
    // SAFETY: the buffer has room for as many as `count` says.
    check(unsafe { library.0.C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &raw mut count) });
    let slot = slots[0];
    let flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
    // SAFETY: no callback is given.
    check(unsafe { library.0.C_OpenSession(slot, flags, std::ptr::null_mut(), None, &raw mut session) });
    let (yes, no): (CK_BBOOL, CK_BBOOL) = (CK_TRUE, CK_FALSE);
    let name = id.as_bytes();
    let mut public = [
        attribute(CKA_TOKEN, &yes),
        attribute(CKA_VERIFY, &yes),
        octets(CKA_EC_PARAMS, &P256),
        octets(CKA_ID, name),
        octets(CKA_LABEL, name),
    ];
    let mut private = [
        attribute(CKA_TOKEN, &yes),
        attribute(CKA_PRIVATE, &no),
        attribute(CKA_SENSITIVE, &yes),
        attribute(CKA_EXTRACTABLE, &no),
        attribute(CKA_SIGN, &yes),
        octets(CKA_ID, name),
        octets(CKA_LABEL, name),
    ];
    let mut mechanism =
        CK_MECHANISM { mechanism: CKM_EC_KEY_PAIR_GEN, pParameter: std::ptr::null_mut(), ulParameterLen: 0 };
    let (mut public_key, mut private_key) = (0, 0);
    // SAFETY: templates and places for the answer live through the call.
    check(unsafe {
        library.0.C_GenerateKeyPair(
            session,
            &raw mut mechanism,
            public.as_mut_ptr(),
            public.len() as CK_ULONG,
            private.as_mut_ptr(),
            private.len() as CK_ULONG,
            &raw mut public_key,
            &raw mut private_key,
        )
    });
    // SAFETY: the session is this function's own.
    check(unsafe { library.0.C_CloseSession(session) });
}

/// Copies the key pair `id` of the token in this folder to one for each of `ids`, which are as long. No process may have the token open.
pub(crate) fn copy(folder: &Path, id: &str, ids: impl Iterator<Item = String>) {
    let token = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let files = std::fs::read_dir(&token).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let halves: Vec<Vec<u8>> = files.filter(|file| positions(file, id.as_bytes()).next().is_some()).collect();
    assert_eq!(halves.len(), 2, "two files have the key");
    for (number, copied) in ids.enumerate() {
        for (which, half) in halves.iter().enumerate() {
            let mut copy = half.clone();
            for position in positions(half, id.as_bytes()) {
                copy[position..position + id.len()].copy_from_slice(copied.as_bytes());
            }
            std::fs::write(token.join(format!("{number:08x}-0000-0000-0000-{which:012}.object")), copy).unwrap();
        }
    }
}

fn positions<'a>(file: &'a [u8], id: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    file.windows(id.len()).enumerate().filter(move |(_, window)| *window == id).map(|(position, _)| position)
}

fn attribute<T>(kind: CK_ATTRIBUTE_TYPE, value: &T) -> CK_ATTRIBUTE {
    let length = size_of::<T>() as CK_ULONG;
    CK_ATTRIBUTE { type_: kind, pValue: std::ptr::from_ref(value).cast_mut().cast(), ulValueLen: length }
}

fn octets(kind: CK_ATTRIBUTE_TYPE, value: &[u8]) -> CK_ATTRIBUTE {
    CK_ATTRIBUTE { type_: kind, pValue: value.as_ptr().cast_mut().cast(), ulValueLen: value.len() as CK_ULONG }
}
