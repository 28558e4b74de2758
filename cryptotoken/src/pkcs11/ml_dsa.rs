//! ML-DSA keys as PKCS#11 3.2 has them: `CKK_ML_DSA`, a parameter set, the public key as FIPS 204 encodes it.

use cryptoki::error::Error;
use cryptoki::object::{Attribute, AttributeType, KeyType, MlDsaParameterSetType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptotoken_api::{KeySpec, PublicKey};

use crate::pkcs11::session_pool::Failure;

/// `CKA_PARAMETER_SET` for a new key; `None` for other kinds of key.
pub(crate) const fn parameter_set(spec: KeySpec) -> Option<MlDsaParameterSetType> {
    match spec {
        KeySpec::MlDsa44 => Some(MlDsaParameterSetType::ML_DSA_44),
        KeySpec::MlDsa65 => Some(MlDsaParameterSetType::ML_DSA_65),
        KeySpec::MlDsa87 => Some(MlDsaParameterSetType::ML_DSA_87),
        _ => None,
    }
}

/// The key of a public key object; `None` when the object is another one.
pub(crate) fn public_key(session: &Session, object: ObjectHandle) -> Result<Option<PublicKey>, Failure> {
    let kind = match session.get_attributes(object, &[AttributeType::Class, AttributeType::KeyType]) {
        Ok(kind) => kind,
        Err(error @ Error::Pkcs11(..)) => return Err(error.into()),
        // A kind of key that the binding does not know.
        Err(_) => return Ok(None),
    };
    // CKA_VALUE of a private key is the private key: it is never asked for.
    let expected = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::KeyType(KeyType::ML_DSA)];
    if !expected.iter().all(|attribute| kind.contains(attribute)) {
        return Ok(None);
    }
    let (mut set, mut octets) = (None, Vec::new());
    for attribute in session.get_attributes(object, &[AttributeType::ParameterSet, AttributeType::Value])? {
        match attribute {
            Attribute::ParameterSet(value) => set = Some(MlDsaParameterSetType::from(value)),
            Attribute::Value(value) => octets = value,
            _ => {}
        }
    }
    let spec = KeySpec::ALL.into_iter().find(|spec| set.is_some() && parameter_set(*spec) == set);
    Ok(spec.and_then(|spec| PublicKey::from_ml_dsa(spec, &octets).ok()))
}
