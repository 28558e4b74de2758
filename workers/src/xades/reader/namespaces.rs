//! Namespace declarations in scope, each lookup in constant time however many there are.

use std::collections::HashMap;
use std::rc::Rc;

use crate::xades::xml_error::{XmlFault, shortened};

/// The namespace of `xml:lang` and the like, bound to `xml` everywhere.
pub(crate) const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// Stack of declarations; the empty prefix is the default namespace, the empty URI is no namespace.
#[derive(Debug)]
pub(crate) struct Namespaces<'t> {
    bindings: HashMap<&'t str, Vec<Rc<str>>>,
    declared: Vec<&'t str>,
    none: Rc<str>,
    xml: Rc<str>,
}

impl<'t> Namespaces<'t> {
    pub(super) fn new() -> Self {
        Self { bindings: HashMap::new(), declared: Vec::new(), none: Rc::from(""), xml: Rc::from(XML_NAMESPACE) }
    }

    /// The namespace a prefix stands for here; `None` when it is not declared. Never `None` for the empty prefix.
    pub(crate) fn resolve(&self, prefix: &str) -> Option<&Rc<str>> {
        match (prefix, self.bindings.get(prefix).and_then(|bindings| bindings.last())) {
            ("xml", _) => Some(&self.xml),
            ("", None) => Some(&self.none),
            (_, bound) => bound,
        }
    }

    /// Every prefix declared here, in no order, but for `xml` and for an undeclared default.
    pub(crate) fn in_scope(&self) -> impl Iterator<Item = (&'t str, &Rc<str>)> {
        self.bindings
            .iter()
            .filter_map(|(&prefix, bindings)| bindings.last().map(|uri| (prefix, uri)))
            .filter(|(_, uri)| !uri.is_empty())
    }

    /// What was declared when there were so many declarations, each prefix once.
    pub(super) fn in_scope_at(&self, depth: usize) -> Vec<(String, String)> {
        let mut later: HashMap<&str, usize> = HashMap::new();
        for prefix in self.declared.iter().skip(depth) {
            *later.entry(prefix).or_default() += 1;
        }
        let before = |(&prefix, bindings): (&&'t str, &Vec<Rc<str>>)| {
            let known = bindings.len().checked_sub(1 + later.get(prefix).copied().unwrap_or(0))?;
            bindings.get(known).map(|uri| (prefix.to_owned(), uri.to_string()))
        };
        self.bindings.iter().filter_map(before).collect()
    }

    /// Declares what was checked before.
    pub(super) fn take_over(&mut self, prefix: &'t str, uri: &str) {
        self.bindings.entry(prefix).or_default().push(Rc::from(uri));
        self.declared.push(prefix);
    }

    pub(super) fn depth(&self) -> usize {
        self.declared.len()
    }

    /// Declares after checking what Namespaces in XML 1.0 (section 3) and Canonical XML (section 1.3) demand.
    /// Says whether there is something to declare: `xmlns:xml` adds nothing.
    pub(super) fn declare(&mut self, prefix: &'t str, uri: &str) -> Result<bool, XmlFault> {
        let forbidden = || XmlFault::NamespaceDeclaration { prefix: shortened(prefix) };
        if (prefix == "xml") != (uri == XML_NAMESPACE) || prefix == "xmlns" || uri == XMLNS_NAMESPACE {
            return Err(forbidden());
        }
        if prefix == "xml" {
            return Ok(false);
        }
        if uri.is_empty() && !prefix.is_empty() {
            return Err(forbidden());
        }
        if !uri.is_empty() && !is_absolute_uri(uri) {
            return Err(XmlFault::RelativeNamespace { uri: shortened(uri) });
        }
        // Canonical XML wants "&amp;", libxml2 writes "&" (2.9.14): whichever is signed, some verifier objects.
        if uri.contains('&') {
            return Err(XmlFault::AmpersandInNamespace { uri: shortened(uri) });
        }
        if self.declared.len() >= MAX_NAMESPACES_IN_SCOPE {
            return Err(XmlFault::Limit { limit: MAX_NAMESPACES_IN_SCOPE, what: "namespace declarations in scope" });
        }
        self.bindings.entry(prefix).or_default().push(Rc::from(uri));
        self.declared.push(prefix);
        Ok(true)
    }

    /// Forgets what was declared since `depth`.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.declared.len() > depth {
            let Some(prefix) = self.declared.pop() else { return };
            if let Some(bindings) = self.bindings.get_mut(prefix) {
                bindings.pop();
                if bindings.is_empty() {
                    self.bindings.remove(prefix);
                }
            }
        }
    }
}

/// An absolute URI by the letter of RFC 3986, section 3; libxml2 canonicalises nothing else.
fn is_absolute_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let scheme_is_valid = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '+' | '-' | '.'));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (_, port) = host.split_once(':').unwrap_or((host, "0"));
    let port_is_valid = matches!(port.len(), 1..=5) && port.chars().all(|digit| digit.is_ascii_digit());
    scheme_is_valid
        && port_is_valid
        && consists_of(authority, ":@")
        && consists_of(path, ":@/")
        && consists_of(query, ":@/?")
        && consists_of(fragment, ":@/?")
}

/// Whether there are only unreserved characters, sub-delimiters, percent-encoded octets and some `others`.
fn consists_of(text: &str, others: &str) -> bool {
    let plain = |each: char| each.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(each) || others.contains(each);
    let mut parts = text.split('%');
    parts.next().unwrap_or_default().chars().all(plain)
        && parts.all(|part| {
            part.len() >= 2
                && part.chars().take(2).all(|digit| digit.is_ascii_hexdigit())
                && part.chars().skip(2).all(plain)
        })
}

/// Declarations of all open elements together; the largest business vocabularies declare some dozens.
const MAX_NAMESPACES_IN_SCOPE: usize = 1024;
