//! What library, slot and token say of themselves.

use cryptoki_sys::*;
use serde::Deserialize;

use crate::device;
use crate::gate::{Call, real};

/// `[identity]`. What is absent is as the real module says it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Identity {
    /// `CK_INFO.manufacturerID`.
    library_manufacturer: Option<String>,
    library_description: Option<String>,
    library_version: Option<Version>,
    /// `CK_TOKEN_INFO.manufacturerID` and `CK_SLOT_INFO.manufacturerID`.
    manufacturer: Option<String>,
    slot_description: Option<String>,
    model: Option<String>,
    /// Of initialised tokens: a free slot keeps its own.
    serial: Option<String>,
    hardware: Option<Version>,
    firmware: Option<Version>,
    /// `CK_TOKEN_INFO.utcTime` of a token that claims to have a clock. Some libraries put no time there.
    clock: Option<String>,
    /// Whether texts end with zeros instead of blanks.
    zero_padding: bool,
    /// Whether slots without an initialised token are kept out of the list.
    hide_uninitialized: bool,
}

/// `"5.1"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Version(CK_VERSION);

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || format!("\"{text}\" is no version; write \"5.1\"");
        let (major, minor) = text.split_once('.').ok_or_else(wrong)?;
        let parse = |number: &str| number.parse::<u8>().map_err(|_| wrong());
        Ok(Self(CK_VERSION { major: parse(major)?, minor: parse(minor)? }))
    }
}

impl Identity {
    fn text(&self, field: &mut [u8], text: Option<&String>) {
        if let Some(text) = text {
            let octets = text.bytes().chain(std::iter::repeat(b' '));
            field.iter_mut().zip(octets).for_each(|(place, octet)| *place = octet);
        }
        if self.zero_padding {
            field.iter_mut().rev().take_while(|octet| **octet == b' ').for_each(|octet| *octet = 0);
        }
    }
}

pub(crate) unsafe fn info(call: &Call, info: *mut CK_INFO) -> CK_RV {
    let code = real!(call, C_GetInfo(info));
    // SAFETY: the real module has filled it.
    if let Some(info) = unsafe { info.as_mut() }.filter(|_| code == CKR_OK) {
        let identity = &call.configuration.identity;
        identity.text(&mut info.manufacturerID, identity.library_manufacturer.as_ref());
        identity.text(&mut info.libraryDescription, identity.library_description.as_ref());
        if let Some(version) = identity.library_version {
            info.libraryVersion = version.0;
        }
    }
    code
}

pub(crate) unsafe fn slot_list(call: &Call, present: CK_BBOOL, slots: *mut CK_SLOT_ID, count: *mut CK_ULONG) -> CK_RV {
    let hide = call.configuration.identity.hide_uninitialized;
    if !hide && !device::without_slots() {
        return real!(call, C_GetSlotList(present, slots, count));
    }
    // SAFETY: the application gave both.
    unsafe { give_list(&shown(call, present), slots, count) }
}

/// Gives a list of numbers as `C_GetSlotList` and `C_GetMechanismList` do.
///
/// # Safety
/// `place` has room for `count` numbers, or is null.
pub(crate) unsafe fn give_list(list: &[CK_ULONG], place: *mut CK_ULONG, count: *mut CK_ULONG) -> CK_RV {
    // SAFETY: by the contract of this function.
    let Some(count) = (unsafe { count.as_mut() }) else { return CKR_ARGUMENTS_BAD };
    let room = *count;
    *count = crate::foreign::length(list.len());
    if place.is_null() {
        return CKR_OK;
    }
    if room < *count {
        return CKR_BUFFER_TOO_SMALL;
    }
    // SAFETY: by the contract of this function; the list fits.
    unsafe { crate::foreign::slice_mut(place, *count) }.copy_from_slice(list);
    CKR_OK
}

fn shown(call: &Call, present: CK_BBOOL) -> Vec<CK_SLOT_ID> {
    let mut count = 0;
    if device::without_slots() || real!(call, C_GetSlotList(present, std::ptr::null_mut(), &raw mut count)) != CKR_OK {
        return Vec::new();
    }
    let mut slots = vec![0; usize::try_from(count).unwrap_or_default()];
    if real!(call, C_GetSlotList(present, slots.as_mut_ptr(), &raw mut count)) != CKR_OK {
        return Vec::new();
    }
    slots.truncate(usize::try_from(count).unwrap_or_default());
    slots.retain(|slot| token(call, *slot).is_some_and(|token| token.flags & CKF_TOKEN_INITIALIZED != 0));
    slots
}

/// What the real module says of the token in a slot.
pub(crate) fn token(call: &Call, slot: CK_SLOT_ID) -> Option<CK_TOKEN_INFO> {
    let mut info = CK_TOKEN_INFO::default();
    (real!(call, C_GetTokenInfo(slot, &raw mut info)) == CKR_OK).then_some(info)
}

pub(crate) unsafe fn slot_info(call: &Call, slot: CK_SLOT_ID, info: *mut CK_SLOT_INFO) -> CK_RV {
    let code = real!(call, C_GetSlotInfo(slot, info));
    // SAFETY: the real module has filled it.
    if let Some(info) = unsafe { info.as_mut() }.filter(|_| code == CKR_OK) {
        let identity = &call.configuration.identity;
        identity.text(&mut info.slotDescription, identity.slot_description.as_ref());
        identity.text(&mut info.manufacturerID, identity.manufacturer.as_ref());
    }
    code
}

pub(crate) unsafe fn token_info(call: &Call, slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO) -> CK_RV {
    let code = real!(call, C_GetTokenInfo(slot, info));
    // SAFETY: the real module has filled it.
    if let Some(info) = unsafe { info.as_mut() }.filter(|_| code == CKR_OK) {
        let identity = &call.configuration.identity;
        let initialized = info.flags & CKF_TOKEN_INITIALIZED != 0;
        identity.text(&mut info.label, None);
        identity.text(&mut info.manufacturerID, identity.manufacturer.as_ref());
        identity.text(&mut info.model, identity.model.as_ref());
        identity.text(&mut info.serialNumber, identity.serial.as_ref().filter(|_| initialized));
        if let Some(version) = identity.hardware {
            info.hardwareVersion = version.0;
        }
        if let Some(version) = identity.firmware {
            info.firmwareVersion = version.0;
        }
        if identity.clock.is_some() {
            info.flags |= CKF_CLOCK_ON_TOKEN;
            identity.text(&mut info.utcTime, identity.clock.as_ref());
        }
        if let Some(limit) = call.configuration.sessions.limit {
            info.ulMaxSessionCount = crate::foreign::length(limit);
            info.ulMaxRwSessionCount = crate::foreign::length(limit);
        }
    }
    code
}
