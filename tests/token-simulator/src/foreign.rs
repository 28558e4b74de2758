//! Memory of the application: what it points to, read and written with its rules.

use cryptoki_sys::*;

/// `length` items from `pointer`; none where it is null.
///
/// # Safety
/// The application gave both, and so promises that they belong together for as long as the call lasts.
pub(crate) unsafe fn slice<'a, T>(pointer: *const T, length: CK_ULONG) -> &'a [T] {
    match usize::try_from(length) {
        // SAFETY: by the contract of this function.
        Ok(length) if !pointer.is_null() => unsafe { std::slice::from_raw_parts(pointer, length) },
        _ => &[],
    }
}

/// The same to write to.
///
/// # Safety
/// As for [`slice()`], and nobody else may use the memory meanwhile.
pub(crate) unsafe fn slice_mut<'a, T>(pointer: *mut T, length: CK_ULONG) -> &'a mut [T] {
    match usize::try_from(length) {
        // SAFETY: by the contract of this function.
        Ok(length) if !pointer.is_null() => unsafe { std::slice::from_raw_parts_mut(pointer, length) },
        _ => &mut [],
    }
}

/// The value of an attribute.
///
/// # Safety
/// As for [`slice()`].
pub(crate) unsafe fn value(attribute: &CK_ATTRIBUTE) -> &[u8] {
    // SAFETY: by the contract of this function.
    unsafe { slice(attribute.pValue.cast::<u8>(), attribute.ulValueLen) }
}

/// An attribute for the real module with a value of ours, which must outlive it.
pub(crate) fn attribute(name: CK_ATTRIBUTE_TYPE, value: &[u8]) -> CK_ATTRIBUTE {
    // PKCS#11 has no const: the module only reads a template.
    CK_ATTRIBUTE { type_: name, pValue: value.as_ptr().cast_mut().cast(), ulValueLen: length(value.len()) }
}

/// A length as PKCS#11 counts.
pub(crate) fn length(length: usize) -> CK_ULONG {
    CK_ULONG::try_from(length).unwrap_or(CK_UNAVAILABLE_INFORMATION)
}

/// A number as it stands in an attribute.
pub(crate) fn number(value: &[u8]) -> Option<CK_ULONG> {
    Some(CK_ULONG::from_ne_bytes(value.try_into().ok()?))
}

/// Gives `output` to the application by the rules for output of unknown length (PKCS#11 3.0, section 5.2).
///
/// # Safety
/// As for [`slice()`]: `buffer` has `length` octets, or is null.
pub(crate) unsafe fn give(output: &[u8], buffer: *mut CK_BYTE, length: *mut CK_ULONG) -> CK_RV {
    // SAFETY: by the contract of this function.
    let Some(length) = (unsafe { length.as_mut() }) else { return CKR_ARGUMENTS_BAD };
    let room = *length;
    *length = self::length(output.len());
    if buffer.is_null() {
        return CKR_OK;
    }
    if room < *length {
        return CKR_BUFFER_TOO_SMALL;
    }
    // SAFETY: by the contract of this function; the output fits.
    unsafe { slice_mut(buffer, *length) }.copy_from_slice(output);
    CKR_OK
}
