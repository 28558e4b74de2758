//! Put the signature value, and the timestamp over it, into the CMS.

use std::borrow::Cow;

use cryptotoken_api::{SignatureValue, ToBeSigned};

use super::augment::{SIGNATURE_TIMESTAMP, attribute};
use super::prepare::PreparedCades;
use super::signed_data::{signature_octets, signed_data, signer_info};
use crate::create::Prepared;
use crate::error::Discrepancy;
use crate::level::SignatureLevel;
use crate::timestamp::TimestampToken;
use crate::worker::SignedDocument;

// RFC 8551, section 3.2: the media types of encapsulated and of detached CMS.
pub(super) const ENCAPSULATED: &str = "application/pkcs7-mime";
pub(super) const DETACHED: &str = "application/pkcs7-signature";

impl Prepared for PreparedCades {
    fn to_be_signed(&self) -> ToBeSigned<'_> {
        ToBeSigned::Data(&self.data_to_be_signed)
    }

    fn timestamp_input<'a>(&self, value: &'a SignatureValue) -> Result<Cow<'a, [u8]>, Discrepancy> {
        Ok(signature_octets(self.algorithm, value)?)
    }

    fn assemble(
        self,
        value: &SignatureValue,
        timestamp: Option<&TimestampToken>,
    ) -> Result<SignedDocument, Discrepancy> {
        let unsigned: Vec<_> = timestamp.map(|token| attribute(SIGNATURE_TIMESTAMP, &token.der)).into_iter().collect();
        let level = if timestamp.is_some() { SignatureLevel::BaselineT } else { SignatureLevel::BaselineB };
        if let Some(joined) = &self.joined {
            let octets = signature_octets(self.algorithm, value)?;
            let signer = signer_info(self.chain.leaf(), self.algorithm, &self.signed_attributes, &octets, &unsigned);
            let signer = signer.map_err(|error| Discrepancy::Unreadable(error.to_string()))?;
            let segments = joined.with_signer(signer, &self.chain, self.algorithm);
            let segments = segments.map_err(Discrepancy::Augmentation)?;
            return Ok(SignedDocument {
                segments,
                spooled: None,
                media_type: if joined.detached { DETACHED } else { ENCAPSULATED }.into(),
                level: Some(level),
                degraded: None,
            });
        }
        let segments =
            signed_data(self.content, &self.chain, self.algorithm, &self.signed_attributes, value, &unsigned)?;
        Ok(SignedDocument {
            segments,
            spooled: None,
            media_type: self.media_type.into(),
            level: Some(level),
            degraded: None,
        })
    }
}
