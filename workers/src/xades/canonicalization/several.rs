//! The canonical forms of several parts of a document in one pass.

use super::{Canonicalizer, Method, Omission, Part};
use crate::xades::document::XmlDocument;
use crate::xades::reader::{Event, XmlReader};
use crate::xades::xml_error::XmlError;

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

/// The canonical form of each selection, in their order; `None` where the part is not there.
///
/// # Errors
/// When the document, to its end, is not well-formed or breaks a bound.
pub(crate) fn canonical_forms(
    document: &XmlDocument<'_>,
    selections: &[Selection<'_>],
) -> Result<Vec<Option<Vec<u8>>>, XmlError> {
    let mut reader = XmlReader::new(document);
    let mut forms: Vec<Form<'_, '_>> = selections.iter().map(Form::of).collect();
    while let Some(event) = reader.next()? {
        for (form, selection) in forms.iter_mut().zip(selections) {
            if matches!((&*form, &event), (Form::Absent, Event::Start(element)) if selection.part.begins_with(element))
            {
                let (method, omission) = (&selection.method, selection.omission);
                *form = Form::Open(Canonicalizer::subtree(method, omission, Vec::new(), &reader));
            }
            form.take(&event, &reader);
        }
    }
    Ok(forms.into_iter().map(Form::octets).collect())
}

/// A canonical form, in the making or made.
#[derive(Default)]
enum Form<'t, 'm> {
    #[default]
    Absent,
    Open(Canonicalizer<'t, 'm, Vec<u8>>),
    Complete(Vec<u8>),
}

impl<'t, 'm> Form<'t, 'm> {
    fn of(selection: &'m Selection<'_>) -> Self {
        match selection.part {
            Part::Document => Self::Open(Canonicalizer::document(&selection.method, selection.omission, Vec::new())),
            Part::ElementAt(_) | Part::ElementWithId(_) => Self::Absent,
        }
    }

    fn take(&mut self, event: &Event<'t>, reader: &XmlReader<'t>) {
        let Self::Open(canonicalizer) = self else { return };
        canonicalizer.take(event, reader);
        if canonicalizer.is_complete()
            && let Self::Open(canonicalizer) = std::mem::take(self)
        {
            *self = Self::Complete(canonicalizer.finish());
        }
    }

    fn octets(self) -> Option<Vec<u8>> {
        match self {
            Self::Absent => None,
            Self::Open(canonicalizer) => Some(canonicalizer.finish()),
            Self::Complete(octets) => Some(octets),
        }
    }
}
