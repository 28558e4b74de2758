//! The value a key operation returns, and the two encodings of ECDSA signatures.

use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;

/// A signature value. ECDSA values are kept in fixed width, `r || s`, as PKCS#11 (2.40, section 2.3.1), XML Signature and JWS
/// have them; CMS and X.509 want DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureValue(Vec<u8>);

/// An ECDSA value that is in neither encoding. The token is faulty or wears the wrong profile.
#[derive(Debug, thiserror::Error)]
pub enum MalformedSignature {
    /// The two halves are not of the curve's length.
    #[error("an ECDSA value of {actual} octets, {expected} expected")]
    Length {
        /// Octets that two coordinates have.
        expected: usize,
        /// Octets found.
        actual: usize,
    },
    /// Not a DER `ECDSA-Sig-Value`.
    #[error("the ECDSA value is no DER sequence of two integers")]
    Der(#[from] openssl::error::ErrorStack),
}

impl SignatureValue {
    /// A value as the token returned it: an RSA or Ed25519 signature, or ECDSA in fixed width.
    #[must_use]
    pub const fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// Reads a DER `ECDSA-Sig-Value` (RFC 3279, section 2.2.3); `field_length` is the octets of one coordinate.
    ///
    /// # Errors
    /// [`MalformedSignature`] when it is not one or a half is too long for the curve.
    pub fn from_ecdsa_der(der: &[u8], field_length: usize) -> Result<Self, MalformedSignature> {
        let signature = EcdsaSig::from_der(der)?;
        let width = i32::try_from(field_length).unwrap_or(i32::MAX);
        let mut octets = signature.r().to_vec_padded(width)?;
        octets.extend(signature.s().to_vec_padded(width)?);
        Ok(Self(octets))
    }

    /// The octets, ECDSA in fixed width.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// An ECDSA value as DER `ECDSA-Sig-Value`, for CMS, X.509 and plain signatures.
    ///
    /// # Errors
    /// [`MalformedSignature`] when the length is not even, so that there are no two halves.
    pub fn to_ecdsa_der(&self) -> Result<Vec<u8>, MalformedSignature> {
        if self.0.is_empty() || !self.0.len().is_multiple_of(2) {
            return Err(MalformedSignature::Length { expected: self.0.len() + 1, actual: self.0.len() });
        }
        let (r, s) = self.0.split_at(self.0.len() / 2);
        Ok(EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?.to_der()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_and_der_are_the_same_value_also_with_leading_zeros_and_high_bits() {
        for (r, s) in [([0x00; 32], [0xff; 32]), ([0x7f; 32], [0x80; 32])] {
            let mut r = r;
            r[31] = 1;
            let fixed = SignatureValue::new([r, s].concat());
            let der = fixed.to_ecdsa_der().unwrap();
            assert_eq!(SignatureValue::from_ecdsa_der(&der, 32).unwrap(), fixed);
        }
    }

    #[test]
    fn a_half_that_is_too_long_for_the_curve_is_refused() {
        let der = SignatureValue::new(vec![0xff; 96]).to_ecdsa_der().unwrap();
        assert!(SignatureValue::from_ecdsa_der(&der, 32).is_err());
    }
}
