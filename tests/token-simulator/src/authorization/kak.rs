//! The key authorisation key (KAK): an RSA key outside the device that signs what is asked of a key inside.

use cryptoki_sys::*;
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::pkey::{PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sign::RsaPssSaltlen;

use super::{KeyAuthorization, LeadingZero};

/// `CP5_KEY_AUTH_PROT_RSA_PSS_SHA256`.
pub(super) const PSS_SHA256: u8 = 0x01;
/// `CP5_KEY_AUTH_PROT_RSA_PKCS1_5_SHA256`.
pub(super) const PKCS1_SHA256: u8 = 0x02;

/// A KAK from its numbers, as PEM.
///
/// # Errors
/// `CKR_MECHANISM_PARAM_INVALID` for what is no such key, or not written as the device wants it.
pub(super) fn from_numbers(rules: &KeyAuthorization, modulus: &[u8], exponent: &[u8]) -> Result<String, CK_RV> {
    for number in [modulus, exponent] {
        let first = number.first().ok_or(CKR_MECHANISM_PARAM_INVALID)?;
        let wrong = match rules.leading_zero {
            LeadingZero::Any => false,
            // 65537 has none either way: only a first bit that is set needs one.
            LeadingZero::Required => *first >= 0x80,
            LeadingZero::Forbidden => *first == 0,
        };
        if wrong {
            return Err(CKR_MECHANISM_PARAM_INVALID);
        }
    }
    let key = BigNum::from_slice(modulus)
        .and_then(|modulus| Rsa::from_public_components(modulus, BigNum::from_slice(exponent)?))
        .and_then(PKey::from_rsa)
        .map_err(|_| CKR_MECHANISM_PARAM_INVALID)?;
    if key.bits() < rules.minimum_kak_bits {
        return Err(CKR_MECHANISM_PARAM_INVALID);
    }
    let pem = key.public_key_to_pem().map_err(|_| CKR_GENERAL_ERROR)?;
    String::from_utf8(pem).map_err(|_| CKR_GENERAL_ERROR)
}

/// Whether `signature` is the KAK's over `hash`, which it takes as a digest made by SHA-256.
pub(super) fn verifies(pem: &str, protocol: u8, hash: &[u8], signature: &[u8]) -> bool {
    let verified = PKey::public_key_from_pem(pem.as_bytes()).and_then(|key| verify(&key, protocol, hash, signature));
    // OpenSSL reports some wrong signatures as errors.
    verified.unwrap_or(false)
}

fn verify(key: &PKey<Public>, protocol: u8, hash: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
    let mut context = PkeyCtx::new(key)?;
    context.verify_init()?;
    if protocol == PSS_SHA256 {
        context.set_rsa_padding(Padding::PKCS1_PSS)?;
        context.set_signature_md(Md::sha256())?;
        context.set_rsa_mgf1_md(Md::sha256())?;
        context.set_rsa_pss_saltlen(RsaPssSaltlen::custom(32))?;
    } else {
        context.set_rsa_padding(Padding::PKCS1)?;
        context.set_signature_md(Md::sha256())?;
    }
    context.verify(hash, signature)
}
