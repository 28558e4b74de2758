//! Signatures that are already in the document: what they cover, and whether one more would break them (promise 4).

use std::borrow::Cow;
use std::collections::HashMap;

use super::canonicalization::SIGNATURE_NAMESPACE;
use super::element::{ElementTree, MAX_ELEMENTS, TreeBuilder};
use super::reader::{Element, Event, XmlReader, is_ncname};
use super::signature::FILTER2;
use super::xml_error::{XmlError, XmlFault, shortened};

/// Identifiers and earlier references of a document, gathered while it is read.
#[derive(Default)]
pub(super) struct Survey<'t> {
    /// Each identifier with the place of its second element, if there is one.
    ids: HashMap<Cow<'t, str>, Option<usize>>,
    references: Vec<Reference>,
    root_may_be_signature: bool,
    signatures: usize,
    builder: Option<TreeBuilder>,
}

/// What matters of a `ds:Reference`.
struct Reference {
    uri: String,
    leaves_signatures_out: bool,
    offset: usize,
}

impl<'t> Survey<'t> {
    /// A survey of a document that may be a signature as a whole.
    pub(super) fn of_signatures() -> Self {
        Self { root_may_be_signature: true, ..Self::default() }
    }

    /// Takes the event that `reader` has just returned.
    ///
    /// # Errors
    /// When the root is a signature, an identifier is empty or comes twice, there are too many signatures, or an earlier signature is too big to be judged.
    pub(super) fn take(&mut self, event: &Event<'t>, reader: &XmlReader<'t>) -> Result<(), XmlError> {
        if let Event::Start(element) = event {
            self.identifiers(element, reader)?;
            self.signatures += usize::from(element.is(SIGNATURE_NAMESPACE, "Signature"));
            if self.signatures > MAX_SIGNATURES {
                let fault = XmlFault::Limit { limit: MAX_SIGNATURES, what: "signatures" };
                return Err(reader.error(element.offset, fault));
            }
            // A manifest's references are not checked by every verifier, but they are the signer's word all the same.
            let refers = ["SignedInfo", "Manifest"].iter().any(|name| element.is(SIGNATURE_NAMESPACE, name));
            if self.builder.is_none() && refers {
                self.builder = Some(TreeBuilder::default());
            }
        }
        if let Some(list) = self.builder.as_mut().and_then(|builder| builder.take(event)) {
            self.builder = None;
            self.references.extend(list.all(SIGNATURE_NAMESPACE, "Reference").filter_map(Reference::of));
        }
        if self.builder.as_ref().is_some_and(TreeBuilder::is_too_big) {
            let fault = XmlFault::Limit { limit: MAX_ELEMENTS, what: "elements in one list of references" };
            return Err(reader.error(reader.offset(), fault));
        }
        Ok(())
    }

    fn identifiers(&mut self, element: &Element<'t>, reader: &XmlReader<'t>) -> Result<(), XmlError> {
        let is_root = reader.depth() == 1;
        if is_root && !self.root_may_be_signature && element.is(SIGNATURE_NAMESPACE, "Signature") {
            return Err(reader.error(element.offset, XmlFault::RootIsSignature));
        }
        for attribute in element.attributes.iter().filter(|attribute| attribute.is_id()) {
            let known = self.ids.contains_key(&attribute.value);
            // Of what somebody else has signed only that counts which a signature refers to.
            let is_strict = attribute.prefix == "xml" || !self.root_may_be_signature;
            if known && attribute.is_nothing_but_id() && is_strict {
                return Err(ambiguous(reader, element.offset, &attribute.value));
            }
            if attribute.value.is_empty() && attribute.is_nothing_but_id() && !self.root_may_be_signature {
                return Err(reader.error(element.offset, XmlFault::EmptyId));
            }
            let second = self.ids.entry(attribute.value.clone()).or_insert(None);
            if known && second.is_none() {
                *second = Some(element.offset);
            }
        }
        Ok(())
    }

    /// Judges what was gathered, once the document has been read. The new signature comes into an element; these are the identifiers
    /// of it and of those around it.
    ///
    /// # Errors
    /// When an earlier signature refers to an identifier that two elements have, or would not survive another signature.
    pub(super) fn judge(&self, reader: &XmlReader<'t>, around: &[Cow<'t, str>]) -> Result<(), XmlError> {
        for reference in &self.references {
            let target = reference.target();
            if let Some((id, Some(second))) = target.and_then(|id| self.ids.get_key_value(id)) {
                return Err(ambiguous(reader, *second, id));
            }
            let covers_place = match target {
                Some(id) => around.iter().any(|each| each == id),
                None => matches!(reference.uri.as_str(), "" | "#xpointer(/)"),
            };
            if covers_place && !reference.leaves_signatures_out {
                return Err(reader.error(reference.offset, XmlFault::CoveredByEarlierSignature));
            }
        }
        Ok(())
    }

    /// Refuses a document that cannot be put into another one without harm to a signature in it.
    ///
    /// # Errors
    /// When an earlier signature covers the document as a whole.
    pub(super) fn refuse_wrapping(&self, reader: &XmlReader<'t>) -> Result<(), XmlError> {
        match self.references.iter().find(|reference| reference.uri.is_empty() || reference.uri == "#xpointer(/)") {
            None => Ok(()),
            Some(reference) => Err(reader.error(reference.offset, XmlFault::CoveredByEarlierSignature)),
        }
    }

    /// Whether exactly one element of the document has this identifier.
    pub(super) fn is_unique(&self, id: &str) -> bool {
        matches!(self.ids.get(id), Some(None))
    }

    /// Whether an element of the document has this identifier.
    pub(super) fn has_id(&self, id: &str) -> bool {
        self.ids.contains_key(id)
    }
}

impl Reference {
    /// `None` without `URI`: what such a reference covers is known to its application only.
    fn of(tree: &ElementTree) -> Option<Self> {
        let transforms = tree.only(SIGNATURE_NAMESPACE, "Transforms");
        let mut transforms = transforms.into_iter().flat_map(|each| each.all(SIGNATURE_NAMESPACE, "Transform"));
        Some(Self {
            uri: tree.attribute("URI")?.to_owned(),
            leaves_signatures_out: transforms.any(leaves_signatures_out),
            offset: tree.offset,
        })
    }

    /// The identifier it refers to, where it does.
    fn target(&self) -> Option<&str> {
        let fragment = self.uri.strip_prefix('#')?;
        let pointer = fragment.strip_prefix("xpointer(id(").and_then(|rest| rest.strip_suffix("))"));
        match pointer {
            Some(quoted) => Some(quoted.trim_matches(['\'', '"'])),
            None => (!fragment.starts_with("xpointer(")).then_some(fragment),
        }
    }
}

/// Whether a transform takes out every signature in the root element, not only the one it belongs to. Expressions are
/// compared as they are usually written; one that cannot be recognised counts as covering the place of the new signature.
pub(super) fn leaves_signatures_out(transform: &ElementTree) -> bool {
    let recognised = |xpath: &ElementTree, frames: &[(&str, &str)]| {
        let expression: String = xpath.text.split_whitespace().collect();
        let framed = |&(before, after): &(&str, &str)| expression.strip_prefix(before)?.strip_suffix(after);
        frames.iter().filter_map(framed).any(names_signature)
    };
    match transform.attribute("Algorithm") {
        Some(FILTER2) => transform
            .all(FILTER2, "XPath")
            .any(|xpath| xpath.attribute("Filter") == Some("subtract") && recognised(xpath, SUBTRACTIONS)),
        Some(XPATH) => transform.all(SIGNATURE_NAMESPACE, "XPath").any(|xpath| recognised(xpath, EXCLUSIONS)),
        _ => false,
    }
}

/// `ds:Signature` with whatever prefix; or by the name that Sigillo gives its own.
fn names_signature(name: &str) -> bool {
    let prefixed = name.split_once(':').is_some_and(|(prefix, local)| is_ncname(prefix) && local == "Signature");
    prefixed || matches!(name, "*[name()='ds:Signature']" | "*[local-name()='Signature']")
}

/// What stands before and after the name in a filter that subtracts signatures.
const SUBTRACTIONS: &[(&str, &str)] = &[("/descendant::", ""), ("//", ""), ("/*/", "")];

/// The same in an XPath transform that keeps everything else.
const EXCLUSIONS: &[(&str, &str)] = &[("not(ancestor-or-self::", ")")];

fn ambiguous(reader: &XmlReader<'_>, offset: usize, id: &str) -> XmlError {
    reader.error(offset, XmlFault::AmbiguousId { id: shortened(id) })
}

/// Signatures of one document; all are looked at before another one comes.
const MAX_SIGNATURES: usize = 1000;

/// The XPath transform of XML Signature 1.1, section 6.6.3.
const XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";
