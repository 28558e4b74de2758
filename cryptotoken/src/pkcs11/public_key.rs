//! Public keys as tokens keep them, and their many codings, to `SubjectPublicKeyInfo`.

use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptotoken_api::{Certificate, KeyId, KeySpec, PublicKey};
use der::Decode;
use der::asn1::{BitStringRef, OctetStringRef};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;

use crate::pkcs11::ml_dsa;
use crate::pkcs11::objects::find;
use crate::pkcs11::session_pool::Failure;
use crate::profile::EddsaParams;

/// The public half of a private key: from its public object, from what the private object itself says, or from a certificate beside
/// it. `None` where the token has none of them, or a kind of key that is not supported.
pub(crate) fn of(session: &Session, private: ObjectHandle, id: &KeyId) -> Result<Option<PublicKey>, Failure> {
    let named = !id.as_bytes().is_empty();
    for public in if named { find(session, ObjectClass::PUBLIC_KEY, id)? } else { Vec::new() } {
        if let Some(key) = read(session, public)? {
            return Ok(Some(key));
        }
    }
    if let Some(key) = read(session, private)? {
        return Ok(Some(key));
    }
    for certificate in if named { find(session, ObjectClass::CERTIFICATE, id)? } else { Vec::new() } {
        for attribute in session.get_attributes(certificate, &[AttributeType::Value])? {
            if let Attribute::Value(der) = attribute
                && let Ok(certificate) = Certificate::from_der(&der)
                && let Some(key) = certificate.key().known()
            {
                return Ok(Some(key.clone()));
            }
        }
    }
    Ok(None)
}

/// The public key that an object holds in its attributes.
pub(crate) fn read(session: &Session, object: ObjectHandle) -> Result<Option<PublicKey>, Failure> {
    let mut parts = Parts::default();
    for attribute in session.get_attributes(object, &READ)? {
        match attribute {
            Attribute::Modulus(octets) => parts.modulus = octets,
            Attribute::PublicExponent(octets) => parts.exponent = octets,
            Attribute::EcParams(octets) => parts.params = octets,
            Attribute::EcPoint(octets) => parts.point = octets,
            Attribute::PublicKeyInfo(octets) => parts.spki = octets,
            _ => {}
        }
    }
    match parts.key() {
        Some(key) => Ok(Some(key)),
        None => ml_dsa::public_key(session, object),
    }
}

const READ: [AttributeType; 5] = [
    AttributeType::Modulus,
    AttributeType::PublicExponent,
    AttributeType::EcParams,
    AttributeType::EcPoint,
    AttributeType::PublicKeyInfo,
];

/// The attributes that make a public key; empty where absent.
#[derive(Default)]
struct Parts {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    params: Vec<u8>,
    point: Vec<u8>,
    spki: Vec<u8>,
}

impl Parts {
    fn key(&self) -> Option<PublicKey> {
        if let Ok(key) = PublicKey::from_spki_der(&self.spki) {
            return Some(key);
        }
        let pkey = if !self.modulus.is_empty() && !self.exponent.is_empty() {
            rsa(&self.modulus, &self.exponent).ok()?
        } else {
            let curve = curve_of(&self.params)?;
            point_codings(&self.point).find_map(|point| on_curve(curve, point))?
        };
        PublicKey::from_spki_der(&pkey.public_key_to_der().ok()?).ok()
    }
}

/// `CKA_EC_PARAMS` for a new key; `None` for one that is on no curve.
pub(crate) fn ec_params(spec: KeySpec, eddsa: EddsaParams) -> Option<Vec<u8>> {
    match (spec, eddsa) {
        (KeySpec::EcP256, _) => Some(P256.to_vec()),
        (KeySpec::EcP384, _) => Some(P384.to_vec()),
        (KeySpec::EcP521, _) => Some(P521.to_vec()),
        (KeySpec::Ed25519, EddsaParams::Oid) => Some(ED25519.to_vec()),
        (KeySpec::Ed25519, EddsaParams::Printable) => Some([&[0x13, 0x0c], "edwards25519".as_bytes()].concat()),
        _ => None,
    }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<PKey<Public>, openssl::error::ErrorStack> {
    PKey::from_rsa(Rsa::from_public_components(BigNum::from_slice(modulus)?, BigNum::from_slice(exponent)?)?)
}

/// The curve that `CKA_EC_PARAMS` names: an OID, a `PrintableString` or the bare name, as vendors differ.
fn curve_of(params: &[u8]) -> Option<KeySpec> {
    let by_oid =
        [(P256, KeySpec::EcP256), (P384, KeySpec::EcP384), (P521, KeySpec::EcP521), (ED25519, KeySpec::Ed25519)];
    if let Some((_, spec)) = by_oid.into_iter().find(|(oid, _)| *oid == params) {
        return Some(spec);
    }
    let name = match params {
        [0x13 | 0x0c, length, name @ ..] if name.len() == usize::from(*length) => name,
        other => other,
    };
    match std::str::from_utf8(name).ok()?.to_ascii_lowercase().as_str() {
        "secp256r1" | "prime256v1" | "p-256" | "nistp256" => Some(KeySpec::EcP256),
        "secp384r1" | "p-384" | "nistp384" => Some(KeySpec::EcP384),
        "secp521r1" | "p-521" | "nistp521" => Some(KeySpec::EcP521),
        "edwards25519" | "ed25519" | "curve25519" => Some(KeySpec::Ed25519),
        _ => None,
    }
}

/// The readings of `CKA_EC_POINT`: an OCTET STRING as PKCS#11 wants it, a BIT STRING, or the bare point.
fn point_codings(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let octet_string = <&OctetStringRef>::from_der(octets).ok().map(|inner| inner.as_bytes());
    let bit_string = BitStringRef::from_der(octets).ok().and_then(|inner| inner.as_bytes());
    [octet_string, bit_string, Some(octets)].into_iter().flatten()
}

/// The key with this point, where it is one of the curve.
fn on_curve(curve: KeySpec, point: &[u8]) -> Option<PKey<Public>> {
    let nid = match curve {
        KeySpec::EcP256 => Nid::X9_62_PRIME256V1,
        KeySpec::EcP384 => Nid::SECP384R1,
        KeySpec::EcP521 => Nid::SECP521R1,
        KeySpec::Ed25519 => return PKey::public_key_from_raw_bytes(point, Id::ED25519).ok(),
        _ => return None,
    };
    let group = EcGroup::from_curve_name(nid).ok()?;
    let mut context = BigNumContext::new().ok()?;
    let point = EcPoint::from_bytes(&group, point, &mut context).ok()?;
    let key = EcKey::from_public_key(&group, &point).ok()?;
    key.check_key().ok()?;
    PKey::from_ec_key(key).ok()
}

const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

#[cfg(test)]
mod tests {
    use openssl::ec::PointConversionForm;

    use super::*;

    #[test]
    fn a_point_is_read_in_every_coding_that_devices_use() {
        let group = EcGroup::from_curve_name(Nid::SECP521R1).unwrap();
        let key = EcKey::generate(&group).unwrap();
        let expected = PublicKey::from_spki_der(&key.public_key_to_der().unwrap()).unwrap();
        let mut context = BigNumContext::new().unwrap();
        let point = key.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context).unwrap();
        let octet_string = [&[0x04, 0x81, 0x85], point.as_slice()].concat();
        let bit_string = [&[0x03, 0x81, 0x86, 0x00], point.as_slice()].concat();
        for (coding, octets) in [("raw", point), ("OCTET STRING", octet_string), ("BIT STRING", bit_string)] {
            let parts = Parts { params: P521.to_vec(), point: octets, ..Parts::default() };
            assert!(parts.key().unwrap().same_key(&expected), "{coding}");
        }
    }

    #[test]
    fn an_edwards_key_is_read_under_each_of_its_curves_names() {
        let key = PKey::generate_ed25519().unwrap();
        let raw = key.raw_public_key().unwrap();
        let printable = ec_params(KeySpec::Ed25519, EddsaParams::Printable).unwrap();
        for params in [ED25519.to_vec(), printable, b"edwards25519".to_vec()] {
            for point in [raw.clone(), [&[0x04, 0x20], raw.as_slice()].concat()] {
                let parts = Parts { params: params.clone(), point, ..Parts::default() };
                assert_eq!(parts.key().unwrap().spki_der(), key.public_key_to_der().unwrap());
            }
        }
    }

    #[test]
    fn a_point_off_the_curve_is_no_key() {
        let mut point = vec![4; 65];
        point[64] = 9;
        assert!(Parts { params: P256.to_vec(), point, ..Parts::default() }.key().is_none());
        assert!(Parts::default().key().is_none());
    }
}
