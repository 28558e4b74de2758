//! What the references of a signature are to, and what timestamps cover (XML Signature 1.1, section 4.4.3; EN 319 132-1,
//! clauses 5.2.8 and 5.5.2).

use cryptotoken_api::DigestAlgorithm;

use super::algorithm::RunningDigest;
use super::attributes::SIGNED_PROPERTIES_TYPE;
use super::canonicalization::{
    Forms, Method, Omission, Part, SIGNATURE_NAMESPACE, Selection, Sink, canonical_forms, canonicalize,
};
use super::document::XmlDocument;
use super::earlier::leaves_signatures_out;
use super::element::ElementTree;
use super::files::beside;
use super::reader::XmlReader;
use super::received::{ReceivedSignature, binary, method};
use super::sent::{SentDigests, SentFile};
use super::signature::{BASE64, ENVELOPED};
use crate::augmentation::AugmentationFault;
use crate::worker::DocumentContent;

/// Octets, or a part of something that has them when it is written.
enum Piece<'a> {
    Octets(Vec<u8>),
    /// A file that was sent beside the signature.
    Sent(SentFile<'a>),
    /// A part of the signature itself.
    Inside(Selection<'a>),
    /// A part of the document around it.
    Around(Selection<'a>),
}

/// A document with what was sent beside it.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) xml: &'a XmlDocument<'a>,
    pub(super) beside: Option<&'a DocumentContent>,
}

/// A digest that was computed before anybody asked for it, of a signature of our own: its identifiers are nobody else's.
pub(super) struct Foreseen {
    pub(super) method: Method,
    pub(super) algorithm: DigestAlgorithm,
    /// Of the document less all signatures.
    pub(super) digest: Option<Vec<u8>>,
}

impl Foreseen {
    pub(super) fn selection(&self) -> Selection<'static> {
        Selection { part: Part::Document, omission: Omission::Signatures, method: self.method.clone() }
    }

    fn of(&self, selection: &Selection<'_>, algorithm: DigestAlgorithm) -> Option<Vec<u8>> {
        let is_it = matches!(selection.part, Part::Document)
            && selection.omission == Omission::Signatures
            && selection.method == self.method
            && algorithm == self.algorithm;
        self.digest.clone().filter(|_| is_it)
    }
}

impl Surroundings<'_> {
    /// The digest of every reference of these signatures, in the algorithm that the reference names; `None` where it names none that
    /// is known here. One pass over the document does for all of them.
    pub(super) fn referenced(
        &self,
        signatures: &[&ReceivedSignature],
        foreseen: Option<&Foreseen>,
    ) -> Result<Vec<Vec<Option<Vec<u8>>>>, AugmentationFault> {
        let (mut selections, mut algorithms, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        let mut digests = Vec::new();
        let mut sent = SentDigests::default();
        for signature in signatures {
            let mut own = Vec::new();
            let mut files: Vec<SentFile<'_>> = Vec::new();
            for reference in signature.references()? {
                if digests.iter().map(Vec::len).sum::<usize>() + own.len() >= MAX_REFERENCES {
                    return Err(AugmentationFault::Malformed("its signatures have more than 10000 references"));
                }
                if let Some(Fragment::Element(id, _)) = Fragment::read(reference.attribute("URI")) {
                    ids.push(id);
                }
                let Some(algorithm) = reference_digest(reference) else {
                    own.push(Digest::Unknown);
                    continue;
                };
                own.push(match self.piece(reference, signature, &Method::INCLUSIVE)? {
                    Piece::Octets(octets) => Digest::Known(algorithm.digest(&octets)),
                    // As it is now, whatever was computed before.
                    Piece::Sent(file) => {
                        if files.iter().any(|each| each.is_of(&file)) {
                            return Err(TWICE);
                        }
                        files.push(file.clone());
                        Digest::Known(sent.of(file, algorithm)?)
                    }
                    Piece::Inside(selection) => Digest::Inside(selection, algorithm),
                    Piece::Around(selection) => match foreseen.and_then(|each| each.of(&selection, algorithm)) {
                        Some(digest) => Digest::Known(digest),
                        None => {
                            selections.push(selection);
                            algorithms.push(algorithm);
                            Digest::Around(selections.len() - 1)
                        }
                    },
                });
            }
            digests.push(own);
        }
        let mut reader = XmlReader::new(self.xml);
        let sinks = algorithms.iter().map(|algorithm| RunningDigest::new(*algorithm));
        let mut forms = Forms::new(&selections, sinks).watching(ids);
        let read_already = foreseen.is_some() && selections.is_empty();
        while !read_already && let Some(event) = reader.next()? {
            forms.take(&event, &reader)?;
        }
        let mut around: Vec<_> = forms.finish().into_iter().map(|each| each.map(RunningDigest::finish)).collect();
        let mut found = Vec::with_capacity(signatures.len());
        for (signature, own) in signatures.iter().zip(digests) {
            let inside = own.iter().filter_map(|each| match each {
                Digest::Inside(selection, algorithm) => Some((selection.clone(), RunningDigest::new(*algorithm))),
                _ => None,
            });
            let (parts, sinks): (Vec<_>, Vec<_>) = inside.unzip();
            let mut inside = self.inside(signature, &parts, sinks)?.into_iter();
            let digest = |each| match each {
                Digest::Unknown => Ok(None),
                Digest::Known(digest) => Ok(Some(digest)),
                Digest::Inside(..) => inside.next().map(|each| Some(each.finish())).ok_or(MISSING),
                Digest::Around(index) => around.get_mut(index).and_then(Option::take).map(Some).ok_or(MISSING),
            };
            found.push(own.into_iter().map(digest).collect::<Result<_, _>>()?);
        }
        Ok(found)
    }

    /// The canonical form of an element of a signature.
    pub(super) fn canonical(
        &self,
        signature: &ReceivedSignature,
        element: &ElementTree,
        method: &Method,
    ) -> Result<Vec<u8>, AugmentationFault> {
        Ok(self.inside(signature, &[whole(element, method)], [Vec::new()])?.concat())
    }

    /// The digest of what an archive timestamp covers that comes after so many unsigned properties.
    pub(super) fn archived(
        &self,
        signature: &ReceivedSignature,
        method: &Method,
        unsigned: usize,
        digest: DigestAlgorithm,
    ) -> Result<Vec<u8>, AugmentationFault> {
        let references = signature.references()?.into_iter();
        let mut pieces: Vec<_> =
            references.map(|reference| self.piece(reference, signature, method)).collect::<Result<_, _>>()?;
        let parts = [Some(signature.signed_info()?), Some(signature.value()?), signature.key_info()];
        let properties = signature.unsigned().iter().take(unsigned);
        let elements = parts.into_iter().flatten().chain(properties).chain(signature.other_objects());
        pieces.extend(elements.map(|element| Piece::Inside(whole(element, method))));
        self.concatenated(signature, pieces, digest)
    }

    /// The digest of what a timestamp over all data objects covers, or over those of the references with these identifiers.
    pub(super) fn content(
        &self,
        signature: &ReceivedSignature,
        only: Option<&[&str]>,
        method: &Method,
        digest: DigestAlgorithm,
    ) -> Result<Vec<u8>, AugmentationFault> {
        let mut references = signature.references()?;
        match only {
            None => references.retain(|each| each.attribute("Type") != Some(SIGNED_PROPERTIES_TYPE)),
            Some(ids) => {
                let named = |id: &&str| references.iter().find(|each| each.attribute("Id") == Some(id)).copied();
                references = ids.iter().map(named).collect::<Option<_>>().ok_or(MISSING)?;
            }
        }
        let pieces = references.into_iter().map(|reference| self.piece(reference, signature, method));
        self.concatenated(signature, pieces.collect::<Result<_, _>>()?, digest)
    }

    /// The digest of all pieces, one after the other. A whole document is written straight into the digest; parts of it are kept
    /// until it is their turn.
    fn concatenated(
        &self,
        signature: &ReceivedSignature,
        pieces: Vec<Piece<'_>>,
        digest: DigestAlgorithm,
    ) -> Result<Vec<u8>, AugmentationFault> {
        let (mut inside, mut parts) = (Vec::new(), Vec::new());
        for piece in &pieces {
            match piece {
                Piece::Inside(selection) => inside.push(selection.clone()),
                Piece::Around(selection) if !matches!(selection.part, Part::Document) => parts.push(selection.clone()),
                Piece::Around(_) | Piece::Octets(_) | Piece::Sent(_) => {}
            }
        }
        let mut inside = self.inside(signature, &inside, inside.iter().map(|_| Vec::new()))?.into_iter();
        let parts = match parts.as_slice() {
            [] => Vec::new(),
            some => canonical_forms(self.xml, some, some.iter().map(|_| Vec::new()))?,
        };
        let mut parts = parts.into_iter();
        let mut running = RunningDigest::new(digest);
        for piece in pieces {
            match piece {
                Piece::Octets(octets) => running.take(&octets),
                Piece::Sent(file) => running = file.digest_into(running)?,
                Piece::Inside(_) => running.take(&inside.next().ok_or(MISSING)?),
                Piece::Around(Selection { part: Part::Document, omission, method }) => {
                    running = canonicalize(self.xml, Part::Document, omission, &method, running)?.ok_or(MISSING)?;
                }
                Piece::Around(_) => running.take(&parts.next().flatten().ok_or(MISSING)?),
            }
        }
        Ok(running.finish())
    }

    /// Canonical forms of elements of a signature, read without the document around it.
    fn inside<S: Sink>(
        &self,
        signature: &ReceivedSignature,
        selections: &[Selection<'_>],
        sinks: impl IntoIterator<Item = S>,
    ) -> Result<Vec<S>, AugmentationFault> {
        let mut reader = XmlReader::within(self.xml, signature.tree.offset, &signature.scope);
        let mut forms = Forms::new(selections, sinks);
        while !forms.are_complete() {
            let Some(event) = reader.next()? else { break };
            forms.take(&event, &reader)?;
            if reader.depth() == 0 {
                break;
            }
        }
        forms.finish().into_iter().collect::<Option<_>>().ok_or(MISSING)
    }

    /// What a reference is to. A node set that no transform writes is written by `default`.
    fn piece<'r>(
        &'r self,
        reference: &'r ElementTree,
        signature: &'r ReceivedSignature,
        default: &Method,
    ) -> Result<Piece<'r>, AugmentationFault> {
        let Transforms { omission, written, base64 } = Transforms::read(reference, signature)?;
        let Some(fragment) = Fragment::read(reference.attribute("URI")) else {
            let file = beside(self.beside, reference.attribute("URI"))?;
            if base64 && written.is_none() {
                return Err(UNKNOWN);
            }
            return Ok(Piece::Sent(SentFile::new(file, written, omission, self.xml.internal_subset())));
        };
        if base64 {
            let Fragment::Element(id, _) = fragment else { return Err(UNKNOWN) };
            let octets = signature.tree.with_id(id).and_then(|element| binary(&element.text));
            return octets.map(Piece::Octets).ok_or(UNKNOWN);
        }
        let (part, comments) = match fragment {
            Fragment::Document(comments) => (Part::Document, comments),
            Fragment::Element(id, comments) => (Part::ElementWithId(id), comments),
        };
        let mut method = written.unwrap_or_else(|| default.clone());
        // A bare fragment means the nodes without comments, whatever writes them.
        method.comments &= comments;
        let own = match part {
            Part::ElementWithId(id) => signature.tree.with_id(id),
            _ => None,
        };
        Ok(match own {
            // Read without the document around it; that no other element has the identifier is known since it was verified.
            Some(element) if omission == Omission::Nothing => {
                Piece::Inside(Selection { part: Part::ElementAt(element.offset), omission, method })
            }
            _ => Piece::Around(Selection { part, omission, method }),
        })
    }
}

/// Where the digest of a reference comes from.
enum Digest<'a> {
    Unknown,
    Known(Vec<u8>),
    Inside(Selection<'a>, DigestAlgorithm),
    Around(usize),
}

/// The digest algorithm of a reference, where it is known here.
pub(super) fn reference_digest(reference: &ElementTree) -> Option<DigestAlgorithm> {
    super::algorithm::digest_named(reference.only(SIGNATURE_NAMESPACE, "DigestMethod")?.attribute("Algorithm")?)
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
                    this.omission = Omission::ElementAt(signature.tree.offset);
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

fn whole<'a>(element: &ElementTree, method: &Method) -> Selection<'a> {
    Selection { part: Part::ElementAt(element.offset), omission: Omission::Nothing, method: method.clone() }
}

/// Of all signatures together.
const MAX_REFERENCES: usize = 10_000;

/// What reads every file again for each reference, as an archive timestamp does, takes a measured time.
const TWICE: AugmentationFault = AugmentationFault::Malformed("a signature refers to a file beside it more than once");

const UNKNOWN: AugmentationFault = AugmentationFault::Malformed("a reference has a transform that is not known here");

const MISSING: AugmentationFault = AugmentationFault::Malformed("a reference is to an element that is not there");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xades::augment::AugmentableXades;
    use crate::xades::document::InternalSubset;

    /// What reading a signature with these references says, beside this file.
    fn fault(references: &str, file: &str) -> String {
        let text = format!(
            "<ds:Signature xmlns:ds='{SIGNATURE_NAMESPACE}' Id='s'><ds:SignedInfo>{references}</ds:SignedInfo>\
             <ds:SignatureValue>AAAA</ds:SignatureValue><ds:Object><xades:QualifyingProperties \
             xmlns:xades='http://uri.etsi.org/01903/v1.3.2#' Target='#s'><xades:SignedProperties Id='p'/>\
             </xades:QualifyingProperties></ds:Object></ds:Signature>"
        );
        let file = DocumentContent::Memory(file.as_bytes().to_vec().into());
        AugmentableXades::read(text.into_bytes().into(), Some(&file), InternalSubset::Refused)
            .err()
            .map(|fault| fault.to_string())
            .unwrap()
    }

    #[test]
    fn a_signature_refers_to_a_file_once() {
        let digest = "<ds:DigestMethod Algorithm='http://www.w3.org/2001/04/xmlenc#sha256'/><ds:DigestValue/>";
        let plain = format!("<ds:Reference URI='a'>{digest}</ds:Reference>");
        let canonical = format!(
            "<ds:Reference URI='b'><ds:Transforms><ds:Transform \
             Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#'/></ds:Transforms>{digest}</ds:Reference>"
        );
        for references in [plain.repeat(2), format!("{plain}{canonical}"), canonical.repeat(4000)] {
            let fault = fault(&references, "<a/>");
            assert!(fault.contains("refers to a file beside it more than once"), "{fault}");
        }
        for reference in [plain, canonical] {
            let fault = fault(&reference, "<a/>");
            assert!(!fault.contains("more than once"), "{fault}");
        }
    }
}
