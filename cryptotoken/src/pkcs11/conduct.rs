//! Try what the section `measure` of a profile declares, with a throw-away key.

use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::Session;
use cryptotoken_api::{KeyAlias, KeyId, KeyInfo, KeySpec, TokenError};

use crate::conformance::{CheckItem, Verdict};
use crate::pkcs11::error::{ErrorClass, classify, name};
use crate::pkcs11::session_pool::Failure;
use crate::pkcs11::{Pkcs11Token, manage, objects};
use crate::profile::{Keygen, Support};

impl Pkcs11Token {
    /// Handles in other sessions, duplicate identifiers, changes of attributes, session objects. Whatever is made here is destroyed here.
    pub(crate) fn measure_conduct(&self, key: &KeyInfo, spec: KeySpec) -> Vec<CheckItem> {
        let (measure, keygen) = (self.profile().measure.clone(), self.profile().keygen.clone());
        let spanning = if self.profile().session.handles_span_sessions { Support::Yes } else { Support::No };
        vec![
            self.tried("session.handles_span_sessions", spanning, |token| token.handle_spans_sessions(key)),
            self.tried("measure.duplicate_ids_refused", measure.duplicate_ids_refused, |token| {
                token.duplicate_is_refused(&keygen, &key.id, spec)
            }),
            self.tried("measure.attribute_change", measure.attribute_change, |token| token.label_changes(&key.id)),
            self.tried("measure.session_objects", measure.session_objects, |token| {
                token.public_half_may_be_a_session_object(&keygen, spec)
            }),
        ]
    }

    fn tried(
        &self,
        field: &str,
        declared: Support,
        attempt: impl FnOnce(&Self) -> Result<(bool, String), String>,
    ) -> CheckItem {
        match attempt(self) {
            Ok((can, how)) => {
                let found = if how.is_empty() { (if can { "yes" } else { "no" }).to_owned() } else { how };
                CheckItem::new(field, declared.name(), found, Verdict::of(declared, Some(can)))
            }
            Err(reason) => {
                CheckItem::new(field, declared.name(), format!("could not be tried: {reason}"), Verdict::Unknown)
            }
        }
    }

    fn handle_spans_sessions(&self, key: &KeyInfo) -> Result<(bool, String), String> {
        if self.profile().session.read_write {
            return Err("all sessions come from one pool here, so that the second may be the first".to_owned());
        }
        // Found in a read-write session of its own, which is closed then, and read in one of the pool. Two sessions at once could wait for
        // each other.
        let handle = self.try_change(|session| objects::find_one(session, ObjectClass::PRIVATE_KEY, &key.id))?;
        let found =
            self.read("C_GetAttributeValue", |other| Ok(other.get_attributes(handle, &[AttributeType::Label])?));
        let label = [Attribute::Label(key.label.as_bytes().to_vec())];
        match found {
            Ok(attributes) => Ok((attributes == label, String::new())),
            Err(TokenError::Device { code, .. }) => Ok((false, format!("no ({code})"))),
            Err(error) => Err(error.to_string()),
        }
    }

    fn duplicate_is_refused(&self, keygen: &Keygen, id: &KeyId, spec: KeySpec) -> Result<(bool, String), String> {
        let errors = &self.profile().errors;
        let alias = "sigillo-check-duplicate".parse().map_err(|_| "no alias".to_owned())?;
        self.try_change(|session| {
            let outcome = manage::generate(session, keygen, &alias, id, spec);
            // Reading back finds two where there must be one, so that a device that took it may fail here all the same.
            let taken = destroy_labelled(session, &alias)?;
            match outcome {
                // A device that failed has refused nothing.
                Err(Failure::Pkcs11(error)) if !taken && classify(&error, errors) != ErrorClass::Device => {
                    Ok((true, format!("yes ({})", name(&error))))
                }
                Err(failure) if !taken => Err(failure),
                _ => Ok((false, String::new())),
            }
        })
    }

    fn label_changes(&self, id: &KeyId) -> Result<(bool, String), String> {
        self.try_change(|session| {
            let key = objects::find_one(session, ObjectClass::PRIVATE_KEY, id)?;
            let label = session.get_attributes(key, &[AttributeType::Label])?;
            match session.update_attributes(key, &[Attribute::Label(b"sigillo-check-renamed".to_vec())]) {
                Ok(()) => {
                    session.update_attributes(key, &label)?;
                    Ok((true, String::new()))
                }
                Err(error) => Ok((false, format!("no ({})", name(&error)))),
            }
        })
    }

    fn public_half_may_be_a_session_object(&self, keygen: &Keygen, spec: KeySpec) -> Result<(bool, String), String> {
        let alias = "sigillo-check-session".parse().map_err(|_| "no alias".to_owned())?;
        let mut octets = [0; 20];
        openssl::rand::rand_bytes(&mut octets).map_err(|error| error.to_string())?;
        let id = KeyId::new(octets);
        let keygen = Keygen { public_token: false, ..keygen.clone() };
        self.try_change(|session| {
            let outcome = manage::generate(session, &keygen, &alias, &id, spec);
            destroy_labelled(session, &alias)?;
            match outcome {
                Ok(_) => Ok((true, String::new())),
                Err(Failure::Pkcs11(error)) => Ok((false, format!("no ({})", name(&error)))),
                Err(failure) => Err(failure),
            }
        })
    }

    fn try_change<T>(&self, work: impl Fn(&Session) -> Result<T, Failure>) -> Result<T, String> {
        self.change("measuring", work).map_err(|error| error.to_string())
    }
}

/// Destroys every half of a pair with this label, on the token or in the session; `false` when there was none.
fn destroy_labelled(session: &Session, alias: &KeyAlias) -> Result<bool, Failure> {
    let mut found = false;
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
        let label = Attribute::Label(alias.as_str().as_bytes().to_vec());
        for object in session.find_objects(&[Attribute::Class(class), label])? {
            session.destroy_object(object)?;
            found = true;
        }
    }
    Ok(found)
}
