//! Finds the content of a stream in the bytes of a file, and decodes it (ISO 32000-2, 7.3.8 and 7.4).

use std::ops::Range;

use lopdf::{Dictionary, Object, Stream};

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
        // Bounded, because many lengths may lead to the same place; readers believe one that leads to that much white space.
        let Some(after) = rest.get(*length..) else { return false };
        let near = after.get(..ROOM).unwrap_or(after);
        match near.iter().position(|byte| !syntax::is_white_space(*byte)) {
            Some(position) => after.get(position..).is_some_and(is_end),
            None => near.len() == ROOM,
        }
    });
    let search = || (0..rest.len()).find(|position| rest.get(*position..).is_some_and(is_end));
    declared.or_else(search).map(|length| start..start + length)
}

/// The end of a stream with generous white space before it.
const ROOM: usize = 64;

/// The decoded content, one filter after the other. What that takes is taken from what is `left`, which is 0 when it was not enough: a few
/// octets may be made many by one filter, and of many the next may make few with great effort.
pub(super) fn decode(mut stream: Stream, left: &mut usize) -> Option<Vec<u8>> {
    let filters: Vec<Vec<u8>> = match stream.dict.get(b"Filter") {
        Err(_) | Ok(Object::Null) => Vec::new(),
        Ok(_) => stream.filters().ok()?.into_iter().map(|name| spelt_out(name).to_vec()).collect(),
    };
    if filters.len() > MAX_FILTERS || !filters.iter().all(|filter| is_standard(filter)) {
        return None;
    }
    let parameters = stream.dict.remove(b"DecodeParms");
    let mut content = std::mem::take(&mut stream.content);
    // Also of one that does not end where it should, and is looked for through the whole file.
    charge(left, content.len())?;
    for (place, filter) in filters.into_iter().enumerate() {
        if filter == b"LZWDecode" {
            charge(left, content.len().saturating_mul(LZW_EFFORT))?;
        }
        let mut dictionary = Dictionary::new();
        dictionary.set("Filter", Object::Name(filter));
        match &parameters {
            Some(Object::Array(each)) => {
                each.get(place).cloned().into_iter().for_each(|own| dictionary.set("DecodeParms", own))
            }
            Some(all) => dictionary.set("DecodeParms", all.clone()),
            None => {}
        }
        let limit = MAX_DECOMPRESSED.min(*left);
        let decoded = Stream::new(dictionary, content).get_plain_content_with_limit(limit);
        charge(left, decoded.as_ref().map_or(limit, Vec::len))?;
        content = decoded.ok()?;
    }
    Some(content)
}

fn charge(left: &mut usize, cost: usize) -> Option<()> {
    *left = left.saturating_sub(cost);
    (*left > 0).then_some(())
}

/// The full name of a filter: some programs write the abbreviations of inline images (ISO 32000-2, table 92), and readers take them
/// everywhere.
fn spelt_out(name: &[u8]) -> &[u8] {
    FILTERS.iter().find(|(short, _)| *short == name).map_or(name, |(_, full)| *full)
}

/// Whether every reader has this filter: `lopdf` has Brotli besides, and what that hides most readers do not see.
fn is_standard(name: &[u8]) -> bool {
    FILTERS.iter().any(|(_, full)| *full == name)
}

/// Those for any octets, not only for pictures (ISO 32000-2, table 6), after their abbreviations.
const FILTERS: [(&[u8], &[u8]); 5] = [
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

/// Files use one or two.
pub(super) const MAX_FILTERS: usize = 4;

/// How many octets are copied in the time that one octet of LZW can take: codes that only clear the table make nothing.
const LZW_EFFORT: usize = 64;
