//! The time of a seal in words: the very time that the signature claims.

use time::format_description::OwnedFormatItem;
use time::{OffsetDateTime, UtcOffset};

/// How the time is written.
#[derive(Clone, Debug)]
pub(super) struct TimeText {
    format: Option<OwnedFormatItem>,
    zone: UtcOffset,
}

impl TimeText {
    /// From `time_format` and `time_zone`.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    pub(super) fn read(format: Option<String>, zone: Option<String>) -> Result<Self, (&'static str, String)> {
        let zone = match zone {
            None => UtcOffset::UTC,
            Some(text) => offset(&text).ok_or_else(|| {
                ("time_zone", format!("\"{text}\" is no offset from UTC; write one such as \"+02:00\", or \"UTC\""))
            })?,
        };
        let format = match format {
            None => None,
            Some(text) if text.is_empty() || text.len() > MAX_FORMAT || text.chars().any(char::is_control) => {
                return Err(("time_format", format!("it must have 1 to {MAX_FORMAT} printable characters")));
            }
            Some(text) => {
                let parsed = time::format_description::parse_strftime_owned(&text);
                Some(parsed.map_err(|error| {
                    ("time_format", format!("{error}; write it as strftime does, such as \"%d.%m.%Y %H:%M %z\""))
                })?)
            }
        };
        Ok(Self { format, zone })
    }

    /// `2026-11-21 16:05:00Z`, or as `time_format` says.
    pub(super) fn write(&self, time: OffsetDateTime) -> String {
        let time = time.to_offset(self.zone);
        if let Some(text) = self.format.as_ref().and_then(|format| time.format(format).ok()) {
            return text;
        }
        let (date, clock) = (time.date(), time.time());
        let zone = if self.zone == UtcOffset::UTC {
            "Z".to_owned()
        } else {
            let (hours, minutes, _) = self.zone.as_hms();
            let sign = if self.zone.is_negative() { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", hours.unsigned_abs(), minutes.unsigned_abs())
        };
        format!("{date} {:02}:{:02}:{:02}{zone}", clock.hour(), clock.minute(), clock.second())
    }
}

/// `UTC`, `Z`, `+02:00`.
fn offset(text: &str) -> Option<UtcOffset> {
    if ["UTC", "Z"].contains(&text) {
        return Some(UtcOffset::UTC);
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let part = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten();
    let (hours, minutes) = (i8::try_from(part(hours)?).ok()?, i8::try_from(part(minutes)?).ok()?);
    (hours <= 14 && minutes < 60).then(|| UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()).flatten()
}

const MAX_FORMAT: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_written_in_its_zone_and_format() {
        let time = OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap();
        let written = |format: Option<&str>, zone: Option<&str>| {
            TimeText::read(format.map(str::to_owned), zone.map(str::to_owned)).unwrap().write(time)
        };
        assert_eq!(written(None, None), "2026-11-18 11:06:40Z");
        assert_eq!(written(None, Some("+02:00")), "2026-11-18 13:06:40+02:00");
        assert_eq!(written(None, Some("-03:30")), "2026-11-18 07:36:40-03:30");
        assert_eq!(written(Some("%d.%m.%Y %H:%M"), Some("+02:00")), "18.11.2026 13:06");
        for (format, zone) in [(Some("%Q"), None), (Some(""), None), (None, Some("Europe/Tallinn")), (None, Some("+2"))]
        {
            TimeText::read(format.map(str::to_owned), zone.map(str::to_owned)).unwrap_err();
        }
    }
}
