//! Authorisation of single keys (EN 419 221-5) on a device, as the profile describes it.
//!
//! One session does all of a step: the device's challenge belongs to the session that asked for it. `cp5` has the vendor's functions.

mod cp5;

use std::cell::RefCell;

use cryptoki::error::Error;
use cryptoki::object::ObjectClass;
use cryptotoken_api::key_authorization::SignChallenge;
use cryptotoken_api::{
    AuthorizationChallenge, AuthorizationProtocol, AuthorizationStep, CryptoToken, KeyAuthorizer, KeyLocation,
    PublicKey, TokenError,
};

use openssl::rsa::Rsa;

use crate::pkcs11::Pkcs11Token;
use crate::pkcs11::objects::find_one;
use crate::pkcs11::session_pool::Failure;
use crate::profile::{KeyAuthorization, KeyAuthorizationKind};

pub(crate) use cp5::Cp5;
use cp5::{KakNumbers, Parameter};

/// Why a profile's way of authorising keys cannot be gone from here; `None` where it can, or there is nothing to be done.
pub(crate) fn impossible(profile: &KeyAuthorization) -> Option<&'static str> {
    match profile.kind {
        KeyAuthorizationKind::None | KeyAuthorizationKind::UtimacoCp5 | KeyAuthorizationKind::NshieldExternal => None,
        KeyAuthorizationKind::LunaPka => Some(
            "this version cannot authorise keys for each session as V1 partitions want it, because the numbers of CKA_AUTH_DATA and \
             CKA_ASSIGNED are not known; use a V0 partition with key_authorization.kind = \"none\"",
        ),
    }
}

/// What an operator does about a key that the device does not let sign.
pub(crate) fn next_step(profile: &KeyAuthorization, location: &KeyLocation) -> String {
    let KeyLocation { token, alias, .. } = location;
    match profile.kind {
        KeyAuthorizationKind::NshieldExternal => format!(
            "its time or its number of uses is over, or the module was cleared; load it anew (preload, or the card set), then run: sigillo \
             token lock {token}, and: sigillo token unlock {token}"
        ),
        _ => format!("an authorised person must run: sigillo key authorize --token {token} --alias {alias} --count N"),
    }
}

/// What is added to a refusal that may or may not be for want of an authorisation: nobody said how this device puts that.
pub(crate) fn hint(profile: &KeyAuthorization) -> &'static str {
    if profile.kind == KeyAuthorizationKind::None || !profile.unauthorized_errors.is_empty() {
        return "";
    }
    "; if that is how it refuses a key that is not authorised, put the code into \"key_authorization.unauthorized_errors\" in [token.override]"
}

impl KeyAuthorizer for Pkcs11Token {
    fn perform(
        &self,
        location: &KeyLocation,
        step: AuthorizationStep<'_>,
        sign: SignChallenge<'_>,
    ) -> Result<(), TokenError> {
        let profile = &self.profile.key_authorization;
        let (mechanism, field) = mechanism(profile, step);
        if mechanism == 0 {
            return Err(self.unknown_number(field));
        }
        let kak = match step {
            AuthorizationStep::Initialize { kak, protocol, .. } | AuthorizationStep::Change { kak, protocol } => {
                Some(self.kak_numbers(kak, protocol)?)
            }
            AuthorizationStep::Authorize { .. } => None,
        };
        let parameter = match (step, &kak) {
            (AuthorizationStep::Initialize { assigned, .. }, Some(kak)) => Parameter::Initialize { kak, assigned },
            (AuthorizationStep::Change { .. }, Some(kak)) => Parameter::Change { kak },
            (AuthorizationStep::Authorize { count }, _) => Parameter::Authorize { count: self.count(count)? },
            (_, None) => return Err(TokenError::Refused("there is no KAK".to_owned())),
        };
        // What the KAK's holder refuses is no failure of the device, and is told apart behind the session's back.
        let refused = RefCell::new(None);
        let sign = RefCell::new(sign);
        let operation = "key authorisation";
        let done = self.change(operation, |session| {
            let cp5 = self.cp5()?;
            let key = find_one(session, ObjectClass::PRIVATE_KEY, &location.id)?;
            let hash = cp5.begin(session, key, mechanism, &parameter)?;
            let challenge = AuthorizationChallenge::new(hash, mechanism).map_err(Failure::Malformed)?;
            let signed = (*sign.borrow_mut())(&challenge);
            match signed {
                Ok(signature) => Ok(cp5.complete(session, &signature)?),
                Err(error) => {
                    *refused.borrow_mut() = Some(error);
                    // Drops the session, and with it the challenge.
                    Err(Error::InvalidValue.into())
                }
            }
        });
        match refused.into_inner() {
            Some(error) => Err(error),
            None => done,
        }
    }

    fn unblock(&self, location: &KeyLocation) -> Result<(), TokenError> {
        self.change("unblocking the key", |session| {
            let key = find_one(session, ObjectClass::PRIVATE_KEY, &location.id)?;
            Ok(self.cp5()?.unblock(session, key)?)
        })
    }

    fn unverified(&self, step: AuthorizationStep<'_>) -> Vec<String> {
        let profile = &self.profile.key_authorization;
        let (number, field) = mechanism(profile, step);
        let mut used = vec![(field, format!("{number:#010x}"))];
        match step {
            AuthorizationStep::Initialize { protocol, .. } | AuthorizationStep::Change { protocol, .. } => {
                let (number, field) = protocol_number(profile, protocol);
                used.push((field, number.to_string()));
                used.push(("leading_zero", profile.leading_zero.to_string()));
            }
            AuthorizationStep::Authorize { count: None } => {
                used.push(("unlimited_count", profile.unlimited_count.to_string()));
            }
            AuthorizationStep::Authorize { count: Some(_) } => {}
        }
        used.retain(|(field, _)| profile.unverified.contains(*field));
        let sentence = |(field, value): (&str, String)| {
            format!(
                "key_authorization.{field} = {value} was not compared with the vendor's header; compare it, then take it out of \
                 \"key_authorization.unverified\" in [token.override]"
            )
        };
        used.into_iter().map(sentence).collect()
    }

    fn recognizes_unauthorized(&self) -> bool {
        !self.profile.key_authorization.unauthorized_errors.is_empty()
    }

    fn losses(&self) -> u64 {
        self.link.losses()
    }
}

impl Pkcs11Token {
    fn cp5(&self) -> Result<std::sync::Arc<Cp5>, Failure> {
        self.link.connector().cp5().map_err(Failure::Malformed)
    }

    fn unknown_number(&self, field: &str) -> TokenError {
        let (token, profile) = (self.name(), &self.config().profile);
        TokenError::Refused(format!(
            "token \"{token}\": profile {profile} does not know the number key_authorization.{field}, and none is guessed; take it from the \
             vendor's header and put it into [token.override] of sigillo.toml: \"key_authorization.{field}\" = 0x…"
        ))
    }

    fn count(&self, count: Option<u64>) -> Result<u64, TokenError> {
        let unlimited = self.profile.key_authorization.unlimited_count;
        match count {
            None if unlimited == 0 => Err(self.unknown_number("unlimited_count")),
            None => Ok(unlimited),
            Some(0) => Err(TokenError::Refused("a key is authorised for at least one operation".to_owned())),
            // As a count, this number would be no limit at all.
            Some(count) if unlimited != 0 && count >= unlimited => Err(TokenError::Refused(format!(
                "a key is authorised for less than {unlimited} operations, or without limit"
            ))),
            Some(count) => Ok(count),
        }
    }

    fn kak_numbers(&self, kak: &PublicKey, protocol: AuthorizationProtocol) -> Result<KakNumbers, TokenError> {
        let profile = &self.profile.key_authorization;
        protocol.algorithm(kak).map_err(TokenError::Refused)?;
        let (number, field) = protocol_number(profile, protocol);
        if number == 0 {
            return Err(self.unknown_number(field));
        }
        let rsa = Rsa::public_key_from_der(kak.spki_der());
        let rsa = rsa.map_err(|error| TokenError::Refused(format!("the KAK cannot be read: {error}")))?;
        let mut modulus = rsa.n().to_vec();
        if profile.leading_zero {
            modulus.insert(0, 0);
        }
        Ok(KakNumbers { modulus, exponent: rsa.e().to_vec(), protocol: number })
    }
}

fn mechanism(profile: &KeyAuthorization, step: AuthorizationStep<'_>) -> (u64, &'static str) {
    match step {
        AuthorizationStep::Initialize { .. } => (profile.initialize_mechanism, "initialize_mechanism"),
        AuthorizationStep::Authorize { .. } => (profile.authorize_mechanism, "authorize_mechanism"),
        AuthorizationStep::Change { .. } => (profile.change_mechanism, "change_mechanism"),
    }
}

fn protocol_number(profile: &KeyAuthorization, protocol: AuthorizationProtocol) -> (u8, &'static str) {
    match protocol {
        AuthorizationProtocol::RsaPssSha256 => (profile.pss_protocol, "pss_protocol"),
        AuthorizationProtocol::RsaPkcs1Sha256 => (profile.pkcs1_protocol, "pkcs1_protocol"),
    }
}
