//! A PIN that nobody can read again, held for the next login: in memory that is not swapped out, and overwritten when it goes.
//!
//! Only for `unlock = "manual"`. Every other PIN is read where it is when a login needs it.
//!
//! 2026-11: `region` and not `secrets` or `memsec`, because it locks pages without unsafe code here and brings no allocator or library
//! of its own; what is held is one page.

use std::sync::Once;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroize;

/// A PIN in locked memory.
pub(crate) struct HeldPin {
    // First, because it unlocks the page and so goes before it.
    _lock: Option<region::LockGuard>,
    page: Box<Page>,
    length: usize,
}

/// Of its own, so that unlocking it unlocks nobody else's secrets. A system with larger pages locks what is beside it, too.
#[repr(align(4096))]
struct Page([u8; 4096]);

impl HeldPin {
    /// Holds a copy; `None` for one that is longer than a page, which no device takes.
    pub(crate) fn new(pin: &SecretString) -> Option<Self> {
        let pin = pin.expose_secret().as_bytes();
        let mut page = Box::new(Page([0; 4096]));
        // Before the secret is in it.
        let lock = region::lock(page.0.as_ptr(), page.0.len());
        if let Err(error) = &lock {
            static WARN: Once = Once::new();
            WARN.call_once(|| {
                tracing::warn!(
                    "memory cannot be locked, so a PIN that was typed may be swapped out: {error}; raise RLIMIT_MEMLOCK (LimitMEMLOCK= of \
                     the unit)"
                );
            });
        }
        page.0.get_mut(..pin.len())?.copy_from_slice(pin);
        Some(Self { _lock: lock.ok(), page, length: pin.len() })
    }

    /// A copy for one login, overwritten when it is dropped.
    pub(crate) fn copy(&self) -> SecretString {
        let octets = self.page.0.get(..self.length).unwrap_or_default();
        SecretString::from(std::str::from_utf8(octets).unwrap_or_default())
    }
}

impl Drop for HeldPin {
    fn drop(&mut self) {
        self.page.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back_as_it_was() {
        for pin in ["4711", "", "päßwörd"] {
            assert_eq!(HeldPin::new(&SecretString::from(pin)).unwrap().copy().expose_secret(), pin);
        }
        assert!(HeldPin::new(&SecretString::from("x".repeat(5000))).is_none());
    }
}
