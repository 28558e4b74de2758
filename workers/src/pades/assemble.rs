//! Puts the CMS into the room that `prepare` reserved.

use cryptotoken_api::{SignatureValue, ToBeSigned};

use super::prepare::PreparedPades;
use crate::cades::signed_data::signed_data;
use crate::create::Prepared;
use crate::error::Discrepancy;
use crate::level::SignatureLevel;
use crate::timestamp::TimestampToken;
use crate::worker::SignedDocument;

impl Prepared for PreparedPades {
    fn to_be_signed(&self) -> ToBeSigned<'_> {
        ToBeSigned::Data(&self.data_to_be_signed)
    }

    fn assemble(
        mut self,
        value: &SignatureValue,
        _timestamp: Option<&TimestampToken>,
    ) -> Result<SignedDocument, Discrepancy> {
        let cms = signed_data(None, &self.chain, self.algorithm, &self.signed_attributes, value, &[])?.concat();
        let digits = hex::encode(&cms);
        // Between the angle brackets; what is left of the room stays zero.
        let room = self.update.get_mut(self.contents.start + 1..self.contents.end - 1).unwrap_or_default();
        let reserved = room.len() / 2;
        room.get_mut(..digits.len())
            .ok_or(Discrepancy::Room { needed: cms.len(), reserved })?
            .copy_from_slice(digits.as_bytes());
        Ok(SignedDocument {
            segments: vec![self.document, self.update.into()],
            spooled: None,
            media_type: "application/pdf".into(),
            level: Some(SignatureLevel::BaselineB),
            degraded: None,
        })
    }
}
