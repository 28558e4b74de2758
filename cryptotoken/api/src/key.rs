//! Keys as operators and documents name them: alias, identifier, kind, attributes, public half.

use std::fmt;
use std::str::FromStr;

use der::Decode;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use serde::{Deserialize, Serialize};
use spki::SubjectPublicKeyInfoRef;

use crate::algorithm::{DigestAlgorithm, UnknownAlgorithm};
use crate::ml_dsa::{MalformedMlDsaKey, MlDsaKey};

/// What to generate, and what a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeySpec {
    /// RSA, 2048 bits.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA, 3072 bits.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// RSA, 4096 bits.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    /// NIST P-256.
    #[serde(rename = "ec-p256")]
    EcP256,
    /// NIST P-384.
    #[serde(rename = "ec-p384")]
    EcP384,
    /// NIST P-521.
    #[serde(rename = "ec-p521")]
    EcP521,
    /// Ed25519 (RFC 8032).
    #[serde(rename = "ed25519")]
    Ed25519,
    /// ML-DSA-44 (FIPS 204).
    #[serde(rename = "ml-dsa-44")]
    MlDsa44,
    /// ML-DSA-65 (FIPS 204).
    #[serde(rename = "ml-dsa-65")]
    MlDsa65,
    /// ML-DSA-87 (FIPS 204).
    #[serde(rename = "ml-dsa-87")]
    MlDsa87,
}

impl KeySpec {
    /// Every kind of key known here.
    pub const ALL: [Self; 10] = [
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::EcP256,
        Self::EcP384,
        Self::EcP521,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// The name on the command line and in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::EcP256 => "ec-p256",
            Self::EcP384 => "ec-p384",
            Self::EcP521 => "ec-p521",
            Self::Ed25519 => "ed25519",
            Self::MlDsa44 => "ml-dsa-44",
            Self::MlDsa65 => "ml-dsa-65",
            Self::MlDsa87 => "ml-dsa-87",
        }
    }

    /// Whether this is an RSA key.
    #[must_use]
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// Whether this is a key on a NIST curve.
    #[must_use]
    pub const fn is_ec(self) -> bool {
        matches!(self, Self::EcP256 | Self::EcP384 | Self::EcP521)
    }

    /// Whether this is an ML-DSA key.
    #[must_use]
    pub const fn is_ml_dsa(self) -> bool {
        matches!(self, Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87)
    }

    /// Length of a signature in octets, for ML-DSA keys (FIPS 204, table 2).
    #[must_use]
    pub const fn ml_dsa_signature_length(self) -> Option<usize> {
        match self {
            Self::MlDsa44 => Some(2420),
            Self::MlDsa65 => Some(3309),
            Self::MlDsa87 => Some(4627),
            _ => None,
        }
    }

    /// Length of one coordinate (and of `r` and `s`) in octets, for keys on a NIST curve.
    #[must_use]
    pub const fn field_length(self) -> Option<usize> {
        match self {
            Self::EcP256 => Some(32),
            Self::EcP384 => Some(48),
            Self::EcP521 => Some(66),
            _ => None,
        }
    }

    /// Size of the modulus in bits, for RSA keys.
    #[must_use]
    pub const fn modulus_bits(self) -> Option<u32> {
        match self {
            Self::Rsa2048 => Some(2048),
            Self::Rsa3072 => Some(3072),
            Self::Rsa4096 => Some(4096),
            _ => None,
        }
    }
}

impl fmt::Display for KeySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KeySpec {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|spec| spec.name() == name).ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

/// Name of a key as an operator types it: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, `CKA_LABEL` on the token.
///
/// The narrow alphabet is what every device takes in a label and what needs no quoting in a shell or a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyAlias(String);

/// An alias that cannot be used. The operator must choose another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no alias: use 1 to 64 of the characters A-Z a-z 0-9 . _ -")]
pub struct InvalidAlias(pub String);

impl KeyAlias {
    /// The alias as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for KeyAlias {
    type Error = InvalidAlias;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
            Ok(Self(text))
        } else {
            Err(InvalidAlias(text))
        }
    }
}

impl FromStr for KeyAlias {
    type Err = InvalidAlias;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<KeyAlias> for String {
    fn from(alias: KeyAlias) -> Self {
        alias.0
    }
}

impl fmt::Display for KeyAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `CKA_ID` of a key pair, written in hexadecimal outside.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(Vec<u8>);

impl KeyId {
    /// An identifier of these octets.
    #[must_use]
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for KeyId {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        hex::decode(text).map(Self)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        hex::encode(id.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The public half of a key that a token here can have, parsed: what verifies its signatures in software. That of a certificate is a
/// [`crate::CertifiedKey`].
#[derive(Clone)]
pub struct PublicKey {
    spec: KeySpec,
    spki_der: Vec<u8>,
    key: VerificationKey,
}

/// A public key for the library that verifies with it.
#[derive(Clone)]
pub(crate) enum VerificationKey {
    OpenSsl(PKey<Public>),
    MlDsa(MlDsaKey),
}

/// A public key that cannot be used here. The operator must use another key.
#[derive(Debug, thiserror::Error)]
pub enum UnusableKey {
    /// Not a `SubjectPublicKeyInfo`.
    #[error("the public key cannot be read")]
    Malformed(#[source] openssl::error::ErrorStack),
    /// An ML-DSA key that breaks RFC 9881.
    #[error("the ML-DSA public key cannot be read")]
    MalformedMlDsa(#[from] MalformedMlDsaKey),
    /// A kind of key that no worker supports.
    #[error(
        "keys of this kind are not supported ({0}); use rsa-2048/3072/4096, ec-p256/p384/p521, ed25519 or ml-dsa-44/65/87"
    )]
    Unsupported(String),
}

impl PublicKey {
    /// Reads a DER `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7).
    ///
    /// # Errors
    /// [`UnusableKey`] when it is malformed or of an unsupported kind.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, UnusableKey> {
        if let Ok(spki) = SubjectPublicKeyInfoRef::from_der(der)
            && let Some(key) = MlDsaKey::from_spki(&spki)
        {
            let key = key?;
            return Ok(Self { spec: key.spec(), spki_der: der.to_vec(), key: VerificationKey::MlDsa(key) });
        }
        let key = PKey::public_key_from_der(der).map_err(UnusableKey::Malformed)?;
        let spec = match key.id() {
            Id::RSA => match key.bits() {
                2048 => KeySpec::Rsa2048,
                3072 => KeySpec::Rsa3072,
                4096 => KeySpec::Rsa4096,
                bits => return Err(UnusableKey::Unsupported(format!("RSA of {bits} bits"))),
            },
            Id::EC => {
                let curve = key.ec_key().map_err(UnusableKey::Malformed)?.group().curve_name();
                match curve {
                    Some(Nid::X9_62_PRIME256V1) => KeySpec::EcP256,
                    Some(Nid::SECP384R1) => KeySpec::EcP384,
                    Some(Nid::SECP521R1) => KeySpec::EcP521,
                    Some(nid) => {
                        return Err(UnusableKey::Unsupported(nid.short_name().unwrap_or("unnamed curve").to_owned()));
                    }
                    None => return Err(UnusableKey::Unsupported("explicit curve parameters".to_owned())),
                }
            }
            Id::ED25519 => KeySpec::Ed25519,
            id => return Err(UnusableKey::Unsupported(format!("type {}", id.as_raw()))),
        };
        Ok(Self { spec, spki_der: der.to_vec(), key: VerificationKey::OpenSsl(key) })
    }

    /// An ML-DSA key of its octets (FIPS 204, algorithm 22), as tokens keep it.
    ///
    /// # Errors
    /// [`UnusableKey`] when `spec` is another kind of key or the length is not that of `spec`.
    pub fn from_ml_dsa(spec: KeySpec, octets: &[u8]) -> Result<Self, UnusableKey> {
        let key = MlDsaKey::new(spec, octets)?;
        Ok(Self { spec, spki_der: key.spki_der()?, key: VerificationKey::MlDsa(key) })
    }

    /// What kind of key this is.
    #[must_use]
    pub const fn spec(&self) -> KeySpec {
        self.spec
    }

    /// The DER `SubjectPublicKeyInfo` it was read from.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// SHA-256 over the `SubjectPublicKeyInfo`, by which people compare keys.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(DigestAlgorithm::Sha256.digest(&self.spki_der))
    }

    /// The same key for the library that verifies with it.
    pub(crate) const fn verification_key(&self) -> &VerificationKey {
        &self.key
    }

    /// Whether both are the same key, however their encodings differ.
    #[must_use]
    pub fn same_key(&self, other: &Self) -> bool {
        match (&self.key, &other.key) {
            (VerificationKey::OpenSsl(one), VerificationKey::OpenSsl(other)) => one.public_eq(other),
            (VerificationKey::MlDsa(one), VerificationKey::MlDsa(other)) => one == other,
            _ => false,
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.spec, self.fingerprint())
    }
}

/// What a token says of a private key; `None` where the device does not know the attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyAttributes {
    /// `CKA_SENSITIVE`.
    pub sensitive: Option<bool>,
    /// `CKA_ALWAYS_SENSITIVE`.
    pub always_sensitive: Option<bool>,
    /// `CKA_EXTRACTABLE`.
    pub extractable: Option<bool>,
    /// `CKA_NEVER_EXTRACTABLE`.
    pub never_extractable: Option<bool>,
    /// `CKA_LOCAL`: generated in the device.
    pub local: Option<bool>,
    /// `CKA_SIGN`.
    pub sign: Option<bool>,
    /// `CKA_DECRYPT`.
    pub decrypt: Option<bool>,
    /// `CKA_UNWRAP`.
    pub unwrap: Option<bool>,
    /// `CKA_DERIVE`.
    pub derive: Option<bool>,
}

/// A key pair that exists on a token.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    /// `CKA_LABEL`; empty where the object has none or one that is no alias.
    pub label: String,
    /// `CKA_ID`.
    pub id: KeyId,
    /// The public half, where the token has it and it is of a supported kind.
    pub public_key: Option<PublicKey>,
    /// Attributes of the private half.
    pub attributes: KeyAttributes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_that_needs_quoting_is_refused() {
        for bad in ["", "a b", "ä", "a/b", &"x".repeat(65)] {
            assert!(bad.parse::<KeyAlias>().is_err(), "{bad}");
        }
        assert_eq!("seal-2026.eu_1".parse::<KeyAlias>().unwrap().as_str(), "seal-2026.eu_1");
    }
}
