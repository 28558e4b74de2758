//! Canonical XML 1.0 and 1.1 and Exclusive XML Canonicalization 1.0, each with and without comments, in one pass.
//!
//! A [`Canonicalizer`] is fed the events of an [`XmlReader`]: of the whole document, or from the start tag of one element
//! to its end. Several can listen to one reader, so that a document is parsed once for all its digests. The node sets are
//! those of signatures (a document or subtree, less whole elements); XPath in general is not needed and not here.

use std::borrow::Cow;
use std::collections::HashMap;

use super::document::XmlDocument;
use super::reader::{Attribute, Bindings, Element, EndTag, Event, XmlReader};
use super::xml_error::XmlError;

mod base_uri;
mod escape;
mod several;

pub(crate) use several::{Forms, Selection, canonical_forms};

/// One of the canonicalization algorithms that XML signatures use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Method {
    /// Which namespaces and inherited attributes are written.
    pub(crate) algorithm: Algorithm,
    /// Whether comments are part of the canonical form.
    pub(crate) comments: bool,
}

/// Canonical XML 1.0, 1.1, or exclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// <http://www.w3.org/TR/2001/REC-xml-c14n-20010315>
    Inclusive,
    /// <http://www.w3.org/2006/12/xml-c14n11>
    Inclusive11,
    /// <http://www.w3.org/2001/10/xml-exc-c14n#>, with the prefixes of `InclusiveNamespaces/@PrefixList`
    /// (the empty one for `#default`).
    Exclusive {
        /// Prefixes treated as the inclusive algorithm does.
        inclusive_prefixes: Vec<String>,
    },
}

/// Exclusive without comments and without prefix list: what Sigillo writes.
pub(crate) static EXCLUSIVE: Method =
    Method { algorithm: Algorithm::Exclusive { inclusive_prefixes: Vec::new() }, comments: false };

impl Method {
    /// Canonical XML 1.0 without comments: what is meant where nothing is said (XML Signature 1.1, section 4.4.3.2).
    pub(crate) const INCLUSIVE: Self = Self { algorithm: Algorithm::Inclusive, comments: false };

    /// The method of this identifier; `prefixes` is `InclusiveNamespaces/@PrefixList`, which only the exclusive one has.
    pub(crate) fn named(uri: &str, prefixes: Option<&str>) -> Option<Self> {
        let listed = || prefixes.unwrap_or_default().split_whitespace();
        // Each is looked at for each element.
        if listed().nth(MAX_PREFIXES).is_some() {
            return None;
        }
        let inclusive_prefixes = listed().map(|each| if each == "#default" { "" } else { each }.to_owned()).collect();
        let algorithms = [Algorithm::Inclusive, Algorithm::Inclusive11, Algorithm::Exclusive { inclusive_prefixes }];
        let methods = algorithms
            .into_iter()
            .flat_map(|algorithm| [false, true].map(|comments| Self { algorithm: algorithm.clone(), comments }));
        methods.into_iter().find(|method| method.uri() == uri)
    }

    /// The identifier in `ds:CanonicalizationMethod` and `ds:Transform`.
    pub(crate) fn uri(&self) -> &'static str {
        match (&self.algorithm, self.comments) {
            (Algorithm::Inclusive, false) => "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
            (Algorithm::Inclusive, true) => "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
            (Algorithm::Inclusive11, false) => "http://www.w3.org/2006/12/xml-c14n11",
            (Algorithm::Inclusive11, true) => "http://www.w3.org/2006/12/xml-c14n11#WithComments",
            (Algorithm::Exclusive { .. }, false) => "http://www.w3.org/2001/10/xml-exc-c14n#",
            (Algorithm::Exclusive { .. }, true) => "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        }
    }
}

/// The part of a document that is canonicalised.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    /// All of it, with comments and instructions beside the root element.
    Document,
    /// The root element, without what is beside it.
    Root,
    /// The element whose start tag begins at this octet of the decoded text.
    ElementAt(usize),
    /// The first element with this value in an attribute `Id`, `ID` or `id` without namespace, `xml:id`, or one that is declared an ID.
    ElementWithId(&'a str),
}

/// Elements left out with all they contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Omission {
    /// None.
    Nothing,
    /// Every `ds:Signature` (XPath Filter 2.0, subtract `/descendant::ds:Signature`).
    Signatures,
    /// The element whose start tag begins at this octet of the text (the enveloped-signature transform).
    ElementAt(usize),
}

/// Where canonical octets go: into memory, or into a digest.
pub(crate) trait Sink {
    /// Takes the next octets.
    fn take(&mut self, octets: &[u8]);
}

impl Sink for Vec<u8> {
    fn take(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

/// Writes the canonical form of a part of a document to `sink` and gives it back; `None` when the part is not there.
///
/// # Errors
/// When the document, to its end, is not well-formed or breaks a bound.
pub(crate) fn canonicalize<S: Sink>(
    document: &XmlDocument<'_>,
    part: Part<'_>,
    omission: Omission,
    method: &Method,
    sink: S,
) -> Result<Option<S>, XmlError> {
    let selections = [Selection { part, omission, method: method.clone() }];
    Ok(canonical_forms(document, &selections, [sink])?.pop().flatten())
}

impl Attribute<'_> {
    /// Whether verifiers without a schema take this attribute for an identifier: by its name, or as it is declared.
    pub(crate) fn is_id(&self) -> bool {
        self.is_declared_id || matches!((self.prefix, self.local), ("", "Id" | "ID" | "id") | ("xml", "id"))
    }

    /// Whether it can be nothing else. In many documents `id` is a number of a line, which other lists repeat.
    pub(crate) fn is_nothing_but_id(&self) -> bool {
        self.is_declared_id || (self.is_id() && (self.prefix, self.local) != ("", "id"))
    }
}

/// Writes the canonical form of the events it is fed.
pub(crate) struct Canonicalizer<'t, 'm, S> {
    method: &'m Method,
    omission: Omission,
    sink: S,
    buffer: Vec<u8>,
    /// Elements written and not closed.
    depth: usize,
    /// Elements open inside one that is left out, itself included.
    omitted: usize,
    root_written: bool,
    is_subtree: bool,
    /// What the apex of a subtree takes over.
    inherited: Vec<Attribute<'t>>,
    rendered: Rendered<'t>,
    /// Empty between elements; kept for its memory.
    candidates: Vec<&'t str>,
}

impl<'t, 'm, S: Sink> Canonicalizer<'t, 'm, S> {
    /// A canonicalizer for all events of a document.
    pub(crate) fn document(method: &'m Method, omission: Omission, sink: S) -> Self {
        Self {
            method,
            omission,
            sink,
            buffer: Vec::with_capacity(BLOCK),
            depth: 0,
            omitted: 0,
            root_written: false,
            is_subtree: false,
            inherited: Vec::new(),
            rendered: Rendered::default(),
            candidates: Vec::new(),
        }
    }

    /// A canonicalizer for the element whose start tag `reader` has just returned, beginning with that event.
    pub(crate) fn subtree(method: &'m Method, omission: Omission, sink: S, reader: &XmlReader<'t>) -> Self {
        let inherited = reader.inherited_xml_attributes().to_vec();
        Self { is_subtree: true, inherited, ..Self::document(method, omission, sink) }
    }

    /// Whether the element of a subtree has ended.
    pub(crate) const fn is_complete(&self) -> bool {
        self.is_subtree && self.root_written && self.depth == 0
    }

    /// Takes the event that `reader` has just returned.
    pub(crate) fn take(&mut self, event: &Event<'t>, reader: &XmlReader<'t>) {
        if self.omitted > 0 {
            match event {
                Event::Start(_) => self.omitted += 1,
                Event::End(_) => self.omitted -= 1,
                Event::Text(_) | Event::Comment(_) | Event::Instruction { .. } => {}
            }
            return;
        }
        match event {
            Event::Start(element) if self.leaves_out(element) => self.omitted = 1,
            Event::Start(element) => self.start(element, reader),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(text),
            Event::Comment(_) if !self.method.comments => {}
            Event::Comment(comment) => self.beside_root(&["<!--", comment, "-->"]),
            Event::Instruction { target, data } if data.is_empty() => self.beside_root(&["<?", target, "?>"]),
            Event::Instruction { target, data } => self.beside_root(&["<?", target, " ", data, "?>"]),
        }
        if self.buffer.len() >= BLOCK {
            self.flush();
        }
    }

    /// Hands the last octets to the sink and gives it back.
    pub(crate) fn finish(mut self) -> S {
        self.flush();
        self.sink
    }

    fn flush(&mut self) {
        self.sink.take(&self.buffer);
        self.buffer.clear();
    }

    fn leaves_out(&self, element: &Element<'_>) -> bool {
        match self.omission {
            Omission::Nothing => false,
            Omission::Signatures => element.is(SIGNATURE_NAMESPACE, "Signature"),
            Omission::ElementAt(offset) => element.offset == offset,
        }
    }

    fn write(&mut self, pieces: &[&str]) {
        for piece in pieces {
            self.buffer.extend_from_slice(piece.as_bytes());
        }
    }

    /// Canonical XML, section 2.3: a line feed keeps what stands beside the root element apart from it.
    fn beside_root(&mut self, pieces: &[&str]) {
        let outside = self.depth == 0;
        if outside && self.root_written {
            self.write(&["\n"]);
        }
        self.write(pieces);
        if outside && !self.root_written {
            self.write(&["\n"]);
        }
    }

    fn start(&mut self, element: &Element<'t>, reader: &XmlReader<'t>) {
        let inherited = std::mem::take(&mut self.inherited);
        let is_apex = !self.root_written;
        self.rendered.enter();
        self.write(&["<", element.qualified]);
        self.namespaces(element, reader, is_apex);
        let attributes = if inherited.is_empty() {
            Cow::Borrowed(&element.attributes)
        } else {
            Cow::Owned(self.with_inherited(element, &inherited))
        };
        for attribute in attributes.iter() {
            self.attribute(attribute.qualified, &attribute.value);
        }
        self.write(&[">"]);
        self.depth += 1;
        self.root_written = true;
    }

    fn text(&mut self, text: &str) {
        for piece in text.as_bytes().chunks(BLOCK) {
            escape::text(&mut self.buffer, piece);
            if self.buffer.len() >= BLOCK {
                self.flush();
            }
        }
    }

    fn attribute(&mut self, qualified: &str, value: &str) {
        self.write(&[" ", qualified, "=\""]);
        escape::attribute(&mut self.buffer, value);
        self.write(&["\""]);
    }

    fn end(&mut self, tag: &EndTag<'t>) {
        self.write(&["</", tag.qualified, ">"]);
        self.rendered.leave();
        self.depth = self.depth.saturating_sub(1);
    }

    /// Writes the namespace declarations of this element's canonical start tag, in order of prefix.
    fn namespaces(&mut self, element: &Element<'t>, reader: &XmlReader<'t>, is_apex: bool) {
        let namespaces = reader.namespaces();
        let mut candidates = std::mem::take(&mut self.candidates);
        match &self.method.algorithm {
            Algorithm::Inclusive | Algorithm::Inclusive11 if is_apex => {
                candidates.extend(namespaces.in_scope().map(|(prefix, _)| prefix));
            }
            Algorithm::Inclusive | Algorithm::Inclusive11 => candidates.extend(reader.declared()),
            Algorithm::Exclusive { inclusive_prefixes } => {
                // Exclusive C14N, section 3: the prefixes that the tag's own names use, and the listed ones.
                let used = element.attributes.iter().map(|attribute| attribute.prefix);
                candidates.extend(used.filter(|prefix| !prefix.is_empty()));
                candidates.push(element.prefix);
                let listed = |prefix: &&'t str| inclusive_prefixes.iter().any(|listed| listed == prefix);
                if is_apex {
                    candidates.extend(namespaces.in_scope().map(|(prefix, _)| prefix).filter(listed));
                } else {
                    candidates.extend(reader.declared().filter(listed));
                }
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        for prefix in candidates.drain(..) {
            // `xml` is never declared; an undeclared prefix cannot come out of the reader.
            let Some(uri) = namespaces.resolve(prefix).filter(|_| prefix != "xml") else { continue };
            if self.rendered.changes(prefix, uri) {
                self.rendered.bindings.bind(prefix, uri.clone());
                let separator = if prefix.is_empty() { "" } else { ":" };
                self.write(&[" xmlns", separator, prefix, "=\""]);
                escape::attribute(&mut self.buffer, uri);
                self.write(&["\""]);
            }
        }
        self.candidates = candidates;
    }

    /// The attributes of a subtree's apex with what it takes over from the elements around it
    /// (Canonical XML 1.0, section 2.4; 1.1, section 2.4; nothing in Exclusive C14N).
    fn with_inherited(&self, element: &Element<'t>, inherited: &[Attribute<'t>]) -> Vec<Attribute<'t>> {
        let mut attributes = element.attributes.clone();
        let own = |local: &str| element.attributes.iter().find(|each| each.prefix == "xml" && each.local == local);
        let mut taken: HashMap<&str, &Attribute<'t>> = HashMap::new();
        // Outermost first: the nearest one wins.
        for attribute in inherited.iter().filter(|each| own(each.local).is_none()) {
            taken.insert(attribute.local, attribute);
        }
        match self.method.algorithm {
            Algorithm::Exclusive { .. } => return attributes,
            Algorithm::Inclusive => {}
            Algorithm::Inclusive11 => {
                taken.retain(|&local, _| matches!(local, "lang" | "space"));
                let around = inherited.iter().filter(|each| each.local == "base");
                let bases: Vec<&Attribute<'t>> = around.chain(own("base")).collect();
                if let (Some(&nearest), true) = (bases.last(), inherited.iter().any(|each| each.local == "base")) {
                    attributes.retain(|each| !(each.prefix == "xml" && each.local == "base"));
                    let joined = base_uri::join_all(bases.iter().map(|each| &*each.value));
                    if !joined.is_empty() {
                        attributes.push(Attribute { value: Cow::Owned(joined), ..nearest.clone() });
                    }
                }
            }
        }
        attributes.extend(taken.into_values().cloned());
        attributes.sort_by(|one, other| (&one.namespace, one.local).cmp(&(&other.namespace, other.local)));
        attributes
    }
}

/// The namespace declarations that the written elements around a place carry.
#[derive(Default)]
struct Rendered<'t> {
    bindings: Bindings<'t>,
    open: Vec<usize>,
}

impl Rendered<'_> {
    fn enter(&mut self) {
        self.open.push(self.bindings.len());
    }

    /// Whether a declaration is needed for `prefix` to mean `uri` here.
    fn changes(&self, prefix: &str, uri: &str) -> bool {
        match self.bindings.get(prefix) {
            Some(rendered) => rendered != uri,
            // `xmlns=""` where no default namespace was written says nothing.
            None => !uri.is_empty(),
        }
    }

    fn leave(&mut self) {
        self.bindings.truncate(self.open.pop().unwrap_or(0));
    }
}

/// Namespace of XML signatures.
pub(crate) const SIGNATURE_NAMESPACE: &str = "http://www.w3.org/2000/09/xmldsig#";

/// More than any vocabulary declares.
const MAX_PREFIXES: usize = 100;

/// Canonical octets are handed on in pieces of about this size: digests are slow on single tags.
const BLOCK: usize = 16 * 1024;

#[cfg(test)]
mod tests;
