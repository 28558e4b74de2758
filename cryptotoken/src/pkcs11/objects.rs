//! Find keys by `CKA_ID`, remember their handles, forget the stale ones.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptotoken_api::{KeyAlias, KeyAttributes, KeyId, KeyInfo, PublicKey};

use crate::pkcs11::public_key;
use crate::pkcs11::session_pool::Failure;

/// Handles of private keys, valid in every session of the application. Searching costs more the more keys there are.
#[derive(Default)]
pub(crate) struct HandleCache(RwLock<HashMap<KeyId, ObjectHandle>>);

impl HandleCache {
    /// The handle of this key, where it was found before.
    pub(crate) fn get(&self, id: &KeyId) -> Option<ObjectHandle> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }

    /// Remembers a handle.
    pub(crate) fn insert(&self, id: &KeyId, handle: ObjectHandle) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), handle);
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

/// Every key pair, private and public halves joined by `CKA_ID`. Each kind of object is searched once, however many keys there are.
pub(crate) fn keys(session: &Session) -> Result<Vec<KeyInfo>, Failure> {
    let of_class = |class| [Attribute::Class(class), Attribute::Token(true)];
    let mut public = HashMap::new();
    for handle in session.find_objects(&of_class(ObjectClass::PUBLIC_KEY))? {
        if let Some(key) = public_key::read(session, handle)? {
            public.insert(id_of(session, handle)?, key);
        }
    }
    let private = session.find_objects(&of_class(ObjectClass::PRIVATE_KEY))?;
    let mut keys = private.into_iter().map(|handle| describe(session, handle)).collect::<Result<Vec<_>, _>>()?;
    for (key, handle) in &mut keys {
        key.public_key = match public.remove(&key.id).filter(|_| !key.id.as_bytes().is_empty()) {
            Some(public) => Some(public),
            None => public_key::of(session, *handle, &key.id)?,
        };
    }
    Ok(keys.into_iter().map(|(key, _)| key).collect())
}

/// What the token says of one private key and its public half.
pub(crate) fn key_info(session: &Session, private: ObjectHandle) -> Result<KeyInfo, Failure> {
    let (mut key, handle) = describe(session, private)?;
    key.public_key = public_key::of(session, handle, &key.id)?;
    Ok(key)
}

/// The public half of one key; `None` where there is none to be read.
pub(crate) fn public_key(session: &Session, id: &KeyId) -> Result<Option<PublicKey>, Failure> {
    match find_one(session, ObjectClass::PRIVATE_KEY, id) {
        Ok(private) => public_key::of(session, private, id),
        Err(Failure::NotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn id_of(session: &Session, object: ObjectHandle) -> Result<KeyId, Failure> {
    let mut id = KeyId::new([]);
    for attribute in session.get_attributes(object, &[AttributeType::Id])? {
        if let Attribute::Id(octets) = attribute {
            id = KeyId::new(octets);
        }
    }
    Ok(id)
}

fn describe(session: &Session, private: ObjectHandle) -> Result<(KeyInfo, ObjectHandle), Failure> {
    let mut label = String::new();
    let mut id = KeyId::new([]);
    let mut attributes = KeyAttributes::default();
    for attribute in session.get_attributes(private, &DESCRIBING)? {
        match attribute {
            Attribute::Label(octets) => {
                // A label that is no alias cannot be typed anywhere, so the key goes by its identifier alone.
                let text = String::from_utf8(octets).unwrap_or_default();
                label = text.parse::<KeyAlias>().map(String::from).unwrap_or_default();
            }
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
    Ok((KeyInfo { label, id, public_key: None, attributes }, private))
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
