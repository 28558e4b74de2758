//! How far the time in a token may be from UTC, as definitions spell it and as tokens carry it (RFC 3161, section 2.4.2).

use std::fmt;
use std::time::Duration;

use der::Sequence;
use serde::{Deserialize, Serialize};

/// A part of a second, or the whole: `1s`, `100ms`, `500us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Accuracy(Duration);

/// `Accuracy`.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub(super) struct AccuracyFields {
    #[asn1(optional = "true")]
    seconds: Option<u8>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    millis: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    micros: Option<u16>,
}

impl Accuracy {
    /// Length of time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// The step in which `genTime` is written: at most a hundredth of the accuracy, so that cutting it off does not matter, and
    /// milliseconds or microseconds.
    pub(super) const fn step(self) -> Duration {
        if self.0.as_millis() >= 100 { Duration::from_millis(1) } else { Duration::from_micros(1) }
    }

    pub(super) fn fields(self) -> AccuracyFields {
        let part = |value: u32| u16::try_from(value).ok().filter(|value| *value > 0);
        AccuracyFields {
            seconds: u8::try_from(self.0.as_secs()).ok().filter(|seconds| *seconds > 0),
            millis: part(self.0.subsec_millis()),
            micros: part(self.0.subsec_micros() % 1000),
        }
    }
}

impl Default for Accuracy {
    fn default() -> Self {
        Self(MOST)
    }
}

/// EN 319 422, clause 5.2.2: one second or better.
const MOST: Duration = Duration::from_secs(1);
/// A hundred of the finest steps of `genTime`.
const LEAST: Duration = Duration::from_micros(100);

impl TryFrom<String> for Accuracy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let refused = || format!("\"{text}\" is no accuracy; write a time from \"100us\" to \"1s\", such as \"500ms\"");
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u32 = number.parse().map_err(|_| refused())?;
        let duration = match unit {
            "s" => Duration::from_secs(number.into()),
            "ms" => Duration::from_millis(number.into()),
            "us" => Duration::from_micros(number.into()),
            _ => return Err(refused()),
        };
        if (LEAST..=MOST).contains(&duration) { Ok(Self(duration)) } else { Err(refused()) }
    }
}

impl From<Accuracy> for String {
    fn from(accuracy: Accuracy) -> Self {
        accuracy.to_string()
    }
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        match (micros % 1_000_000, micros % 1000) {
            (0, _) => write!(f, "{}s", micros / 1_000_000),
            (_, 0) => write!(f, "{}ms", micros / 1000),
            _ => write!(f, "{micros}us"),
        }
    }
}
