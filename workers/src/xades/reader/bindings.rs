//! What prefixes are bound to, the innermost binding first, each lookup in constant time however many there are.

use std::borrow::Cow;
use std::collections::HashMap;

/// Stack of bindings; the empty prefix is the default namespace, the empty URI is no namespace.
#[derive(Debug, Default)]
pub(crate) struct Bindings<'t> {
    stack: Vec<(&'t str, Cow<'t, str>)>,
    /// Where in the stack those stand that are behind the first few, which are faster to compare than to look up.
    many: HashMap<&'t str, Vec<usize>>,
}

impl<'t> Bindings<'t> {
    /// How many there are, hidden ones included.
    pub(crate) const fn len(&self) -> usize {
        self.stack.len()
    }

    /// What the prefix is bound to.
    pub(crate) fn get(&self, prefix: &str) -> Option<&Cow<'t, str>> {
        self.stack.get(self.position(prefix)?).map(|(_, uri)| uri)
    }

    fn position(&self, prefix: &str) -> Option<usize> {
        let among_many = self.many.get(prefix).and_then(|positions| positions.last()).copied();
        among_many.or_else(|| self.stack.iter().take(FEW).rposition(|(known, _)| *known == prefix))
    }

    /// Binds a prefix, whatever it was bound to before.
    pub(crate) fn bind(&mut self, prefix: &'t str, uri: Cow<'t, str>) {
        if self.stack.len() >= FEW {
            self.many.entry(prefix).or_default().push(self.stack.len());
        }
        self.stack.push((prefix, uri));
    }

    /// All that were bound since there were so many.
    pub(crate) fn since(&self, length: usize) -> impl Iterator<Item = (&'t str, &Cow<'t, str>)> {
        self.stack.iter().skip(length).map(|(prefix, uri)| (*prefix, uri))
    }

    /// Those that are not hidden by a later one.
    pub(crate) fn visible(&self) -> impl Iterator<Item = (&'t str, &Cow<'t, str>)> {
        let visible = |&(position, (prefix, _)): &(usize, &(&'t str, _))| self.position(prefix) == Some(position);
        self.stack.iter().enumerate().filter(visible).map(|(_, (prefix, uri))| (*prefix, uri))
    }

    /// Forgets all but the first so many.
    pub(crate) fn truncate(&mut self, length: usize) {
        while self.stack.len() > length.max(FEW) {
            let Some((prefix, _)) = self.stack.pop() else { return };
            if let Some(positions) = self.many.get_mut(prefix) {
                positions.pop();
                if positions.is_empty() {
                    self.many.remove(prefix);
                }
            }
        }
        self.stack.truncate(length);
    }
}

/// What is compared one by one.
const FEW: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_binding_counts_among_few_and_among_many() {
        let prefixes: Vec<String> = (0..100).map(|number| format!("p{}", number % 30)).collect();
        let uris: Vec<String> = (0..100).map(|number| format!("urn:{number}")).collect();
        let mut bindings = Bindings::default();
        for depth in 0..100 {
            for (prefix, uri) in prefixes.iter().zip(&uris).skip(depth) {
                bindings.bind(prefix, uri.as_str().into());
            }
            for length in (depth..100).rev() {
                bindings.truncate(length);
                for wanted in 0..30 {
                    let prefix = format!("p{wanted}");
                    let expected = (0..length).rev().find(|number| number % 30 == wanted).map(|it| format!("urn:{it}"));
                    assert_eq!(bindings.get(&prefix).map(|uri| uri.to_string()), expected);
                    let seen: Vec<_> = bindings.visible().filter(|each| each.0 == prefix).collect();
                    assert_eq!(seen.len(), usize::from(expected.is_some()));
                }
            }
            for (prefix, uri) in prefixes.iter().zip(&uris).take(depth + 1).skip(bindings.len()) {
                bindings.bind(prefix, uri.as_str().into());
            }
        }
    }
}
