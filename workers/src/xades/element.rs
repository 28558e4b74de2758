//! A small tree of what a signature says. Documents are never held this way, only signatures and their references.

use super::attributes::XADES_NAMESPACE;
use super::canonicalization::SIGNATURE_NAMESPACE;
use super::reader::{Attribute, Element, Event};

/// An element with its attributes, children and text; comments and instructions are dropped.
#[derive(Debug, Default)]
pub(super) struct ElementTree {
    pub(super) namespace: String,
    pub(super) local: String,
    /// Local name and value of those attributes without namespace that signatures have a use for.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<ElementTree>,
    /// Text directly inside.
    pub(super) text: String,
    /// Where the start tag begins in the text of the document.
    pub(super) offset: usize,
    /// Where the end tag begins; `None` of an empty-element tag.
    pub(super) content_end: Option<usize>,
}

impl ElementTree {
    /// The children of that name.
    pub(super) fn all<'a>(&'a self, namespace: &'a str, local: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.namespace == namespace && child.local == local)
    }

    /// The child of that name, when there is exactly one.
    pub(super) fn only(&self, namespace: &str, local: &str) -> Option<&Self> {
        let mut found = self.children.iter().filter(|child| child.namespace == namespace && child.local == local);
        found.next().filter(|_| found.next().is_none())
    }

    /// The element with this `Id`, itself or inside.
    pub(super) fn with_id(&self, id: &str) -> Option<&Self> {
        if self.attribute("Id") == Some(id) {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.with_id(id))
    }

    /// The value of an attribute without namespace.
    pub(super) fn attribute(&self, local: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == local).map(|(_, value)| value.as_str())
    }
}

/// Builds one tree from the events of its element.
#[derive(Debug, Default)]
pub(super) struct TreeBuilder {
    open: Vec<ElementTree>,
    /// Elements open inside a `ds:Object` that are no qualifying properties: documents are not held in memory this way.
    passed_over: usize,
    elements: usize,
}

impl TreeBuilder {
    /// A builder that counts on from so many elements of other trees.
    pub(super) const fn after(elements: usize) -> Self {
        Self { open: Vec::new(), passed_over: 0, elements }
    }

    /// The elements so far.
    pub(super) const fn elements(&self) -> usize {
        self.elements
    }

    /// How many elements are open.
    pub(super) const fn depth(&self) -> usize {
        self.open.len()
    }

    /// Takes the next event, beginning with the element's start tag; gives the tree with the element's end.
    pub(super) fn take(&mut self, event: &Event<'_>) -> Option<ElementTree> {
        match event {
            Event::Start(element) if self.passes_over(element) => self.passed_over += 1,
            Event::End(_) if self.passed_over > 0 => self.passed_over -= 1,
            _ if self.passed_over > 0 => {}
            Event::Start(element) => {
                self.elements += 1;
                let has_use = |each: &&Attribute<'_>| each.prefix.is_empty() && ATTRIBUTES.contains(&each.local);
                let plain = element.attributes.iter().filter(has_use);
                self.open.push(ElementTree {
                    namespace: element.namespace.to_string(),
                    local: element.local.to_owned(),
                    attributes: plain.map(|each| (each.local.to_owned(), each.value.to_string())).collect(),
                    offset: element.offset,
                    ..ElementTree::default()
                });
            }
            Event::End(tag) => {
                let mut closed = self.open.pop()?;
                closed.content_end = (!tag.self_closing).then_some(tag.offset);
                match self.open.last_mut() {
                    Some(parent) => parent.children.push(closed),
                    None => return Some(closed),
                }
            }
            Event::Text(text) => {
                if let Some(open) = self.open.last_mut() {
                    open.text.push_str(text);
                }
            }
            Event::Comment(_) | Event::Instruction { .. } => {}
        }
        None
    }

    fn passes_over(&self, element: &Element<'_>) -> bool {
        let in_object =
            self.open.last().is_some_and(|open| open.local == "Object" && open.namespace == SIGNATURE_NAMESPACE);
        self.passed_over > 0 || (in_object && !element.is(XADES_NAMESPACE, "QualifyingProperties"))
    }

    /// Whether this is more than any signature has; a tree takes many times the memory of its text.
    pub(super) const fn is_too_big(&self) -> bool {
        self.elements > MAX_ELEMENTS
    }
}

/// What references, algorithms and qualifying properties say in attributes.
const ATTRIBUTES: [&str; 9] =
    ["Algorithm", "Filter", "Id", "ObjectReference", "PrefixList", "Target", "Type", "URI", "referencedData"];

/// A manifest of ten thousand files has fewer.
pub(super) const MAX_ELEMENTS: usize = 100_000;
