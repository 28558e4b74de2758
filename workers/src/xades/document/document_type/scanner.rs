//! Steps through the text of a document type declaration.

use super::{is_target, not_a_name};
use crate::xades::reader::{BLANK, is_ncname, split_qname};
use crate::xades::xml_error::{XmlError, XmlFault};

/// A place in the text. What is taken is passed by.
pub(super) struct Scanner<'t> {
    text: &'t str,
    start: usize,
    position: usize,
}

impl<'t> Scanner<'t> {
    pub(super) const fn new(text: &'t str, position: usize) -> Self {
        Self { text, start: position, position }
    }

    /// # Errors
    /// When more was taken than any document needs.
    pub(super) fn refuse_too_long(&self) -> Result<(), XmlError> {
        match self.position - self.start > MAX_LENGTH {
            true => {
                let what = "octets in a document type declaration";
                Err(self.fault(XmlFault::Limit { limit: MAX_LENGTH, what }))
            }
            false => Ok(()),
        }
    }

    /// Octets of text before this place.
    pub(super) const fn position(&self) -> usize {
        self.position
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// Takes blanks; whether there were any.
    pub(super) fn blanks(&mut self) -> bool {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start_matches(BLANK).len();
        self.position += blanks;
        blanks > 0
    }

    pub(super) fn required_blanks(&mut self) -> Result<(), XmlError> {
        if self.blanks() { Ok(()) } else { Err(self.malformed()) }
    }

    pub(super) fn starts(&self, literal: &str) -> bool {
        self.rest().starts_with(literal)
    }

    /// Takes these characters if they are here; whether they are.
    pub(super) fn take(&mut self, literal: &str) -> bool {
        let starts = self.starts(literal);
        self.position += if starts { literal.len() } else { 0 };
        starts
    }

    pub(super) fn expect(&mut self, literal: &str) -> Result<(), XmlError> {
        if self.take(literal) { Ok(()) } else { Err(self.malformed()) }
    }

    /// Takes what is before `end`, and that.
    pub(super) fn until(&mut self, end: &str) -> Result<&'t str, XmlError> {
        let (before, _) = self.rest().split_once(end).ok_or_else(|| self.malformed())?;
        self.position += before.len() + end.len();
        Ok(before)
    }

    /// Takes a literal in quotes of either kind.
    pub(super) fn quoted(&mut self) -> Result<&'t str, XmlError> {
        let quote = if self.take("'") { "'" } else { "\"" };
        if quote == "\"" {
            self.expect(quote)?;
        }
        self.until(quote)
    }

    fn word(&mut self, is_right: impl Fn(&str) -> bool) -> Result<&'t str, XmlError> {
        self.refuse_too_long()?;
        let ends = |each: char| BLANK.contains(&each) || "<>()[]|,?*+%'\"#&;=!/".contains(each);
        let word = self.rest().split(ends).next().unwrap_or_default();
        // Whatever it is, no name is longer than all declarations may be.
        if word.len() > MAX_LENGTH || !is_right(word) {
            return Err(self.fault(not_a_name(word)));
        }
        self.position += word.len();
        Ok(word)
    }

    /// Takes the name of an element or attribute (Namespaces in XML 1.0, production 7).
    pub(super) fn qualified_name(&mut self) -> Result<&'t str, XmlError> {
        self.word(|word| split_qname(word).is_some())
    }

    /// Takes a name of anything else, which has no colon.
    pub(super) fn name(&mut self) -> Result<&'t str, XmlError> {
        self.word(is_ncname)
    }

    /// Takes an `Nmtoken` (production 7).
    pub(super) fn name_token(&mut self) -> Result<&'t str, XmlError> {
        self.word(|word| !word.is_empty() && is_ncname(&["_", &word.replace(':', "_")].concat()))
    }

    pub(super) fn comment(&mut self) -> Result<(), XmlError> {
        let start = self.position;
        self.expect("<!--")?;
        let comment = self.until("--")?;
        match self.take(">") && !comment.ends_with('-') {
            true => Ok(()),
            false => Err(self.fault_at(start, XmlFault::Comment)),
        }
    }

    pub(super) fn instruction(&mut self) -> Result<(), XmlError> {
        let start = self.position;
        self.expect("<?")?;
        let inside = self.until("?>")?;
        match is_target(inside.split(BLANK).next().unwrap_or_default()) {
            true => Ok(()),
            false => Err(self.fault_at(start, XmlFault::Instruction)),
        }
    }

    /// The fault at this place.
    pub(super) fn fault(&self, fault: XmlFault) -> XmlError {
        self.fault_at(self.position, fault)
    }

    pub(super) fn fault_at(&self, position: usize, fault: XmlFault) -> XmlError {
        XmlError::at(self.text, position, fault)
    }

    pub(super) fn malformed(&self) -> XmlError {
        self.fault(XmlFault::MarkupDeclaration)
    }
}

/// Those of the largest vocabularies have some hundred thousand octets.
const MAX_LENGTH: usize = 1 << 20;
