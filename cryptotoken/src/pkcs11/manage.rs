//! Objects and the token itself: generate, destroy, store a certificate, initialise.

use std::collections::BTreeMap;

use cryptoki::context::Pkcs11;
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, CertificateType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptotoken_api::{Certificate, KeyAlias, KeyId, KeyInfo, KeyLocation, KeySpec};
use der::Encode;
use secrecy::SecretString;

use crate::config::SlotSelector;
use crate::pkcs11::ml_dsa;
use crate::pkcs11::objects::{find, key_info};
use crate::pkcs11::public_key::{self, ec_params};
use crate::pkcs11::session_pool::{Failure, close};
use crate::pkcs11::slot::{Candidate, select};
use crate::profile::{EcKeygen, EddsaKeygen, Keygen, MlDsaKeygen, RsaKeygen, TemplateAttribute};

/// Whether an object of a key pair has this alias or this identifier already.
pub(crate) fn is_taken(session: &Session, alias: &KeyAlias, id: &KeyId) -> Result<bool, Failure> {
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
        for name in [Attribute::Label(alias.as_str().as_bytes().to_vec()), Attribute::Id(id.as_bytes().to_vec())] {
            if !session.find_objects(&[Attribute::Class(class), Attribute::Token(true), name])?.is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The mechanism that makes keys of this kind; `None` where the profile has none.
pub(crate) fn keygen_mechanism(keygen: &Keygen, spec: KeySpec) -> Option<Mechanism<'static>> {
    match spec {
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => match keygen.rsa {
            RsaKeygen::Pkcs => Some(Mechanism::RsaPkcsKeyPairGen),
        },
        KeySpec::EcP256 | KeySpec::EcP384 | KeySpec::EcP521 => match keygen.ec {
            EcKeygen::Ec => Some(Mechanism::EccKeyPairGen),
        },
        KeySpec::Ed25519 => match keygen.eddsa {
            EddsaKeygen::Edwards => Some(Mechanism::EccEdwardsKeyPairGen),
            EddsaKeygen::Off => None,
        },
        KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => match keygen.ml_dsa {
            MlDsaKeygen::MlDsa => Some(Mechanism::MlDsaKeyPairGen),
            MlDsaKeygen::Off => None,
        },
    }
}

/// Generates a pair with the profile's templates and reads it back.
pub(crate) fn generate(
    session: &Session,
    keygen: &Keygen,
    alias: &KeyAlias,
    id: &KeyId,
    spec: KeySpec,
) -> Result<KeyInfo, Failure> {
    let named = |token: bool| {
        vec![
            Attribute::Token(token),
            Attribute::Label(alias.as_str().as_bytes().to_vec()),
            Attribute::Id(id.as_bytes().to_vec()),
        ]
    };
    let flags = |template: &BTreeMap<TemplateAttribute, bool>| -> Vec<Attribute> {
        template
            .iter()
            .filter(|(name, _)| !keygen.omit.contains(name))
            .map(|(name, value)| flag(*name, *value))
            .collect()
    };
    let mut private = named(true);
    private.extend(flags(&keygen.private_template));
    let mut public = named(keygen.public_token);
    public.extend(flags(&keygen.public_template));
    if let Some(bits) = spec.modulus_bits() {
        public.push(Attribute::ModulusBits(u64::from(bits).into()));
        public.push(Attribute::PublicExponent(vec![1, 0, 1]));
    }
    public.extend(ec_params(spec, keygen.eddsa_params).map(Attribute::EcParams));
    public.extend(ml_dsa::parameter_set(spec).map(|set| Attribute::ParameterSet(set.into())));
    let mechanism = keygen_mechanism(keygen, spec).ok_or(Error::NotSupported)?;
    let (public, private) = session.generate_key_pair(&mechanism, &public, &private)?;
    let mut key = key_info(session, private)?;
    if key.public_key.is_none() {
        // Where the public half is no token object, this is the one chance to see it.
        key.public_key = public_key::read(session, public)?;
    }
    Ok(key)
}

/// Destroys private key, public key and certificate of a location; `false` when there was no private key of that name.
pub(crate) fn destroy(session: &Session, location: &KeyLocation) -> Result<bool, Failure> {
    let label = Attribute::Label(location.alias.as_str().as_bytes().to_vec());
    let id = Attribute::Id(location.id.as_bytes().to_vec());
    // Both names must fit: a mistaken identifier must not destroy another key.
    let wanted = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Token(true), label, id];
    let private = session.find_objects(&wanted)?;
    for handle in &private {
        session.destroy_object(*handle)?;
    }
    if !private.is_empty() {
        for class in [ObjectClass::PUBLIC_KEY, ObjectClass::CERTIFICATE] {
            for handle in find(session, class, &location.id)? {
                session.destroy_object(handle)?;
            }
        }
    }
    Ok(!private.is_empty())
}

/// Writes the certificate under the key's name in place of the one before.
pub(crate) fn store_certificate(
    session: &Session,
    location: &KeyLocation,
    certificate: &Certificate,
) -> Result<(), Failure> {
    let encode = |part: der::Result<Vec<u8>>| part.map_err(|error| Failure::Malformed(error.to_string()));
    let fields = certificate.fields();
    let template = [
        Attribute::Class(ObjectClass::CERTIFICATE),
        Attribute::CertificateType(CertificateType::X_509),
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Label(location.alias.as_str().as_bytes().to_vec()),
        Attribute::Id(location.id.as_bytes().to_vec()),
        Attribute::Subject(encode(fields.subject().to_der())?),
        Attribute::Issuer(encode(fields.issuer().to_der())?),
        Attribute::SerialNumber(encode(fields.serial_number().to_der())?),
        Attribute::Value(certificate.der().to_vec()),
    ];
    for old in find(session, ObjectClass::CERTIFICATE, &location.id)? {
        session.destroy_object(old)?;
    }
    session.create_object(&template)?;
    Ok(())
}

/// What is to be done with a slot to make its token usable.
pub(crate) enum Initialization {
    /// `C_InitToken` with this label, then the user's PIN.
    Whole(Slot, String),
    /// The user's PIN alone: an earlier attempt got no further.
    UserPin(Slot),
}

/// What initialising means here: never anything for a token that has its user PIN.
///
/// # Errors
/// A sentence that says why there is nothing to do.
pub(crate) fn plan_initialization(
    candidates: Vec<Candidate>,
    selector: &SlotSelector,
    label: &str,
) -> Result<Initialization, String> {
    let done = || format!("the token with {selector} is initialised already; nothing was changed");
    let free = candidates.iter().find(|candidate| candidate.is_free()).map(|candidate| candidate.slot);
    match (select(candidates, selector), selector) {
        (Ok(candidate), _) if candidate.is_free() => Ok(Initialization::Whole(candidate.slot, label.to_owned())),
        (Ok(Candidate { slot, info: Some(info) }), _) if !info.user_pin_initialized() => {
            Ok(Initialization::UserPin(slot))
        }
        (Ok(_), _) => Err(done()),
        (Err(_), SlotSelector::Label(label)) if free.is_some() => {
            free.map(|slot| Initialization::Whole(slot, label.clone())).ok_or_else(done)
        }
        (Err(reason), _) => Err(reason),
    }
}

/// `C_InitToken` where needed, then the user's PIN by the security officer.
pub(crate) fn initialize(
    module: &Pkcs11,
    plan: &Initialization,
    so_pin: &SecretString,
    user_pin: &SecretString,
) -> Result<(), Error> {
    let slot = match plan {
        Initialization::Whole(slot, label) => {
            module.init_token(*slot, so_pin, label)?;
            *slot
        }
        Initialization::UserPin(slot) => *slot,
    };
    let session = module.open_rw_session_no_drop(slot)?;
    let result = session.login(UserType::So, Some(so_pin)).and_then(|()| {
        let set = session.init_pin(user_pin);
        // Left logged in, the security officer would keep the user out.
        session.logout().and(set)
    });
    close(session, false);
    result
}

fn flag(name: TemplateAttribute, value: bool) -> Attribute {
    match name {
        TemplateAttribute::Private => Attribute::Private(value),
        TemplateAttribute::Sensitive => Attribute::Sensitive(value),
        TemplateAttribute::Extractable => Attribute::Extractable(value),
        TemplateAttribute::Sign => Attribute::Sign(value),
        TemplateAttribute::Decrypt => Attribute::Decrypt(value),
        TemplateAttribute::Unwrap => Attribute::Unwrap(value),
        TemplateAttribute::Derive => Attribute::Derive(value),
        TemplateAttribute::Modifiable => Attribute::Modifiable(value),
        TemplateAttribute::Verify => Attribute::Verify(value),
        TemplateAttribute::Encrypt => Attribute::Encrypt(value),
        TemplateAttribute::Wrap => Attribute::Wrap(value),
    }
}
