//! Put the signature value into the token, and the token into the reply.

use const_oid::db::rfc5911::ID_SIGNED_DATA;
use cryptotoken_api::{Certificate, SignatureValue, ToBeSigned};
use der::Encode;

use super::info::TST_INFO;
use super::prepare::PreparedToken;
use super::{REPLY_MEDIA_TYPE, response};
use crate::cades::signed_data::{signature_octets, signer_info};
use crate::create::Prepared;
use crate::error::Discrepancy;
use crate::timestamp::TimestampToken;
use crate::tlv::{CONTEXT_0, INTEGER, OCTET_STRING, SEQUENCE, SET, tlv};
use crate::worker::SignedDocument;

impl Prepared for PreparedToken {
    fn to_be_signed(&self) -> ToBeSigned<'_> {
        ToBeSigned::Data(&self.data_to_be_signed)
    }

    fn assemble(
        self,
        value: &SignatureValue,
        _timestamp: Option<&TimestampToken>,
    ) -> Result<SignedDocument, Discrepancy> {
        let signature = signature_octets(self.algorithm, value)?;
        let reply = self.content_info(&signature).and_then(|token| response::granted(&token));
        let reply = reply.map_err(|error| Discrepancy::Unreadable(error.to_string()))?;
        Ok(SignedDocument {
            segments: vec![reply.into()],
            spooled: None,
            media_type: REPLY_MEDIA_TYPE.into(),
            level: None,
            degraded: None,
        })
    }
}

impl PreparedToken {
    /// The token (RFC 3161, section 2.4.2): a `SignedData` of one signer over the `TSTInfo`.
    fn content_info(&self, signature: &[u8]) -> der::Result<Vec<u8>> {
        let digest_algorithm = self.algorithm.digest().identifier().to_der()?;
        let content = tlv(CONTEXT_0, &[tlv(OCTET_STRING, &[&self.info])]);
        let signer = signer_info(self.chain.leaf(), self.algorithm, &self.signed_attributes, signature, &[])?;
        // RFC 5652, section 5.1: version 3 is that of content other than id-data.
        let mut parts = vec![vec![INTEGER, 0x01, 0x03], tlv(SET, &[digest_algorithm])];
        parts.push(tlv(SEQUENCE, &[TST_INFO.to_der()?, content]));
        if self.certificates {
            let mut certificates: Vec<&[u8]> = self.chain.without_root().map(Certificate::der).collect();
            // DER sorts the members of a SET by their encodings.
            certificates.sort_unstable();
            parts.push(tlv(CONTEXT_0, &certificates));
        }
        parts.push(tlv(SET, &[signer]));
        let signed_data = tlv(CONTEXT_0, &[tlv(SEQUENCE, &parts)]);
        Ok(tlv(SEQUENCE, &[ID_SIGNED_DATA.to_der()?, signed_data]))
    }
}
