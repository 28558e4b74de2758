//! Signatures of authorities over OCSP responses and CRLs, by the algorithms that X.509 names (RFC 5280, section 4.1.1.2).

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use cryptotoken_api::Certificate;
use der::{Decode, Encode};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::Id;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use spki::AlgorithmIdentifierOwned;

/// Verifies `signature` over `signed`, octets as received, with the key of a certificate.
///
/// # Errors
/// What is wrong, as a sentence's end: an algorithm that is not acceptable (SHA-1 among them), or a signature that is not one.
pub(crate) fn verify(
    signer: &Certificate,
    algorithm: &AlgorithmIdentifierOwned,
    signed: &[u8],
    signature: &[u8],
) -> Result<(), String> {
    let Some(known) = Algorithm::read(algorithm) else {
        return Err(format!("its signature algorithm {} is not acceptable", algorithm.oid));
    };
    match known.verify(signer, signed, signature) {
        Ok(true) => Ok(()),
        // OpenSSL reports a value of the wrong form as an error; for the reader it is just not a signature.
        Ok(false) | Err(_) => Err(format!("its signature is not one of \"{}\"", signer.subject())),
    }
}

enum Algorithm {
    RsaPkcs1(MessageDigest),
    RsaPss { digest: MessageDigest, mask: MessageDigest, salt: i32 },
    Ecdsa(MessageDigest),
    Eddsa,
}

impl Algorithm {
    fn read(identifier: &AlgorithmIdentifierOwned) -> Option<Self> {
        Some(match identifier.oid {
            rfc5912::SHA_256_WITH_RSA_ENCRYPTION => Self::RsaPkcs1(MessageDigest::sha256()),
            rfc5912::SHA_384_WITH_RSA_ENCRYPTION => Self::RsaPkcs1(MessageDigest::sha384()),
            rfc5912::SHA_512_WITH_RSA_ENCRYPTION => Self::RsaPkcs1(MessageDigest::sha512()),
            rfc5912::ECDSA_WITH_SHA_256 => Self::Ecdsa(MessageDigest::sha256()),
            rfc5912::ECDSA_WITH_SHA_384 => Self::Ecdsa(MessageDigest::sha384()),
            rfc5912::ECDSA_WITH_SHA_512 => Self::Ecdsa(MessageDigest::sha512()),
            rfc8410::ID_ED_25519 => Self::Eddsa,
            rfc5912::ID_RSASSA_PSS => {
                let parameters = PssParameters::from_der(&identifier.parameters.as_ref()?.to_der().ok()?).ok()?;
                // Absent means SHA-1 (RFC 4055, section 3.1).
                let mask = parameters.mask_generation?;
                let of_mask = AlgorithmIdentifierOwned::from_der(&mask.parameters?.to_der().ok()?).ok()?;
                Self::RsaPss {
                    digest: digest(parameters.hash?.oid)?,
                    mask: digest(of_mask.oid).filter(|_| mask.oid == rfc5912::ID_MGF_1)?,
                    salt: i32::from(parameters.salt_length.unwrap_or(20)),
                }
            }
            _ => return None,
        })
    }

    fn verify(&self, signer: &Certificate, signed: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let key = signer.public_key().pkey();
        let (fits, digest) = match self {
            Self::RsaPkcs1(digest) | Self::RsaPss { digest, .. } => (key.id() == Id::RSA, Some(*digest)),
            Self::Ecdsa(digest) => (key.id() == Id::EC, Some(*digest)),
            Self::Eddsa => (key.id() == Id::ED25519, None),
        };
        if !fits {
            return Ok(false);
        }
        let mut verifier = match digest {
            Some(digest) => Verifier::new(digest, key)?,
            None => Verifier::new_without_digest(key)?,
        };
        if let Self::RsaPss { mask, salt, .. } = self {
            verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
            verifier.set_rsa_mgf1_md(*mask)?;
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(*salt))?;
        }
        verifier.verify_oneshot(signature, signed)
    }
}

/// `RSASSA-PSS-params` (RFC 4055, section 3.1).
#[derive(der::Sequence)]
struct PssParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask_generation: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt_length: Option<u8>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer_field: Option<u8>,
}

fn digest(oid: ObjectIdentifier) -> Option<MessageDigest> {
    match oid {
        rfc5912::ID_SHA_256 => Some(MessageDigest::sha256()),
        rfc5912::ID_SHA_384 => Some(MessageDigest::sha384()),
        rfc5912::ID_SHA_512 => Some(MessageDigest::sha512()),
        _ => None,
    }
}
