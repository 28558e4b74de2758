//! Join the `xml:base` values of omitted ancestors (Canonical XML 1.1, section 2.4, "xml:base fixup").
//!
//! This is RFC 3986, section 5.2, except that the base needs no scheme, leading `..` segments of a relative result stay,
//! a trailing `..` counts as `../`, and fragments are dropped.

/// Joins values given from the outermost element inwards.
pub(super) fn join_all<'a>(values: impl Iterator<Item = &'a str>) -> String {
    values.fold(String::new(), |base, reference| join(&base, reference))
}

fn join(base: &str, reference: &str) -> String {
    let base = Parts::of(base);
    let reference = Parts::of(reference);
    let reference_path = closed(reference.path);
    let mut target = Parts { scheme: base.scheme, authority: base.authority, path: base.path, query: reference.query };
    let path;
    if reference.scheme.is_some() || reference.authority.is_some() {
        path = without_dots(&reference_path);
        target.scheme = reference.scheme.or(base.scheme);
        target.authority = reference.authority;
    } else if reference_path.is_empty() {
        path = base.path.to_owned();
        target.query = reference.query.or(base.query);
    } else if reference_path.starts_with('/') {
        path = without_dots(&reference_path);
    } else {
        path = without_dots(&merged(&base, &reference_path));
    }
    target.path = &path;
    target.compose()
}

/// RFC 3986, section 5.2.3.
fn merged(base: &Parts<'_>, reference_path: &str) -> String {
    let base_path = closed(base.path);
    match base_path.rfind('/') {
        Some(slash) => format!("{}{reference_path}", base_path.get(..=slash).unwrap_or_default()),
        None if base.authority.is_some() => format!("/{reference_path}"),
        None => reference_path.to_owned(),
    }
}

fn closed(path: &str) -> String {
    let open = path == ".." || path.ends_with("/..") || path == "." || path.ends_with("/.");
    if open { format!("{path}/") } else { path.to_owned() }
}

/// RFC 3986, section 5.2.4, keeping what leads out of a relative path.
fn without_dots(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut segments: Vec<&str> = Vec::new();
    let (directories, file) = path.rsplit_once('/').map_or((None, path), |(before, file)| (Some(before), file));
    for segment in directories.unwrap_or_default().split('/') {
        match segment {
            "" | "." => {}
            ".." if matches!(segments.last(), Some(&last) if last != "..") => {
                segments.pop();
            }
            ".." if absolute => {}
            other => segments.push(other),
        }
    }
    let mut result = String::from(if absolute { "/" } else { "" });
    for segment in segments {
        result.push_str(segment);
        result.push('/');
    }
    result.push_str(file);
    result
}

/// RFC 3986, section 3 and appendix B; the fragment is dropped.
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(uri: &'a str) -> Self {
        let uri = uri.split('#').next().unwrap_or_default();
        let (uri, query) = uri.split_once('?').map_or((uri, None), |(uri, query)| (uri, Some(query)));
        let (scheme, rest) = match uri.split_once(':') {
            Some((scheme, rest)) if !scheme.is_empty() && !scheme.contains('/') => (Some(scheme), rest),
            _ => (None, uri),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, rest),
        };
        Self { scheme, authority, path, query }
    }

    /// RFC 3986, section 5.3.
    fn compose(&self) -> String {
        let mut uri = String::new();
        if let Some(scheme) = self.scheme {
            uri.push_str(scheme);
            uri.push(':');
        }
        if let Some(authority) = self.authority {
            uri.push_str("//");
            uri.push_str(authority);
        }
        uri.push_str(self.path);
        if let Some(query) = self.query {
            uri.push('?');
            uri.push_str(query);
        }
        uri
    }
}
