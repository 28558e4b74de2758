//! The port through which a rejected PIN is remembered, so that no restart and no other node tries it again.

use std::any::Any;
use std::collections::HashSet;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What a login came to; goes to the audit record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// Logged in.
    LoggedIn,
    /// The device refused the PIN.
    Rejected,
    /// The device failed before it judged the PIN.
    Failed,
}

/// The memory failed; whatever it was asked is unknown.
pub type MemoryError = Box<dyn Error + Send + Sync>;

/// The right to try one PIN, from the look into the memory until it has taken a rejection; it ends when it is dropped.
pub type LoginTurn = Box<dyn Any + Send>;

/// Remembers rejected PINs by the serial number of the token and the name of the secret's source.
///
/// Called from blocking threads only.
pub trait LoginMemory: Send + Sync {
    /// Waits until nobody else who shares this memory tries the PIN from this source, so that of two who start together the second
    /// sees what became of the first. It ends with the process that has it, too. A memory of one process needs none.
    ///
    /// # Errors
    /// When it is not given by then, or cannot be; the PIN is not tried. A retry helps once the other is done.
    fn login_turn(&self, _serial: &str, _source: &str, _until: Instant) -> Result<LoginTurn, MemoryError> {
        Ok(Box::new(()))
    }

    /// Whether the PIN from this source was rejected by this token and not forgotten since.
    ///
    /// # Errors
    /// When it cannot be known; the PIN is not tried then.
    fn pin_rejected(&self, serial: &str, source: &str) -> Result<bool, MemoryError>;

    /// Remembers a rejection until an operator runs `sigillo token unlock`.
    ///
    /// # Errors
    /// When it could not be kept; the token stays rejected and it is tried again before any other attempt.
    fn remember_pin_rejection(&self, serial: &str, source: &str) -> Result<(), MemoryError>;

    /// Records an attempt at `C_Login` and its outcome.
    fn login_recorded(&self, token: &str, serial: &str, outcome: LoginOutcome);
}

/// A memory that ends with the process: for work without a database.
#[derive(Debug, Default)]
pub struct ProcessMemory {
    rejected: Mutex<HashSet<(String, String)>>,
}

impl ProcessMemory {
    /// Forgets a rejection.
    pub fn forget(&self, serial: &str, source: &str) {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).remove(&(serial.to_owned(), source.to_owned()));
    }
}

impl LoginMemory for ProcessMemory {
    fn pin_rejected(&self, serial: &str, source: &str) -> Result<bool, MemoryError> {
        let rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(rejected.contains(&(serial.to_owned(), source.to_owned())))
    }

    fn remember_pin_rejection(&self, serial: &str, source: &str) -> Result<(), MemoryError> {
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        rejected.insert((serial.to_owned(), source.to_owned()));
        Ok(())
    }

    fn login_recorded(&self, token: &str, serial: &str, outcome: LoginOutcome) {
        tracing::info!(token.name = token, token.serial = serial, "login to token \"{token}\": {outcome:?}");
    }
}
