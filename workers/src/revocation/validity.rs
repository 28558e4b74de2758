//! Whether revocation information is current, and fresh enough (RFC 6960, section 4.2.2.1; RFC 5280, section 5.1.2).

use std::time::Duration;

use cryptotoken_api::rfc3339;
use time::OffsetDateTime;

use super::RevocationInfo;

/// The times of revocation information.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    pub(super) this_update: OffsetDateTime,
    pub(super) next_update: Option<OffsetDateTime>,
}

/// What clocks of others may be ahead of ours.
const SKEW: Duration = Duration::from_secs(300);

/// How old information may be that does not say until when it holds: newer is then to be had at all times (RFC 6960, section
/// 2.4), and in a CRL the date is required (RFC 5280, section 5.1.2.5).
const WITHOUT_END: Duration = Duration::from_secs(24 * 3600);

impl Validity {
    pub(super) fn check(self, now: OffsetDateTime) -> Result<(), String> {
        match self.next_update {
            _ if self.this_update > now + SKEW => {
                Err(format!("is made in the future ({}): compare the clocks", rfc3339(self.this_update)))
            }
            Some(next) if next < now => Err(format!("is stale: its next update was due on {}", rfc3339(next))),
            // It could be played back for ever.
            None if self.this_update + WITHOUT_END < now => Err(format!(
                "is stale: it is of {} and does not say when the next update is due",
                rfc3339(self.this_update)
            )),
            _ => Ok(()),
        }
    }
}

impl RevocationInfo {
    /// Whether it was made at or after this time. Both have seconds at best, so fractions do not count.
    #[must_use]
    pub fn is_made_after(&self, not_before: OffsetDateTime) -> bool {
        self.this_update.unix_timestamp() >= not_before.unix_timestamp()
    }

    /// Whether it can be used again: it is current, and was made after `not_before`, where that is given. What does not say when
    /// it ends can be had anew at all times, and is only good for who says how old it may be.
    #[must_use]
    pub fn is_usable(&self, now: OffsetDateTime, not_before: Option<OffsetDateTime>) -> bool {
        self.next_update.map_or(not_before.is_some(), |next| now <= next)
            && not_before.is_none_or(|not_before| self.is_made_after(not_before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stale_or_of_the_future_says_so_with_the_date_as_rfc_3339_has_it() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let an_hour = Duration::from_secs(3600);
        let stale = Validity { this_update: now - an_hour * 2, next_update: Some(now - an_hour) };
        assert!(stale.check(now).unwrap_err().ends_with("2025-12-31T23:00:00Z"));
        let early = Validity { this_update: now + an_hour, next_update: None };
        assert!(early.check(now).unwrap_err().contains("(2026-01-01T01:00:00Z)"));
        let endless = |age| Validity { this_update: now - age, next_update: None }.check(now);
        assert!(endless(an_hour).is_ok());
        assert!(endless(an_hour * 25).unwrap_err().contains("does not say"));
    }
}
