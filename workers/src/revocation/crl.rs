//! What may be believed of a certificate revocation list (RFC 5280, sections 5 and 6.3).
//!
//! Complete CRLs of the certificate's own issuer, for all reasons. Lists for some reasons and deltas are refused, because a certificate
//! that is not on one of these may be revoked all the same; so are indirect CRLs, whose entries may be of other issuers.

use bytes::Bytes;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{
    ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CRL_NUMBER, ID_CE_CRL_REASONS, ID_CE_DELTA_CRL_INDICATOR,
    ID_CE_ISSUING_DISTRIBUTION_POINT,
};
use cryptotoken_api::{Certificate, rfc3339};
use der::asn1::{AnyRef, BitString, GeneralizedTime};
use der::{Decode, Header, Reader, SliceReader, Tag, TagMode, TagNumber};
use openssl::x509::{X509, X509Name};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::crl::dp::IssuingDistributionPoint;
use x509_cert::ext::pkix::name::DistributionPointName;
use x509_cert::ext::pkix::{CrlReason, KeyUsages};
use x509_cert::time::Time;

use super::armour::unarmoured;
use super::validity::Validity;
use super::{RevocationError, RevocationEvidence, RevocationInfo, RevocationStatus, signature};
use crate::certificate_extensions::distribution_points;

/// What a CRL says of a certificate: it must be signed by the issuer, cover the certificate and be current at `now`. Takes DER and
/// PEM; goes through the entries once, without keeping them.
///
/// # Errors
/// [`RevocationError::Invalid`] for everything that cannot be believed, or does not cover the certificate.
pub fn verify(
    received: &Bytes,
    certificate: &Certificate,
    issuer: &Certificate,
    now: OffsetDateTime,
) -> Result<RevocationInfo, RevocationError> {
    judge(received, certificate, issuer, now, false)
}

/// What a CRL said when it was made, however long ago that is.
///
/// # Errors
/// As [`verify`], but for what is stale.
pub fn at_its_time(
    received: &Bytes,
    certificate: &Certificate,
    issuer: &Certificate,
    now: OffsetDateTime,
) -> Result<RevocationInfo, RevocationError> {
    judge(received, certificate, issuer, now, true)
}

fn judge(
    received: &Bytes,
    certificate: &Certificate,
    issuer: &Certificate,
    now: OffsetDateTime,
    may_be_stale: bool,
) -> Result<RevocationInfo, RevocationError> {
    let invalid = |reason: String| RevocationError::Invalid { subject: certificate.subject(), reason };
    let der = match unarmoured(received, &["X509 CRL"]) {
        Some(std::borrow::Cow::Borrowed(_)) => received.clone(),
        Some(std::borrow::Cow::Owned(der)) => der.into(),
        None => return Err(invalid("what was received is no CRL".into())),
    };
    let crl = CertificateList::read(&der).map_err(|error| invalid(format!("the CRL cannot be read: {error}")))?;
    crl.check_signature(issuer).map_err(|reason| invalid(format!("the CRL is not to be believed: {reason}")))?;
    let at = if may_be_stale { now.min(crl.validity.this_update) } else { now };
    crl.validity.check(at).map_err(|reason| invalid(format!("the CRL {reason}")))?;
    crl.check_scope(certificate).map_err(|reason| invalid(format!("the CRL {reason}")))?;
    let status = crl.status(certificate).map_err(|error| invalid(format!("the CRL {error}")))?;
    if status == RevocationStatus::Good && !crl.covers_expired(certificate) {
        return Err(invalid(format!(
            "the CRL was made after the certificate expired on {}, and does not say that it keeps what expired so long ago",
            rfc3339(certificate.not_after())
        )));
    }
    Ok(RevocationInfo {
        status,
        this_update: crl.validity.this_update,
        produced_at: crl.validity.this_update,
        next_update: crl.validity.next_update,
        signers: Vec::new(),
        evidence: RevocationEvidence::Crl(der.clone()),
    })
}

/// `id-ce-expiredCertsOnCRL` (X.509, clause 9.5.2.8; EN 319 411-1 wants it of lists that keep what expired).
const EXPIRED_CERTS_ON_CRL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.60");

/// `CertificateList`, with what is signed and the entries as they were received.
struct CertificateList<'a> {
    signed: &'a [u8],
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
    issuer: &'a [u8],
    validity: Validity,
    /// `SEQUENCE OF` entries.
    entries: Option<AnyRef<'a>>,
    extensions: Extensions,
}

impl<'a> CertificateList<'a> {
    fn read(der: &'a [u8]) -> Result<Self, der::Error> {
        let mut reader = SliceReader::new(der)?;
        let (signed, algorithm, signature) = reader.sequence(|reader| {
            let signed = reader.tlv_bytes()?;
            Ok::<_, der::Error>((signed, AlgorithmIdentifierOwned::decode(reader)?, BitString::decode(reader)?))
        })?;
        reader.finish()?;
        let mut reader = SliceReader::new(signed)?;
        let list = reader.sequence(|reader| {
            // Version 2, or absent for 1.
            if Tag::peek(reader)? == Tag::Integer {
                u8::decode(reader)?;
            }
            let inner = AlgorithmIdentifierOwned::decode(reader)?;
            if inner != algorithm {
                return Err(reader.error(der::ErrorKind::Value { tag: Tag::Sequence }));
            }
            let issuer = reader.tlv_bytes()?;
            let this_update = instant(Time::decode(reader)?);
            let is_time = |tag| matches!(tag, Tag::UtcTime | Tag::GeneralizedTime);
            let next_update = match reader.is_finished() {
                false if is_time(Tag::peek(reader)?) => Some(instant(Time::decode(reader)?)),
                _ => None,
            };
            let entries = match reader.is_finished() {
                false if Tag::peek(reader)? == Tag::Sequence => Some(AnyRef::decode(reader)?),
                _ => None,
            };
            let extensions = reader.context_specific::<Extensions>(TagNumber(0), TagMode::Explicit)?;
            Ok(Self {
                signed,
                algorithm,
                signature,
                issuer,
                validity: Validity { this_update, next_update },
                entries,
                extensions: extensions.unwrap_or_default(),
            })
        })?;
        reader.finish()?;
        Ok(list)
    }

    fn check_signature(&self, issuer: &Certificate) -> Result<(), String> {
        let same_name = || {
            let name = X509Name::from_der(self.issuer).ok()?;
            name.try_cmp(X509::from_der(issuer.der()).ok()?.subject_name()).ok()
        };
        if same_name() != Some(std::cmp::Ordering::Equal) {
            return Err(format!("it is not one of the issuer \"{}\"", issuer.subject()));
        }
        if issuer.key_usage().is_some_and(|usage| !usage.0.contains(KeyUsages::CRLSign)) {
            return Err(format!("the certificate of \"{}\" is not for signing CRLs", issuer.subject()));
        }
        // One with unused bits is none that an algorithm makes.
        signature::verify(issuer, &self.algorithm, self.signed, self.signature.as_bytes().unwrap_or_default())
    }

    // RFC 5280, section 6.3.3 (b), without the cases that are refused here.
    fn check_scope(&self, certificate: &Certificate) -> Result<(), String> {
        for extension in &self.extensions {
            match extension.extn_id {
                ID_CE_DELTA_CRL_INDICATOR => return Err("is a delta, which alone says nothing".into()),
                ID_CE_ISSUING_DISTRIBUTION_POINT => {
                    let point = IssuingDistributionPoint::from_der(extension.extn_value.as_bytes());
                    covers(&point.map_err(|error| format!("cannot be read: {error}"))?, certificate)?;
                }
                ID_CE_AUTHORITY_KEY_IDENTIFIER | ID_CE_CRL_NUMBER => {}
                other if extension.critical => {
                    return Err(format!("has a critical extension that is not known ({other})"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// X.509 (2019), clause 9.5.2.8 `expiredCertsOnCRL`: whether certificates that expired when this one did are still on it.
    fn covers_expired(&self, certificate: &Certificate) -> bool {
        if self.validity.this_update <= certificate.not_after() {
            return true;
        }
        let since = self.extensions.iter().find(|extension| extension.extn_id == EXPIRED_CERTS_ON_CRL);
        let since = since.and_then(|since| GeneralizedTime::from_der(since.extn_value.as_bytes()).ok());
        since.is_some_and(|since| OffsetDateTime::UNIX_EPOCH + since.to_unix_duration() <= certificate.not_after())
    }

    fn status(&self, certificate: &Certificate) -> Result<RevocationStatus, EntryFault> {
        let wanted = certificate.fields().serial_number().as_bytes();
        let Some(entries) = self.entries else { return Ok(RevocationStatus::Good) };
        let mut reader = SliceReader::new(entries.value())?;
        while !reader.is_finished() {
            let found = reader.sequence(|entry| {
                let header = Header::decode(entry)?;
                header.tag().assert_eq(Tag::Integer)?;
                let serial = entry.read_slice(header.length())?;
                // X.690, 8.3.2. Compared as octets, one with more of them would be that of another certificate; readers that know
                // numbers only refuse the list.
                if !is_shortest(serial) {
                    return Err(entry.error(der::ErrorKind::Noncanonical { tag: Tag::Integer }));
                }
                Ok::<_, der::Error>((serial == wanted, entry.read_slice(entry.remaining_len())?))
            })?;
            // RFC 5280, section 5.3: nothing may be learnt from a list with a critical extension that is not known, on whatever entry.
            // Reading them all takes long: most have none behind their time, and TRUE is in them as these octets.
            let (found, rest) = found;
            if found || (rest.len() > TIME && rest.windows(3).any(|octets| octets == [0x01, 0x01, 0xff])) {
                let mut rest = SliceReader::new(rest)?;
                let since = Time::decode(&mut rest)?;
                let reason = reason(rest.read_slice(rest.remaining_len())?)?;
                if found {
                    return Ok(RevocationStatus::of(reason, instant(since)));
                }
            }
        }
        Ok(RevocationStatus::Good)
    }
}

/// Whether no octet of a number could be left out.
const fn is_shortest(number: &[u8]) -> bool {
    match number {
        [] | [0, 0..0x80, ..] | [0xff, 0x80..=0xff, ..] => false,
        [_, ..] => true,
    }
}

/// Octets of the longest time: `YYYYMMDDhhmmssZ` as an element.
const TIME: usize = 17;

/// Why entries say nothing.
#[derive(Debug, thiserror::Error)]
enum EntryFault {
    #[error("cannot be read: {0}")]
    Malformed(#[from] der::Error),
    #[error("has an entry with a critical extension that is not known ({0})")]
    Critical(ObjectIdentifier),
}

/// The reason among the extensions of an entry, which may have none.
fn reason(extensions: &[u8]) -> Result<Option<CrlReason>, EntryFault> {
    if extensions.is_empty() {
        return Ok(None);
    }
    let mut reason = None;
    for extension in Extensions::from_der(extensions)? {
        match extension.extn_id {
            ID_CE_CRL_REASONS => reason = Some(CrlReason::from_der(extension.extn_value.as_bytes())?),
            other if extension.critical => return Err(EntryFault::Critical(other)),
            _ => {}
        }
    }
    Ok(reason)
}

fn covers(point: &IssuingDistributionPoint, certificate: &Certificate) -> Result<(), String> {
    if point.indirect_crl {
        return Err("is an indirect one, whose entries may be of other issuers, which is not supported".into());
    }
    if point.only_some_reasons.is_some() {
        return Err("is for some reasons of revocation only".into());
    }
    let is_ca = certificate.is_ca();
    if point.only_contains_attribute_certs
        || (point.only_contains_user_certs && is_ca)
        || (point.only_contains_ca_certs && !is_ca)
    {
        return Err("is for other kinds of certificates".into());
    }
    match &point.distribution_point {
        None => Ok(()),
        Some(DistributionPointName::FullName(names)) => {
            let own = distribution_points(certificate);
            if names.iter().any(|name| own.contains(name)) {
                Ok(())
            } else {
                Err("is of a distribution point that the certificate does not name".into())
            }
        }
        Some(DistributionPointName::NameRelativeToCRLIssuer(_)) => {
            Err("is of a distribution point with a relative name, which is not supported".into())
        }
    }
}

fn instant(time: Time) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + time.to_unix_duration()
}
