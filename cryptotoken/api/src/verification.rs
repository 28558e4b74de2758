//! Verification in software, with the certificate's public key and never with the token that signed.

mod identified;

use openssl::pkey::{PKeyRef, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};

use crate::algorithm::{SignatureAlgorithm, SignatureScheme, UnsuitableAlgorithm};
use crate::key::{PublicKey, VerificationKey};
use crate::signature_value::SignatureValue;
use crate::to_be_signed::ToBeSigned;

pub use identified::{IdentifiedError, verify_identified};

/// Why a signature was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// The value does not belong to this data and key.
    #[error("the signature does not verify with the public key")]
    Mismatch,
    /// The value or the key cannot be read, or they do not fit the algorithm.
    #[error("the signature cannot be verified with this key and algorithm")]
    Unusable(#[from] openssl::error::ErrorStack),
    /// Ed25519 and ML-DSA need the data itself.
    #[error("an Ed25519 or ML-DSA signature cannot be verified over a digest")]
    DataRequired,
    /// The algorithm is one for other keys.
    #[error(transparent)]
    Unsuitable(#[from] UnsuitableAlgorithm),
    /// The value is no ECDSA value.
    #[error(transparent)]
    Malformed(#[from] crate::signature_value::MalformedSignature),
}

/// Verifies `signature` over `signed` with `key`.
///
/// # Errors
/// [`VerificationError::Mismatch`] when it is wrong; the others when it cannot even be tried. A retry never helps.
pub fn verify(
    key: &PublicKey,
    algorithm: SignatureAlgorithm,
    signed: ToBeSigned<'_>,
    signature: &SignatureValue,
) -> Result<(), VerificationError> {
    let suitable = SignatureAlgorithm::for_key(key.spec(), Some(algorithm.scheme()), Some(algorithm.digest()))?;
    let valid = match (key.verification_key(), signed) {
        (_, ToBeSigned::Representation(_)) if algorithm.scheme().signs_data() => {
            return Err(VerificationError::DataRequired);
        }
        // Both may be ML-DSA, of two parameter sets.
        _ if suitable != algorithm => false,
        (VerificationKey::MlDsa(key), signed) => match signed {
            ToBeSigned::Data(data) => key.verifies(data.as_bytes(), signature.as_bytes()),
            ToBeSigned::Representation(_) => false,
        },
        (VerificationKey::OpenSsl(key), signed) => verify_by_openssl(key, algorithm, signed, signature)?,
    };
    if valid { Ok(()) } else { Err(VerificationError::Mismatch) }
}

fn verify_by_openssl(
    key: &PKeyRef<Public>,
    algorithm: SignatureAlgorithm,
    signed: ToBeSigned<'_>,
    signature: &SignatureValue,
) -> Result<bool, VerificationError> {
    if let (SignatureScheme::Eddsa, ToBeSigned::Data(data)) = (algorithm.scheme(), signed) {
        let valid = Verifier::new_without_digest(key)?.verify_oneshot(signature.as_bytes(), data.as_bytes());
        // OpenSSL reports a value of the wrong length or form as an error; for the caller it is just not a signature.
        return Ok(valid.unwrap_or(false));
    }
    let representation = signed.representation(algorithm.digest());
    let mut context = PkeyCtx::new(key)?;
    context.verify_init()?;
    let mut der = None;
    match algorithm.scheme() {
        SignatureScheme::RsaPkcs1 => context.set_rsa_padding(Padding::PKCS1)?,
        SignatureScheme::RsaPss => {
            context.set_rsa_padding(Padding::PKCS1_PSS)?;
            context.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        }
        SignatureScheme::Ecdsa => der = Some(signature.to_ecdsa_der()?),
        SignatureScheme::Eddsa | SignatureScheme::MlDsa => return Err(VerificationError::DataRequired),
    }
    context.set_signature_md(md(algorithm))?;
    let valid = context.verify(representation.digest(), der.as_deref().unwrap_or_else(|| signature.as_bytes()));
    Ok(valid.unwrap_or(false))
}

fn md(algorithm: SignatureAlgorithm) -> &'static openssl::md::MdRef {
    match algorithm.digest() {
        crate::DigestAlgorithm::Sha256 => openssl::md::Md::sha256(),
        crate::DigestAlgorithm::Sha384 => openssl::md::Md::sha384(),
        crate::DigestAlgorithm::Sha512 => openssl::md::Md::sha512(),
    }
}

#[cfg(test)]
mod tests {
    use openssl::pkey::{PKey, Private};
    use openssl::sign::Signer;

    use super::*;
    use crate::{DataToBeSigned, KeySpec};

    fn sign(key: &PKey<Private>, algorithm: SignatureAlgorithm, data: &[u8]) -> SignatureValue {
        let mut signer = match algorithm.scheme() {
            SignatureScheme::Eddsa => Signer::new_without_digest(key).unwrap(),
            _ => Signer::new(algorithm.digest().message_digest(), key).unwrap(),
        };
        if algorithm.scheme() == SignatureScheme::RsaPss {
            signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
        }
        let value = signer.sign_oneshot_to_vec(data).unwrap();
        match algorithm.scheme() {
            SignatureScheme::Ecdsa => {
                let field = PublicKey::from_spki_der(&key.public_key_to_der().unwrap()).unwrap().spec().field_length();
                SignatureValue::from_ecdsa_der(&value, field.unwrap()).unwrap()
            }
            _ => SignatureValue::new(value),
        }
    }

    #[test]
    fn signatures_of_openssl_verify_and_changed_ones_do_not() {
        let ec = |nid| {
            let group = openssl::ec::EcGroup::from_curve_name(nid).unwrap();
            PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap()
        };
        let rsa = PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
        let cases = [
            (rsa.clone(), KeySpec::Rsa2048, None),
            (rsa, KeySpec::Rsa2048, Some(SignatureScheme::RsaPss)),
            (ec(openssl::nid::Nid::X9_62_PRIME256V1), KeySpec::EcP256, None),
            (ec(openssl::nid::Nid::SECP384R1), KeySpec::EcP384, None),
            (ec(openssl::nid::Nid::SECP521R1), KeySpec::EcP521, None),
            (PKey::generate_ed25519().unwrap(), KeySpec::Ed25519, None),
        ];
        for (private, spec, scheme) in cases {
            let algorithm = SignatureAlgorithm::for_key(spec, scheme, None).unwrap();
            let public = PublicKey::from_spki_der(&private.public_key_to_der().unwrap()).unwrap();
            assert_eq!(public.spec(), spec);
            let value = sign(&private, algorithm, b"data");
            let data = DataToBeSigned::new(b"data".to_vec());
            verify(&public, algorithm, ToBeSigned::Data(&data), &value).unwrap();
            let other = DataToBeSigned::new(b"datA".to_vec());
            assert!(verify(&public, algorithm, ToBeSigned::Data(&other), &value).is_err(), "{algorithm}");
            let mut changed = value.as_bytes().to_vec();
            changed[10] ^= 1;
            assert!(verify(&public, algorithm, ToBeSigned::Data(&data), &SignatureValue::new(changed)).is_err());
            assert!(verify(&public, algorithm, ToBeSigned::Data(&data), &SignatureValue::new(vec![])).is_err());
        }
    }
}
