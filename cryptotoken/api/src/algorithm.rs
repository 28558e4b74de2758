//! Digest and signature algorithms, with the identifiers that X.509 and CMS use for them.

use std::fmt;
use std::str::FromStr;

use der::Any;
use der::asn1::{Null, ObjectIdentifier};
use openssl::hash::MessageDigest;
use serde::{Deserialize, Serialize};
use spki::AlgorithmIdentifierOwned;

use crate::key::KeySpec;
use crate::ml_dsa;

/// A digest algorithm of the SHA-2 family (FIPS 180-4), spelt `SHA-256`, `SHA-384`, `SHA-512` outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DigestAlgorithm {
    /// SHA-256.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// SHA-384.
    #[serde(rename = "SHA-384")]
    Sha384,
    /// SHA-512.
    #[serde(rename = "SHA-512")]
    Sha512,
}

impl DigestAlgorithm {
    /// Every supported digest algorithm.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name used in definitions, requests and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    /// The object identifier (RFC 5754, section 2).
    #[must_use]
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => const_oid::db::rfc5912::ID_SHA_256,
            Self::Sha384 => const_oid::db::rfc5912::ID_SHA_384,
            Self::Sha512 => const_oid::db::rfc5912::ID_SHA_512,
        }
    }

    /// Length of a digest in octets.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest of `data`.
    #[must_use]
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => openssl::sha::sha256(data).to_vec(),
            Self::Sha384 => openssl::sha::sha384(data).to_vec(),
            Self::Sha512 => openssl::sha::sha512(data).to_vec(),
        }
    }

    /// The algorithm identifier without parameters, as RFC 5754, section 2 asks of writers.
    #[must_use]
    pub const fn identifier(self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: self.oid(), parameters: None }
    }

    /// The same algorithm as `openssl` names it.
    #[must_use]
    pub fn message_digest(self) -> MessageDigest {
        match self {
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DigestAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|a| a.name() == name).ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

/// The name of an algorithm that is not known here. The caller must send another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm \"{0}\"")]
pub struct UnknownAlgorithm(pub String);

/// The family of a signature algorithm, as a worker definition names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2).
    RsaPkcs1,
    /// RSASSA-PSS (RFC 8017, section 8.1) with MGF1, the same digest everywhere and a salt as long as the digest.
    RsaPss,
    /// ECDSA over P-256, P-384 or P-521 (FIPS 186-5).
    Ecdsa,
    /// Ed25519 (RFC 8032); the token sees the data itself.
    Eddsa,
    /// ML-DSA (FIPS 204), pure, with an empty context; the token sees the data itself.
    MlDsa,
}

impl SignatureScheme {
    /// Every supported scheme.
    pub const ALL: [Self; 5] = [Self::RsaPkcs1, Self::RsaPss, Self::Ecdsa, Self::Eddsa, Self::MlDsa];

    /// The name used in definitions and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaPkcs1 => "rsa-pkcs1",
            Self::RsaPss => "rsa-pss",
            Self::Ecdsa => "ecdsa",
            Self::Eddsa => "eddsa",
            Self::MlDsa => "ml-dsa",
        }
    }

    /// Whether the data itself is signed, so that a digest of it does not do.
    #[must_use]
    pub const fn signs_data(self) -> bool {
        matches!(self, Self::Eddsa | Self::MlDsa)
    }
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A scheme with its digest, checked to fit together. Ed25519 has SHA-512 inside (RFC 8419, section 3.1); ML-DSA hashes in its own
/// way, and SHA-512 is what goes with every parameter set in CMS (RFC 9882, section 3.3) and in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignatureAlgorithm {
    scheme: SignatureScheme,
    digest: DigestAlgorithm,
    /// The kind of key, where it is a part of the algorithm's identifier.
    ml_dsa: Option<KeySpec>,
}

/// Scheme, digest and key do not go together. The operator must change the worker's definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{scheme} with {digest} does not fit a key of kind {key}")]
pub struct UnsuitableAlgorithm {
    /// The scheme asked for.
    pub scheme: SignatureScheme,
    /// The digest asked for.
    pub digest: DigestAlgorithm,
    /// The key it should be used with.
    pub key: KeySpec,
}

impl SignatureAlgorithm {
    /// The algorithm for a key, with the defaults of the service where the definition is silent: RSA is PKCS#1 with SHA-256,
    /// P-256 SHA-256, P-384 SHA-384, P-521, Ed25519 and ML-DSA SHA-512.
    ///
    /// # Errors
    /// [`UnsuitableAlgorithm`] when the key cannot be used that way.
    pub fn for_key(
        key: KeySpec,
        scheme: Option<SignatureScheme>,
        digest: Option<DigestAlgorithm>,
    ) -> Result<Self, UnsuitableAlgorithm> {
        let (default_scheme, default_digest) = match key {
            KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
                (SignatureScheme::RsaPkcs1, DigestAlgorithm::Sha256)
            }
            KeySpec::EcP256 => (SignatureScheme::Ecdsa, DigestAlgorithm::Sha256),
            KeySpec::EcP384 => (SignatureScheme::Ecdsa, DigestAlgorithm::Sha384),
            KeySpec::EcP521 => (SignatureScheme::Ecdsa, DigestAlgorithm::Sha512),
            KeySpec::Ed25519 => (SignatureScheme::Eddsa, DigestAlgorithm::Sha512),
            KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => (SignatureScheme::MlDsa, DigestAlgorithm::Sha512),
        };
        let algorithm = Self {
            scheme: scheme.unwrap_or(default_scheme),
            digest: digest.unwrap_or(default_digest),
            ml_dsa: key.is_ml_dsa().then_some(key),
        };
        let fits = match algorithm.scheme {
            SignatureScheme::RsaPkcs1 | SignatureScheme::RsaPss => key.is_rsa(),
            SignatureScheme::Ecdsa => key.is_ec(),
            SignatureScheme::Eddsa => key == KeySpec::Ed25519 && algorithm.digest == DigestAlgorithm::Sha512,
            SignatureScheme::MlDsa => key.is_ml_dsa() && algorithm.digest == DigestAlgorithm::Sha512,
        };
        if fits {
            Ok(algorithm)
        } else {
            Err(UnsuitableAlgorithm { scheme: algorithm.scheme, digest: algorithm.digest, key })
        }
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(self) -> SignatureScheme {
        self.scheme
    }

    /// The digest over the data to be signed; for Ed25519 and ML-DSA the one that goes with it in CMS and in records.
    #[must_use]
    pub const fn digest(self) -> DigestAlgorithm {
        self.digest
    }

    /// The algorithm identifier for certificates, requests and CMS, parameters included (RFC 5754, RFC 4056, RFC 8419, RFC 9881).
    ///
    /// # Errors
    /// Only when the DER encoder fails, which would be a bug.
    pub fn identifier(self) -> der::Result<AlgorithmIdentifierOwned> {
        use const_oid::db::rfc5912;
        let (oid, parameters) = match (self.scheme, self.digest) {
            // RFC 5754, section 3.2: the parameters field must be present and NULL.
            (SignatureScheme::RsaPkcs1, digest) => (
                match digest {
                    DigestAlgorithm::Sha256 => rfc5912::SHA_256_WITH_RSA_ENCRYPTION,
                    DigestAlgorithm::Sha384 => rfc5912::SHA_384_WITH_RSA_ENCRYPTION,
                    DigestAlgorithm::Sha512 => rfc5912::SHA_512_WITH_RSA_ENCRYPTION,
                },
                Some(Any::encode_from(&Null)?),
            ),
            (SignatureScheme::RsaPss, digest) => (rfc5912::ID_RSASSA_PSS, Some(pss_parameters(digest)?)),
            (SignatureScheme::Ecdsa, digest) => (
                match digest {
                    DigestAlgorithm::Sha256 => rfc5912::ECDSA_WITH_SHA_256,
                    DigestAlgorithm::Sha384 => rfc5912::ECDSA_WITH_SHA_384,
                    DigestAlgorithm::Sha512 => rfc5912::ECDSA_WITH_SHA_512,
                },
                None,
            ),
            (SignatureScheme::Eddsa, _) => (const_oid::db::rfc8410::ID_ED_25519, None),
            (SignatureScheme::MlDsa, _) => {
                let oid = self.ml_dsa.and_then(ml_dsa::oid);
                (oid.ok_or(der::ErrorKind::OidUnknown { oid: const_oid::db::fips204::ID_ML_DSA_44 })?, None)
            }
        };
        Ok(AlgorithmIdentifierOwned { oid, parameters })
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.scheme, self.ml_dsa) {
            (SignatureScheme::Eddsa, _) => f.write_str("ed25519"),
            (SignatureScheme::MlDsa, Some(key)) => f.write_str(key.name()),
            (scheme, _) => write!(f, "{scheme} {}", self.digest),
        }
    }
}

/// `RSASSA-PSS-params` (RFC 4055, section 3.1).
#[derive(der::Sequence)]
struct PssParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    hash_algorithm: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT")]
    mask_gen_algorithm: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    salt_length: u8,
}

fn pss_parameters(digest: DigestAlgorithm) -> der::Result<Any> {
    // RFC 4055, section 2.1: inside these parameters the digest identifiers carry NULL.
    let hash = AlgorithmIdentifierOwned { oid: digest.oid(), parameters: Some(Any::encode_from(&Null)?) };
    let parameters = PssParameters {
        mask_gen_algorithm: AlgorithmIdentifierOwned {
            oid: const_oid::db::rfc5912::ID_MGF_1,
            parameters: Some(Any::encode_from(&hash)?),
        },
        hash_algorithm: hash,
        // At most 64, the length of SHA-512.
        salt_length: u8::try_from(digest.length()).unwrap_or(u8::MAX),
    };
    Any::encode_from(&parameters)
}

#[cfg(test)]
mod tests {
    use der::Encode;

    use super::*;

    #[test]
    fn defaults_follow_the_key() {
        let of = |key| SignatureAlgorithm::for_key(key, None, None).unwrap().to_string();
        assert_eq!(of(KeySpec::Rsa3072), "rsa-pkcs1 SHA-256");
        assert_eq!(of(KeySpec::EcP256), "ecdsa SHA-256");
        assert_eq!(of(KeySpec::EcP384), "ecdsa SHA-384");
        assert_eq!(of(KeySpec::EcP521), "ecdsa SHA-512");
        assert_eq!(of(KeySpec::Ed25519), "ed25519");
    }

    #[test]
    fn a_scheme_of_another_key_family_is_refused() {
        assert!(SignatureAlgorithm::for_key(KeySpec::EcP256, Some(SignatureScheme::RsaPss), None).is_err());
        assert!(SignatureAlgorithm::for_key(KeySpec::Ed25519, None, Some(DigestAlgorithm::Sha256)).is_err());
    }

    #[test]
    fn pss_parameters_are_those_openssl_writes() {
        // `openssl req -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sha256`, the parameters in the outcome.
        let openssl = "3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120";
        let ours = SignatureAlgorithm::for_key(KeySpec::Rsa2048, Some(SignatureScheme::RsaPss), None).unwrap();
        let der = ours.identifier().unwrap().parameters.unwrap().to_der().unwrap();
        assert_eq!(hex::encode(der), openssl);
    }
}
