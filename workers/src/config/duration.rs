//! Time spans of a definition: `"30s"`, `"10m"`, `"12h"`, `"7d"`.

use std::time::Duration;

const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];

/// A hundred years: what is added to a date or taken off it must leave one.
const LONGEST: u64 = 36_525 * 86_400;

/// Reads a time span; `None` when the text is none, or is longer than a hundred years.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let seconds = number.parse::<u64>().ok()?.checked_mul(*seconds)?;
    (seconds <= LONGEST).then(|| Duration::from_secs(seconds))
}

/// Writes a time span in the largest unit that needs no fraction.
pub(crate) fn text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let fits = |(_, unit): &&(&str, u64)| seconds >= *unit && seconds.is_multiple_of(*unit);
    let (name, unit) = UNITS.iter().rev().find(fits).unwrap_or(&("s", 1));
    format!("{}{name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_is_written_as_it_was_read() {
        for span in ["0s", "1s", "90s", "10m", "12h", "7d"] {
            assert_eq!(text(parse(span).unwrap()), span);
        }
        assert_eq!(text(parse("24h").unwrap()), "1d");
        for bad in ["", "12", "h", "-1h", "1.5h", "1 h", "1w", "99999999999999999999s", "999999999999999999d", "36526d"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
