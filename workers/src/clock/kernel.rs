//! What the kernel knows of the system clock: adjtimex(2), the interface of RFC 1589 that chrony, ntpd and systemd-timesyncd use.

use std::time::Duration;

use super::ClockError;

/// The largest error of the system clock against UTC (`maxerror`). The kernel lets it grow by 500 ppm from one correction to the
/// next, so that it holds for a clock whose keeper has stopped, until `STA_UNSYNC` says that nothing holds any more.
///
/// # Errors
/// [`ClockError`].
pub(super) fn largest_error() -> Result<Duration, ClockError> {
    judge(read()?)
}

struct State {
    /// What the call returned: the state of the clock (`TIME_OK` …).
    state: i32,
    status: i32,
    microseconds: i64,
}

#[expect(unsafe_code, reason = "no maintained crate has a safe call that reads the state without setting it")]
fn read() -> Result<State, ClockError> {
    // SAFETY: `timex` is plain numbers, for which zero is a value.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a `timex` that lives through the call. `modes` is 0, with which the call changes nothing.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        return Err(ClockError::Unreadable(std::io::Error::last_os_error().to_string()));
    }
    #[expect(clippy::useless_conversion, reason = "a C long, which has 32 bits on some machines")]
    Ok(State { state, status: timex.status, microseconds: timex.maxerror.into() })
}

fn judge(read: State) -> Result<Duration, ClockError> {
    // Also what the state `TIME_ERROR` is made of.
    if read.state == libc::TIME_ERROR || read.status & libc::STA_UNSYNC != 0 {
        return Err(ClockError::Unsynchronised);
    }
    if read.state == libc::TIME_OOP {
        return Err(ClockError::LeapSecond);
    }
    u64::try_from(read.microseconds)
        .map(Duration::from_micros)
        .map_err(|_| ClockError::Unreadable(format!("an error of {} microseconds", read.microseconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn state(state: i32, status: i32, microseconds: i64) -> State {
        State { state, status, microseconds }
    }

    #[test]
    fn the_error_is_the_one_the_kernel_vouches_for_and_none_when_it_does_not() {
        assert_eq!(judge(state(libc::TIME_OK, libc::STA_PLL, 1500)), Ok(Duration::from_micros(1500)));
        assert_eq!(judge(state(libc::TIME_INS, 0, 7)), Ok(Duration::from_micros(7)));
        assert_eq!(judge(state(libc::TIME_OK, libc::STA_UNSYNC, 7)), Err(ClockError::Unsynchronised));
        assert_eq!(judge(state(libc::TIME_ERROR, 0, 7)), Err(ClockError::Unsynchronised));
        assert_eq!(judge(state(libc::TIME_OOP, 0, 7)), Err(ClockError::LeapSecond));
        assert!(matches!(judge(state(libc::TIME_OK, 0, -1)), Err(ClockError::Unreadable(_))));
    }
}
