//! What a time-stamping authority is asked, and whether its answer answers that (RFC 3161, sections 2.4.1 and 2.4.2).

use bytes::Bytes;
use const_oid::ObjectIdentifier;
use cryptotoken_api::DtbsRepresentation;
use der::Encode;
use openssl::error::ErrorStack;

use super::{TimestampError, TimestampToken};
use crate::tlv::{BIT_STRING, Element, INTEGER, Malformed, OCTET_STRING, SEQUENCE, UTF8_STRING, tlv};

/// A `TimeStampReq` with a nonce, asking for the certificate.
#[derive(Clone, Debug)]
pub struct TimestampRequest {
    imprint: DtbsRepresentation,
    policy: Option<ObjectIdentifier>,
    /// Contents octets of the integer: positive and without leading zeros.
    nonce: Vec<u8>,
}

/// Octets of the nonce: RFC 3161 asks for a number that is unlikely to come twice, 64 bits for example.
const NONCE: usize = 8;

impl TimestampRequest {
    /// A request for a timestamp over this digest, under this policy where one is given.
    ///
    /// # Errors
    /// Only when there are no random numbers.
    pub fn new(imprint: DtbsRepresentation, policy: Option<ObjectIdentifier>) -> Result<Self, ErrorStack> {
        let mut nonce = vec![0; NONCE];
        openssl::rand::rand_bytes(&mut nonce)?;
        // The first octet keeps the integer positive and its encoding the shortest.
        if let Some(first) = nonce.first_mut() {
            *first = *first & 0x7f | 0x40;
        }
        Ok(Self { imprint, policy, nonce })
    }

    /// The DER to be sent, `application/timestamp-query`.
    ///
    /// # Errors
    /// Only when the DER encoder fails, which would be a bug.
    pub fn to_der(&self) -> der::Result<Vec<u8>> {
        // RFC 3161 predates RFC 5754, and responders exist that want the NULL.
        let algorithm = tlv(SEQUENCE, &[self.imprint.algorithm().oid().to_der()?, vec![0x05, 0x00]]);
        let imprint = tlv(SEQUENCE, &[algorithm, tlv(OCTET_STRING, &[self.imprint.digest()])]);
        let policy = self.policy.map(|policy| policy.to_der()).transpose()?.unwrap_or_default();
        let (version, certificate) = (vec![INTEGER, 0x01, 0x01], vec![0x01, 0x01, 0xff]);
        Ok(tlv(SEQUENCE, &[version, imprint, policy, tlv(INTEGER, &[&self.nonce]), certificate]))
    }

    /// The token in this `TimeStampResp`, if it is a valid answer to this request. `authority` is who answered, for the error.
    ///
    /// # Errors
    /// [`TimestampError::Refused`] when it says so, [`TimestampError::Invalid`] for everything else.
    pub fn accept(&self, response: &[u8], authority: &str) -> Result<TimestampToken, TimestampError> {
        let invalid = |reason: String| TimestampError::Invalid { authority: authority.to_owned(), reason };
        let malformed = |error: Malformed| invalid(format!("it is no timestamp response: {error}"));
        let answer = Answer::read(response).map_err(malformed)?;
        // RFC 3161, section 2.4.2: granted, and granted with modifications.
        if !matches!(answer.status, [0 | 1]) {
            let reason = answer.refusal();
            return Err(TimestampError::Refused { authority: authority.to_owned(), reason });
        }
        let token = answer.token.ok_or_else(|| invalid("it grants a timestamp and has none".into()))?;
        let token = TimestampToken::read(Bytes::copy_from_slice(token.whole), &[])
            .map_err(|fault| invalid(format!("the token: {fault}")))?;
        if token.imprint != self.imprint {
            return Err(invalid("the token stamps something else than what was sent".into()));
        }
        if token.nonce.as_ref() != Some(&self.nonce) {
            return Err(invalid("the token does not have the nonce that was sent".into()));
        }
        match self.policy {
            Some(policy) if policy != token.policy => {
                Err(invalid(format!("the token is of policy {}, not {policy} as asked for", token.policy)))
            }
            _ => Ok(token),
        }
    }
}

/// A `TimeStampResp`.
struct Answer<'a> {
    status: &'a [u8],
    texts: Vec<Element<'a>>,
    failure: Option<Element<'a>>,
    token: Option<Element<'a>>,
}

impl<'a> Answer<'a> {
    fn read(octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut parts = Element::only(octets)?.tagged(SEQUENCE, "it is no sequence")?.reader()?;
        let mut information = parts.required(SEQUENCE, "it has no status")?.reader()?;
        let token = parts.optional(SEQUENCE);
        parts.finish("it has more than status and token")?;
        let status = information.required(INTEGER, "it has no status")?.contents;
        let texts = information.optional(SEQUENCE).map_or_else(|| Ok(Vec::new()), |texts| texts.children())?;
        Ok(Self { status, texts, failure: information.optional(BIT_STRING), token })
    }

    fn refusal(&self) -> String {
        let status = match self.status {
            [2] => "rejection".to_owned(),
            [3] => "waiting".to_owned(),
            [4] => "revocation warning".to_owned(),
            [5] => "revocation".to_owned(),
            other => format!("status {}", hex::encode(other.get(..other.len().min(8)).unwrap_or_default())),
        };
        let bits = self.failure.and_then(|failure| failure.contents.split_first()).map(|(_, bits)| bits);
        let set =
            |bit: usize| bits.and_then(|bits| bits.get(bit / 8)).is_some_and(|octet| octet & 0x80 >> (bit % 8) != 0);
        let failures = FAILURES.iter().filter(|(bit, _)| set(*bit)).map(|(_, name)| (*name).to_owned());
        let texts = self.texts.iter().filter(|text| text.tag == UTF8_STRING);
        let texts = texts.take(TEXTS).map(|text| format!("\"{}\"", legible(text.contents)));
        [status].into_iter().chain(failures).chain(texts).collect::<Vec<_>>().join(", ")
    }
}

/// Texts of a refusal that are repeated, and characters of each: whoever answers writes them, and they go into logs and to callers.
const TEXTS: usize = 4;
const CHARACTERS: usize = 200;

fn legible(text: &[u8]) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { c.to_string() };
    // No character has more than four octets.
    let beginning = text.get(..text.len().min(4 * CHARACTERS)).unwrap_or_default();
    String::from_utf8_lossy(beginning).chars().take(CHARACTERS).map(escaped).collect()
}

/// `PKIFailureInfo` (RFC 3161, section 2.4.2).
const FAILURES: [(usize, &str); 8] = [
    (0, "badAlg"),
    (2, "badRequest"),
    (5, "badDataFormat"),
    (14, "timeNotAvailable"),
    (15, "unacceptedPolicy"),
    (16, "unacceptedExtension"),
    (17, "addInfoNotAvailable"),
    (25, "systemFailure"),
];

#[cfg(test)]
mod tests;
