//! What is done about a failure: the classes of the profile's `[errors]`, each with the least that helps.
//!
//! | class   | remedy                                                                                                    |
//! |---------|-----------------------------------------------------------------------------------------------------------|
//! | session | the session is dropped and another one opened; where the login's own session is gone too, all is connected anew |
//! | login   | connected anew, which logs in at most as often as the login memory allows                                   |
//! | handle  | the object is searched again                                                                                |
//! | device  | connected anew: sessions, slot, login, handles; where that does not help and the profile allows it, the library, too |
//! | fatal   | nothing; the failure is reported                                                                            |
//!
//! Connecting anew is done by the next caller, not here (see `link`). How deep it may go says `[recovery]`.

use std::sync::Arc;

use crate::pkcs11::connection::Connection;
use crate::pkcs11::error::{ErrorClass, classify};
use crate::pkcs11::link::Link;
use crate::pkcs11::session_pool::Failure;
use crate::profile::TokenProfile;

/// What was put right, so that another attempt may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The next attempt gets another session.
    Session,
    /// The next attempt gets another connection, because the login was lost.
    Login,
    /// The object must be searched again.
    Handle,
    /// The next attempt gets another connection, because the device failed.
    Device,
    /// The next attempt gets another connection, because the library was started anew. Nothing had been done.
    Library,
}

/// Puts right what can be put right; `None` where another attempt cannot help.
pub(crate) fn remedy(
    link: &Link,
    connection: &Arc<Connection>,
    failure: &Failure,
    profile: &TokenProfile,
) -> Option<Remedy> {
    let error = match failure {
        Failure::Outdated => {
            link.outdated(connection);
            return Some(Remedy::Library);
        }
        Failure::Pkcs11(error) => error,
        _ => return None,
    };
    let class = classify(error, &profile.errors);
    match class {
        ErrorClass::Session => {
            // The pool has dropped the session already; where all are gone, so is the login.
            if !connection.is_alive() {
                link.lost(connection, error, class);
            }
            Some(Remedy::Session)
        }
        ErrorClass::Login => {
            link.lost(connection, error, class);
            Some(Remedy::Login)
        }
        ErrorClass::Handle => Some(Remedy::Handle),
        ErrorClass::Device => {
            link.lost(connection, error, class);
            Some(Remedy::Device)
        }
        ErrorClass::Fatal => None,
    }
}

/// For operators.
pub(crate) fn stuck(hung: usize) -> String {
    format!("{hung} calls hang in the library; if they never come back, restart the service")
}
