//! Reads the text of one object into values.

use lopdf::{Dictionary, Object, StringFormat};

use super::{SyntaxError, hexadecimal, literal, literal_length, name, reference, reference_end, regular_length};
use super::{skip_white_space, strip_ends};

/// The object that `text` begins with.
///
/// # Errors
/// [`SyntaxError`] also when it is nested more deeply than any real document, or holds more values.
pub(in crate::pades) fn parse(text: &[u8]) -> Result<Object, SyntaxError> {
    parse_within(text, &mut { MAX_VALUES })
}

/// The object that `text` begins with, of at most so many values, which are taken from what is `left`.
///
/// # Errors
/// As [`parse`].
pub(in crate::pades) fn parse_within(text: &[u8], left: &mut usize) -> Result<Object, SyntaxError> {
    value(text, skip_white_space(text, 0), 0, left).map(|(object, _)| object)
}

/// How many values are read of one file. Each takes some 200 octets of memory, and two of the file.
pub(in crate::pades) const MAX_VALUES: usize = 2_000_000;

/// The object at `start` and where it ends.
fn value(text: &[u8], start: usize, depth: usize, left: &mut usize) -> Result<(Object, usize), SyntaxError> {
    if depth > MAX_DEPTH {
        return Err(SyntaxError);
    }
    *left = left.checked_sub(1).ok_or(SyntaxError)?;
    let rest = text.get(start..).ok_or(SyntaxError)?;
    match rest {
        [b'<', b'<', ..] => dictionary(text, start, depth, left),
        [b'[', ..] => array(text, start, depth, left),
        [b'(', ..] => {
            let length = literal_length(rest)?;
            let octets = literal(strip_ends(rest.get(..length).ok_or(SyntaxError)?)?);
            Ok((Object::String(octets, StringFormat::Literal), start + length))
        }
        [b'<', ..] => {
            let length = rest.iter().position(|byte| *byte == b'>').ok_or(SyntaxError)? + 1;
            let octets = hexadecimal(strip_ends(rest.get(..length).ok_or(SyntaxError)?)?)?;
            Ok((Object::String(octets, StringFormat::Hexadecimal), start + length))
        }
        [b'/', after @ ..] => {
            let length = regular_length(after);
            Ok((Object::Name(name(after.get(..length).ok_or(SyntaxError)?)), start + 1 + length))
        }
        _ => {
            let end = start + regular_length(rest);
            if let Some(end) = reference_end(text, start, end) {
                let id = reference(text.get(start..end).ok_or(SyntaxError)?).ok_or(SyntaxError)?;
                return Ok((Object::Reference(id), end));
            }
            Ok((keyword_or_number(text.get(start..end).ok_or(SyntaxError)?)?, end))
        }
    }
}

fn dictionary(text: &[u8], start: usize, depth: usize, left: &mut usize) -> Result<(Object, usize), SyntaxError> {
    let mut entries = Dictionary::new();
    let mut position = skip_white_space(text, start + 2);
    while !text.get(position..).ok_or(SyntaxError)?.starts_with(b">>") {
        let (Object::Name(key), end) = value(text, position, depth + 1, left)? else { return Err(SyntaxError) };
        let (object, end) = value(text, skip_white_space(text, end), depth + 1, left)?;
        entries.set(key, object);
        position = skip_white_space(text, end);
    }
    Ok((Object::Dictionary(entries), position + 2))
}

fn array(text: &[u8], start: usize, depth: usize, left: &mut usize) -> Result<(Object, usize), SyntaxError> {
    let mut elements = Vec::new();
    let mut position = skip_white_space(text, start + 1);
    while text.get(position).ok_or(SyntaxError)? != &b']' {
        let (object, end) = value(text, position, depth + 1, left)?;
        elements.push(object);
        position = skip_white_space(text, end);
    }
    Ok((Object::Array(elements), position + 1))
}

fn keyword_or_number(token: &[u8]) -> Result<Object, SyntaxError> {
    let token = std::str::from_utf8(token).map_err(|_| SyntaxError)?;
    match token {
        "null" => return Ok(Object::Null),
        "true" => return Ok(Object::Boolean(true)),
        "false" => return Ok(Object::Boolean(false)),
        _ => {}
    }
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte)) {
        return Err(SyntaxError);
    }
    match (token.parse(), token.parse()) {
        (Ok(integer), _) => Ok(Object::Integer(integer)),
        (Err(_), Ok(real)) => Ok(Object::Real(real)),
        // Writers are known to produce such things as `--1` and `.`; nothing here depends on their value.
        _ => Ok(Object::Null),
    }
}

/// Far deeper than real documents, far less than the stack of a thread holds.
const MAX_DEPTH: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_object_is_read() {
        let text = b"<</A#42 [1 -2.5 12 0 R(a)<62>null true]/C/D % x\n/E<</F 1>>>>";
        let object = parse(text).unwrap();
        let dictionary = object.as_dict().unwrap();
        let array = dictionary.get(b"AB").unwrap().as_array().unwrap();
        assert_eq!(array.len(), 7);
        assert_eq!(array[2], Object::Reference((12, 0)));
        assert_eq!(array[3].as_str().unwrap(), b"a");
        assert_eq!(array[4].as_str().unwrap(), b"b");
        assert_eq!(dictionary.get(b"C").unwrap().as_name().unwrap(), b"D");
        assert!(dictionary.get(b"E").unwrap().as_dict().is_ok());
    }

    #[test]
    fn nesting_beyond_reason_is_an_error() {
        let deep = [vec![b'['; 200_000], vec![b']'; 200_000]].concat();
        assert_eq!(parse(&deep), Err(SyntaxError));
        for text in [&b"<</A"[..], b"[", b"<<1 2>>", b"", b"endobj", b"<</A>>"] {
            assert_eq!(parse(text), Err(SyntaxError), "{}", String::from_utf8_lossy(text));
        }
    }
}
