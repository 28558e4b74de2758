//! Signatures that others made, by the algorithm identifier beside them (RFC 5280, section 4.1.1.2; RFC 5652, section 10.1.2):
//! wider than what is made here, because authorities choose by themselves.

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use der::{Decode, Encode, Sequence};
use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKeyRef, Public};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use spki::AlgorithmIdentifierOwned;

use crate::algorithm::DigestAlgorithm;
use crate::certified_key::CertifiedKey;
use crate::key::{KeySpec, VerificationKey};
use crate::ml_dsa;

/// Why a signature of somebody else is not accepted. A retry never helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifiedError {
    /// The algorithm is unknown, too weak (SHA-1 among them), or its parameters cannot be read.
    #[error("the signature algorithm {0} is not acceptable")]
    Algorithm(ObjectIdentifier),
    /// The value does not belong to this data and key.
    #[error("the signature does not verify with the public key")]
    Mismatch,
}

/// Verifies `signature`, as the structure around it carries it, over `data`. `digest` is the digest algorithm named beside a bare
/// identifier of the key (RFC 5754, section 3.2), where there is one.
///
/// # Errors
/// [`IdentifiedError`].
pub fn verify_identified(
    key: &CertifiedKey,
    identifier: &AlgorithmIdentifierOwned,
    digest: Option<DigestAlgorithm>,
    data: &[u8],
    signature: &[u8],
) -> Result<(), IdentifiedError> {
    let unacceptable = IdentifiedError::Algorithm(identifier.oid);
    let algorithm = Algorithm::read(identifier, digest).ok_or(unacceptable)?;
    let valid = match (key.verification_key(), &algorithm) {
        (VerificationKey::MlDsa(key), Algorithm::MlDsa) => key.signs_as(identifier) && key.verifies(data, signature),
        // A value of the wrong length or form is for OpenSSL an error, for us just not a signature.
        (VerificationKey::OpenSsl(key), algorithm) => algorithm.verify(key, data, signature).unwrap_or(false),
        (VerificationKey::MlDsa(_), _) => false,
    };
    if valid { Ok(()) } else { Err(IdentifiedError::Mismatch) }
}

enum Algorithm {
    RsaPkcs1(DigestAlgorithm),
    RsaPss { digest: DigestAlgorithm, mask: DigestAlgorithm, salt: u16 },
    Ecdsa(DigestAlgorithm),
    Eddsa(Id),
    MlDsa,
}

impl Algorithm {
    fn read(identifier: &AlgorithmIdentifierOwned, digest: Option<DigestAlgorithm>) -> Option<Self> {
        use DigestAlgorithm::{Sha256, Sha384, Sha512};
        Some(match identifier.oid {
            rfc5912::SHA_256_WITH_RSA_ENCRYPTION => Self::RsaPkcs1(Sha256),
            rfc5912::SHA_384_WITH_RSA_ENCRYPTION => Self::RsaPkcs1(Sha384),
            rfc5912::SHA_512_WITH_RSA_ENCRYPTION => Self::RsaPkcs1(Sha512),
            rfc5912::RSA_ENCRYPTION => Self::RsaPkcs1(digest?),
            rfc5912::ECDSA_WITH_SHA_256 => Self::Ecdsa(Sha256),
            rfc5912::ECDSA_WITH_SHA_384 => Self::Ecdsa(Sha384),
            rfc5912::ECDSA_WITH_SHA_512 => Self::Ecdsa(Sha512),
            rfc5912::ID_EC_PUBLIC_KEY => Self::Ecdsa(digest?),
            rfc8410::ID_ED_25519 => Self::Eddsa(Id::ED25519),
            rfc8410::ID_ED_448 => Self::Eddsa(Id::ED448),
            rfc5912::ID_RSASSA_PSS => Self::pss(identifier)?,
            oid => KeySpec::ALL.into_iter().find(|spec| ml_dsa::oid(*spec) == Some(oid)).map(|_| Self::MlDsa)?,
        })
    }

    /// Absent parameters mean SHA-1 (RFC 4055, section 3.1), which is not fit any more.
    fn pss(identifier: &AlgorithmIdentifierOwned) -> Option<Self> {
        let parameters = PssParameters::from_der(&identifier.parameters.as_ref()?.to_der().ok()?).ok()?;
        let mask = parameters.mask_generation.filter(|mask| mask.oid == rfc5912::ID_MGF_1)?;
        let of_mask = AlgorithmIdentifierOwned::from_der(&mask.parameters?.to_der().ok()?).ok()?;
        let by_oid = |oid| DigestAlgorithm::ALL.into_iter().find(|each| each.oid() == oid);
        Some(Self::RsaPss {
            digest: by_oid(parameters.hash?.oid)?,
            mask: by_oid(of_mask.oid)?,
            salt: parameters.salt_length.unwrap_or(20),
        })
    }

    fn verify(&self, key: &PKeyRef<Public>, data: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let (fits, digest) = match self {
            Self::RsaPkcs1(digest) => (key.id() == Id::RSA, Some(*digest)),
            // OpenSSL holds the parameters against those of a key that is for RSASSA-PSS alone.
            Self::RsaPss { digest, .. } => (matches!(key.id(), Id::RSA | Id::RSA_PSS), Some(*digest)),
            Self::Ecdsa(digest) => (key.id() == Id::EC, Some(*digest)),
            Self::Eddsa(kind) => (key.id() == *kind, None),
            Self::MlDsa => (false, None),
        };
        if !fits {
            return Ok(false);
        }
        let mut verifier = match digest {
            Some(digest) => Verifier::new(digest.message_digest(), key)?,
            None => Verifier::new_without_digest(key)?,
        };
        if let Self::RsaPss { mask, salt, .. } = self {
            verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
            verifier.set_rsa_mgf1_md(mask.message_digest())?;
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(i32::from(*salt)))?;
        }
        verifier.verify_oneshot(signature, data)
    }
}

/// `RSASSA-PSS-params` (RFC 4055, section 3.1).
#[derive(Sequence)]
struct PssParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask_generation: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt_length: Option<u16>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer_field: Option<u8>,
}
