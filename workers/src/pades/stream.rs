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

/// The filters of the stream with this dictionary in the order of decoding, each as the dictionary of a stream that has no other; `None` for
/// what is no list of standard ones. `resolve` gives what an object refers to, of which no more is looked at than filters need: many streams
/// may share long lists and dictionaries.
pub(super) fn filters<'o>(
    dictionary: &'o Dictionary,
    resolve: impl Fn(&'o Object) -> &'o Object,
) -> Option<Vec<Dictionary>> {
    let value = |dictionary: &'o Dictionary, key: &[u8]| dictionary.get(key).map_or(&Object::Null, &resolve);
    let names = match value(dictionary, b"Filter") {
        Object::Null => &[][..],
        Object::Array(names) if names.len() > MAX_FILTERS => return None,
        Object::Array(names) => names,
        name => std::slice::from_ref(name),
    };
    let parameters = if names.is_empty() { &Object::Null } else { value(dictionary, b"DecodeParms") };
    let filter = |(place, name): (usize, &'o Object)| {
        let name = spelt_out(resolve(name).as_name().ok()?);
        let own = match parameters {
            Object::Array(each) => each.get(place).map_or(&Object::Null, &resolve),
            all => all,
        };
        let mut filter = Dictionary::new();
        filter.set("Filter", Object::Name(name.to_vec()));
        if let Ok(own) = own.as_dict() {
            let numbers = PARAMETERS.iter().filter_map(|key| Some((*key, value(own, key).as_i64().ok()?.into())));
            filter.set("DecodeParms", numbers.collect::<Dictionary>());
        }
        is_standard(name).then_some(filter)
    };
    names.iter().enumerate().map(filter).collect()
}

/// The decoded content, one filter after the other. What that takes is taken from what is `left`, which is 0 when it was not enough: a few
/// octets may be made many by one filter, and of many the next may make few with great effort.
pub(super) fn decode(filters: Vec<Dictionary>, mut content: Vec<u8>, left: &mut usize) -> Option<Vec<u8>> {
    // Also of one that does not end where it should, and is looked for through the whole file.
    charge(left, content.len())?;
    for filter in filters {
        if filter.get(b"Filter").and_then(Object::as_name).is_ok_and(|name| name == b"LZWDecode") {
            charge(left, content.len().saturating_mul(LZW_EFFORT))?;
        }
        let limit = MAX_DECOMPRESSED.min(*left);
        let decoded = Stream::new(filter, content).get_plain_content_with_limit(limit);
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

/// All that filters for any octets have, and all are numbers (ISO 32000-2, table 8).
const PARAMETERS: [&[u8]; 5] = [b"Predictor", b"Colors", b"BitsPerComponent", b"Columns", b"EarlyChange"];

/// Files use one or two.
const MAX_FILTERS: usize = 4;

/// How many octets are copied in the time that one octet of LZW can take: codes that only clear the table make nothing.
const LZW_EFFORT: usize = 64;
