//! Finds the content of a stream in the bytes of a file (ISO 32000-2, 7.3.8).

use std::ops::Range;

use super::syntax;

/// Whether the dictionary that ends at `end` is that of a stream.
pub(super) fn begins(bytes: &[u8], end: usize) -> bool {
    bytes.get(syntax::skip_white_space(bytes, end)..).unwrap_or_default().starts_with(b"stream")
}

/// The content, still encoded, of the stream whose dictionary ends at `end`; `None` when there is no stream.
pub(super) fn content(bytes: &[u8], end: usize, length: Option<usize>) -> Option<&[u8]> {
    bytes.get(extent(bytes, end, length)?)
}

/// Where the content is.
///
/// A `length` that does not lead to `endstream` is not believed; where that is forgotten, `endobj` ends the stream.
pub(super) fn extent(bytes: &[u8], end: usize, length: Option<usize>) -> Option<Range<usize>> {
    let keyword = syntax::skip_white_space(bytes, end);
    let rest = bytes.get(keyword..)?.strip_prefix(b"stream")?;
    let rest = rest
        .strip_prefix(b"\r\n")
        .or_else(|| rest.strip_prefix(b"\n"))
        .or_else(|| rest.strip_prefix(b"\r"))
        .unwrap_or(rest);
    let start = bytes.len() - rest.len();
    let is_end = |bytes: &[u8]| bytes.starts_with(END) || bytes.starts_with(END_OF_OBJECT);
    let declared = length.filter(|length| rest.get(*length..).is_some_and(|after| is_end(after.trim_ascii_start())));
    let search = || (0..rest.len()).find(|position| rest.get(*position..).is_some_and(is_end));
    declared.or_else(search).map(|length| start..start + length)
}

const END: &[u8] = b"endstream";
const END_OF_OBJECT: &[u8] = b"endobj";

/// Bound on what one stream may decompress to.
pub(super) const MAX_DECOMPRESSED: usize = 64 << 20;
