//! Put a document that is not in memory into a detached signature, and take it out again to check (RFC 5652, section 5.2).
//!
//! Everything else about such a signature is done to its detached form, which says the same: no signature and no timestamp covers
//! where the content is. Nothing here is limited to what 32 bits count.

use bytes::Bytes;
use const_oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};

use super::augment::oid_tlv;
use super::received::{ReceivedSignedData, is};
use crate::tlv::{
    CONTEXT_0, Element, INTEGER, Malformed, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, header, opened, tlv,
};

/// What stands before and behind a content of so many octets in the encapsulated form of a detached signature.
pub(super) fn encapsulate(detached: &[u8], length: usize) -> Result<[Bytes; 2], Malformed> {
    let parts = ReceivedSignedData::read(detached)?;
    if parts.content.is_some() || !is(parts.content_type, ID_DATA) {
        return Err(Malformed("the signature is not a detached one over data"));
    }
    let octet_string = header(OCTET_STRING, length);
    let explicit = header(CONTEXT_0, octet_string.len() + length);
    let content_type = parts.content_type.whole;
    let content_info = header(SEQUENCE, content_type.len() + explicit.len() + octet_string.len() + length);
    let content_headers = [&content_info, content_type, &explicit, &octet_string].concat();

    let signed_data = signed_data(detached)?;
    let (before, behind) = around(signed_data, parts.encapsulated)?;
    let inner = before.len() + content_headers.len() + length + behind.len();
    let sequence = header(SEQUENCE, inner);
    let outer_type = oid_tlv(ID_SIGNED_DATA);
    let explicit = header(CONTEXT_0, sequence.len() + inner);
    let outer = header(SEQUENCE, outer_type.len() + explicit.len() + sequence.len() + inner);
    let head = [&outer, &outer_type, &explicit, &sequence, before, &content_headers].concat();
    Ok([head.into(), Bytes::copy_from_slice(behind)])
}

/// The detached form of a signature around a content of so many octets. Every length on the way to the content must be right.
pub(super) fn detach(head: &[u8], length: usize, behind: &[u8]) -> Result<Vec<u8>, Malformed> {
    let all = length + behind.len();
    let (outer_type, rest) = Element::first(enter(head, SEQUENCE, all)?)?;
    if !is(outer_type, ID_SIGNED_DATA) {
        return Err(Malformed("it is no SignedData"));
    }
    let signed_data = enter(enter(rest, CONTEXT_0, all)?, SEQUENCE, all)?;
    let mut rest = signed_data;
    for tag in [INTEGER, SET] {
        let (element, after) = Element::first(rest)?;
        element.tagged(tag, "version or digest algorithms are not where they must be")?;
        rest = after;
    }
    let before = signed_data.get(..signed_data.len() - rest.len()).unwrap_or_default();
    // What follows ends with the content.
    let (content_type, rest) = Element::first(enter(rest, SEQUENCE, length)?)?;
    let content_type = content_type.tagged(OBJECT_IDENTIFIER, "the content has no type")?;
    if !enter(enter(rest, CONTEXT_0, length)?, OCTET_STRING, length)?.is_empty() {
        return Err(Malformed("there is more than one content"));
    }
    let content_info = tlv(SEQUENCE, &[content_type.whole]);
    let signed_data = tlv(SEQUENCE, &[before, &content_info, behind]);
    Ok(tlv(SEQUENCE, &[oid_tlv(ID_SIGNED_DATA), tlv(CONTEXT_0, &[signed_data])]))
}

/// What stands behind the header of an element that ends `more` octets after these.
fn enter(octets: &[u8], tag: u8, more: usize) -> Result<&[u8], Malformed> {
    match opened(octets, tag)? {
        (inside, rest) if inside == rest.len() + more => Ok(rest),
        _ => Err(Malformed("the content is not where the lengths before it say")),
    }
}

/// The contents of the `SignedData` in a `ContentInfo`.
fn signed_data(cms: &[u8]) -> Result<&[u8], Malformed> {
    let mut outer = Element::only(cms)?.reader()?;
    outer.required(OBJECT_IDENTIFIER, "it is no CMS")?;
    let explicit = outer.required(CONTEXT_0, "it is no CMS")?;
    Ok(Element::only(explicit.contents)?.contents)
}

/// What stands before and behind a member.
fn around<'a>(all: &'a [u8], member: Element<'_>) -> Result<(&'a [u8], &'a [u8]), Malformed> {
    let mut rest = all;
    while !rest.is_empty() {
        let (element, behind) = Element::first(rest)?;
        if std::ptr::eq(element.whole, member.whole) {
            return Ok((all.get(..all.len() - rest.len()).unwrap_or_default(), behind));
        }
        rest = behind;
    }
    Err(Malformed("the SignedData has no content type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// version, digestAlgorithms, encapContentInfo, signerInfos: enough of a SignedData.
    fn detached() -> Vec<u8> {
        let content_info = tlv(SEQUENCE, &[oid_tlv(ID_DATA)]);
        let parts = [vec![INTEGER, 1, 1], tlv::<&[u8]>(SET, &[]), content_info, tlv::<&[u8]>(SET, &[])];
        let signed_data = tlv(SEQUENCE, &parts);
        tlv(SEQUENCE, &[oid_tlv(ID_SIGNED_DATA), tlv(CONTEXT_0, &[signed_data])])
    }

    #[test]
    fn a_content_beyond_32_bits_has_the_right_lengths_around_it() {
        for length in [0, 127, 128, 70_000, 0x7fff_ffff, 0x1_0000_0000, 5 << 40] {
            let [head, behind] = encapsulate(&detached(), length).unwrap();
            assert_eq!(detach(&head, length, &behind).unwrap(), detached(), "{length}");
        }
    }

    #[test]
    fn no_octet_of_the_headers_can_be_another() {
        let [head, behind] = encapsulate(&detached(), 70_000).unwrap();
        for (position, _) in head.iter().enumerate() {
            let mut changed = head.to_vec();
            changed[position] ^= 1;
            let read = detach(&changed, 70_000, &behind);
            assert_ne!(read, Ok(detached()), "octet {position}");
        }
        assert!(detach(&head, 69_999, &behind).is_err() && detach(&head, 70_001, &behind).is_err());
    }

    #[test]
    fn what_stands_around_a_content_in_memory_is_the_same() {
        let content = [7; 300];
        let [head, behind] = encapsulate(&detached(), content.len()).unwrap();
        let whole = [&head, content.as_slice(), &behind].concat();
        let parts = ReceivedSignedData::read(&whole).unwrap();
        assert_eq!(parts.content_octets().unwrap().unwrap().as_ref(), content);
    }
}
