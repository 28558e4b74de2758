//! The canonical forms of several parts of a document in one pass.

use std::collections::HashMap;

use super::{Canonicalizer, Method, Omission, Part, Sink};
use crate::xades::document::XmlDocument;
use crate::xades::reader::{Event, XmlReader};
use crate::xades::xml_error::{XmlError, XmlFault, shortened};

/// A part of a document, what is left out of it, and how it is written.
#[derive(Clone, Debug)]
pub(crate) struct Selection<'a> {
    /// The part.
    pub(crate) part: Part<'a>,
    /// What is left out.
    pub(crate) omission: Omission,
    /// The algorithm.
    pub(crate) method: Method,
}

/// Canonical forms in the making. An identifier that is referred to must be that of one element only: what other programs take for
/// the element meant is anybody's guess otherwise.
pub(crate) struct Forms<'t, 'm, S> {
    selections: &'m [Selection<'m>],
    sinks: Vec<Option<S>>,
    by_id: HashMap<&'m str, Expected>,
    by_offset: HashMap<usize, Vec<usize>>,
    root: Vec<usize>,
    open: Vec<(usize, Canonicalizer<'t, 'm, S>)>,
    missing: usize,
    /// Where the last event ended, and how much was written more than once.
    read: usize,
    repeated: usize,
}

/// Forms that begin with the element of an identifier.
#[derive(Default)]
struct Expected {
    forms: Vec<usize>,
    /// Where the element begins.
    seen: Option<usize>,
}

impl<'t, 'm, S: Sink> Forms<'t, 'm, S> {
    /// Forms of these selections, each in its sink.
    pub(crate) fn new(selections: &'m [Selection<'m>], sinks: impl IntoIterator<Item = S>) -> Self {
        let mut this = Self {
            selections,
            sinks: sinks.into_iter().map(Some).collect(),
            by_id: HashMap::new(),
            by_offset: HashMap::new(),
            root: Vec::new(),
            open: Vec::new(),
            missing: selections.len(),
            read: 0,
            repeated: 0,
        };
        for (index, selection) in selections.iter().enumerate() {
            match selection.part {
                Part::Document => {
                    if let Some(sink) = this.sinks.get_mut(index).and_then(Option::take) {
                        let form = Canonicalizer::document(&selection.method, selection.omission, sink);
                        this.open.push((index, form));
                    }
                }
                Part::Root => this.root.push(index),
                Part::ElementAt(offset) => this.by_offset.entry(offset).or_default().push(index),
                Part::ElementWithId(id) => this.by_id.entry(id).or_default().forms.push(index),
            }
        }
        this
    }

    /// The same, where these identifiers are also to be given to one element at most.
    pub(crate) fn watching(mut self, ids: impl IntoIterator<Item = &'m str>) -> Self {
        for id in ids {
            self.by_id.entry(id).or_default();
        }
        self
    }

    /// Whether nothing more is to be read for it.
    pub(crate) const fn are_complete(&self) -> bool {
        self.missing == 0
    }

    /// Takes the event that `reader` has just returned.
    ///
    /// # Errors
    /// When an identifier comes twice, or parts overlap so much that time would not be in proportion.
    pub(crate) fn take(&mut self, event: &Event<'t>, reader: &XmlReader<'t>) -> Result<(), XmlError> {
        if let Event::Start(element) = event {
            let mut begun = match self.by_offset.is_empty() {
                true => Vec::new(),
                false => self.by_offset.remove(&element.offset).unwrap_or_default(),
            };
            begun.append(&mut self.root);
            for attribute in element.attributes.iter().filter(|each| each.is_id()) {
                let Some(expected) = self.by_id.get_mut(&*attribute.value) else { continue };
                if expected.seen.replace(element.offset).is_some_and(|seen| seen != element.offset) {
                    let fault = XmlFault::AmbiguousId { id: shortened(&attribute.value) };
                    return Err(reader.error(element.offset, fault));
                }
                begun.append(&mut expected.forms);
            }
            for index in begun {
                let sink = self.sinks.get_mut(index).and_then(Option::take);
                if let (Some(sink), Some(selection)) = (sink, self.selections.get(index)) {
                    let form = Canonicalizer::subtree(&selection.method, selection.omission, sink, reader);
                    self.open.push((index, form));
                }
            }
        }
        let octets = reader.offset().saturating_sub(std::mem::replace(&mut self.read, reader.offset()));
        self.repeated = self.repeated.saturating_add(octets.saturating_mul(self.open.len().saturating_sub(1)));
        let limit = REPEATED_ALWAYS.max(reader.length().saturating_mul(REPETITIONS));
        if self.repeated > limit {
            let fault = XmlFault::Limit { limit, what: "octets that several references cover" };
            return Err(reader.error(reader.offset(), fault));
        }
        let mut position = 0;
        while let Some((_, form)) = self.open.get_mut(position) {
            form.take(event, reader);
            if form.is_complete() {
                let (index, form) = self.open.swap_remove(position);
                self.complete(index, form);
            } else {
                position += 1;
            }
        }
        Ok(())
    }

    fn complete(&mut self, index: usize, form: Canonicalizer<'t, 'm, S>) {
        self.missing = self.missing.saturating_sub(1);
        if let Some(sink) = self.sinks.get_mut(index) {
            *sink = Some(form.finish());
        }
    }

    /// The sinks in the order of the selections; `None` where the part is not there.
    pub(crate) fn finish(mut self) -> Vec<Option<S>> {
        for (index, form) in std::mem::take(&mut self.open) {
            self.complete(index, form);
        }
        for index in self.by_offset.into_values().chain(self.by_id.into_values().map(|each| each.forms)).flatten() {
            if let Some(sink) = self.sinks.get_mut(index) {
                *sink = None;
            }
        }
        self.sinks
    }
}

/// Writes the canonical form of each selection to its sink; `None` where the part is not there.
///
/// # Errors
/// When the document, to its end, is not well-formed, breaks a bound, or has an identifier twice that is referred to.
pub(crate) fn canonical_forms<S: Sink>(
    document: &XmlDocument<'_>,
    selections: &[Selection<'_>],
    sinks: impl IntoIterator<Item = S>,
) -> Result<Vec<Option<S>>, XmlError> {
    let mut reader = XmlReader::new(document);
    let mut forms = Forms::new(selections, sinks);
    while let Some(event) = reader.next()? {
        forms.take(&event, &reader)?;
    }
    Ok(forms.finish())
}

/// What references may cover again and again, all together: so many octets in any document,
const REPEATED_ALWAYS: usize = 1 << 28;

/// and a large one so many times.
const REPETITIONS: usize = 16;
