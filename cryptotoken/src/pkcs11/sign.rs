//! One key with one algorithm on a token.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use cryptotoken_api::{
    KeyLocation, KeySpec, SignatureAlgorithm, SignatureScheme, SignatureValue, Signer, SignerError, ToBeSigned,
};

use crate::pkcs11::authorization;
use crate::pkcs11::connection::Connection;
use crate::pkcs11::error::name;
use crate::pkcs11::link::Link;
use crate::pkcs11::mechanism::{Input, Plan, digest_info};
use crate::pkcs11::recovery::{self, Remedy};
use crate::pkcs11::session_pool::Failure;
use crate::profile::{EcdsaEncoding, Support, TokenProfile};

/// Signs on the token; finds the key at the first use.
pub(crate) struct Pkcs11Signer {
    pub(crate) link: Arc<Link>,
    pub(crate) profile: Arc<TokenProfile>,
    pub(crate) location: KeyLocation,
    pub(crate) spec: KeySpec,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) plan: Plan,
    pub(crate) calling: Calling,
}

/// Since when a call is in the library.
#[derive(Default)]
pub(crate) struct Calling(Mutex<Option<Instant>>);

impl Calling {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signer for Pkcs11Signer {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, to_be_signed: ToBeSigned<'_>, deadline: Instant) -> Result<SignatureValue, SignerError> {
        let input = self.input(to_be_signed)?;
        let mut remedies = Vec::new();
        loop {
            let connection =
                self.link.connection(deadline).map_err(|unready| unready.into_signer_error(self.token()))?;
            let result = self.attempt(&connection, &input, deadline);
            // Whoever waited was told that the call hangs, so nothing is tried for them any more.
            let hung = self.overdue().is_some();
            self.calling.set(None);
            let failure = match result {
                // What came too late is withheld: the caller has answered already.
                Ok(_) if Instant::now() > deadline => {
                    return Err(SignerError::DeadlineExceeded { token: self.token().to_owned() });
                }
                Ok(octets) => return self.value(octets),
                Err(failure) => failure,
            };
            let remedy = recovery::remedy(&self.link, &connection, &failure, &self.profile);
            if remedy == Some(Remedy::Handle) {
                connection.forget(&self.location.id);
            }
            match remedy {
                // Where the key may have been used, a second attempt needs a record of its own, so it is the caller's to make. Else once
                // for each remedy: a lost login, for one, first shows as a stale handle.
                Some(remedy) if !hung && !may_have_signed(&failure) && !remedies.contains(&remedy) => {
                    remedies.push(remedy);
                }
                _ if hung && may_have_signed(&failure) => {
                    return Err(SignerError::DeadlineExceeded { token: self.token().to_owned() });
                }
                _ => return Err(self.report(failure)),
            }
        }
    }

    fn overdue(&self) -> Option<Duration> {
        let patience = self.profile.recovery.call_timeout;
        self.calling.since().filter(|since| since.elapsed() > patience).map(|_| patience)
    }
}

impl Pkcs11Signer {
    fn token(&self) -> &str {
        &self.location.token
    }

    fn input(&self, to_be_signed: ToBeSigned<'_>) -> Result<Vec<u8>, SignerError> {
        let expected = self.algorithm.digest();
        if let ToBeSigned::Representation(representation) = to_be_signed {
            if self.plan.input == Input::Data {
                return Err(SignerError::DataRequired);
            }
            if representation.algorithm() != expected {
                return Err(SignerError::DigestMismatch { given: representation.algorithm(), expected });
            }
        }
        Ok(match (self.plan.input, to_be_signed) {
            (Input::Data, ToBeSigned::Data(data)) => data.as_bytes().to_vec(),
            (Input::DigestInfo, signed) => digest_info(expected, signed.representation(expected).digest()),
            (_, signed) => signed.representation(expected).digest().to_vec(),
        })
    }

    fn attempt(&self, connection: &Connection, input: &[u8], deadline: Instant) -> Result<Vec<u8>, Failure> {
        connection.pool.with(deadline, |session| {
            self.calling.set(Some(Instant::now()));
            let key = connection.private_key(session, &self.location.id)?;
            // Waiting for the session may have used up the time.
            if Instant::now() > deadline {
                return Err(Failure::Busy);
            }
            Ok(session.sign(&self.plan.mechanism(), key, input)?)
        })
    }

    fn report(&self, failure: Failure) -> SignerError {
        let token = self.token().to_owned();
        let used = may_have_signed(&failure);
        match failure {
            Failure::Busy | Failure::Outdated => SignerError::Busy { token },
            Failure::Stuck(hung) => SignerError::Unavailable { token, reason: recovery::stuck(hung) },
            Failure::NotFound => SignerError::KeyNotFound {
                token,
                key: format!("{} ({})", self.location.alias, self.location.id),
                hint: unseen(self.profile.session.sees_later_keys),
            },
            Failure::Ambiguous(count) => SignerError::NotPermitted {
                reason: format!("token \"{token}\" has {count} keys with the identifier {}", self.location.id),
            },
            Failure::Malformed(reason) => SignerError::TokenFailed { token, reason },
            Failure::Pkcs11(error) if self.profile.key_authorization.unauthorized_errors.contains(&name(&error)) => {
                let next = authorization::next_step(&self.profile.key_authorization, &self.location);
                SignerError::NotAuthorized { token, key: self.location.alias.to_string(), next }
            }
            Failure::Pkcs11(Error::Pkcs11(
                RvError::MechanismInvalid
                | RvError::MechanismParamInvalid
                | RvError::KeyTypeInconsistent
                | RvError::KeySizeRange,
                _,
            )) => SignerError::UnsupportedAlgorithm { token, algorithm: self.algorithm.to_string() },
            Failure::Pkcs11(Error::Pkcs11(RvError::KeyFunctionNotPermitted, _)) => SignerError::NotPermitted {
                reason: format!(
                    "token \"{token}\" does not permit signing with {}{}",
                    self.location.alias,
                    authorization::hint(&self.profile.key_authorization)
                ),
            },
            Failure::Pkcs11(error) => {
                let reason = name(&error);
                tracing::error!(token.name = token, key.alias = %self.location.alias, "signing on token \"{token}\" failed: {error:?}");
                if used {
                    SignerError::TokenFailed { token, reason }
                } else {
                    SignerError::Unavailable { token, reason }
                }
            }
        }
    }

    fn value(&self, octets: Vec<u8>) -> Result<SignatureValue, SignerError> {
        normalise(self.spec, self.algorithm.scheme(), self.profile.sign.ecdsa_sig, octets)
            .map_err(|reason| SignerError::TokenFailed { token: self.token().to_owned(), reason })
    }
}

/// Why a key that is there may not be found.
const fn unseen(sees_later_keys: Support) -> &'static str {
    match sees_later_keys {
        Support::Yes => "",
        Support::No => {
            "; the library of this token does not see keys that were made by other processes since it was loaded: if this is one, restart \
             the service"
        }
        Support::Unknown => {
            "; it is not known whether the library of this token sees keys that were made by other processes since it was loaded: if this \
             is one, restart the service"
        }
    }
}

/// Whether the device may have made the signature and nobody got it.
fn may_have_signed(failure: &Failure) -> bool {
    let Failure::Pkcs11(Error::Pkcs11(code, Function::Sign)) = failure else { return false };
    // These say that the operation did not even begin.
    !matches!(
        code,
        RvError::SessionHandleInvalid
            | RvError::OperationNotInitialized
            | RvError::UserNotLoggedIn
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
            | RvError::CryptokiNotInitialized
    )
}

/// Checks the length, and brings ECDSA to fixed width.
fn normalise(
    spec: KeySpec,
    scheme: SignatureScheme,
    encoding: EcdsaEncoding,
    octets: Vec<u8>,
) -> Result<SignatureValue, String> {
    let expected = match scheme {
        SignatureScheme::RsaPkcs1 | SignatureScheme::RsaPss => spec.modulus_bits().map_or(0, |bits| bits as usize / 8),
        SignatureScheme::Ecdsa => spec.field_length().unwrap_or_default() * 2,
        SignatureScheme::Eddsa => 64,
        SignatureScheme::MlDsa => spec.ml_dsa_signature_length().unwrap_or_default(),
    };
    let fixed = match (scheme, encoding) {
        (SignatureScheme::Ecdsa, EcdsaEncoding::X962) => false,
        (SignatureScheme::Ecdsa, EcdsaEncoding::Auto) => octets.len() == expected,
        _ => true,
    };
    if !fixed {
        return SignatureValue::from_ecdsa_der(&octets, expected / 2).map_err(|error| error.to_string());
    }
    if octets.len() == expected {
        Ok(SignatureValue::new(octets))
    } else {
        Err(format!("a signature of {} octets came back, {expected} expected", octets.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecdsa_values_are_brought_to_fixed_width_whatever_the_device_answers() {
        let fixed = SignatureValue::new([vec![0; 31], vec![1], vec![0x80; 32]].concat());
        let der = fixed.to_ecdsa_der().unwrap();
        for (encoding, octets) in [
            (EcdsaEncoding::Rs, fixed.as_bytes().to_vec()),
            (EcdsaEncoding::X962, der.clone()),
            (EcdsaEncoding::Auto, fixed.as_bytes().to_vec()),
            (EcdsaEncoding::Auto, der.clone()),
        ] {
            assert_eq!(normalise(KeySpec::EcP256, SignatureScheme::Ecdsa, encoding, octets).unwrap(), fixed);
        }
        assert!(normalise(KeySpec::EcP256, SignatureScheme::Ecdsa, EcdsaEncoding::Rs, der).is_err());
    }

    #[test]
    fn a_value_of_the_wrong_length_is_a_fault_of_the_token() {
        for (spec, scheme) in [
            (KeySpec::Rsa2048, SignatureScheme::RsaPss),
            (KeySpec::Ed25519, SignatureScheme::Eddsa),
            (KeySpec::MlDsa65, SignatureScheme::MlDsa),
        ] {
            assert!(normalise(spec, scheme, EcdsaEncoding::Auto, vec![1; 63]).is_err());
        }
    }
}
