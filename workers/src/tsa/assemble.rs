//! Put the signature value into the token, and the token into the reply.

use cryptotoken_api::{SignatureValue, ToBeSigned};

use super::info::TST_INFO;
use super::prepare::PreparedToken;
use super::{REPLY_MEDIA_TYPE, response};
use crate::cades::signed_data::signed_data_of;
use crate::create::Prepared;
use crate::error::Discrepancy;
use crate::worker::SignedDocument;

impl Prepared for PreparedToken {
    fn to_be_signed(&self) -> ToBeSigned<'_> {
        ToBeSigned::Data(&self.data_to_be_signed)
    }

    fn assemble(self, value: &SignatureValue) -> Result<SignedDocument, Discrepancy> {
        let embedded = self.certificates.then_some(&self.chain);
        let token = signed_data_of(
            TST_INFO,
            Some(self.info),
            embedded,
            &self.chain,
            self.algorithm,
            self.signed_attributes,
            value,
        )?;
        let reply = response::granted(&token.concat()).map_err(|error| Discrepancy::Unreadable(error.to_string()))?;
        Ok(SignedDocument { segments: vec![reply.into()], media_type: REPLY_MEDIA_TYPE.into(), level: None })
    }
}
