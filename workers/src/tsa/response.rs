//! The `TimeStampResp` (RFC 3161, section 2.4.2).

use der::asn1::BitString;
use der::{Any, Decode, Encode, Sequence};

use super::refusal::FailureInfo;

#[derive(Sequence)]
struct TimeStampResp {
    status: StatusInfo,
    #[asn1(optional = "true")]
    token: Option<Any>,
}

/// `PKIStatusInfo`.
#[derive(Sequence)]
struct StatusInfo {
    status: u8,
    #[asn1(optional = "true")]
    status_string: Option<Vec<String>>,
    #[asn1(optional = "true")]
    fail_info: Option<BitString>,
}

const GRANTED: u8 = 0;
const REJECTION: u8 = 2;

/// The reply with a token, whose DER stays as it is.
pub(super) fn granted(token: &[u8]) -> der::Result<Vec<u8>> {
    let status = StatusInfo { status: GRANTED, status_string: None, fail_info: None };
    TimeStampResp { status, token: Some(Any::from_der(token)?) }.to_der()
}

/// The token in a reply that grants one.
pub(super) fn token(reply: &[u8]) -> der::Result<Option<Vec<u8>>> {
    let reply = TimeStampResp::from_der(reply)?;
    let granted = reply.status.status == GRANTED && reply.status.fail_info.is_none();
    reply.token.filter(|_| granted).map(|token| token.to_der()).transpose()
}

/// The reply without a token: why, for programs and in words.
///
/// # Errors
/// Only when the DER encoder fails, which would be a bug.
pub fn rejection(failure: FailureInfo, text: &str) -> der::Result<Vec<u8>> {
    let status = StatusInfo {
        status: REJECTION,
        status_string: Some(vec![text.to_owned()]),
        fail_info: Some(named_bit(failure as u8)?),
    };
    TimeStampResp { status, token: None }.to_der()
}

// X.690, section 11.2.2: DER leaves out the zero bits after the last one.
fn named_bit(bit: u8) -> der::Result<BitString> {
    let (last, unused) = (bit / 8, 7 - bit % 8);
    let mut octets = vec![0; last.into()];
    octets.push(1 << unused);
    BitString::new(unused, octets)
}
