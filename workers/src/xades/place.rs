//! Where an enveloped signature goes: an element that the worker names by a path, or the root element.
//!
//! Decided 2026-11-21: absolute child steps with names and numbers, not XPath at large: a place must be one element whatever the
//! document holds, and be found while the document is read once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::canonicalization::SIGNATURE_NAMESPACE;
use super::reader::{Element, EndTag, Event, Scope, XmlReader, is_ncname};
use super::xml_error::{XmlError, XmlFault};

/// The element that takes the signature, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenPlace", into = "WrittenPlace")]
pub struct SignaturePlace {
    written: WrittenPlace,
    steps: Vec<Step>,
}

/// A place as it stands in a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenPlace {
    /// Child steps from the root element on, such as `/inv:Invoice/ext:UBLExtensions/ext:UBLExtension[2]`.
    xpath: String,
    /// What the prefixes in it stand for; a name without prefix is in no namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    namespaces: BTreeMap<String, String>,
    /// `last` child of the element (default), or `first`.
    #[serde(default, skip_serializing_if = "ChildPosition::is_last")]
    position: ChildPosition,
}

/// Before or after what the element holds already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChildPosition {
    /// Before everything in it.
    First,
    /// After everything in it.
    #[default]
    Last,
}

impl ChildPosition {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_last(&self) -> bool {
        *self == Self::Last
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    namespace: String,
    local: String,
    /// Which of the children of that name, from 1; without, there must be one only.
    number: Option<usize>,
}

impl SignaturePlace {
    pub(super) const fn position(&self) -> ChildPosition {
        self.written.position
    }
}

impl From<SignaturePlace> for WrittenPlace {
    fn from(place: SignaturePlace) -> Self {
        place.written
    }
}

impl TryFrom<WrittenPlace> for SignaturePlace {
    type Error = String;

    fn try_from(written: WrittenPlace) -> Result<Self, String> {
        let path =
            written.xpath.strip_prefix('/').ok_or("xpath must begin with \"/\" and the name of the root element")?;
        let steps =
            path.split('/').map(|step| Step::parse(step, &written.namespaces)).collect::<Result<Vec<_>, _>>()?;
        if steps.iter().any(|step| step.namespace == SIGNATURE_NAMESPACE && step.local == "Signature") {
            return Err("a place inside another signature is not covered by the new one".into());
        }
        Ok(Self { written, steps })
    }
}

impl Step {
    fn parse(step: &str, namespaces: &BTreeMap<String, String>) -> Result<Self, String> {
        let unknown =
            || format!("\"{step}\" is no step of a path; write names of elements, such as /a:Invoice/b:Extension[1]");
        let (name, number) = match step.split_once('[') {
            None => (step, None),
            Some((name, rest)) => {
                let number = rest.strip_suffix(']').and_then(|number| number.parse().ok());
                (name, Some(number.filter(|number| *number > 0).ok_or_else(unknown)?))
            }
        };
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        if !is_ncname(local) || (name.contains(':') && !is_ncname(prefix)) {
            return Err(unknown());
        }
        let namespace = match prefix {
            "" => String::new(),
            prefix => namespaces
                .get(prefix)
                .cloned()
                .ok_or_else(|| format!("the prefix \"{prefix}\" is not among the namespaces of the place"))?,
        };
        Ok(Self { namespace, local: local.to_owned(), number })
    }

    fn is(&self, element: &Element<'_>) -> bool {
        element.is(&self.namespace, &self.local)
    }
}

/// The element that takes a signature, in a document.
pub(super) struct Target<'t> {
    /// Where its start tag begins.
    pub(super) start: usize,
    /// Where its content begins, unless it is an empty-element tag.
    pub(super) content: usize,
    pub(super) end_tag: EndTag<'t>,
    /// Where it has ended.
    pub(super) end: usize,
    /// What its content takes over.
    pub(super) scope: Scope,
    /// Identifiers of it and of the elements around it.
    pub(super) ids: Vec<Cow<'t, str>>,
}

/// Looks for the place while the document is read.
pub(super) struct PlaceFinder<'c, 't> {
    /// Without any: the root element.
    place: Option<&'c SignaturePlace>,
    /// For each open element on the path: its identifiers, and how many children of the next name it had.
    path: Vec<(Vec<Cow<'t, str>>, usize)>,
    /// How many root elements of the name there were.
    roots: usize,
    begun: Option<(usize, usize, Scope, Vec<Cow<'t, str>>)>,
    found: Option<Target<'t>>,
    several: bool,
}

impl<'c, 't> PlaceFinder<'c, 't> {
    pub(super) fn new(place: Option<&'c SignaturePlace>) -> Self {
        Self { place, path: Vec::new(), roots: 0, begun: None, found: None, several: false }
    }

    /// Takes the event that `reader` has just returned.
    pub(super) fn take(&mut self, event: &Event<'t>, reader: &XmlReader<'t>) {
        match event {
            Event::Start(element) => self.start(element, reader),
            Event::End(tag) if reader.depth() < self.path.len() => {
                let was_place = self.path.len() == self.length();
                self.path.truncate(reader.depth());
                if let (true, Some((start, content, scope, ids))) = (was_place, self.begun.take()) {
                    let end_tag =
                        EndTag { qualified: tag.qualified, offset: tag.offset, self_closing: tag.self_closing };
                    self.found = Some(Target { start, content, end_tag, end: reader.offset(), scope, ids });
                }
            }
            _ => {}
        }
    }

    fn length(&self) -> usize {
        self.place.map_or(1, |place| place.steps.len())
    }

    fn start(&mut self, element: &Element<'t>, reader: &XmlReader<'t>) {
        let depth = reader.depth();
        if depth != self.path.len() + 1 || depth > self.length() {
            return;
        }
        if let Some(step) = self.place.and_then(|place| place.steps.get(depth - 1)) {
            if !step.is(element) {
                return;
            }
            let count = self.path.last_mut().map_or(&mut self.roots, |(_, count)| count);
            *count += 1;
            if step.number.is_some_and(|number| number != *count) {
                return;
            }
        }
        let ids = element.attributes.iter().filter(|each| each.is_id()).map(|each| each.value.clone()).collect();
        self.path.push((ids, 0));
        if depth == self.length() && self.found.is_some() {
            self.several = true;
        } else if depth == self.length() {
            let around = self.path.iter().flat_map(|(ids, _)| ids.iter().cloned()).collect();
            self.begun = Some((element.offset, reader.offset(), reader.scope_inside(), around));
        }
    }

    /// The place, once the document has been read.
    ///
    /// # Errors
    /// When no element is on that path, or several are.
    pub(super) fn finish(self) -> Result<Target<'t>, XmlError> {
        let path = || self.place.map_or_else(|| "/*".to_owned(), |place| place.written.xpath.clone());
        match self.found {
            Some(_) if self.several => Err(XmlError::at_start(XmlFault::SeveralPlaces { path: path() })),
            Some(found) => Ok(found),
            None => Err(XmlError::at_start(XmlFault::NoPlace { path: path() })),
        }
    }
}
