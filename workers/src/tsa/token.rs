//! Read the time of a token that this service made.

use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::Decode;
use der::asn1::OctetStringRef;
use time::{Date, OffsetDateTime, Time};

use super::info::TstInfo;

/// `genTime` of a `TimeStampToken`, fractions included.
///
/// # Errors
/// When it is none. The signature is not looked at.
pub fn token_time(token: &[u8]) -> der::Result<OffsetDateTime> {
    let content = ContentInfo::from_der(token)?.content.decode_as::<SignedData>()?.encap_content_info.econtent;
    let content = content.ok_or(der::ErrorKind::Failed)?;
    let info = TstInfo::from_der(content.decode_as::<&OctetStringRef>()?.as_bytes())?;
    Ok(gen_time(info.gen_time.value()).ok_or(der::ErrorKind::DateTime)?)
}

fn gen_time(value: &[u8]) -> Option<OffsetDateTime> {
    let text = std::str::from_utf8(value).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let number = |range: std::ops::Range<usize>| whole.get(range)?.parse::<u8>().ok();
    let month = number(4..6)?.try_into().ok()?;
    let date = Date::from_calendar_date(whole.get(..4)?.parse().ok()?, month, number(6..8)?).ok()?;
    let micros = format!("{fraction:0<6}").parse().ok()?;
    let time = Time::from_hms_micro(number(8..10)?, number(10..12)?, number(12..14)?, micros).ok()?;
    Some(date.with_time(time).assume_utc())
}
