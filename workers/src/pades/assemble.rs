//! Puts the CMS into the room that `prepare` reserved.

use std::borrow::Cow;

use cryptotoken_api::{SignatureValue, ToBeSigned};

use super::layout::{TooSmall, fill};
use super::prepare::PreparedPades;
use crate::cades::augment::{SIGNATURE_TIMESTAMP, attribute};
use crate::cades::signed_data::{signature_octets, signed_data};
use crate::create::Prepared;
use crate::error::{Discrepancy, WorkerError};
use crate::level::SignatureLevel;
use crate::timestamp::TimestampToken;
use crate::worker::{Preview, SignedDocument};

/// What a sealed document is.
pub(super) const MEDIA_TYPE: &str = "application/pdf";

impl Prepared for PreparedPades {
    fn to_be_signed(&self) -> ToBeSigned<'_> {
        ToBeSigned::Data(&self.data_to_be_signed)
    }

    fn timestamp_input<'a>(&self, value: &'a SignatureValue) -> Result<Cow<'a, [u8]>, Discrepancy> {
        Ok(signature_octets(self.algorithm, value)?)
    }

    fn assemble(
        mut self,
        value: &SignatureValue,
        timestamp: Option<&TimestampToken>,
    ) -> Result<SignedDocument, Discrepancy> {
        let unsigned: Vec<_> = timestamp.map(|token| attribute(SIGNATURE_TIMESTAMP, &token.der)).into_iter().collect();
        let cms = signed_data(None, &self.chain, self.algorithm, &self.signed_attributes, value, &unsigned)?.concat();
        // The byte range is signed, so the room cannot grow any more without another signature.
        let fitted = fill(&mut self.update, &self.contents, &cms);
        fitted.map_err(|TooSmall { needed, reserved }| Discrepancy::Room { needed, reserved })?;
        let level = if timestamp.is_some() { SignatureLevel::BaselineT } else { SignatureLevel::BaselineB };
        Ok(SignedDocument {
            segments: vec![self.document, self.update.into()],
            spooled: None,
            media_type: MEDIA_TYPE.into(),
            level: Some(level),
            degraded: None,
        })
    }

    fn preview(self) -> Result<Option<Preview>, WorkerError> {
        self.unsigned().map(Some)
    }
}
