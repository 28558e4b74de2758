//! ML-DSA (FIPS 204): its identifiers in X.509 (RFC 9881), public keys, verification.
//!
//! In Rust, since OpenSSL has it only from 3.5. Always pure ML-DSA with an empty context: RFC 9881 knows no other in certificates.

use der::Encode;
use der::asn1::{BitString, ObjectIdentifier};
use ml_dsa::signature::Verifier;
use ml_dsa::{EncodedVerifyingKey, MlDsa44, MlDsa65, MlDsa87, MlDsaParams, Signature, VerifyingKey};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};

use crate::key::KeySpec;

/// The identifier of keys and signatures alike (RFC 9881, section 2), without parameters; `None` for other kinds of key.
pub(crate) const fn oid(spec: KeySpec) -> Option<ObjectIdentifier> {
    use const_oid::db::fips204;
    match spec {
        KeySpec::MlDsa44 => Some(fips204::ID_ML_DSA_44),
        KeySpec::MlDsa65 => Some(fips204::ID_ML_DSA_65),
        KeySpec::MlDsa87 => Some(fips204::ID_ML_DSA_87),
        _ => None,
    }
}

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MlDsaKey {
    spec: KeySpec,
    octets: Vec<u8>,
}

/// A key that breaks RFC 9881.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedMlDsaKey {
    /// RFC 9881, section 2: the parameters must be absent.
    #[error("the algorithm has parameters")]
    Parameters,
    /// Every parameter set has one length.
    #[error("a public key of {0} octets")]
    Length(usize),
    /// Not DER.
    #[error(transparent)]
    Encoding(#[from] der::Error),
}

impl MlDsaKey {
    /// The key of a `SubjectPublicKeyInfo`; `None` when it is of another algorithm.
    pub(crate) fn from_spki(spki: &SubjectPublicKeyInfoRef<'_>) -> Option<Result<Self, MalformedMlDsaKey>> {
        let spec = KeySpec::ALL.into_iter().find(|spec| oid(*spec) == Some(spki.algorithm.oid))?;
        if spki.algorithm.parameters.is_some() {
            return Some(Err(MalformedMlDsaKey::Parameters));
        }
        Some(Self::new(spec, spki.subject_public_key.as_bytes().unwrap_or_default()))
    }

    /// The key of these octets (FIPS 204, algorithm 22); any of the right length are one.
    pub(crate) fn new(spec: KeySpec, octets: &[u8]) -> Result<Self, MalformedMlDsaKey> {
        let fits = match spec {
            KeySpec::MlDsa44 => EncodedVerifyingKey::<MlDsa44>::try_from(octets).is_ok(),
            KeySpec::MlDsa65 => EncodedVerifyingKey::<MlDsa65>::try_from(octets).is_ok(),
            KeySpec::MlDsa87 => EncodedVerifyingKey::<MlDsa87>::try_from(octets).is_ok(),
            _ => false,
        };
        if fits { Ok(Self { spec, octets: octets.to_vec() }) } else { Err(MalformedMlDsaKey::Length(octets.len())) }
    }

    /// The parameter set.
    pub(crate) const fn spec(&self) -> KeySpec {
        self.spec
    }

    /// The DER `SubjectPublicKeyInfo`.
    pub(crate) fn spki_der(&self) -> Result<Vec<u8>, MalformedMlDsaKey> {
        let oid = oid(self.spec).ok_or(MalformedMlDsaKey::Parameters)?;
        let algorithm = AlgorithmIdentifierOwned { oid, parameters: None };
        Ok(SubjectPublicKeyInfoOwned { algorithm, subject_public_key: BitString::from_bytes(&self.octets)? }
            .to_der()?)
    }

    /// Whether this is the identifier of signatures by this key.
    pub(crate) fn signs_as(&self, algorithm: &AlgorithmIdentifierOwned) -> bool {
        Some(algorithm.oid) == oid(self.spec) && algorithm.parameters.is_none()
    }

    /// Whether `signature` is one of this key over `data`.
    pub(crate) fn verifies(&self, data: &[u8], signature: &[u8]) -> bool {
        match self.spec {
            KeySpec::MlDsa44 => verifies::<MlDsa44>(&self.octets, data, signature),
            KeySpec::MlDsa65 => verifies::<MlDsa65>(&self.octets, data, signature),
            KeySpec::MlDsa87 => verifies::<MlDsa87>(&self.octets, data, signature),
            _ => false,
        }
    }
}

fn verifies<P: MlDsaParams>(key: &[u8], data: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = EncodedVerifyingKey::<P>::try_from(key) else { return false };
    let Ok(signature) = Signature::<P>::try_from(signature) else { return false };
    VerifyingKey::<P>::decode(&key).verify(data, &signature).is_ok()
}

#[cfg(test)]
mod tests;
