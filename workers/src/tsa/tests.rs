use std::time::Duration;

use cryptotoken_api::DtbsRepresentation;
use der::asn1::Int;
use der::{Decode, Encode};
use time::OffsetDateTime;
use time::macros::datetime;

use super::info::{TstInfo, serial_number};
use super::refusal::{FailureInfo, TimestampRefusal};
use super::*;
use crate::clock::{Clock, ClockError};
use crate::config::{FormatConfig, WorkerConfig};
use crate::create::{SignatureContext, SignatureFormat};
use crate::error::WorkerError;
use crate::software_key::SoftwareKey;
use crate::timestamp::TimestampRequest;
use crate::worker::{DocumentContent, SignerDocument, SigningParameters};

/// A clock that is kept by the test.
struct TestClock(Result<Duration, ClockError>);

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        NOW
    }

    fn largest_error(&self) -> Result<Duration, ClockError> {
        self.0.clone()
    }
}

const NOW: OffsetDateTime = datetime!(2026-11-21 13:05:09.120987 UTC);

fn definition(more: &str) -> WorkerConfig {
    let text = format!("name = \"tsa\"\nkind = \"timestamp\"\ncredential = \"tsu\"\npolicy = \"1.2.3\"\n{more}");
    WorkerConfig::parse(&text).unwrap()
}

fn options(more: &str) -> TsaConfig {
    match definition(more).format() {
        FormatConfig::Timestamp(options) => options.clone(),
        other => panic!("{other:?}"),
    }
}

fn request() -> SignerDocument {
    let imprint = DtbsRepresentation::new(DigestAlgorithm::Sha256, vec![7; 32]).unwrap();
    let query = TimestampRequest::new(imprint, None).unwrap().to_der().unwrap();
    SignerDocument { content: DocumentContent::Memory(query.into()), media_type: None, signature: None }
}

/// What the timestamp says, or why there is none.
fn prepared(options: &TsaConfig, clock: &dyn Clock) -> Result<TstInfo, TimestampRefusal> {
    let key = SoftwareKey::generate();
    let context = SignatureContext { signing_time: clock.now(), clock, ..key.context() };
    match options.prepare(&request(), &SigningParameters::default(), &context) {
        Ok(prepared) => Ok(TstInfo::from_der(&prepared.info).unwrap()),
        Err(WorkerError::NoTimestamp(refusal)) => Err(refusal),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn no_token_is_made_while_the_clock_is_not_known_to_be_within_the_accuracy() {
    let micros = |micros| Ok(Duration::from_micros(micros));
    // The step of genTime is an error too: a millisecond of a second, a microsecond of a millisecond.
    for (accuracy, error, stamps) in [
        ("1s", micros(999_000), true),
        ("1s", micros(999_001), false),
        ("1ms", micros(999), true),
        ("1ms", micros(1000), false),
        ("1s", Err(ClockError::Unsynchronised), false),
        ("1s", Err(ClockError::LeapSecond), false),
        ("1s", Err(ClockError::Unreadable("no".into())), false),
    ] {
        let clock = TestClock(error.clone());
        let kernel = prepared(&options(&format!("accuracy = \"{accuracy}\"")), &clock);
        assert_eq!(kernel.is_ok(), stamps, "{accuracy} {error:?}");
        if let Err(refusal) = kernel {
            assert_eq!(refusal.failure_info(), FailureInfo::TimeNotAvailable);
        }
        let trusted = options(&format!("accuracy = \"{accuracy}\"\nclock = \"trusted\""));
        assert!(prepared(&trusted, &clock).is_ok(), "the operator vouches: {error:?}");
    }
}

#[test]
fn gen_time_has_the_digits_that_the_accuracy_asks_for_and_no_zeros_at_its_end() {
    for (accuracy, text) in [("1s", "20261121130509.12Z"), ("99ms", "20261121130509.120987Z")] {
        let info = prepared(&options(&format!("accuracy = \"{accuracy}\"")), &TestClock(Ok(Duration::ZERO))).unwrap();
        let der = info.to_der().unwrap();
        assert!(der.windows(text.len()).any(|window| window == text.as_bytes()), "{accuracy}: {}", hex::encode(der));
    }
}

#[test]
fn serial_numbers_are_positive_and_of_twenty_octets_whatever_time_and_chance() {
    for time in [OffsetDateTime::UNIX_EPOCH, NOW, datetime!(9999-12-31 23:59:59 UTC)] {
        for random in [[0; 14], [0xff; 14]] {
            let serial = serial_number(time, random).unwrap();
            assert_eq!(Int::new(serial.as_bytes()).unwrap().as_bytes().len(), 20);
            assert!(serial.as_bytes().first().is_some_and(|first| (0x40..0x80).contains(first)));
        }
    }
    assert_ne!(serial_number(NOW, [0; 14]).unwrap(), serial_number(NOW, [1; 14]).unwrap());
}

#[test]
fn a_definition_is_written_as_it_was_read() {
    let text = "accepted_policies = [\"1.2.4\"]\naccepted_digests = [\"SHA-512\"]\naccuracy = \"250us\"\n\
                tsa_name = true\nqualified_timestamp = true\nclock = \"trusted\"";
    for config in [definition(""), definition(text)] {
        let stored = serde_json::to_string(&config.to_json().unwrap()).unwrap();
        assert_eq!(WorkerConfig::parse(&stored).unwrap(), config);
    }
    for (text, spelt) in [("1000ms", "1s"), ("1s", "1s"), ("500000us", "500ms"), ("100us", "100us")] {
        assert_eq!(Accuracy::try_from(text.to_owned()).unwrap().to_string(), spelt);
    }
    for bad in ["", "1", "s", "0s", "99us", "1001ms", "2s", "1.5ms", "-1s", "1 s", "99999999999s"] {
        assert!(Accuracy::try_from(bad.to_owned()).is_err(), "{bad}");
    }
}
