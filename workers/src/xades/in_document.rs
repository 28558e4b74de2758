//! Signatures in, beside or around the root element of an XML document, over all of it or over elements of it.

use bytes::Bytes;

use super::XadesConfig;
use super::algorithm::Collector;
use super::assemble::{Place, SIBLING_END, sibling_start};
use super::canonicalization::{Forms, Method, Omission, Part, Selection, Sink};
use super::document::XmlDocument;
use super::earlier::Survey;
use super::place::{ChildPosition, PlaceFinder, SignaturePlace, Target};
use super::prepare::{NewCollector, Request, Subject, essence, media_type, stated};
use super::reader::{Scope, XmlReader};
use super::signature::{Content, DataObject, END, OBJECT_END, canonical, object_id, start_tag, xml_object_start};
use super::xml_error::{XmlError, XmlFault, shortened};
use crate::error::WorkerError;
use crate::level::SignaturePackaging;

impl XadesConfig {
    /// A signature inside the document, or beside its root element.
    pub(super) fn in_document(
        &self,
        octets: &Bytes,
        request: &Request<'_>,
        collect: NewCollector<'_>,
    ) -> Result<Subject, WorkerError> {
        let elements = self.chosen_elements(request.parameters)?;
        if self.packaging == SignaturePackaging::InternallyDetached && elements.is_none() {
            return self.beside_root(octets, request, collect);
        }
        let (media_type, stated_type) = types(request)?;
        let method = self.form.method();
        let ids = elements.as_ref().map(|elements| elements.as_slice()).unwrap_or_default();
        let parts = match ids {
            [] => vec![Part::Document],
            some => some.iter().map(|id| Part::ElementWithId(id)).collect(),
        };
        let select = |part| Selection { part, omission: Omission::Signatures, method: method.clone() };
        let selections: Vec<_> = parts.into_iter().map(select).collect();
        let xml = XmlDocument::decode_with(octets, self.internal_subset())?;
        let read = Reading::of(&xml, &selections, self.place.as_ref(), collect)?;
        read.survey.judge(&read.reader, &read.target.ids)?;
        self.refuse_known_ids(&read.survey, request)?;
        let objects = match ids {
            [] => read.forms.into_iter().flatten().map(|form| (None, form)).collect::<Vec<_>>(),
            some => {
                let found = some.iter().zip(read.forms).map(|(id, form)| {
                    let missing = || XmlError::at_start(XmlFault::NoElement { id: shortened(id) });
                    Ok((Some(id.as_str()), form.ok_or_else(missing)?))
                });
                found.collect::<Result<_, XmlError>>()?
            }
        };
        let object = |(id, form): (Option<&str>, Collector)| {
            DataObject::less_signatures(id, &method, stated_type.clone(), form.finish())
        };
        let position = self.place.as_ref().map_or(ChildPosition::Last, SignaturePlace::position);
        Ok(Subject {
            objects: objects.into_iter().map(object).collect(),
            contents: Vec::new(),
            place: Place::inside(octets, &xml, &read.target, position),
            scope: read.target.scope,
            media_type,
        })
    }

    /// A signature beside the root element, both in a new one.
    fn beside_root(
        &self,
        octets: &Bytes,
        request: &Request<'_>,
        collect: NewCollector<'_>,
    ) -> Result<Subject, WorkerError> {
        if self.place.is_some() {
            let reason = "this worker signs elements of the document; send the identifiers of those".into();
            return Err(WorkerError::Parameter { name: "elements".into(), reason });
        }
        let (media_type, stated_type) = types(request)?;
        let (id, method) = (self.form.id(request.context), self.form.method());
        // A document type declaration is about the root element, which this one is no more.
        let xml = XmlDocument::decode(octets)?;
        // The identifier is part of what is digested.
        let begun = || {
            let mut sink = collect();
            sink.take(sibling_start(&id).as_bytes());
            sink
        };
        let read = Reading::of(&xml, &[root(&method)], None, begun)?;
        self.refuse_wrapping(&read, request)?;
        let mut form = read.forms.into_iter().flatten().next().ok_or_else(no_root)?;
        form.take(SIBLING_END.as_bytes());
        Ok(Subject {
            objects: vec![DataObject::element(&object_id(&id, 0), &method, stated_type, form.finish())],
            contents: Vec::new(),
            place: Place::beside(octets, &xml, &read.target, &id),
            scope: Scope::default(),
            media_type,
        })
    }

    /// A signature around the root element, which stands in it as XML.
    pub(super) fn embedded(
        &self,
        octets: &Bytes,
        request: &Request<'_>,
        collect: NewCollector<'_>,
    ) -> Result<Subject, WorkerError> {
        let (media_type, stated_type) = types(request)?;
        let (id, method) = (self.form.id(request.context), self.form.method());
        let object = object_id(&id, 0);
        // A document type declaration is about the root element, which this one is no more.
        let xml = XmlDocument::decode(octets)?;
        let read = Reading::of(&xml, &[], None, collect)?;
        self.refuse_wrapping(&read, request)?;
        let Target { start, end, .. } = read.target;
        // As it will stand there: what the elements around it declare is not declared again.
        let before = start_tag(&id);
        let inside = xml.text().get(start..end).unwrap_or_default();
        let text = [&before, &xml_object_start(&object), inside, OBJECT_END, END].concat();
        let mut form = collect();
        form.take(&canonical(&text, Part::ElementAt(before.len()), &method, &Scope::default())?);
        let content = octets.slice(xml.octet_offset(start)..xml.octet_offset(end));
        Ok(Subject {
            objects: vec![DataObject::object(&object, &method, stated_type, form.finish())],
            contents: vec![Content::Xml(content)],
            place: Place::around(octets, &xml, &read.target),
            scope: Scope::default(),
            media_type,
        })
    }

    /// Refuses a document that cannot be put into another one without harm to a signature in it.
    fn refuse_wrapping(&self, read: &Reading<'_>, request: &Request<'_>) -> Result<(), WorkerError> {
        read.survey.judge(&read.reader, &[])?;
        read.survey.refuse_wrapping(&read.reader)?;
        self.refuse_known_ids(&read.survey, request)
    }

    /// Refuses identifiers that the document has already, should a random number come twice.
    pub(super) fn refuse_known_ids(&self, survey: &Survey<'_>, request: &Request<'_>) -> Result<(), WorkerError> {
        let id = self.form.id(request.context);
        if survey.has_id(&id) || SUFFIXES.iter().any(|suffix| survey.has_id(&format!("{id}{suffix}"))) {
            return Err(XmlError::at_start(XmlFault::AmbiguousId { id }).into());
        }
        Ok(())
    }
}

/// The media type of the document, and that which the signature states.
fn types(request: &Request<'_>) -> Result<(String, String), WorkerError> {
    let media_type = media_type(request.document.media_type.as_deref())?;
    let stated_type = stated(request.properties)?.unwrap_or_else(|| essence(&media_type));
    Ok((media_type, stated_type))
}

fn root(method: &Method) -> Selection<'static> {
    Selection { part: Part::Root, omission: Omission::Nothing, method: method.clone() }
}

// The reader has seen one, or it would have refused the document.
fn no_root() -> XmlError {
    XmlError::at_start(XmlFault::NoRoot)
}

/// What one pass over a document finds.
struct Reading<'t> {
    reader: XmlReader<'t>,
    survey: Survey<'t>,
    target: Target<'t>,
    forms: Vec<Option<Collector>>,
}

impl<'t> Reading<'t> {
    fn of(
        xml: &'t XmlDocument<'_>,
        selections: &[Selection<'_>],
        place: Option<&SignaturePlace>,
        collect: impl Fn() -> Collector,
    ) -> Result<Self, XmlError> {
        let mut reader = XmlReader::new(xml);
        let (mut survey, mut finder) = (Survey::default(), PlaceFinder::new(place));
        let mut forms = Forms::new(selections, selections.iter().map(|_| collect()));
        while let Some(event) = reader.next()? {
            survey.take(&event, &reader)?;
            finder.take(&event, &reader);
            forms.take(&event, &reader)?;
        }
        let target = finder.finish()?;
        Ok(Self { reader, survey, target, forms: forms.finish() })
    }
}

/// What identifiers made from that of a signature end in.
const SUFFIXES: [&str; 5] = ["-document", "-key", "-object", "-properties", "-value"];
