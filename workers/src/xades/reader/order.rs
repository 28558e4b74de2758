//! The order of attributes in canonical XML, which is that of namespace and local name.
//!
//! Sorting is what takes most of the time of a document with many attributes. Most tags have the names of the tag before.

use std::cmp::Ordering;

use super::attributes::RawAttribute;

/// Where in a tag the attributes are, in their order; namespace declarations first.
#[derive(Default)]
pub(super) struct AttributeOrder<'t> {
    places: Vec<usize>,
    /// The names in the tag that it is of; empty where the order hangs on what prefixes stand for.
    names: Vec<&'t str>,
}

impl<'t> AttributeOrder<'t> {
    /// Whether it is the order of these too, and none of them is there twice.
    pub(super) fn fits(&self, attributes: &[RawAttribute<'t>]) -> bool {
        let is_same = |(name, raw): (&&str, &RawAttribute<'_>)| is_same(name, raw.attribute.qualified);
        self.names.len() == attributes.len() && self.names.iter().zip(attributes).all(is_same)
    }

    /// Becomes the order of these, of which the namespaces are known.
    pub(super) fn sort(&mut self, attributes: &[RawAttribute<'t>]) {
        self.places.clear();
        self.places.extend(0..attributes.len());
        self.places.sort_unstable_by(|one, other| at(attributes, *one, *other).then(one.cmp(other)));
        self.names.clear();
        if attributes.iter().all(|each| each.attribute.prefix.is_empty() || each.is_declaration) {
            self.names.extend(attributes.iter().map(|each| each.attribute.qualified));
        }
    }

    /// An attribute that is there already under this or another prefix.
    pub(super) fn twice<'a>(&self, attributes: &'a [RawAttribute<'t>]) -> Option<&'a RawAttribute<'t>> {
        let is_twice = |pair: &&[usize]| matches!(pair, [one, other] if at(attributes, *one, *other).is_eq());
        attributes.get(*self.places.windows(2).find(is_twice)?.last()?)
    }

    /// Where the attributes are.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.places.iter().copied()
    }
}

fn at(attributes: &[RawAttribute<'_>], one: usize, other: usize) -> Ordering {
    match (attributes.get(one), attributes.get(other)) {
        (Some(one), Some(other)) => compare(one, other),
        _ => Ordering::Equal,
    }
}

fn compare(one: &RawAttribute<'_>, other: &RawAttribute<'_>) -> Ordering {
    let declarations_first = other.is_declaration.cmp(&one.is_declaration);
    let (one, other) = (&one.attribute, &other.attribute);
    let by_namespace = || match one.prefix.is_empty() && other.prefix.is_empty() {
        true => Ordering::Equal,
        false => one.namespace.cmp(&other.namespace),
    };
    // Names are short: a loop takes less time than a call that compares memory.
    let by_name = || one.local.bytes().cmp(other.local.bytes());
    declarations_first.then_with(by_namespace).then_with(by_name)
}

fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().eq(other.bytes())
}
