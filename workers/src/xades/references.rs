//! What the references of a signature are to, and what archive timestamps cover (XML Signature 1.1, section 4.4.3;
//! EN 319 132-1, clause 5.5.2).

use super::canonicalization::{Method, Omission, Part, SIGNATURE_NAMESPACE, Selection, canonical_forms};
use super::document::XmlDocument;
use super::earlier::leaves_signatures_out;
use super::element::ElementTree;
use super::received::{ReceivedSignature, binary, method};
use super::signature::{BASE64, ENVELOPED};
use crate::augmentation::AugmentationFault;
use crate::worker::DocumentContent;

/// Octets, or a part of the document that has them.
enum Piece<'a> {
    Octets(Vec<u8>),
    Selection(Selection<'a>),
}

/// A document with what was sent beside it.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) xml: &'a XmlDocument<'a>,
    pub(super) beside: Option<&'a DocumentContent>,
}

impl Surroundings<'_> {
    /// The octets of every reference of a signature.
    pub(super) fn referenced(&self, signature: &ReceivedSignature) -> Result<Vec<Vec<u8>>, AugmentationFault> {
        let references = signature.references()?;
        let pieces = references.into_iter().map(|reference| self.piece(reference, signature, &Method::INCLUSIVE));
        self.octets(pieces.collect::<Result<_, _>>()?)
    }

    /// The canonical form of an element.
    pub(super) fn canonical(&self, element: &ElementTree, method: &Method) -> Result<Vec<u8>, AugmentationFault> {
        Ok(self.octets(vec![whole(element, method)])?.concat())
    }

    /// What an archive timestamp covers that comes after so many unsigned properties.
    pub(super) fn archived(
        &self,
        signature: &ReceivedSignature,
        method: &Method,
        unsigned: usize,
    ) -> Result<Vec<u8>, AugmentationFault> {
        let references = signature.references()?;
        let pieces = references.into_iter().map(|reference| self.piece(reference, signature, method));
        let mut pieces: Vec<_> = pieces.collect::<Result<_, _>>()?;
        let parts = [Some(signature.signed_info()?), Some(signature.value()?), signature.key_info()];
        let properties = signature.unsigned().iter().take(unsigned);
        let elements = parts.into_iter().flatten().chain(properties).chain(signature.other_objects());
        pieces.extend(elements.map(|element| whole(element, method)));
        Ok(self.octets(pieces)?.concat())
    }

    /// All selections in one pass.
    fn octets(&self, pieces: Vec<Piece<'_>>) -> Result<Vec<Vec<u8>>, AugmentationFault> {
        let selections = pieces.iter().filter_map(|piece| match piece {
            Piece::Selection(selection) => Some(selection.clone()),
            Piece::Octets(_) => None,
        });
        let mut forms = canonical_forms(self.xml, &selections.collect::<Vec<_>>())?.into_iter();
        let missing = AugmentationFault::Malformed("a reference is to an element that is not there");
        let octets = pieces.into_iter().map(|piece| match piece {
            Piece::Octets(octets) => Some(octets),
            Piece::Selection(_) => forms.next().flatten(),
        });
        octets.collect::<Option<_>>().ok_or(missing)
    }

    /// What a reference is to. A node set that no transform writes is written by `default`.
    fn piece<'r>(
        &self,
        reference: &'r ElementTree,
        signature: &'r ReceivedSignature,
        default: &Method,
    ) -> Result<Piece<'r>, AugmentationFault> {
        let Transforms { omission, written, base64 } = Transforms::read(reference, signature)?;
        let Some(fragment) = Fragment::read(reference.attribute("URI")) else {
            return self.outside(base64, written, omission);
        };
        if base64 {
            let Fragment::Element(id, _) = fragment else { return Err(UNKNOWN) };
            let octets = signature.0.with_id(id).and_then(|element| binary(&element.text));
            return octets.map(Piece::Octets).ok_or(UNKNOWN);
        }
        let (part, comments) = match fragment {
            Fragment::Document(comments) => (Part::Document, comments),
            Fragment::Element(id, comments) => (Part::ElementWithId(id), comments),
        };
        let mut method = written.unwrap_or_else(|| default.clone());
        // A bare fragment means the nodes without comments, whatever writes them.
        method.comments &= comments;
        Ok(Piece::Selection(Selection { part, omission, method }))
    }

    fn outside<'r>(
        &self,
        base64: bool,
        written: Option<Method>,
        omission: Omission,
    ) -> Result<Piece<'r>, AugmentationFault> {
        let Some(DocumentContent::Memory(octets)) = self.beside else { return Err(AugmentationFault::NoDocument) };
        let Some(method) = written else {
            return if base64 { Err(UNKNOWN) } else { Ok(Piece::Octets(octets.to_vec())) };
        };
        let document = XmlDocument::decode(octets)?;
        let selection = Selection { part: Part::Document, omission, method };
        let forms = canonical_forms(&document, &[selection])?;
        Ok(Piece::Octets(forms.into_iter().flatten().collect::<Vec<_>>().concat()))
    }
}

/// Where in the same document a reference points.
enum Fragment<'a> {
    /// All of it; with comments or without.
    Document(bool),
    /// The element of this identifier.
    Element(&'a str, bool),
}

impl<'a> Fragment<'a> {
    /// `None` for what is elsewhere.
    fn read(uri: Option<&'a str>) -> Option<Self> {
        let uri = uri?;
        if uri.is_empty() {
            return Some(Self::Document(false));
        }
        let fragment = uri.strip_prefix('#')?;
        if fragment == "xpointer(/)" {
            return Some(Self::Document(true));
        }
        let pointer = fragment.strip_prefix("xpointer(id(").and_then(|rest| rest.strip_suffix("))"));
        Some(match pointer {
            Some(quoted) => Self::Element(quoted.trim_matches(['\'', '"']), true),
            None => Self::Element(fragment, false),
        })
    }
}

struct Transforms {
    omission: Omission,
    written: Option<Method>,
    base64: bool,
}

impl Transforms {
    fn read(reference: &ElementTree, signature: &ReceivedSignature) -> Result<Self, AugmentationFault> {
        let mut this = Self { omission: Omission::Nothing, written: None, base64: false };
        let list = reference.only(SIGNATURE_NAMESPACE, "Transforms");
        for transform in list.into_iter().flat_map(|each| each.all(SIGNATURE_NAMESPACE, "Transform")) {
            if this.written.is_some() || this.base64 {
                return Err(UNKNOWN);
            }
            match transform.attribute("Algorithm") {
                Some(ENVELOPED) if this.omission == Omission::Nothing => {
                    this.omission = Omission::ElementAt(signature.0.offset);
                }
                Some(ENVELOPED) => {}
                Some(BASE64) => this.base64 = true,
                _ if leaves_signatures_out(transform) => this.omission = Omission::Signatures,
                _ => this.written = Some(method(transform).map_err(|_| UNKNOWN)?),
            }
        }
        Ok(this)
    }
}

fn whole<'a>(element: &ElementTree, method: &Method) -> Piece<'a> {
    let part = Part::ElementAt(element.offset);
    Piece::Selection(Selection { part, omission: Omission::Nothing, method: method.clone() })
}

const UNKNOWN: AugmentationFault = AugmentationFault::Malformed("a reference has a transform that is not known here");
