//! What a record's hash covers.
//!
//! 2026-11: length-prefixed octets and not canonical JSON, because an auditor can then recompute it in five lines of any
//! language (see `docs/audit.md`), and because two different records can never give the same octets.

use std::fmt;

use openssl::sha::Sha256;
use serde::Serialize;

/// SHA-256 of a record, hexadecimal outside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecordHash(pub(crate) [u8; 32]);

/// Keeps these hashes apart from every other use of SHA-256, and says how to read the rest.
const DOMAIN: &[u8] = b"sigillo audit record 1\n";

impl RecordHash {
    /// What the first record names as its previous one.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of a record; the arguments are the columns as stored.
    #[must_use]
    pub fn of(previous: &[u8], seq: i64, at: i64, instance: &str, event: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        for field in [previous, &seq.to_be_bytes(), &at.to_be_bytes(), instance.as_bytes(), event.as_bytes()] {
            // No length is near 2^64, so the conversion cannot saturate.
            hash.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(field);
        }
        Self(hash.finish())
    }

    /// The octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordHash({self})")
    }
}

impl Serialize for RecordHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
