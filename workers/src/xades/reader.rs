//! Read a document as Canonical XML sees it: the events of a strict, namespace-aware parser that does not validate.
//!
//! `quick-xml` finds where each piece of markup begins and ends; whether it is well-formed, what it is called and what
//! it says is decided here. Text, comments and instructions come with line ends and references resolved.

use std::borrow::Cow;

use memchr::memchr_iter;
use quick_xml::events::Event as Token;

use super::document::{DocumentType, XmlDocument};
use super::xml_error::{XmlError, XmlFault, shortened};

mod attributes;
mod bindings;
mod characters;
mod namespaces;
mod order;
mod scope;

pub(crate) use attributes::RawAttribute;
pub(crate) use bindings::Bindings;
pub(crate) use characters::{BLANK, is_ncname, position, split_qname};
pub(crate) use namespaces::Namespaces;
pub(crate) use scope::Scope;

use characters::{is_blank, normalize_line_ends, resolve_reference};
use order::AttributeOrder;

/// What a document consists of. Offsets are octets of its decoded text.
#[derive(Debug)]
pub(crate) enum Event<'t> {
    /// A start tag, or the first half of an empty-element tag.
    Start(Element<'t>),
    /// The end of the innermost open element.
    End(EndTag<'t>),
    /// A piece of character data; one text node may come in several.
    Text(Cow<'t, str>),
    /// A comment, inside or outside the root element.
    Comment(Cow<'t, str>),
    /// A processing instruction, inside or outside the root element.
    Instruction {
        /// Its target.
        target: &'t str,
        /// What follows the target, without the blanks between; may be empty.
        data: Cow<'t, str>,
    },
}

/// An element with its namespaces resolved.
#[derive(Debug)]
pub(crate) struct Element<'t> {
    /// Name as written.
    pub(crate) qualified: &'t str,
    /// Prefix of the name, empty without.
    pub(crate) prefix: &'t str,
    /// Name without prefix.
    pub(crate) local: &'t str,
    /// Namespace, empty for none.
    pub(crate) namespace: Cow<'t, str>,
    /// Attributes other than namespace declarations, ordered by namespace and local name as Canonical XML wants them.
    pub(crate) attributes: Vec<Attribute<'t>>,
    /// Where its `<` stands.
    pub(crate) offset: usize,
}

impl Element<'_> {
    /// Whether this is the element of that namespace and local name.
    pub(crate) fn is(&self, namespace: &str, local: &str) -> bool {
        self.local == local && self.namespace == namespace
    }
}

/// An attribute with its namespace resolved and its value normalised.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attribute<'t> {
    /// Name as written.
    pub(crate) qualified: &'t str,
    /// Prefix of the name, empty without.
    pub(crate) prefix: &'t str,
    /// Name without prefix.
    pub(crate) local: &'t str,
    /// Namespace, empty for none.
    pub(crate) namespace: Cow<'t, str>,
    /// Normalised value.
    pub(crate) value: Cow<'t, str>,
    /// Whether the document type declaration says that it is an identifier.
    pub(crate) is_declared_id: bool,
}

/// How and where an element ends.
#[derive(Debug)]
pub(crate) struct EndTag<'t> {
    /// Name as written in the start tag.
    pub(crate) qualified: &'t str,
    /// Where `</` stands, or `/>` of an empty-element tag.
    pub(crate) offset: usize,
    /// Whether it is an empty-element tag.
    pub(crate) self_closing: bool,
}

/// Pull parser over a decoded document.
pub(crate) struct XmlReader<'t> {
    text: &'t str,
    document_type: &'t DocumentType,
    start: usize,
    tokens: quick_xml::Reader<&'t [u8]>,
    open: Vec<Open<'t>>,
    pending: Option<EndTag<'t>>,
    root_seen: bool,
    namespaces: Namespaces<'t>,
    xml_attributes: Vec<Attribute<'t>>,
    /// Empty between start tags; kept for its memory.
    raw_attributes: Vec<RawAttribute<'t>>,
    /// That of the attributes of the last tag.
    order: AttributeOrder<'t>,
}

struct Open<'t> {
    qualified: &'t str,
    namespaces: usize,
    xml_attributes: usize,
}

impl<'t> XmlReader<'t> {
    /// A parser at the start of the document.
    pub(crate) fn new(document: &'t XmlDocument<'_>) -> Self {
        Self::at(document, document.content_offset())
    }

    fn at(document: &'t XmlDocument<'_>, start: usize) -> Self {
        let text = document.text();
        Self {
            text,
            document_type: document.document_type(),
            start,
            tokens: tokens(text, start),
            open: Vec::new(),
            pending: None,
            root_seen: false,
            namespaces: Namespaces::default(),
            xml_attributes: Vec::new(),
            raw_attributes: Vec::new(),
            order: AttributeOrder::default(),
        }
    }

    /// The next event; `None` after the end of a well-formed document.
    ///
    /// # Errors
    /// At the first place that is not well-formed or breaks a bound; the parser must not be used afterwards.
    pub(crate) fn next(&mut self) -> Result<Option<Event<'t>>, XmlError> {
        if let Some(end) = self.pending.take() {
            self.close();
            return Ok(Some(Event::End(end)));
        }
        loop {
            let from = self.offset();
            // Canonical XML, section 1.1: it is left out.
            if let Some(end) = self.document_type.end_of(from) {
                self.tokens = tokens(self.text, end);
                self.start = end;
                continue;
            }
            let token = self.tokens.read_event();
            let to = self.offset();
            let raw = self.text.get(from..to).unwrap_or_default();
            let token = token.map_err(|_| self.error(from, XmlFault::Markup))?;
            let event = match token {
                Token::Start(_) => self.open(raw, from, false).map(Some),
                Token::Empty(_) => self.open(raw, from, true).map(Some),
                Token::End(_) => self.end(raw, from).map(Some),
                Token::Text(_) => self.text(raw, from),
                Token::GeneralRef(_) => self.reference(raw, from).map(Some),
                Token::CData(_) => self.cdata(raw, from),
                Token::Comment(_) => self.comment(raw, from).map(Some),
                Token::PI(_) | Token::Decl(_) => self.instruction(raw, from).map(Some),
                Token::DocType(_) => Err(self.error(from, XmlFault::DocumentType)),
                Token::Eof => return self.finish(from),
            }?;
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// Namespaces in scope at the event last returned (for an end tag: around the element that ended).
    pub(crate) fn namespaces(&self) -> &Namespaces<'t> {
        &self.namespaces
    }

    /// Prefixes declared in the start tag last returned (the empty one for the default namespace).
    pub(crate) fn declared(&self) -> impl Iterator<Item = &'t str> {
        self.namespaces.since(self.open.last().map_or(0, |open| open.namespaces))
    }

    /// The attributes `xml:…` of the elements around the start tag last returned, outermost first, its own excluded.
    pub(crate) fn inherited_xml_attributes(&self) -> &[Attribute<'t>] {
        let own = self.open.last().map_or(0, |open| open.xml_attributes);
        self.xml_attributes.get(..own).unwrap_or_default()
    }

    /// How many elements are open after the event last returned; the root's start tag makes it 1.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Octets of text read so far.
    pub(crate) fn offset(&self) -> usize {
        self.start + usize::try_from(self.tokens.buffer_position()).unwrap_or(usize::MAX)
    }

    /// Octets of text in all.
    pub(crate) const fn length(&self) -> usize {
        self.text.len()
    }

    /// The fault at this octet of the text.
    pub(crate) fn error(&self, offset: usize, fault: XmlFault) -> XmlError {
        XmlError::at(self.text, offset, fault)
    }

    fn open(&mut self, raw: &'t str, offset: usize, self_closing: bool) -> Result<Event<'t>, XmlError> {
        if self.open.is_empty() && self.root_seen {
            return Err(self.error(offset, XmlFault::SecondRoot));
        }
        if self.open.len() >= MAX_DEPTH {
            let fault = XmlFault::Limit { limit: MAX_DEPTH, what: "elements inside each other" };
            return Err(self.error(offset, fault));
        }
        let closing = if self_closing { "/>" } else { ">" };
        let inside = raw
            .strip_prefix('<')
            .and_then(|raw| raw.strip_suffix(closing))
            .ok_or_else(|| self.error(offset, XmlFault::Markup))?;
        let end = position(inside.as_bytes(), is_blank).unwrap_or(inside.len());
        let qualified = inside.get(..end).unwrap_or_default();
        let (prefix, local) =
            split_qname(qualified).ok_or_else(|| self.error(offset, XmlFault::Name { name: shortened(qualified) }))?;
        let mut raw_attributes = std::mem::take(&mut self.raw_attributes);
        attributes::split(inside, end, &mut raw_attributes)
            .map_err(|(within, fault)| self.error(offset + 1 + within, fault))?;
        self.document_type.apply(qualified, &mut raw_attributes);

        let open = Open { qualified, namespaces: self.namespaces.depth(), xml_attributes: self.xml_attributes.len() };
        self.open.push(open);
        self.root_seen = true;

        for raw in &mut raw_attributes {
            if raw.is_declaration {
                let prefix = if raw.attribute.prefix.is_empty() { "" } else { raw.attribute.local };
                let uri = std::mem::take(&mut raw.attribute.value);
                self.namespaces.declare(prefix, uri).map_err(|fault| self.error(offset + 1 + raw.offset, fault))?;
            }
        }
        let namespace = self.resolve(prefix, offset)?;
        let attributes = self.resolve_attributes(&mut raw_attributes, offset + 1)?;
        self.raw_attributes = raw_attributes;
        self.xml_attributes.extend(attributes.iter().filter(|each| each.prefix == "xml").cloned());
        if self.xml_attributes.len() > MAX_XML_ATTRIBUTES {
            let fault = XmlFault::Limit { limit: MAX_XML_ATTRIBUTES, what: "attributes xml:… in scope" };
            return Err(self.error(offset, fault));
        }
        if self_closing {
            self.pending = Some(EndTag { qualified, offset: offset + raw.len() - closing.len(), self_closing });
        }
        Ok(Event::Start(Element { qualified, prefix, local, namespace, attributes, offset }))
    }

    /// Takes all but the namespace declarations, in order; `start` is where the inside of the tag is.
    fn resolve_attributes(
        &mut self,
        raw: &mut [RawAttribute<'t>],
        start: usize,
    ) -> Result<Vec<Attribute<'t>>, XmlError> {
        for each in raw.iter_mut() {
            // Namespaces in XML 1.0, section 6.2: the default namespace does not apply to attributes.
            if !each.is_declaration && !each.attribute.prefix.is_empty() {
                each.attribute.namespace = self.resolve(each.attribute.prefix, start + each.offset)?;
            }
        }
        let mut order = std::mem::take(&mut self.order);
        if !order.fits(raw) {
            order.sort(raw);
            if let Some(twice) = order.twice(raw) {
                let fault = XmlFault::DuplicateAttribute { name: shortened(twice.attribute.qualified) };
                return Err(self.error(start + twice.offset, fault));
            }
        }
        let mut attributes = Vec::with_capacity(raw.len());
        for index in order.places() {
            if let Some(each) = raw.get_mut(index).filter(|each| !each.is_declaration) {
                attributes.push(std::mem::take(&mut each.attribute));
            }
        }
        self.order = order;
        Ok(attributes)
    }

    fn resolve(&self, prefix: &'t str, at: usize) -> Result<Cow<'t, str>, XmlError> {
        self.namespaces
            .resolve(prefix)
            .cloned()
            .ok_or_else(|| self.error(at, XmlFault::UndeclaredPrefix { prefix: shortened(prefix) }))
    }

    fn end(&mut self, raw: &'t str, offset: usize) -> Result<Event<'t>, XmlError> {
        let name = raw.strip_prefix("</").and_then(|raw| raw.strip_suffix('>')).unwrap_or_default();
        let name = name.trim_end_matches(BLANK);
        match self.open.last() {
            Some(open) if open.qualified == name => {
                let qualified = open.qualified;
                self.close();
                Ok(Event::End(EndTag { qualified, offset, self_closing: false }))
            }
            _ => Err(self.error(offset, XmlFault::MismatchedEnd { found: shortened(name) })),
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.namespaces.leave(open.namespaces);
            self.xml_attributes.truncate(open.xml_attributes);
        }
    }

    fn text(&self, raw: &'t str, offset: usize) -> Result<Option<Event<'t>>, XmlError> {
        if self.open.is_empty() {
            return match raw.find(|each| !BLANK.contains(&each)) {
                None => Ok(None),
                Some(position) => Err(self.error(offset + position, XmlFault::TextOutsideRoot)),
            };
        }
        let mut ends = memchr_iter(b'>', raw.as_bytes()).filter_map(|end| raw.get(..end)?.strip_suffix("]]"));
        match ends.next() {
            Some(before) => Err(self.error(offset + before.len(), XmlFault::CdataEndInText)),
            None if raw.is_empty() => Ok(None),
            None => Ok(Some(Event::Text(normalize_line_ends(raw)))),
        }
    }

    fn reference(&self, raw: &'t str, offset: usize) -> Result<Event<'t>, XmlError> {
        if self.open.is_empty() {
            return Err(self.error(offset, XmlFault::TextOutsideRoot));
        }
        let reference = raw.strip_prefix('&').and_then(|raw| raw.strip_suffix(';')).unwrap_or_default();
        match resolve_reference(reference) {
            Some(character) => Ok(Event::Text(Cow::Owned(character.into()))),
            None => Err(self.error(offset, XmlFault::Reference { reference: shortened(reference) })),
        }
    }

    fn cdata(&self, raw: &'t str, offset: usize) -> Result<Option<Event<'t>>, XmlError> {
        if self.open.is_empty() {
            return Err(self.error(offset, XmlFault::TextOutsideRoot));
        }
        let data = raw.strip_prefix("<![CDATA[").and_then(|raw| raw.strip_suffix("]]>"));
        match data {
            None => Err(self.error(offset, XmlFault::Markup)),
            Some("") => Ok(None),
            Some(data) => Ok(Some(Event::Text(normalize_line_ends(data)))),
        }
    }

    fn comment(&self, raw: &'t str, offset: usize) -> Result<Event<'t>, XmlError> {
        raw.strip_prefix("<!--")
            .and_then(|raw| raw.strip_suffix("-->"))
            .filter(|comment| !comment.contains("--") && !comment.ends_with('-'))
            .map(|comment| Event::Comment(normalize_line_ends(comment)))
            .ok_or_else(|| self.error(offset, XmlFault::Comment))
    }

    fn instruction(&self, raw: &'t str, offset: usize) -> Result<Event<'t>, XmlError> {
        let inside = raw.strip_prefix("<?").and_then(|raw| raw.strip_suffix("?>")).unwrap_or_default();
        let target = inside.split(BLANK).next().unwrap_or_default();
        // Section 2.6 reserves `xml` in any case; a declaration that is not at the very start lands here too.
        if !is_ncname(target) || target.eq_ignore_ascii_case("xml") {
            return Err(self.error(offset, XmlFault::Instruction));
        }
        let data = inside.get(target.len()..).unwrap_or_default().trim_start_matches(BLANK);
        Ok(Event::Instruction { target, data: normalize_line_ends(data) })
    }

    fn finish(&self, offset: usize) -> Result<Option<Event<'t>>, XmlError> {
        match self.open.last() {
            Some(open) => Err(self.error(offset, XmlFault::Unclosed { name: shortened(open.qualified) })),
            None if !self.root_seen => Err(self.error(offset, XmlFault::NoRoot)),
            None => Ok(None),
        }
    }
}

/// The tokens of the text from this octet on.
fn tokens(text: &str, start: usize) -> quick_xml::Reader<&[u8]> {
    let mut tokens = quick_xml::Reader::from_str(text.get(start..).unwrap_or_default());
    let config = tokens.config_mut();
    // End tags are matched here, where a mismatch can be reported with both names.
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    tokens
}

/// What libxml2 takes before it must be told that the document is huge. Bounds recursion in the verifiers, not here.
pub(crate) const MAX_DEPTH: usize = 256;

/// All open elements together: `xml:lang`, `xml:space`, `xml:base` and `xml:id` on each.
const MAX_XML_ATTRIBUTES: usize = 4 * MAX_DEPTH;

#[cfg(test)]
mod tests;
