//! Times in the database: milliseconds since 1970-01-01 UTC.

use time::OffsetDateTime;

/// Now, in milliseconds.
pub(crate) fn now() -> i64 {
    millis(OffsetDateTime::now_utc())
}

/// A time in milliseconds; its smaller parts are dropped.
pub(crate) fn millis(time: OffsetDateTime) -> i64 {
    // Years up to 9999 are less than 2^48 milliseconds.
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX)
}

/// A time read from the database.
pub(crate) fn from_millis(millis: i64) -> Result<OffsetDateTime, time::error::ComponentRange> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
}
