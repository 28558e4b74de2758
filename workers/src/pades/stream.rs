//! Finds the content of a stream in the bytes of a file (ISO 32000-2, 7.3.8).

use std::ops::Range;

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
    let declared = length.filter(|length| {
        // Bounded, because many lengths may lead to the same place.
        let after = rest.get(*length..).unwrap_or_default();
        is_end(after.get(..after.len().min(ROOM)).unwrap_or_default().trim_ascii_start())
    });
    let search = || (0..rest.len()).find(|position| rest.get(*position..).is_some_and(is_end));
    declared.or_else(search).map(|length| start..start + length)
}

/// The end of a stream with generous white space before it.
const ROOM: usize = 64;
const END: &[u8] = b"endstream";
const END_OF_OBJECT: &[u8] = b"endobj";

/// Bound on what one stream may decompress to.
pub(super) const MAX_DECOMPRESSED: usize = 64 << 20;
