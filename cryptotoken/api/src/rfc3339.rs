//! Times as people and programs read them.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// A time in UTC as RFC 3339 writes it, for sentences.
#[must_use]
pub fn rfc3339(time: OffsetDateTime) -> String {
    // It cannot be written so outside of the years 0 to 9999, which no certificate can name.
    time.to_offset(UtcOffset::UTC).format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}
