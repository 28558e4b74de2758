//! Put the signature into or beside the document, in the encoding of the document.

use std::borrow::Cow;

use bytes::Bytes;
use cryptotoken_api::{DataToBeSigned, SignatureValue, ToBeSigned};

use super::document::{Width, XmlDocument};
use super::reader::EndTag;
use super::signature::UnsignedSignature;
use super::unsigned::{contained, signature_timestamp};
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

    fn timestamp_input<'a>(&self, value: &'a SignatureValue) -> Result<Cow<'a, [u8]>, Discrepancy> {
        let octets = self.signature.canonical_value(value);
        octets.map(Cow::Owned).map_err(|error| Discrepancy::Unreadable(error.to_string()))
    }

    fn assemble(
        self,
        value: &SignatureValue,
        timestamp: Option<&TimestampToken>,
    ) -> Result<SignedDocument, Discrepancy> {
        let unsigned = timestamp.map(|token| contained(&signature_timestamp(token))).unwrap_or_default();
        let segments = self.place.insert(&self.signature.with_value(value, &unsigned));
        let level = if timestamp.is_some() { SignatureLevel::BaselineT } else { SignatureLevel::BaselineB };
        Ok(SignedDocument { segments, spooled: None, media_type: self.media_type, level: Some(level), degraded: None })
    }
}

/// Where the signature goes, and the octets on both sides of it, shared with the input.
pub(super) struct Place {
    before: Vec<Bytes>,
    after: Vec<Bytes>,
    width: Width,
}

/// Where the root element of a document begins and ends, in its text.
pub(super) struct Root<'t> {
    pub(super) start: usize,
    pub(super) end_tag: EndTag<'t>,
    pub(super) end: usize,
}

impl Place {
    /// Alone in the file.
    pub(super) fn alone() -> Self {
        Self { before: Vec::new(), after: Vec::new(), width: Width::Utf8 }
    }

    /// The place before the end of the root element.
    pub(super) fn inside(octets: &Bytes, document: &XmlDocument<'_>, root: &Root<'_>) -> Self {
        let end = &root.end_tag;
        let range = |from: usize, to: usize| octets.slice(document.octet_offset(from)..document.octet_offset(to));
        let name = root.start + "<".len();
        let width = document.width();
        let mut before = vec![octets.slice(..document.octet_offset(end.offset))];
        let mut after = vec![octets.slice(document.octet_offset(root.tag_end())..)];
        // An empty-element tag must become a start tag and an end tag.
        if end.self_closing {
            before.push(width.encode_ascii(">").into());
            let qualified = range(name, name + end.qualified.len());
            after.splice(0..0, [width.encode_ascii("</").into(), qualified, width.encode_ascii(">").into()]);
        }
        Self { before, after, width }
    }

    /// The place beside the root element, both inside a new one.
    pub(super) fn beside(octets: &Bytes, document: &XmlDocument<'_>, root: &Root<'_>, id: &str) -> Self {
        let width = document.width();
        let (start, end) = (document.octet_offset(root.start), document.octet_offset(root.end));
        let added = |text: &str| Bytes::from(width.encode_ascii(text));
        let opening = format!("<container>{}", sibling_start(id));
        Self {
            before: vec![octets.slice(..start), added(&opening), octets.slice(start..end), added(SIBLING_END)],
            after: vec![added("</container>"), octets.slice(end..)],
            width,
        }
    }

    fn insert(self, signature: &str) -> Vec<Bytes> {
        let signature = Bytes::from(self.width.encode_ascii(signature));
        self.before.into_iter().chain([signature]).chain(self.after).collect()
    }
}

impl Root<'_> {
    /// Where what comes after the content goes on: the end tag, or what follows an empty-element tag.
    fn tag_end(&self) -> usize {
        if self.end_tag.self_closing { self.end_tag.offset + "/>".len() } else { self.end_tag.offset }
    }
}

/// The start tag of the element beside the signature, in canonical form.
pub(super) fn sibling_start(id: &str) -> String {
    format!("<document Id=\"{id}-object\">")
}

/// Its end tag.
pub(super) const SIBLING_END: &str = "</document>";
