//! Canonical forms by libxml2, for comparison.

use std::ffi::{CString, c_char, c_int, c_long};
use std::ptr;

unsafe extern "C" {
    fn canonical_form(
        document: *const c_char,
        length: c_int,
        element: c_int,
        mode: c_int,
        comments: c_int,
        prefixes: *mut *mut c_char,
        form: *mut *mut u8,
    ) -> c_long;
    fn free(memory: *mut u8);
}

/// Why libxml2 gave no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not read the document.
    Document,
    /// It does not write it in this form.
    Form,
    /// There is no such element.
    Element,
}

/// The algorithms, as libxml2 numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Canonical XML 1.0.
    Inclusive = 0,
    /// Exclusive.
    Exclusive = 1,
    /// Canonical XML 1.1.
    Inclusive11 = 2,
}

/// Whether it reads the document.
#[must_use]
pub fn reads(document: &[u8]) -> bool {
    form(document, None, Mode::Exclusive, true, &[]).is_ok()
}

/// The canonical form of the document, or of its element of this number.
///
/// # Errors
/// [`Refusal`].
pub fn form(
    document: &[u8],
    element: Option<usize>,
    mode: Mode,
    comments: bool,
    prefixes: &[&str],
) -> Result<Vec<u8>, Refusal> {
    let prefixes: Vec<CString> = prefixes.iter().map(|each| CString::new(*each).expect("a prefix")).collect();
    let mut list: Vec<*mut c_char> = prefixes.iter().map(|each| each.as_ptr().cast_mut()).collect();
    list.push(ptr::null_mut());
    let element = element.map_or(-1, |number| c_int::try_from(number).expect("few elements"));
    let length = c_int::try_from(document.len()).expect("a short document");
    let mut form = ptr::null_mut();
    let prefixes = if list.len() > 1 { list.as_mut_ptr() } else { ptr::null_mut() };
    // SAFETY: the document has that length, the list ends with null, and both live until the call returns.
    let written = unsafe {
        canonical_form(
            document.as_ptr().cast(),
            length,
            element,
            mode as c_int,
            c_int::from(comments),
            prefixes,
            &raw mut form,
        )
    };
    match usize::try_from(written) {
        Ok(length) => {
            // SAFETY: so many octets were written there, and memory from malloc is freed once.
            let octets = unsafe { std::slice::from_raw_parts(form, length) }.to_vec();
            unsafe { free(form) };
            Ok(octets)
        }
        Err(_) => Err(match written {
            -1 => Refusal::Document,
            -3 => Refusal::Element,
            _ => Refusal::Form,
        }),
    }
}
