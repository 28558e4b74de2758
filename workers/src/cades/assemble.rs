//! Put the signature value into the CMS.

use cryptotoken_api::{SignatureValue, ToBeSigned};

use super::prepare::PreparedCades;
use super::signed_data::signed_data;
use crate::create::Prepared;
use crate::error::Discrepancy;
use crate::level::SignatureLevel;
use crate::worker::SignedDocument;

impl Prepared for PreparedCades {
    fn to_be_signed(&self) -> ToBeSigned<'_> {
        ToBeSigned::Data(&self.data_to_be_signed)
    }

    fn assemble(self, value: &SignatureValue) -> Result<SignedDocument, Discrepancy> {
        // RFC 8551, section 3.2: the media types of encapsulated and of detached CMS.
        let media_type = if self.content.is_some() { "application/pkcs7-mime" } else { "application/pkcs7-signature" };
        let segments = signed_data(self.content, &self.chain, self.algorithm, self.signed_attributes, value)?;
        Ok(SignedDocument { segments, media_type: media_type.into(), level: Some(SignatureLevel::BaselineB) })
    }
}
