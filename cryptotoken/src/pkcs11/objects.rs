//! Find keys by `CKA_ID`, remember their handles, forget the stale ones.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptotoken_api::{KeyAttributes, KeyId, KeyInfo};

use crate::pkcs11::public_key;
use crate::pkcs11::session_pool::Failure;

/// Handles of private keys, valid in every session of the application. Searching costs more the more keys there are.
#[derive(Default)]
pub(crate) struct HandleCache(RwLock<HashMap<KeyId, ObjectHandle>>);

impl HandleCache {
    /// The private key with this identifier, found at the first use.
    pub(crate) fn private_key(&self, session: &Session, id: &KeyId) -> Result<ObjectHandle, Failure> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        if let Some(handle) = known {
            return Ok(handle);
        }
        let handle = find_one(session, ObjectClass::PRIVATE_KEY, id)?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), handle);
        Ok(handle)
    }

    /// Forgets a handle that the device does not know any more.
    pub(crate) fn forget(&self, id: &KeyId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// The one object of this class and identifier.
pub(crate) fn find_one(session: &Session, class: ObjectClass, id: &KeyId) -> Result<ObjectHandle, Failure> {
    match find(session, class, id)?.as_slice() {
        [handle] => Ok(*handle),
        [] => Err(Failure::NotFound),
        several => Err(Failure::Ambiguous(several.len())),
    }
}

/// Every token object of this class and identifier.
pub(crate) fn find(session: &Session, class: ObjectClass, id: &KeyId) -> Result<Vec<ObjectHandle>, Failure> {
    let template = [Attribute::Class(class), Attribute::Token(true), Attribute::Id(id.as_bytes().to_vec())];
    Ok(session.find_objects(&template)?)
}

/// Every key pair, private and public halves joined by `CKA_ID`.
pub(crate) fn keys(session: &Session) -> Result<Vec<KeyInfo>, Failure> {
    let private = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Token(true)])?;
    private.into_iter().map(|handle| key_info(session, handle)).collect()
}

/// What the token says of one private key and its public half.
pub(crate) fn key_info(session: &Session, private: ObjectHandle) -> Result<KeyInfo, Failure> {
    let mut label = String::new();
    let mut id = KeyId::new([]);
    let mut attributes = KeyAttributes::default();
    for attribute in session.get_attributes(private, &DESCRIBING)? {
        match attribute {
            Attribute::Label(octets) => label = String::from_utf8_lossy(&octets).into_owned(),
            Attribute::Id(octets) => id = KeyId::new(octets),
            Attribute::Sensitive(value) => attributes.sensitive = Some(value),
            Attribute::AlwaysSensitive(value) => attributes.always_sensitive = Some(value),
            Attribute::Extractable(value) => attributes.extractable = Some(value),
            Attribute::NeverExtractable(value) => attributes.never_extractable = Some(value),
            Attribute::Local(value) => attributes.local = Some(value),
            Attribute::Sign(value) => attributes.sign = Some(value),
            Attribute::Decrypt(value) => attributes.decrypt = Some(value),
            Attribute::Unwrap(value) => attributes.unwrap = Some(value),
            Attribute::Derive(value) => attributes.derive = Some(value),
            _ => {}
        }
    }
    let public_key = public_key::of(session, private, &id)?;
    Ok(KeyInfo { label, id, public_key, attributes })
}

const DESCRIBING: [AttributeType; 11] = [
    AttributeType::Label,
    AttributeType::Id,
    AttributeType::Sensitive,
    AttributeType::AlwaysSensitive,
    AttributeType::Extractable,
    AttributeType::NeverExtractable,
    AttributeType::Local,
    AttributeType::Sign,
    AttributeType::Decrypt,
    AttributeType::Unwrap,
    AttributeType::Derive,
];
