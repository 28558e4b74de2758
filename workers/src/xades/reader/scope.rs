//! What an element takes over from those around it, so that it can be read again without them.

use super::namespaces::Namespaces;
use super::{Attribute, XmlReader};
use crate::xades::document::XmlDocument;

/// Namespaces and attributes `xml:…` around a place, as its content takes them over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    namespaces: Vec<(String, String)>,
    /// As written, outermost first.
    xml_attributes: Vec<(String, String)>,
}

impl<'t> XmlReader<'t> {
    /// A parser of the element whose start tag begins at this octet of the text, with what is around it as it was. Places are those
    /// of the document. It must not be asked for more than that element.
    pub(crate) fn within(document: &'t XmlDocument<'_>, start: usize, scope: &'t Scope) -> Self {
        let mut namespaces = Namespaces::default();
        for (prefix, uri) in &scope.namespaces {
            namespaces.take_over(prefix, uri);
        }
        let xml = || namespaces.resolve("xml").cloned().unwrap_or_default();
        let attribute = |(qualified, value): &'t (String, String)| Attribute {
            qualified,
            prefix: "xml",
            local: qualified.split_once(':').map_or(qualified.as_str(), |(_, local)| local),
            namespace: xml(),
            value: value.as_str().into(),
            is_declared_id: false,
        };
        let xml_attributes = scope.xml_attributes.iter().map(attribute).collect();
        Self { namespaces, xml_attributes, ..Self::at(document, start) }
    }

    /// What the content of the element takes over whose start tag was just returned.
    pub(crate) fn scope_inside(&self) -> Scope {
        self.scope(self.xml_attributes.len())
    }

    /// What the element itself took over whose start tag was just returned, without what it declares.
    pub(crate) fn scope_around(&self) -> Scope {
        let own = self.open.last();
        let declared = own.map_or(0, |open| open.namespaces);
        let mut scope = self.scope(own.map_or(0, |open| open.xml_attributes));
        scope.namespaces = self.namespaces.in_scope_at(declared);
        scope
    }

    fn scope(&self, xml_attributes: usize) -> Scope {
        let written = |each: &Attribute<'_>| (each.qualified.to_owned(), each.value.to_string());
        Scope {
            namespaces: self.namespaces.in_scope_at(self.namespaces.depth()),
            xml_attributes: self.xml_attributes.iter().take(xml_attributes).map(written).collect(),
        }
    }
}
