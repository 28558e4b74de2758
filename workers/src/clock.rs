//! The port to the time, so that a signing time can be chosen in tests, and what is known of how right it is.

mod kernel;

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

/// Where the claimed signing time and the judgement of certificate dates come from.
pub trait Clock: Send + Sync {
    /// The time now, in UTC.
    fn now(&self) -> OffsetDateTime;

    /// How far [`Self::now`] may be from UTC at most, by what keeps this clock.
    ///
    /// # Errors
    /// [`ClockError`] when nothing vouches for it now. A clock that knows nothing of UTC says [`ClockError::Unsynchronised`].
    fn largest_error(&self) -> Result<Duration, ClockError> {
        Err(ClockError::Unsynchronised)
    }
}

/// Why nothing is known of how right the clock is. The operator must see to what keeps it; a leap second passes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// No time source keeps it, or none has answered for so long that the kernel gave it up.
    #[error("the system clock is not synchronised; start chrony, ntpd or systemd-timesyncd on this machine")]
    Unsynchronised,
    /// The second that is being inserted has the name of the one before it.
    #[error("a leap second is being inserted")]
    LeapSecond,
    /// The kernel does not say.
    #[error("the kernel does not tell the state of the system clock: {0}")]
    Unreadable(String),
}

/// The clock of the system. What is known of its error is what the kernel was told by the program that keeps it
/// (`ntp_adjtime`, see adjtimex(2)).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn largest_error(&self) -> Result<Duration, ClockError> {
        kernel::largest_error()
    }
}

impl fmt::Debug for dyn Clock + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
