//! Elliptic curves as some devices code them: signatures in X9.62, points without their OCTET STRING.

use cryptoki_sys::*;
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use serde::Deserialize;

use crate::gate::{Call, real};
use crate::{foreign, mechanisms, sessions};

/// `[ec]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ec {
    pub(crate) signature: EcdsaSignature,
    pub(crate) point: EcPoint,
}

/// The coding of an ECDSA signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum EcdsaSignature {
    /// r and s at fixed width, as PKCS#11 says.
    #[default]
    #[serde(rename = "raw")]
    Raw,
    /// A DER sequence of r and s.
    #[serde(rename = "x9.62")]
    X962,
}

/// The coding of `CKA_EC_POINT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EcPoint {
    /// A DER OCTET STRING, as PKCS#11 says.
    #[default]
    OctetString,
    /// A DER BIT STRING.
    BitString,
    /// The bare point.
    Raw,
}

impl EcPoint {
    /// A point of the real module, an OCTET STRING, in this coding.
    pub(crate) fn recode(self, octets: &[u8]) -> Vec<u8> {
        let point = point(octets).unwrap_or(octets);
        let length = point.len() + 1;
        match (self, u8::try_from(length)) {
            (Self::Raw, _) => point.to_vec(),
            (Self::BitString, Ok(length @ 0..=127)) => [&[0x03, length, 0x00], point].concat(),
            (Self::BitString, Ok(length)) => [&[0x03, 0x81, length, 0x00], point].concat(),
            (Self::OctetString, _) | (Self::BitString, Err(_)) => octets.to_vec(),
        }
    }
}

/// What is inside a DER OCTET STRING of less than 256 octets.
fn point(octets: &[u8]) -> Option<&[u8]> {
    match octets {
        [0x04, 0x81, length, point @ ..] | [0x04, length @ 0..=127, point @ ..]
            if point.len() == usize::from(*length) =>
        {
            Some(point)
        }
        _ => None,
    }
}

/// Whether signatures with this mechanism are to be recoded.
pub(crate) fn is_x962(call: &Call, mechanism: CK_MECHANISM_TYPE) -> bool {
    let ecdsa = [CKM_ECDSA, CKM_ECDSA_SHA1, CKM_ECDSA_SHA224, CKM_ECDSA_SHA256, CKM_ECDSA_SHA384, CKM_ECDSA_SHA512];
    call.configuration.ec.signature == EcdsaSignature::X962 && ecdsa.contains(&mechanism)
}

/// The most octets that X9.62 makes of a signature of `raw` octets: a sign octet and a header for each half, a header for all.
pub(crate) fn longest_x962(raw: CK_ULONG) -> CK_ULONG {
    raw + 9
}

/// X9.62 for r and s at fixed width.
pub(crate) fn to_x962(raw: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let (r, s) = raw.split_at(raw.len() / 2);
    EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?.to_der()
}

/// r and s at `width` octets each; `None` for what is no such signature.
fn from_x962(der: &[u8], width: usize) -> Option<Vec<u8>> {
    let signature = EcdsaSig::from_der(der).ok()?;
    let width = i32::try_from(width).ok()?;
    Some([signature.r().to_vec_padded(width).ok()?, signature.s().to_vec_padded(width).ok()?].concat())
}

/// `C_VerifyInit`.
pub(crate) unsafe fn verify_init(
    call: &Call,
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the application gave the pointer.
    let coordinate = match unsafe { mechanisms::check(call, mechanism) } {
        Ok(mechanism) if is_x962(call, mechanism) => coordinate(call, session, key),
        Ok(_) => None,
        Err(code) => return code,
    };
    let code = real!(call, C_VerifyInit(session, mechanism, key));
    sessions::set_verifying(session, coordinate.filter(|_| code == CKR_OK));
    code
}

/// Octets of a coordinate on the curve of a public key.
fn coordinate(call: &Call, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> Option<usize> {
    let mut octets = [0u8; 256];
    let mut attribute = foreign::attribute(CKA_EC_POINT, &octets);
    attribute.pValue = octets.as_mut_ptr().cast();
    let code = real!(call, C_GetAttributeValue(session, key, &raw mut attribute, 1));
    // SAFETY: it points to `octets`, which the real module has filled.
    let value = unsafe { foreign::value(&attribute) };
    (code == CKR_OK).then(|| point(value)).flatten().map(|point| point.len() / 2)
}

/// `C_Verify`.
pub(crate) unsafe fn verify(
    call: &Call,
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
    signature: *mut CK_BYTE,
    signature_length: CK_ULONG,
) -> CK_RV {
    let Some(width) = sessions::take_verifying(session) else {
        return real!(call, C_Verify(session, data, length, signature, signature_length));
    };
    // SAFETY: the application gave both.
    let given = unsafe { foreign::slice(signature.cast_const(), signature_length) };
    // What is no signature goes on as it came: the real module refuses it and ends the operation.
    let mut raw = from_x962(given, width).unwrap_or_default();
    real!(call, C_Verify(session, data, length, raw.as_mut_ptr(), foreign::length(raw.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_comes_back_from_x962_as_it_was() {
        for width in [32, 48, 66] {
            let mut raw = vec![0x91; width * 2];
            raw[0] = 0;
            let der = to_x962(&raw).unwrap();
            assert!(der.len() as CK_ULONG <= longest_x962(raw.len() as CK_ULONG));
            assert_eq!(from_x962(&der, width).unwrap(), raw);
        }
        let longest = to_x962(&[0xff; 132]).unwrap();
        assert_eq!(longest.len() as CK_ULONG, longest_x962(132));
        assert!(from_x962(b"no signature", 32).is_none());
    }

    #[test]
    fn a_point_is_recoded_for_short_and_long_curves() {
        for width in [65u8, 133] {
            let bare = vec![7; usize::from(width)];
            let header: &[u8] = if width < 128 { &[0x04, width] } else { &[0x04, 0x81, width] };
            let coded = [header, &bare].concat();
            assert_eq!(EcPoint::Raw.recode(&coded), bare);
            assert_eq!(EcPoint::OctetString.recode(&coded), coded);
            let bits = EcPoint::BitString.recode(&coded);
            assert_eq!((bits[0], &bits[bits.len() - bare.len() - 1..]), (0x03, [&[0][..], &bare].concat().as_slice()));
        }
    }
}
