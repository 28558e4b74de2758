//! Put the signature into or beside the document, in the encoding of the document.

use std::borrow::Cow;

use bytes::Bytes;
use cryptotoken_api::{DataToBeSigned, SignatureValue, ToBeSigned};

use super::document::{Width, XmlDocument};
use super::place::{ChildPosition, Target};
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
        let segments = self.place.insert(self.signature.with_value(value, &unsigned));
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

/// A part of the signature: text of it, or octets of the input.
pub(super) enum Piece {
    Text(String),
    Octets(Bytes),
}

impl Place {
    /// Alone in the file.
    pub(super) fn alone() -> Self {
        Self { before: Vec::new(), after: Vec::new(), width: Width::Utf8 }
    }

    /// The place in an element, before or after what it holds.
    pub(super) fn inside(
        octets: &Bytes,
        document: &XmlDocument<'_>,
        target: &Target<'_>,
        position: ChildPosition,
    ) -> Self {
        let end = &target.end_tag;
        let width = document.width();
        let at = |offset: usize| document.octet_offset(offset);
        // An empty-element tag must become a start tag and an end tag.
        if end.self_closing {
            let name = target.start + "<".len();
            let qualified = octets.slice(at(name)..at(name + end.qualified.len()));
            let added = |text: &str| Bytes::from(width.encode_ascii(text));
            return Self {
                before: vec![octets.slice(..at(end.offset)), added(">")],
                after: vec![added("</"), qualified, added(">"), octets.slice(at(target.end)..)],
                width,
            };
        }
        let place = match position {
            ChildPosition::First => target.content,
            ChildPosition::Last => end.offset,
        };
        Self::at(octets, at(place), width)
    }

    /// The place at this octet.
    pub(super) fn at(octets: &Bytes, place: usize, width: Width) -> Self {
        Self { before: vec![octets.slice(..place)], after: vec![octets.slice(place..)], width }
    }

    /// The place of the root element, which the signature takes up.
    pub(super) fn around(octets: &Bytes, document: &XmlDocument<'_>, root: &Target<'_>) -> Self {
        let (start, end) = (document.octet_offset(root.start), document.octet_offset(root.end));
        Self { before: vec![octets.slice(..start)], after: vec![octets.slice(end..)], width: document.width() }
    }

    /// The place beside the root element, both inside a new one.
    pub(super) fn beside(octets: &Bytes, document: &XmlDocument<'_>, root: &Target<'_>, id: &str) -> Self {
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

    /// The same with text on both sides of the signature.
    pub(super) fn between(mut self, before: &str, after: &str) -> Self {
        self.before.push(self.width.encode_ascii(before).into());
        self.after.insert(0, self.width.encode_ascii(after).into());
        self
    }

    fn insert(self, signature: Vec<Piece>) -> Vec<Bytes> {
        let encode = |piece| match piece {
            Piece::Text(text) => Bytes::from(self.width.encode_ascii(&text)),
            Piece::Octets(octets) => octets,
        };
        self.before.into_iter().chain(signature.into_iter().map(encode)).chain(self.after).collect()
    }
}

/// The start tag of the element beside the signature, in canonical form.
pub(super) fn sibling_start(id: &str) -> String {
    format!("<document Id=\"{id}-object\">")
}

/// Its end tag.
pub(super) const SIBLING_END: &str = "</document>";
