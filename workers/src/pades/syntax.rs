//! Finds the parts of one PDF object in its bytes (ISO 32000-2, 7.2 and 7.3).
//!
//! A seal adds entries to a few objects of the document. They are spliced into the bytes as they are, so that numbers,
//! strings and names that the seal does not concern stay exactly as their author wrote them: parsing and writing again
//! would round reals and re-spell names. No recursion: hostile nesting costs nothing.

pub(super) mod value;

use std::ops::Range;

/// The bytes are no object of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an object ends early, is not nested properly or holds an entry twice")]
pub(super) struct SyntaxError;

/// One entry of a dictionary.
pub(super) struct Entry {
    /// The key, `#xx` resolved, without the solidus.
    pub(super) key: Vec<u8>,
    /// Where its value is.
    pub(super) value: Range<usize>,
}

/// The position after white space and comments that begin at `position`.
pub(super) fn skip_white_space(bytes: &[u8], mut position: usize) -> usize {
    while let Some(&byte) = bytes.get(position) {
        if byte == b'%' {
            position += bytes.get(position..).unwrap_or_default().iter().take_while(|b| !b"\r\n".contains(b)).count();
        } else if is_white_space(byte) {
            position += 1;
        } else {
            break;
        }
    }
    position
}

/// The end of the object that begins at `start`; `1 0 R` is one object.
pub(super) fn object_end(bytes: &[u8], start: usize) -> Result<usize, SyntaxError> {
    let mut open: Vec<u8> = Vec::new();
    let mut position = skip_white_space(bytes, start);
    let first = position;
    loop {
        let rest = bytes.get(position..).ok_or(SyntaxError)?;
        let length = match rest {
            [b'<', b'<', ..] => {
                open.push(b'>');
                2
            }
            [b'[', ..] => {
                open.push(b']');
                1
            }
            [b'>', b'>', ..] if open.pop() == Some(b'>') => 2,
            [b']', ..] if open.pop() == Some(b']') => 1,
            [b'(', ..] => literal_length(rest)?,
            [b'<', ..] => rest.iter().position(|b| *b == b'>').ok_or(SyntaxError)? + 1,
            [b'/', after @ ..] => 1 + token_length(after)?,
            _ => match token_length(rest)? {
                0 => return Err(SyntaxError),
                length => length,
            },
        };
        position += length;
        if open.is_empty() {
            return Ok(reference_end(bytes, first, position).unwrap_or(position));
        }
        position = skip_white_space(bytes, position);
    }
}

/// The entries of the dictionary that `text` is, and the position of its closing `>>`.
pub(super) fn dictionary(text: &[u8]) -> Result<(Vec<Entry>, usize), SyntaxError> {
    if !text.starts_with(b"<<") {
        return Err(SyntaxError);
    }
    let mut entries = Vec::new();
    let mut position = skip_white_space(text, 2);
    while !text.get(position..).ok_or(SyntaxError)?.starts_with(b">>") {
        if text.get(position) != Some(&b'/') {
            return Err(SyntaxError);
        }
        let key_end = object_end(text, position)?;
        let start = skip_white_space(text, key_end);
        let end = object_end(text, start)?;
        let key = name(text.get(position + 1..key_end).ok_or(SyntaxError)?);
        entries.push(Entry { key, value: start..end });
        position = skip_white_space(text, end);
    }
    Ok((entries, position))
}

/// The value of `key` as written, if the dictionary has it.
///
/// # Errors
/// Also when it has the key twice: readers disagree which one counts.
pub(super) fn entry<'t>(text: &'t [u8], key: &[u8]) -> Result<Option<&'t [u8]>, SyntaxError> {
    let (entries, _) = dictionary(text)?;
    let mut values = entries.into_iter().filter(|entry| entry.key == key).map(|entry| entry.value);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => text.get(value).map(Some).ok_or(SyntaxError),
        _ => Err(SyntaxError),
    }
}

/// The dictionary with `key` set to `value`; everything else as it was.
pub(super) fn with_entry(text: &[u8], key: &str, value: &[u8]) -> Result<Vec<u8>, SyntaxError> {
    entry(text, key.as_bytes())?;
    let (entries, end) = dictionary(text)?;
    match entries.into_iter().find(|entry| entry.key == key.as_bytes()) {
        // The blanks keep a value that had a delimiter of its own apart from its neighbours.
        Some(entry) => splice(text, entry.value, &[b" ", value, b" "].concat()),
        None => splice(text, end..end, &[b"/", key.as_bytes(), b" ", value].concat()),
    }
}

/// The array with one more element.
pub(super) fn with_element(text: &[u8], element: &[u8]) -> Result<Vec<u8>, SyntaxError> {
    let end = object_end(text, 0)?;
    match (text.first(), end.checked_sub(1)) {
        (Some(b'['), Some(close)) => splice(text, close..close, &[b" ", element].concat()),
        _ => Err(SyntaxError),
    }
}

/// The object with each of its strings replaced by what `write` makes of the string's value.
pub(super) fn with_strings<E: From<SyntaxError>>(
    text: &[u8],
    mut write: impl FnMut(Vec<u8>) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let mut result = Vec::with_capacity(text.len());
    let mut position = 0;
    while let Some(rest) = text.get(position..).filter(|rest| !rest.is_empty()) {
        let length = match rest {
            [b'<', b'<', ..] => 2,
            [b'(', ..] => literal_length(rest)?,
            [b'<', ..] => rest.iter().position(|b| *b == b'>').ok_or(SyntaxError)? + 1,
            [b'%', ..] => skip_white_space(rest, 0),
            _ => 1,
        };
        let token = rest.get(..length).ok_or(SyntaxError)?;
        match token {
            [b'(', inner @ .., b')'] => result.extend(write(literal(inner))?),
            [b'<', b'<'] => result.extend(token),
            [b'<', inner @ .., b'>'] => result.extend(write(hexadecimal(inner)?)?),
            [b'%', ..] => result.push(b'\n'),
            _ => result.extend(token),
        }
        position += length;
    }
    Ok(result)
}

/// The object that `text` refers to, when it is a reference.
pub(super) fn reference(text: &[u8]) -> Option<lopdf::ObjectId> {
    let text = std::str::from_utf8(text.strip_suffix(b"R")?).ok()?;
    let mut numbers = text.split(|c: char| c.is_ascii_whitespace() || c == '\0').filter(|number| !number.is_empty());
    let id = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    numbers.next().is_none().then_some(id)
}

/// The octets of a hexadecimal string without its angle brackets (ISO 32000-2, 7.3.4.3).
pub(super) fn hexadecimal(inner: &[u8]) -> Result<Vec<u8>, SyntaxError> {
    let mut digits: Vec<u8> = inner.iter().copied().filter(|byte| !is_white_space(*byte)).collect();
    if !digits.len().is_multiple_of(2) {
        digits.push(b'0');
    }
    hex::decode(digits).map_err(|_| SyntaxError)
}

/// Whether `byte` is white space in a PDF (ISO 32000-2, table 1).
pub(super) const fn is_white_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

/// `first..end` is an integer: where the reference ends that it may begin.
fn reference_end(bytes: &[u8], first: usize, end: usize) -> Option<usize> {
    let integer = |range: Range<usize>| {
        bytes.get(range).is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
    };
    let generation = skip_white_space(bytes, end);
    let generation_end = generation + regular_length(bytes.get(generation..)?);
    let keyword = skip_white_space(bytes, generation_end);
    let rest = bytes.get(keyword..)?;
    (integer(first..end)
        && integer(generation..generation_end)
        && rest.first() == Some(&b'R')
        && regular_length(rest) == 1)
        .then_some(keyword + 1)
}

/// What is between the first and the last byte.
fn strip_ends(text: &[u8]) -> Result<&[u8], SyntaxError> {
    text.get(1..text.len().saturating_sub(1)).ok_or(SyntaxError)
}

fn splice(text: &[u8], range: Range<usize>, insertion: &[u8]) -> Result<Vec<u8>, SyntaxError> {
    let before = text.get(..range.start).ok_or(SyntaxError)?;
    let after = text.get(range.end..).ok_or(SyntaxError)?;
    Ok([before, insertion, after].concat())
}

/// How many regular characters `bytes` begin with (ISO 32000-2, 7.2.3).
pub(super) fn regular_length(bytes: &[u8]) -> usize {
    let is_delimiter = |byte| matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%');
    bytes.iter().take_while(|byte| !is_white_space(**byte) && !is_delimiter(**byte)).count()
}

/// The same of a token that is not longer than any in use.
fn token_length(bytes: &[u8]) -> Result<usize, SyntaxError> {
    let length = regular_length(bytes.get(..MAX_TOKEN).unwrap_or(bytes));
    if length < MAX_TOKEN { Ok(length) } else { Err(SyntaxError) }
}

/// The length of the literal string that `bytes` begins with, parentheses included.
fn literal_length(bytes: &[u8]) -> Result<usize, SyntaxError> {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' if depth == 1 => return Ok(index + 1),
            b')' => depth -= 1,
            _ => {}
        }
    }
    Err(SyntaxError)
}

/// The octets of a literal string without its parentheses (ISO 32000-2, 7.3.4.2).
fn literal(inner: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'\\', [b'\r', b'\n', tail @ ..]) => rest = tail,
            (b'\\', [b'\r' | b'\n', tail @ ..]) => rest = tail,
            (b'\\', [b'0'..=b'7', ..]) => {
                let digits = after.iter().take(3).take_while(|d| (b'0'..=b'7').contains(d)).count();
                let (octal, tail) = after.split_at(digits);
                // High-order overflow is ignored, as the clause says.
                value.push(octal.iter().fold(0_u8, |sum, digit| sum.wrapping_mul(8).wrapping_add(digit - b'0')));
                rest = tail;
            }
            (b'\\', [escape, tail @ ..]) => {
                value.push(match escape {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'f' => 0x0c,
                    other => *other,
                });
                rest = tail;
            }
            (b'\\', []) => {}
            (b'\r', tail) => {
                value.push(b'\n');
                rest = tail.strip_prefix(b"\n").unwrap_or(tail);
            }
            (other, _) => value.push(other),
        }
    }
    value
}

fn name(raw: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        let (octet, tail) = match (byte, after.split_at_checked(2)) {
            (b'#', Some((digits, tail))) => match hex::decode(digits).ok().and_then(|v| v.first().copied()) {
                Some(octet) => (octet, tail),
                None => (byte, after),
            },
            _ => (byte, after),
        };
        value.push(octet);
        rest = tail;
    }
    value
}

/// Readers of ISO 32000-1, annex C, take names of 127 octets.
const MAX_TOKEN: usize = 1 << 16;

#[cfg(test)]
mod tests;
