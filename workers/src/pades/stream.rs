//! Finds the content of a stream in the bytes of a file (ISO 32000-2, 7.3.8).

use std::ops::Range;

use lopdf::{Dictionary, Object};

use super::syntax;

/// Whether the dictionary is that of a stream which `rest` follows.
pub(super) fn begins(rest: &[u8]) -> bool {
    rest.get(syntax::skip_white_space(rest, 0)..).unwrap_or_default().starts_with(b"stream")
}

/// The content, still encoded, of the stream whose dictionary `rest` follows; `None` when there is no stream.
pub(super) fn content(rest: &[u8], length: Option<usize>) -> Option<&[u8]> {
    rest.get(extent(rest, length)?)
}

/// Where in `rest` the content is.
///
/// A `length` that does not lead to `endstream` is not believed; where that is forgotten, `endobj` ends the stream.
pub(super) fn extent(rest: &[u8], length: Option<usize>) -> Option<Range<usize>> {
    let all = rest.len();
    let rest = rest.get(syntax::skip_white_space(rest, 0)..)?.strip_prefix(b"stream")?;
    let rest = rest
        .strip_prefix(b"\r\n")
        .or_else(|| rest.strip_prefix(b"\n"))
        .or_else(|| rest.strip_prefix(b"\r"))
        .unwrap_or(rest);
    let start = all - rest.len();
    let is_end = |bytes: &[u8]| bytes.starts_with(END) || bytes.starts_with(END_OF_OBJECT);
    let declared = length.filter(|length| rest.get(*length..).is_some_and(|after| is_end(after.trim_ascii_start())));
    let search = || (0..rest.len()).find(|position| rest.get(*position..).is_some_and(is_end));
    declared.or_else(search).map(|length| start..start + length)
}

/// The dictionary of a stream with the full names of its filters: some programs write the abbreviations of inline images (ISO 32000-2,
/// table 92), and readers take them everywhere.
pub(super) fn spelt_out(dictionary: &Dictionary) -> Dictionary {
    let mut dictionary = dictionary.clone();
    if let Ok(filter) = dictionary.get_mut(b"Filter") {
        let filters = match filter {
            Object::Array(filters) => filters.as_mut_slice(),
            filter => std::slice::from_mut(filter),
        };
        for filter in filters {
            if let Object::Name(name) = filter
                && let Some((_, full)) = ABBREVIATIONS.iter().find(|(short, _)| name.as_slice() == *short)
            {
                *name = full.to_vec();
            }
        }
    }
    dictionary
}

const ABBREVIATIONS: [(&[u8], &[u8]); 5] = [
    (b"Fl", b"FlateDecode"),
    (b"LZW", b"LZWDecode"),
    (b"AHx", b"ASCIIHexDecode"),
    (b"A85", b"ASCII85Decode"),
    (b"RL", b"RunLengthDecode"),
];
const END: &[u8] = b"endstream";
const END_OF_OBJECT: &[u8] = b"endobj";

/// Bound on what one stream may decompress to.
pub(super) const MAX_DECOMPRESSED: usize = 64 << 20;
