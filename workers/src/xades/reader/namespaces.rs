//! Namespace declarations in scope.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::bindings::Bindings;
use crate::xades::xml_error::{XmlFault, shortened};

/// The namespace of `xml:lang` and the like, bound to `xml` everywhere.
pub(crate) const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// What prefixes stand for.
#[derive(Debug, Default)]
pub(crate) struct Namespaces<'t> {
    bindings: Bindings<'t>,
}

impl<'t> Namespaces<'t> {
    /// The namespace a prefix stands for here; `None` when it is not declared. Never `None` for the empty prefix.
    pub(crate) fn resolve(&self, prefix: &str) -> Option<&Cow<'t, str>> {
        match (prefix, self.bindings.get(prefix)) {
            ("xml", _) => Some(&XML),
            ("", None) => Some(&NONE),
            (_, bound) => bound,
        }
    }

    /// Every prefix declared here, in no order, but for `xml` and for an undeclared default.
    pub(crate) fn in_scope(&self) -> impl Iterator<Item = (&'t str, &Cow<'t, str>)> {
        self.bindings.visible().filter(|(_, uri)| !uri.is_empty())
    }

    /// What was declared when there were so many declarations, each prefix once.
    pub(super) fn in_scope_at(&self, depth: usize) -> Vec<(String, String)> {
        let declared = self.bindings.since(0).take(depth);
        let latest: BTreeMap<&str, &str> = declared.map(|(prefix, uri)| (prefix, uri.as_ref())).collect();
        latest.into_iter().map(|(prefix, uri)| (prefix.to_owned(), uri.to_owned())).collect()
    }

    /// The prefixes declared since there were so many declarations.
    pub(super) fn since(&self, depth: usize) -> impl Iterator<Item = &'t str> {
        self.bindings.since(depth).map(|(prefix, _)| prefix)
    }

    /// Declares what was checked before.
    pub(super) fn take_over(&mut self, prefix: &'t str, uri: &'t str) {
        self.bindings.bind(prefix, uri.into());
    }

    pub(super) const fn depth(&self) -> usize {
        self.bindings.len()
    }

    /// Declares after checking what Namespaces in XML 1.0 (section 3) and Canonical XML (section 1.3) demand.
    /// `xmlns:xml` adds nothing.
    pub(super) fn declare(&mut self, prefix: &'t str, uri: Cow<'t, str>) -> Result<(), XmlFault> {
        let forbidden = || XmlFault::NamespaceDeclaration { prefix: shortened(prefix) };
        if (prefix == "xml") != (uri == XML_NAMESPACE) || prefix == "xmlns" || uri == XMLNS_NAMESPACE {
            return Err(forbidden());
        }
        if prefix == "xml" {
            return Ok(());
        }
        if uri.is_empty() && !prefix.is_empty() {
            return Err(forbidden());
        }
        if uri.len() > MAX_NAMESPACE_NAME {
            return Err(XmlFault::Limit { limit: MAX_NAMESPACE_NAME, what: "octets in a namespace name" });
        }
        if !uri.is_empty() && !is_absolute_uri(&uri) {
            return Err(XmlFault::RelativeNamespace { uri: shortened(&uri) });
        }
        // Canonical XML wants "&amp;", libxml2 writes "&" (2.9.14): whichever is signed, some verifier objects.
        if uri.contains('&') {
            return Err(XmlFault::AmpersandInNamespace { uri: shortened(&uri) });
        }
        if self.bindings.len() >= MAX_NAMESPACES_IN_SCOPE {
            return Err(XmlFault::Limit { limit: MAX_NAMESPACES_IN_SCOPE, what: "namespace declarations in scope" });
        }
        self.bindings.bind(prefix, uri);
        Ok(())
    }

    /// Forgets what was declared since `depth`.
    pub(super) fn leave(&mut self, depth: usize) {
        self.bindings.truncate(depth);
    }
}

static XML: Cow<'static, str> = Cow::Borrowed(XML_NAMESPACE);
static NONE: Cow<'static, str> = Cow::Borrowed("");

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
    let (user, host) = authority.split_once('@').unwrap_or(("", authority));
    let (_, port) = host.split_once(':').unwrap_or((host, "0"));
    let port_is_valid = matches!(port.len(), 1..=5) && port.chars().all(|digit| digit.is_ascii_digit());
    scheme_is_valid
        && port_is_valid
        && consists_of(user, ":")
        && consists_of(host, ":")
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

/// Names are compared again and again; those in use have some dozens of octets.
const MAX_NAMESPACE_NAME: usize = 4096;

/// Declarations of all open elements together; the largest business vocabularies declare some dozens.
const MAX_NAMESPACES_IN_SCOPE: usize = 1024;
