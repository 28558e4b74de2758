//! Verify a CMS signature as it will be sent (promise 3).

use std::borrow::Cow;

use bytes::Bytes;

use super::archive::ARCHIVE_TIMESTAMP_V3;
use super::augment::{AugmentableCms, SIGNATURE_TIMESTAMP};
use super::encapsulate::detach;
use super::joining;
use super::optional_attributes::attributes;
use super::received::ReceivedSignedData;
use super::verify::verify_signed_data;
use super::{CadesConfig, CadesMode};
use crate::create::SignatureContext;
use crate::error::Discrepancy;
use crate::level::{SignatureLevel, SignaturePackaging};
use crate::tlv::Malformed;
use crate::worker::{DocumentContent, SignedDocument, SignerDocument};

pub(super) fn check(
    config: &CadesConfig,
    signed: &SignedDocument,
    document: &SignerDocument,
    context: &SignatureContext<'_>,
) -> Result<(), Discrepancy> {
    let octets = detached_form(signed)?;
    let algorithm = context.algorithm.digest();
    let signing_time = Some(context.signing_time);
    let properties = config.properties.chosen(context.parameters);
    let properties = properties.map_err(|error| Discrepancy::Unreadable(error.to_string()))?;
    let more = attributes(&properties, context.content_timestamps.first())
        .map_err(|error| Discrepancy::Unreadable(error.to_string()))?;
    if let (CadesMode::CoSign | CadesMode::CounterSign, Some(before)) = (config.mode, joining::parts_of(document)) {
        return joining::check(config.mode, signed, before, context, &more);
    }
    // Read again, whatever was computed before: what is in the file now is what is sent.
    let stored = match &document.content {
        DocumentContent::Spooled(content) if config.packaging == encapsulates(signed) => {
            let stored = content.digest_as_stored(algorithm);
            Some(stored.map_err(|error| Discrepancy::Unreadable(format!("the spooled document: {error}")))?)
        }
        _ => None,
    };
    let cms = verify_signed_data(&octets, context, signing_time, &more, |encapsulated| {
        match (config.packaging, encapsulated, &document.content) {
            (SignaturePackaging::Encapsulated, Some(content), DocumentContent::Memory(original)) => {
                // Not only intact, but the document that was sent.
                (content == original.as_ref()).then(|| algorithm.digest(content))
            }
            (_, None, DocumentContent::Spooled(_)) => stored,
            (SignaturePackaging::Detached, None, DocumentContent::Memory(original)) => Some(algorithm.digest(original)),
            (SignaturePackaging::Detached, None, DocumentContent::Digest(digest)) => Some(digest.digest().to_vec()),
            _ => None,
        }
    })?;
    let level = signed.level.unwrap_or_default();
    let made_of = parts(&cms).map_err(|malformed| Discrepancy::Unreadable(malformed.to_string()))?;
    if made_of != (level >= SignatureLevel::BaselineT, level == SignatureLevel::BaselineLta) {
        return Err(Discrepancy::Unreadable(format!("the timestamps are not those of level {level}")));
    }
    if level > SignatureLevel::BaselineB {
        // Every timestamp over what it should be over.
        let again = AugmentableCms::read(Bytes::copy_from_slice(&octets), Some(&document.content));
        again.map_err(Discrepancy::Augmentation)?;
    }
    Ok(())
}

/// The octets to verify: of a signature around a document that is not in memory, its detached form.
fn detached_form(signed: &SignedDocument) -> Result<Cow<'_, [u8]>, Discrepancy> {
    if signed.spooled.is_none() {
        return Ok(signed.contiguous());
    }
    let unreadable = |reason: &str| Discrepancy::Unreadable(reason.to_owned());
    let [head, behind] = signed.segments.as_slice() else { return Err(unreadable("the CMS is not head and tail")) };
    detach(head, behind).map(Cow::Owned).map_err(|malformed| unreadable(malformed.0))
}

const fn encapsulates(signed: &SignedDocument) -> SignaturePackaging {
    if signed.spooled.is_some() { SignaturePackaging::Encapsulated } else { SignaturePackaging::Detached }
}

/// Whether there is a signature timestamp, and whether there is an archive timestamp.
fn parts(cms: &ReceivedSignedData<'_>) -> Result<(bool, bool), Malformed> {
    let [signer] = cms.signers.as_slice() else { return Err(Malformed("the CMS has not exactly one signer")) };
    Ok((!signer.unsigned(SIGNATURE_TIMESTAMP)?.is_empty(), !signer.unsigned(ARCHIVE_TIMESTAMP_V3)?.is_empty()))
}
