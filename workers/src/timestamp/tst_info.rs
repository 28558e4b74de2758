//! `TSTInfo`, what a timestamp says (RFC 3161, section 2.4.2).

use const_oid::ObjectIdentifier;
use cryptotoken_api::{DigestAlgorithm, DtbsRepresentation};
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

use super::token::TokenFault;
use crate::cades::received::oid;
use crate::tlv::{Element, GENERALIZED_TIME, INTEGER, Malformed, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};

/// The fields that decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TstInfo {
    pub(super) policy: ObjectIdentifier,
    pub(super) imprint: DtbsRepresentation,
    /// Contents octets of the integer.
    pub(super) serial_number: Vec<u8>,
    pub(super) time: OffsetDateTime,
    /// Contents octets of the integer.
    pub(super) nonce: Option<Vec<u8>>,
}

impl TstInfo {
    pub(super) fn read(octets: &[u8]) -> Result<Self, TokenFault> {
        let mut parts = Element::only(octets)?.tagged(SEQUENCE, "TSTInfo is no sequence")?.reader()?;
        if parts.required(INTEGER, "TSTInfo has no version")?.contents != [1] {
            return Err(Malformed("TSTInfo is not of version 1").into());
        }
        let policy = oid(parts.required(OBJECT_IDENTIFIER, "TSTInfo names no policy")?)?;
        let mut imprint = parts.required(SEQUENCE, "TSTInfo has no imprint")?.reader()?;
        let algorithm = imprint.required(SEQUENCE, "the imprint names no digest algorithm")?;
        let algorithm = oid(algorithm.reader()?.any("the imprint names no digest algorithm")?)?;
        let digest = imprint.required(OCTET_STRING, "the imprint has no digest")?.contents.to_vec();
        let known = DigestAlgorithm::ALL.into_iter().find(|each| each.oid() == algorithm);
        let known = known.ok_or(TokenFault::Algorithm(algorithm))?;
        let imprint = DtbsRepresentation::new(known, digest)
            .map_err(|_| Malformed("the imprint is not as long as digests of its algorithm are"))?;
        let serial_number = parts.required(INTEGER, "TSTInfo has no serial number")?.contents.to_vec();
        let time = generalized_time(parts.required(GENERALIZED_TIME, "TSTInfo has no time")?.contents)
            .ok_or(Malformed("the time is no GeneralizedTime in UTC"))?;
        // Accuracy and ordering: nothing here depends on them.
        parts.optional(SEQUENCE);
        parts.optional(BOOLEAN);
        let nonce = parts.optional(INTEGER).map(|nonce| nonce.contents.to_vec());
        Ok(Self { policy, imprint, serial_number, time, nonce })
    }
}

const BOOLEAN: u8 = 0x01;

/// `YYYYMMDDhhmmss[.s…]Z` (RFC 3161, section 2.4.2). Digits beyond nanoseconds are cut off.
fn generalized_time(octets: &[u8]) -> Option<OffsetDateTime> {
    let text = std::str::from_utf8(octets).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    if whole.len() != 14 || fraction.is_some_and(str::is_empty) {
        return None;
    }
    if !whole.bytes().chain(fraction.unwrap_or_default().bytes()).all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| whole.get(from..to)?.parse::<u8>().ok();
    let month = Month::try_from(number(4, 6)?).ok()?;
    let date = Date::from_calendar_date(whole.get(..4)?.parse().ok()?, month, number(6, 8)?).ok()?;
    let nanoseconds = fraction.map_or(Some(0), |digits| format!("{:0<9.9}", digits).parse().ok())?;
    let time = Time::from_hms_nano(number(8, 10)?, number(10, 12)?, number(12, 14)?, nanoseconds).ok()?;
    Some(date.with_time(time).assume_offset(UtcOffset::UTC))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_have_any_number_of_fractional_digits() {
        for (text, time) in [
            ("20261121130000Z", datetime!(2026-11-21 13:00:00 UTC)),
            ("20261121130000.5Z", datetime!(2026-11-21 13:00:00.5 UTC)),
            ("20261121130000.123456Z", datetime!(2026-11-21 13:00:00.123456 UTC)),
            ("20261121130000.1234567891234Z", datetime!(2026-11-21 13:00:00.123456789 UTC)),
        ] {
            assert_eq!(generalized_time(text.as_bytes()), Some(time), "{text}");
        }
        for bad in [
            "",
            "Z",
            "20261121130000",
            "20261121130000.Z",
            "2026112113000Z",
            "20261321130000Z",
            "20261121130000+0100",
            "2026112113000٣Z",
        ] {
            assert_eq!(generalized_time(bad.as_bytes()), None, "{bad}");
        }
    }
}
