//! Authorisation of single keys (EN 419 221-5): who may let a key sign, and how often.
//!
//! A key is initialised with the public half of a key authorisation key (KAK), then authorised for a number of operations, or without
//! limit, by a signature of that KAK over a challenge of the device. Who holds the KAK is not known here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::algorithm::{DigestAlgorithm, SignatureAlgorithm, SignatureScheme};
use crate::credential::{KeyLocation, UnknownName};
use crate::error::TokenError;
use crate::key::PublicKey;
use crate::signature_value::SignatureValue;
use crate::to_be_signed::{DtbsRepresentation, ToBeSigned};
use crate::verification::verify;

/// How a KAK signs the device's challenge. Which number the device has for it is a fact of its profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorizationProtocol {
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 octets.
    #[default]
    #[serde(rename = "rsa-pss-sha256")]
    RsaPssSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "rsa-pkcs1-sha256")]
    RsaPkcs1Sha256,
}

impl AuthorizationProtocol {
    /// Every protocol.
    pub const ALL: [Self; 2] = [Self::RsaPssSha256, Self::RsaPkcs1Sha256];

    /// The name on the command line and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaPssSha256 => "rsa-pss-sha256",
            Self::RsaPkcs1Sha256 => "rsa-pkcs1-sha256",
        }
    }

    /// The signature algorithm of a KAK under this protocol.
    ///
    /// # Errors
    /// A sentence, where the KAK is no RSA key.
    pub fn algorithm(self, kak: &PublicKey) -> Result<SignatureAlgorithm, String> {
        let scheme = match self {
            Self::RsaPssSha256 => SignatureScheme::RsaPss,
            Self::RsaPkcs1Sha256 => SignatureScheme::RsaPkcs1,
        };
        SignatureAlgorithm::for_key(kak.spec(), Some(scheme), Some(DigestAlgorithm::Sha256))
            .map_err(|_| format!("a KAK is an RSA key of 2048, 3072 or 4096 bits, and this one is {}", kak.spec()))
    }
}

impl fmt::Display for AuthorizationProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for AuthorizationProtocol {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name).ok_or_else(|| UnknownName(name.to_owned()))
    }
}

/// What is asked of the device, each with the KAK that must sign for it.
#[derive(Clone, Copy, Debug)]
pub enum AuthorizationStep<'a> {
    /// Bind the key to a KAK, once in its life; the new KAK signs.
    Initialize {
        /// The public half of the KAK.
        kak: &'a PublicKey,
        /// How it signs.
        protocol: AuthorizationProtocol,
        /// Whether the key becomes an assigned one.
        assigned: bool,
    },
    /// Let the key sign; its KAK signs. It takes the place of an earlier authorisation.
    Authorize {
        /// How often; `None`: without limit.
        count: Option<u64>,
    },
    /// Bind the key to another KAK; the present one signs.
    Change {
        /// The public half of the new KAK.
        kak: &'a PublicKey,
        /// How the new one signs.
        protocol: AuthorizationProtocol,
    },
}

impl AuthorizationStep<'_> {
    /// The name in records and exported challenges.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Initialize { .. } => "initialize",
            Self::Authorize { .. } => "authorize",
            Self::Change { .. } => "change",
        }
    }
}

/// What a KAK has to sign. It belongs to one session of the device and ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationChallenge {
    hash: DtbsRepresentation,
    /// The device's number of what is being done, for the record.
    pub mechanism: u64,
}

impl AuthorizationChallenge {
    /// A challenge of the device: a SHA-256 digest, which is signed as such and not hashed again.
    ///
    /// # Errors
    /// A sentence, where it has not 32 octets.
    pub fn new(hash: Vec<u8>, mechanism: u64) -> Result<Self, String> {
        let hash = DtbsRepresentation::new(DigestAlgorithm::Sha256, hash);
        hash.map(|hash| Self { hash, mechanism }).map_err(|error| format!("the device's challenge is none: {error}"))
    }

    /// The digest to be signed.
    #[must_use]
    pub const fn hash(&self) -> &DtbsRepresentation {
        &self.hash
    }

    /// Whether this is the KAK's signature. Asked before the device is, which blocks a key after a few wrong ones.
    #[must_use]
    pub fn is_signed_by(&self, kak: &PublicKey, protocol: AuthorizationProtocol, signature: &[u8]) -> bool {
        let value = SignatureValue::new(signature.to_vec());
        let signed = ToBeSigned::Representation(&self.hash);
        protocol.algorithm(kak).is_ok_and(|algorithm| verify(kak, algorithm, signed, &value).is_ok())
    }
}

/// The KAK's part: the signature of a challenge. It may wait for a person; the session waits meanwhile.
pub type SignChallenge<'a> = &'a mut dyn FnMut(&AuthorizationChallenge) -> Result<Vec<u8>, TokenError>;

/// A device whose keys are authorised one by one. Every call blocks.
pub trait KeyAuthorizer: Send + Sync {
    /// Asks the device for a challenge, has it signed, and gives the signature to the device, all in one session.
    ///
    /// # Errors
    /// [`TokenError::Refused`] where the profile lacks a number that this needs; [`TokenError::Device`] with what the device says,
    /// after which the key is as before; [`TokenError::Unavailable`] when the device is away; what `sign` returns.
    fn perform(
        &self,
        location: &KeyLocation,
        step: AuthorizationStep<'_>,
        sign: SignChallenge<'_>,
    ) -> Result<(), TokenError>;

    /// Lets a key be authorised again that wrong signatures have blocked. It is not authorised afterwards.
    ///
    /// # Errors
    /// As [`Self::perform`].
    fn unblock(&self, location: &KeyLocation) -> Result<(), TokenError>;

    /// What a step rests on that nobody has verified with the vendor's header: sentences for operators.
    fn unverified(&self, step: AuthorizationStep<'_>) -> Vec<String>;

    /// Whether the profile knows what an unauthorised key answers, so that the want of an authorisation is recognised.
    fn recognizes_unauthorized(&self) -> bool;

    /// How often the device was lost since this token was opened. What was authorised before the last time may not be any more.
    fn losses(&self) -> u64;
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;
    use openssl::rsa::Rsa;

    use super::*;

    #[test]
    fn a_signature_of_the_kak_is_told_from_that_of_another_key_and_another_protocol() {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let public = PublicKey::from_spki_der(&key.public_key_to_der().unwrap()).unwrap();
        let challenge = AuthorizationChallenge::new(vec![7; 32], 1).unwrap();
        let mut context = openssl::pkey_ctx::PkeyCtx::new(&key).unwrap();
        context.sign_init().unwrap();
        context.set_rsa_padding(openssl::rsa::Padding::PKCS1_PSS).unwrap();
        context.set_signature_md(openssl::md::Md::sha256()).unwrap();
        context.set_rsa_pss_saltlen(openssl::sign::RsaPssSaltlen::custom(32)).unwrap();
        let mut signature = Vec::new();
        context.sign_to_vec(&[7; 32], &mut signature).unwrap();
        assert!(challenge.is_signed_by(&public, AuthorizationProtocol::RsaPssSha256, &signature));
        assert!(!challenge.is_signed_by(&public, AuthorizationProtocol::RsaPkcs1Sha256, &signature));
        assert!(!challenge.is_signed_by(&public, AuthorizationProtocol::RsaPssSha256, &[]));
        let other = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let other = PublicKey::from_spki_der(&other.public_key_to_der().unwrap()).unwrap();
        assert!(!challenge.is_signed_by(&other, AuthorizationProtocol::RsaPssSha256, &signature));
        assert!(AuthorizationChallenge::new(vec![7; 20], 1).is_err());
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for protocol in AuthorizationProtocol::ALL {
            assert_eq!(protocol.name().parse(), Ok(protocol));
        }
    }
}
