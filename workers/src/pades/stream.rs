//! Finds the content of a stream in the bytes of a file (ISO 32000-2, 7.3.8).

use super::syntax;

/// Whether the dictionary is that of a stream which `rest` follows.
pub(super) fn begins(rest: &[u8]) -> bool {
    rest.get(syntax::skip_white_space(rest, 0)..).unwrap_or_default().starts_with(b"stream")
}

/// The content, still encoded, of the stream whose dictionary `rest` follows; `None` when there is no stream.
///
/// A `length` that does not lead to `endstream` is not believed.
pub(super) fn content(rest: &[u8], length: Option<usize>) -> Option<&[u8]> {
    let rest = rest.get(syntax::skip_white_space(rest, 0)..)?.strip_prefix(b"stream")?;
    let rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")).or_else(|| rest.strip_prefix(b"\r"))?;
    let ends_at = |length: usize| {
        let after = rest.get(length..).unwrap_or_default();
        after.trim_ascii_start().starts_with(END).then(|| rest.get(..length)).flatten()
    };
    let search = || rest.windows(END.len()).position(|window| window == END).and_then(|length| rest.get(..length));
    length.and_then(ends_at).or_else(search)
}

const END: &[u8] = b"endstream";

/// Bound on what one stream may decompress to.
pub(super) const MAX_DECOMPRESSED: usize = 64 << 20;
