//! Return values of PKCS#11 by name, and sorted by what helps against them.

use cryptoki::error::{Error, RvError};

use crate::profile::Errors;

/// What helps against a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// Another session.
    Session,
    /// A login.
    Login,
    /// Finding the object again.
    Handle,
    /// Connecting to the device anew.
    Device,
    /// Nothing that this service can do.
    Fatal,
}

/// Sorts a failure by the profile's lists.
pub(crate) fn classify(error: &Error, classes: &Errors) -> ErrorClass {
    let name = name(error);
    if classes.session.contains(&name) {
        ErrorClass::Session
    } else if classes.login.contains(&name) {
        ErrorClass::Login
    } else if classes.handle.contains(&name) {
        ErrorClass::Handle
    } else if classes.device.contains(&name) {
        ErrorClass::Device
    } else {
        ErrorClass::Fatal
    }
}

/// Whether the device judged the PIN and refused it. Every code that does not plainly say something else counts: trying a
/// wrong PIN again can lock a token for good, and waiting for an operator cannot.
pub(crate) fn is_rejection(error: &Error, classes: &Errors) -> bool {
    let unjudged = matches!(
        error,
        Error::Pkcs11(
            RvError::UserAnotherAlreadyLoggedIn
                | RvError::UserTooManyTypes
                | RvError::UserTypeInvalid
                | RvError::ArgumentsBad
                | RvError::FunctionNotSupported,
            _
        )
    );
    matches!(error, Error::Pkcs11(..))
        && !unjudged
        && !matches!(classify(error, classes), ErrorClass::Device | ErrorClass::Session)
}

/// Whether the answer to a login leaves open whether the PIN was judged.
pub(crate) fn is_unclear(error: &Error) -> bool {
    matches!(error, Error::Pkcs11(RvError::GeneralError | RvError::FunctionFailed, _))
}

/// Whether the session is gone, so that its handle may belong to another one already and must not be closed.
pub(crate) fn session_is_gone(error: &Error) -> bool {
    matches!(
        error,
        Error::Pkcs11(
            RvError::SessionClosed
                | RvError::SessionHandleInvalid
                | RvError::CryptokiNotInitialized
                | RvError::DeviceRemoved
                | RvError::TokenNotPresent,
            _
        )
    )
}

/// `CKR_PIN_INCORRECT` and the like; `0x80000001` for vendors' own; words where the crate itself refused.
pub(crate) fn name(error: &Error) -> String {
    match error {
        Error::Pkcs11(RvError::VendorDefined(code) | RvError::UnknownErrorCode(code), _) => format!("{code:#010x}"),
        Error::Pkcs11(code, _) => spell(&format!("{code:?}")),
        other => other.to_string(),
    }
}

/// `PinIncorrect` to `CKR_PIN_INCORRECT`: the crate names its variants after the constants, word by word.
fn spell(variant: &str) -> String {
    let mut text = String::from("CKR");
    for c in variant.chars() {
        if c.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(c.to_ascii_uppercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;
    use cryptoki::error::Rv;

    use super::*;
    use crate::profile::TokenProfile;

    #[test]
    fn every_return_value_in_the_generic_profile_exists() {
        let existing: Vec<String> = (1..0x300)
            .filter_map(|code| match Rv::from(code) {
                Rv::Error(error) => Some(name(&Error::Pkcs11(error, Function::Sign))),
                Rv::Ok => None,
            })
            .collect();
        let errors = TokenProfile::load("generic", &toml::Table::new()).unwrap().errors;
        for name in errors.session.iter().chain(&errors.login).chain(&errors.handle).chain(&errors.device) {
            assert!(existing.contains(name), "{name}");
        }
    }

    #[test]
    fn every_profile_sorts_the_usual_failures_by_what_helps() {
        for (class, codes) in [
            (
                ErrorClass::Session,
                vec![
                    RvError::SessionClosed,
                    RvError::SessionHandleInvalid,
                    RvError::OperationActive,
                    RvError::OperationNotInitialized,
                ],
            ),
            (ErrorClass::Login, vec![RvError::UserNotLoggedIn]),
            (ErrorClass::Handle, vec![RvError::KeyHandleInvalid, RvError::ObjectHandleInvalid]),
            (
                ErrorClass::Device,
                vec![
                    RvError::DeviceError,
                    RvError::DeviceRemoved,
                    RvError::TokenNotPresent,
                    RvError::GeneralError,
                    RvError::FunctionFailed,
                    RvError::CryptokiNotInitialized,
                ],
            ),
            // Trying these again would lock a PIN or use up a key.
            (
                ErrorClass::Fatal,
                vec![
                    RvError::PinIncorrect,
                    RvError::PinLocked,
                    RvError::PinExpired,
                    RvError::KeyFunctionNotPermitted,
                    RvError::MechanismInvalid,
                    RvError::VendorDefined(0x8000_4711),
                ],
            ),
        ] {
            for profile in TokenProfile::names() {
                let errors = TokenProfile::load(profile, &toml::Table::new()).unwrap().errors;
                for code in &codes {
                    let error = Error::Pkcs11(*code, Function::Sign);
                    assert_eq!(classify(&error, &errors), class, "{profile}: {code:?}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_answer_to_a_login_counts_as_a_rejection_and_a_lost_device_does_not() {
        let errors = TokenProfile::load("generic", &toml::Table::new()).unwrap().errors;
        let error = |code| Error::Pkcs11(code, Function::Login);
        for code in
            [RvError::PinIncorrect, RvError::PinLocked, RvError::PinExpired, RvError::VendorDefined(0x8000_0001)]
        {
            assert!(is_rejection(&error(code), &errors), "{code:?}");
        }
        for code in [RvError::DeviceError, RvError::SessionHandleInvalid, RvError::TokenNotPresent] {
            assert!(!is_rejection(&error(code), &errors), "{code:?}");
        }
    }
}
