//! What can be read of objects, and in which coding.

use std::borrow::Cow;

use cryptoki_sys::*;

use crate::configuration::Configuration;
use crate::ec::EcPoint;
use crate::foreign;
use crate::gate::{Call, real};

/// `C_GetAttributeValue`.
pub(crate) unsafe fn read(
    call: &Call,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    let configuration = call.configuration.as_ref();
    // SAFETY: the application gave both.
    let theirs = unsafe { foreign::slice_mut(template, count) };
    let mut buffers: Vec<[u8; LONGEST]> = vec![[0; LONGEST]; theirs.len()];
    let mut ours: Vec<CK_ATTRIBUTE> = theirs.to_vec();
    for (attribute, buffer) in ours.iter_mut().zip(&mut buffers) {
        match Rule::of(configuration, attribute.type_) {
            Rule::AsItIs => {}
            // Asked for its length only, the value stays inside.
            Rule::Unreadable => attribute.pValue = std::ptr::null_mut(),
            Rule::Recoded => {
                attribute.pValue = buffer.as_mut_ptr().cast();
                attribute.ulValueLen = foreign::length(LONGEST);
            }
        }
    }
    let mut code = real!(call, C_GetAttributeValue(session, object, ours.as_mut_ptr(), count));
    for (their, our) in theirs.iter_mut().zip(&ours) {
        match Rule::of(configuration, their.type_) {
            Rule::Recoded if our.ulValueLen != CK_UNAVAILABLE_INFORMATION => {
                // SAFETY: `our` is our own buffer; the application gave `their`.
                let given = unsafe {
                    let value = recode(configuration, our.type_, foreign::value(our));
                    foreign::give(&value, their.pValue.cast(), &raw mut their.ulValueLen)
                };
                if given != CKR_OK {
                    their.ulValueLen = CK_UNAVAILABLE_INFORMATION;
                    code = given;
                }
            }
            Rule::Unreadable => {
                their.ulValueLen = CK_UNAVAILABLE_INFORMATION;
                code = if code == CKR_OK { CKR_ATTRIBUTE_TYPE_INVALID } else { code };
            }
            Rule::Recoded | Rule::AsItIs => their.ulValueLen = our.ulValueLen,
        }
    }
    code
}

/// How an attribute is given.
enum Rule {
    AsItIs,
    Unreadable,
    Recoded,
}

impl Rule {
    fn of(configuration: &Configuration, name: CK_ATTRIBUTE_TYPE) -> Self {
        if configuration.templates.unreadable.iter().any(|unreadable| unreadable.0 == name) {
            return Self::Unreadable;
        }
        match name {
            CKA_EC_POINT if configuration.ec.point != EcPoint::OctetString => Self::Recoded,
            CKA_EC_PARAMS if configuration.eddsa.has_own_name() => Self::Recoded,
            _ => Self::AsItIs,
        }
    }
}

fn recode<'a>(configuration: &'a Configuration, name: CK_ATTRIBUTE_TYPE, value: &'a [u8]) -> Cow<'a, [u8]> {
    match name {
        CKA_EC_POINT => configuration.ec.point.recode(value).into(),
        _ => configuration.eddsa.renames(value).unwrap_or(value).into(),
    }
}

/// More than the longest point needs: 2 × 66 octets and their coding.
const LONGEST: usize = 256;
