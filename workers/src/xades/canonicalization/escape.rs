//! The characters that Canonical XML writes as references (section 2.3).

use crate::xades::reader::position;

/// Text nodes.
pub(super) fn text(output: &mut Vec<u8>, text: &[u8]) {
    escape(output, text, |octet| match octet {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    });
}

/// Attribute values and namespace names.
pub(super) fn attribute(output: &mut Vec<u8>, value: &str) {
    escape(output, value.as_bytes(), |octet| match octet {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'"' => Some("&quot;"),
        b'\t' => Some("&#x9;"),
        b'\n' => Some("&#xA;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    });
}

/// All of the characters are ASCII, so no octet of a longer character is mistaken for one.
fn escape(output: &mut Vec<u8>, text: &[u8], reference: impl Fn(u8) -> Option<&'static str>) {
    let mut rest = text;
    while let Some((before, special)) =
        position(rest, |octet| reference(octet).is_some()).and_then(|at| rest.split_at_checked(at))
    {
        output.extend_from_slice(before);
        let [octet, after @ ..] = special else { break };
        output.extend_from_slice(reference(*octet).unwrap_or_default().as_bytes());
        rest = after;
    }
    output.extend_from_slice(rest);
}
