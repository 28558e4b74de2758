//! The key in a certificate: whatever its owner chose. Authorities are free in it; only keys of our tokens are limited to [`KeySpec`].
//!
//! German and Austrian authorities use brainpool curves (RFC 5639) and keys for RSASSA-PSS alone (RFC 4055, section 1.2).

use std::fmt;

use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};

use crate::algorithm::DigestAlgorithm;
use crate::key::{KeySpec, PublicKey, UnusableKey, VerificationKey};

/// A key that signatures of others can be verified with. Cheap to borrow, of a kind that is fit for that.
#[derive(Clone)]
pub struct CertifiedKey(Kind);

#[derive(Clone)]
enum Kind {
    Known(PublicKey),
    Other { name: &'static str, spki_der: Vec<u8>, key: VerificationKey },
}

/// Bits of RSA keys: below, they are not fit any more (TS 119 312, clause 6.2); above, OpenSSL verifies nothing.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=16384;

impl CertifiedKey {
    /// Reads a DER `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7).
    ///
    /// # Errors
    /// [`UnusableKey`] when it is malformed, or of a kind that nothing is verified with.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, UnusableKey> {
        let unsupported = match PublicKey::from_spki_der(der) {
            Ok(key) => return Ok(Self(Kind::Known(key))),
            Err(error @ UnusableKey::Unsupported(_)) => error,
            Err(error) => return Err(error),
        };
        let key = PKey::public_key_from_der(der).map_err(UnusableKey::Malformed)?;
        let name = name_of_other(&key).ok_or(unsupported)?;
        Ok(Self(Kind::Other { name, spki_der: der.to_vec(), key: VerificationKey::OpenSsl(key) }))
    }

    /// The key, where it is of a kind that a token here can have.
    #[must_use]
    pub const fn known(&self) -> Option<&PublicKey> {
        match &self.0 {
            Kind::Known(key) => Some(key),
            Kind::Other { .. } => None,
        }
    }

    /// What kind of key it is, as a key specification spells it where there is one.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match &self.0 {
            Kind::Known(key) => key.spec().name(),
            Kind::Other { name, .. } => name,
        }
    }

    /// What kind of key it is; `None` where no token here can have it.
    #[must_use]
    pub fn spec(&self) -> Option<KeySpec> {
        self.known().map(PublicKey::spec)
    }

    /// The DER `SubjectPublicKeyInfo` it was read from.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        match &self.0 {
            Kind::Known(key) => key.spki_der(),
            Kind::Other { spki_der, .. } => spki_der,
        }
    }

    /// Whether it is this key, however their encodings differ.
    #[must_use]
    pub fn is(&self, other: &PublicKey) -> bool {
        self.known().is_some_and(|key| key.same_key(other))
    }

    /// The same key for the library that verifies with it.
    pub(crate) const fn verification_key(&self) -> &VerificationKey {
        match &self.0 {
            Kind::Known(key) => key.verification_key(),
            Kind::Other { key, .. } => key,
        }
    }
}

fn name_of_other(key: &PKey<Public>) -> Option<&'static str> {
    match key.id() {
        Id::RSA if RSA_BITS.contains(&key.bits()) => Some("rsa"),
        Id::RSA_PSS if RSA_BITS.contains(&key.bits()) => Some("rsa-pss"),
        Id::ED448 => Some("ed448"),
        // OpenSSL has a name for explicit parameters where they are those of a known curve; others may describe anything (RFC 5480,
        // section 2.1.1), and are refused.
        Id::EC => match key.ec_key().ok()?.group().curve_name()? {
            Nid::BRAINPOOL_P256R1 => Some("brainpool-p256r1"),
            Nid::BRAINPOOL_P384R1 => Some("brainpool-p384r1"),
            Nid::BRAINPOOL_P512R1 => Some("brainpool-p512r1"),
            _ => None,
        },
        _ => None,
    }
}

impl From<PublicKey> for CertifiedKey {
    fn from(key: PublicKey) -> Self {
        Self(Kind::Known(key))
    }
}

impl fmt::Debug for CertifiedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertifiedKey({} {})", self.name(), hex::encode(DigestAlgorithm::Sha256.digest(self.spki_der())))
    }
}

#[cfg(test)]
mod tests;
