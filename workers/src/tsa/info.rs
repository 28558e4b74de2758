//! The `TSTInfo`: what a timestamp says (RFC 3161, section 2.4.2; EN 319 422, clause 5.2.2).

use const_oid::ObjectIdentifier;
use der::asn1::{Int, OctetString};
use der::{Any, Encode, Sequence, Tag};
use time::OffsetDateTime;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;

use super::TsaConfig;
use super::accuracy::{Accuracy, AccuracyFields};
use super::query::Query;
use crate::create::SignatureContext;

/// `id-ct-TSTInfo` (RFC 3161, section 2.4.2).
pub(super) const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// `id-pe-qcStatements` (RFC 3739, section 3.2.6).
const QC_STATEMENTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.3");
/// `esi4-qtstStatement-1` (EN 319 422, clause 9.1).
const QUALIFIED_TIMESTAMP: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.19422.1.1");

/// `TSTInfo`.
#[derive(Clone, Debug, Sequence)]
pub(super) struct TstInfo {
    version: u8,
    policy: ObjectIdentifier,
    message_imprint: Any,
    pub(super) serial_number: Int,
    gen_time: Any,
    #[asn1(optional = "true")]
    accuracy: Option<AccuracyFields>,
    #[asn1(default = "Default::default")]
    ordering: bool,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    tsa: Option<GeneralName>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

#[derive(Sequence)]
struct QcStatement {
    statement_id: ObjectIdentifier,
}

impl TstInfo {
    pub(super) fn new(
        query: &Query,
        options: &TsaConfig,
        context: &SignatureContext<'_>,
        serial_number: Int,
    ) -> der::Result<Self> {
        let subject = context.credential.chain.leaf().fields().subject();
        let extensions = options.qualified_timestamp.then(|| qualified_statement().map(|extension| vec![extension]));
        Ok(Self {
            version: 1,
            policy: query.policy,
            message_imprint: query.imprint.clone(),
            serial_number,
            gen_time: gen_time(context.signing_time, options.accuracy)?,
            accuracy: Some(options.accuracy.fields()),
            ordering: false,
            nonce: query.nonce.clone(),
            tsa: options.tsa_name.then(|| GeneralName::DirectoryName(subject.clone())),
            extensions: extensions.transpose()?,
        })
    }
}

fn qualified_statement() -> der::Result<Extension> {
    let statements = vec![QcStatement { statement_id: QUALIFIED_TIMESTAMP }];
    Ok(Extension { extn_id: QC_STATEMENTS, critical: false, extn_value: OctetString::new(statements.to_der()?)? })
}

/// The serial number of a token: see the header of [`super`]. Positive and of 20 octets, the most that RFC 3161 lets verifiers meet.
pub(super) fn serial_number(time: OffsetDateTime, random: [u8; 14]) -> der::Result<Int> {
    let millis = u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| der::ErrorKind::DateTime)?;
    let [_, _, time @ ..] = millis.to_be_bytes();
    let [first, rest @ ..] = random;
    // The highest bits make it a positive number whose first octet is never zero, so that all are of one length.
    let number = [&[0x40 | (first & 0x3f)], time.as_slice(), rest.as_slice()].concat();
    Int::new(&number)
}

// RFC 3161, section 2.4.2: GeneralizedTime with a fraction that does not end in zero, or without one.
fn gen_time(time: OffsetDateTime, accuracy: Accuracy) -> der::Result<Any> {
    let time = time.to_offset(time::UtcOffset::UTC);
    let digits = if accuracy.step().as_micros() == 1000 { 3 } else { 6 };
    let mut fraction = format!("{:06}", time.microsecond());
    fraction.truncate(digits);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let (date, clock) = (time.date(), time.time());
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}{point}{fraction}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    );
    Any::new(Tag::GeneralizedTime, text.into_bytes())
}
