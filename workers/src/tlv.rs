//! Elements of BER and DER as they stand (X.690, section 8.1): read without a copy, written around with the shortest lengths.
//!
//! What others encoded is never decoded and encoded again: the structures here are slices of what was received.

use std::borrow::Cow;

/// `OBJECT IDENTIFIER`.
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
/// `INTEGER`.
pub(crate) const INTEGER: u8 = 0x02;
/// `BIT STRING`.
pub(crate) const BIT_STRING: u8 = 0x03;
/// `OCTET STRING`.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// `UTF8String`.
pub(crate) const UTF8_STRING: u8 = 0x0c;
/// `GeneralizedTime`.
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
/// `SEQUENCE`, `SEQUENCE OF`.
pub(crate) const SEQUENCE: u8 = 0x30;
/// `SET`, `SET OF`.
pub(crate) const SET: u8 = 0x31;
/// `[0]`, constructed.
pub(crate) const CONTEXT_0: u8 = 0xa0;
/// `[1]`, constructed.
pub(crate) const CONTEXT_1: u8 = 0xa1;

const CONSTRUCTED: u8 = 0x20;
/// Constructed encodings in each other, of indefinite length or of strings: more is an attempt to exhaust us.
const DEPTH: usize = 32;

/// What is not BER, or not the element that stands there by the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    /// The first identifier octet.
    pub(crate) tag: u8,
    /// All of it: identifier, length, contents, end of contents where there is one.
    pub(crate) whole: &'a [u8],
    /// The contents octets.
    pub(crate) contents: &'a [u8],
}

impl<'a> Element<'a> {
    /// The one element that these octets are.
    pub(crate) fn only(octets: &'a [u8]) -> Result<Self, Malformed> {
        match Self::first(octets)? {
            (element, []) => Ok(element),
            _ => Err(Malformed("octets follow the structure")),
        }
    }

    /// The first element, and the octets behind it.
    pub(crate) fn first(octets: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let (tag, header, length) = header_of(octets)?;
        let behind = octets.get(header..).unwrap_or_default();
        let (contents, end) = match length {
            Some(length) => (behind.get(..length).ok_or(Malformed("an element is longer than what holds it"))?, 0),
            None => (indefinite_contents(behind)?, 2),
        };
        let (whole, rest) =
            octets.split_at_checked(header + contents.len() + end).ok_or(Malformed("an element is cut off"))?;
        Ok((Self { tag, whole, contents }, rest))
    }

    /// The elements inside.
    pub(crate) fn children(&self) -> Result<Vec<Self>, Malformed> {
        let (mut children, mut rest) = (Vec::new(), self.contents);
        while !rest.is_empty() {
            let (child, behind) = Self::first(rest)?;
            children.push(child);
            rest = behind;
        }
        Ok(children)
    }

    /// The elements inside, to be taken in order.
    pub(crate) fn reader(&self) -> Result<Children<'a>, Malformed> {
        Ok(Children(self.children()?.into_iter().peekable()))
    }

    /// Itself, if it has this tag.
    pub(crate) fn tagged(self, tag: u8, what: &'static str) -> Result<Self, Malformed> {
        if self.tag == tag { Ok(self) } else { Err(Malformed(what)) }
    }

    /// The value of an `OCTET STRING` with any tag: BER may cut it into pieces (X.690, section 8.7.3).
    pub(crate) fn octets(&self) -> Result<Cow<'a, [u8]>, Malformed> {
        if self.tag & CONSTRUCTED == 0 {
            return Ok(Cow::Borrowed(self.contents));
        }
        let mut joined = Vec::with_capacity(self.contents.len());
        self.join(&mut joined, DEPTH)?;
        Ok(Cow::Owned(joined))
    }

    fn join(&self, joined: &mut Vec<u8>, depth: usize) -> Result<(), Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed("a string is cut into pieces of pieces too often"))?;
        for piece in self.children()? {
            match piece.tag {
                OCTET_STRING => joined.extend_from_slice(piece.contents),
                tag if tag == OCTET_STRING | CONSTRUCTED => piece.join(joined, depth)?,
                _ => return Err(Malformed("a piece of a string is no string")),
            }
        }
        Ok(())
    }
}

/// The elements inside another one, in order.
pub(crate) struct Children<'a>(std::iter::Peekable<std::vec::IntoIter<Element<'a>>>);

impl<'a> Children<'a> {
    /// The next one, which must have this tag.
    pub(crate) fn required(&mut self, tag: u8, what: &'static str) -> Result<Element<'a>, Malformed> {
        self.0.next().filter(|element| element.tag == tag).ok_or(Malformed(what))
    }

    /// The next one, whatever it is.
    pub(crate) fn any(&mut self, what: &'static str) -> Result<Element<'a>, Malformed> {
        self.0.next().ok_or(Malformed(what))
    }

    /// The next one, if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Element<'a>> {
        self.0.next_if(|element| element.tag == tag)
    }

    /// Refuses what is left.
    pub(crate) fn finish(mut self, what: &'static str) -> Result<(), Malformed> {
        if self.0.next().is_none() { Ok(()) } else { Err(Malformed(what)) }
    }
}

/// Identifier and length octets of an element with this tag and so many contents octets (X.690, section 8.1.3: the shortest form).
pub(crate) fn header(tag: u8, length: usize) -> Vec<u8> {
    let octets = length.to_be_bytes();
    let significant: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
    let mut header = vec![tag];
    if length >= 0x80 {
        // At most eight octets of length, so this fits beside the high bit.
        header.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
        header.extend(significant);
    } else {
        header.extend(significant.last().copied().or(Some(0)));
    }
    header
}

/// An element with this tag around these contents.
pub(crate) fn tlv<P: AsRef<[u8]>>(tag: u8, parts: &[P]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.as_ref().len()).sum();
    let mut element = header(tag, length);
    element.reserve_exact(length);
    parts.iter().for_each(|part| element.extend_from_slice(part.as_ref()));
    element
}

/// Identifier octet, length of the header, length of the contents (`None`: indefinite).
fn header_of(octets: &[u8]) -> Result<(u8, usize, Option<usize>), Malformed> {
    const CUT: Malformed = Malformed("an element is cut off");
    let tag = *octets.first().ok_or(CUT)?;
    let mut at = 1;
    if tag & 0x1f == 0x1f {
        // X.690, section 8.1.2.4: more identifier octets, the last without the high bit. Nothing here has such a tag.
        at += octets.iter().skip(1).take(4).position(|octet| octet & 0x80 == 0).ok_or(CUT)? + 1;
    }
    let first = *octets.get(at).ok_or(CUT)?;
    at += 1;
    match first {
        0..0x80 => Ok((tag, at, Some(usize::from(first)))),
        0x80 if tag & CONSTRUCTED == 0 => Err(Malformed("a primitive element has no definite length")),
        0x80 => Ok((tag, at, None)),
        0x81..=0x88 => {
            let count = usize::from(first & 0x7f);
            let length =
                octets.get(at..at + count).ok_or(CUT)?.iter().fold(0_u64, |n, octet| n << 8 | u64::from(*octet));
            Ok((tag, at + count, Some(usize::try_from(length).map_err(|_| CUT)?)))
        }
        _ => Err(Malformed("the length of an element is not encoded as BER")),
    }
}

/// What stands before the end-of-contents octets. Goes through every octet once: only indefinite lengths are gone into.
fn indefinite_contents(octets: &[u8]) -> Result<&[u8], Malformed> {
    let (mut rest, mut open) = (octets, 1);
    loop {
        let (tag, header, length) = header_of(rest)?;
        if tag == 0 {
            if length != Some(0) {
                return Err(Malformed("the end of contents has contents"));
            }
            open -= 1;
            if open == 0 {
                return octets.get(..octets.len() - rest.len()).ok_or(Malformed("an element is cut off"));
            }
        } else if length.is_none() {
            open += 1;
            if open > DEPTH {
                return Err(Malformed("indefinite lengths are in each other too often"));
            }
        }
        let behind = length.unwrap_or(0).checked_add(header).and_then(|skip| rest.get(skip..));
        rest = behind.ok_or(Malformed("an element is longer than what holds it"))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        assert_eq!(header(0x30, 0), [0x30, 0x00]);
        assert_eq!(header(0x30, 0x7f), [0x30, 0x7f]);
        assert_eq!(header(0x30, 0x80), [0x30, 0x81, 0x80]);
        assert_eq!(header(0x30, 0x1_0000), [0x30, 0x83, 0x01, 0x00, 0x00]);
    }

    #[test]
    fn an_indefinite_length_ends_where_its_own_end_is() {
        let octets = [0x30, 0x80, 0x30, 0x80, 0x04, 0x02, 0, 0, 0, 0, 0x02, 0x01, 0x07, 0, 0, 0xff];
        let (outer, rest) = Element::first(&octets).unwrap();
        assert_eq!((rest, outer.whole.len()), ([0xff].as_slice(), 15));
        let children = outer.children().unwrap();
        assert_eq!(children.iter().map(|child| child.tag).collect::<Vec<_>>(), [0x30, 0x02]);
        assert_eq!(children[0].children().unwrap()[0].contents, [0, 0]);
    }

    #[test]
    fn a_string_in_pieces_is_one_value() {
        let octets = [0x24, 0x80, 0x04, 0x01, b'a', 0x24, 0x05, 0x04, 0x03, b'b', b'c', b'd', 0, 0];
        assert_eq!(Element::only(&octets).unwrap().octets().unwrap().as_ref(), b"abcd");
    }

    #[test]
    fn cut_off_and_bottomless_structures_are_refused() {
        for bad in [
            &[0x30][..],
            &[0x30, 0x02, 0x00],
            &[0x30, 0x80, 0x04, 0x01],
            &[0x30, 0x88, 255, 255, 255, 255, 255, 255, 255, 255],
        ] {
            assert!(Element::only(bad).is_err(), "{bad:?}");
        }
        let deep: Vec<u8> = [0x30, 0x80].repeat(100_000);
        assert!(Element::only(&deep).is_err());
    }
}
