//! Put the signature before the end tag of the root element, in the encoding of the document.

use bytes::Bytes;
use cryptotoken_api::{DataToBeSigned, SignatureValue, ToBeSigned};

use super::document::{Width, XmlDocument};
use super::reader::EndTag;
use super::signature::UnsignedSignature;
use crate::create::Prepared;
use crate::error::Discrepancy;
use crate::level::SignatureLevel;
use crate::timestamp::TimestampToken;
use crate::worker::SignedDocument;

/// An XML signature waiting for its value.
pub struct PreparedXades {
    pub(super) signature: UnsignedSignature,
    pub(super) data_to_be_signed: DataToBeSigned,
    pub(super) place: Place,
    pub(super) media_type: String,
}

impl Prepared for PreparedXades {
    fn to_be_signed(&self) -> ToBeSigned<'_> {
        ToBeSigned::Data(&self.data_to_be_signed)
    }

    fn assemble(
        self,
        value: &SignatureValue,
        _timestamp: Option<&TimestampToken>,
    ) -> Result<SignedDocument, Discrepancy> {
        let segments = self.place.insert(&self.signature.with_value(value));
        Ok(SignedDocument {
            spooled: None,
            segments,
            media_type: self.media_type,
            level: Some(SignatureLevel::BaselineB),
            degraded: None,
        })
    }
}

/// Where the signature goes, and the octets on both sides of it, shared with the input.
pub(super) struct Place {
    before: Bytes,
    /// Name of the root element where its empty-element tag must become a start tag and an end tag.
    expanded: Option<Bytes>,
    after: Bytes,
    width: Width,
}

impl Place {
    /// The place before the end of the root element.
    pub(super) fn at(octets: &Bytes, document: &XmlDocument<'_>, root: usize, end: &EndTag<'_>) -> Self {
        let range = |from: usize, to: usize| octets.slice(document.octet_offset(from)..document.octet_offset(to));
        let name = root + "<".len();
        let after = if end.self_closing { end.offset + "/>".len() } else { end.offset };
        Self {
            before: octets.slice(..document.octet_offset(end.offset)),
            expanded: end.self_closing.then(|| range(name, name + end.qualified.len())),
            after: octets.slice(document.octet_offset(after)..),
            width: document.width(),
        }
    }

    fn insert(self, signature: &str) -> Vec<Bytes> {
        let encode = |text: &str| self.width.encode_ascii(text);
        let added = match self.expanded {
            None => encode(signature),
            Some(name) => [&encode(">"), &encode(signature), &encode("</"), name.as_ref(), &encode(">")].concat(),
        };
        vec![self.before, added.into(), self.after]
    }
}
