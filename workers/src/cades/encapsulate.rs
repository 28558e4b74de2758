//! Put a document that is not in memory into a detached signature, and take it out again to check (RFC 5652, section 5.2).
//!
//! Everything else about such a signature is done to its detached form, which says the same: no signature and no timestamp covers
//! where the content is and how its octet string is encoded.
//!
//! The encapsulated form is BER, as the standard lets it be: what is around the content has no lengths, and the content is in octet
//! strings. Bouncy Castle, and EU DSS with it, takes no length above 31 bits, nor one above its memory; what has no
//! lengths they read as a stream.

use bytes::Bytes;
use const_oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};

use super::augment::oid_tlv;
use super::received::{ReceivedSignedData, is};
use crate::tlv::{CONTEXT_0, Element, INTEGER, Malformed, OBJECT_IDENTIFIER, SEQUENCE, SET, tlv};

/// X.690, section 8.7.3: an octet string that is constructed of others.
const OCTET_STRINGS: u8 = 0x24;
/// X.690, section 8.1.3.6: the length of what goes on until end-of-contents octets.
const INDEFINITE: u8 = 0x80;
/// X.690, section 8.1.5: the ends of octet string, `[0]` and content; also those of SignedData, `[0]` and CMS.
const THREE_ENDS: [u8; 6] = [0; 6];

/// What stands before and behind the octet strings of the content in the encapsulated form of a detached signature.
pub(super) fn encapsulate(detached: &[u8]) -> Result<[Bytes; 2], Malformed> {
    let parts = ReceivedSignedData::read(detached)?;
    if parts.content.is_some() || !is(parts.content_type, ID_DATA) {
        return Err(Malformed("the signature is not a detached one over data"));
    }
    let (before, behind) = around(signed_data(detached)?, parts.encapsulated)?;
    let outer_type = oid_tlv(ID_SIGNED_DATA);
    let [sequence, explicit, strings] = [SEQUENCE, CONTEXT_0, OCTET_STRINGS].map(|tag| [tag, INDEFINITE]);
    let cms: [&[u8]; 5] = [&sequence, &outer_type, &explicit, &sequence, before];
    let content: [&[u8]; 4] = [&sequence, parts.content_type.whole, &explicit, &strings];
    let behind = [&THREE_ENDS, behind, &THREE_ENDS].concat();
    Ok([[cms.concat(), content.concat()].concat().into(), behind.into()])
}

/// The detached form of a signature around a content. Everything on the way to the content must be right.
pub(super) fn detach(head: &[u8], behind: &[u8]) -> Result<Vec<u8>, Malformed> {
    let (outer_type, rest) = Element::first(enter(head, SEQUENCE)?)?;
    if !is(outer_type, ID_SIGNED_DATA) {
        return Err(Malformed("it is no SignedData"));
    }
    let signed_data = enter(enter(rest, CONTEXT_0)?, SEQUENCE)?;
    let mut rest = signed_data;
    for tag in [INTEGER, SET] {
        let (element, after) = Element::first(rest)?;
        element.tagged(tag, "version or digest algorithms are not where they must be")?;
        rest = after;
    }
    let before = signed_data.get(..signed_data.len() - rest.len()).unwrap_or_default();
    let (content_type, rest) = Element::first(enter(rest, SEQUENCE)?)?;
    let content_type = content_type.tagged(OBJECT_IDENTIFIER, "the content has no type")?;
    if !enter(enter(rest, CONTEXT_0)?, OCTET_STRINGS)?.is_empty() {
        return Err(Malformed("there is more than one content"));
    }
    let behind = behind.strip_prefix(&THREE_ENDS).and_then(|behind| behind.strip_suffix(&THREE_ENDS));
    let behind = behind.ok_or(Malformed("what has no length does not end"))?;
    let content_info = tlv(SEQUENCE, &[content_type.whole]);
    let signed_data = tlv(SEQUENCE, &[before, &content_info, behind]);
    Ok(tlv(SEQUENCE, &[oid_tlv(ID_SIGNED_DATA), tlv(CONTEXT_0, &[signed_data])]))
}

/// What stands behind the header of an element without length.
fn enter(octets: &[u8], tag: u8) -> Result<&[u8], Malformed> {
    octets.strip_prefix(&[tag, INDEFINITE]).ok_or(Malformed("another element, or one with a length, stands there"))
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
    use std::io::Write;

    use openssl::cms::{CMSOptions, CmsContentInfo};
    use openssl::x509::store::X509StoreBuilder;

    use super::*;
    use crate::software_key::SoftwareKey;
    use crate::spooled::SpooledDocument;

    /// version, digestAlgorithms, encapContentInfo, signerInfos: enough of a SignedData.
    fn detached() -> Vec<u8> {
        let content_info = tlv(SEQUENCE, &[oid_tlv(ID_DATA)]);
        let parts = [vec![INTEGER, 1, 1], tlv::<&[u8]>(SET, &[]), content_info, tlv::<&[u8]>(SET, &[])];
        let signed_data = tlv(SEQUENCE, &parts);
        tlv(SEQUENCE, &[oid_tlv(ID_SIGNED_DATA), tlv(CONTEXT_0, &[signed_data])])
    }

    #[test]
    fn a_content_can_be_taken_out_again() {
        let [head, behind] = encapsulate(&detached()).unwrap();
        assert_eq!(detach(&head, &behind).unwrap(), detached());
    }

    #[test]
    fn no_octet_around_the_content_can_be_another() {
        let [head, behind] = encapsulate(&detached()).unwrap();
        for position in 0..head.len() + behind.len() {
            let mut changed = [head.to_vec(), behind.to_vec()].concat();
            changed[position] ^= 1;
            let (head, behind) = changed.split_at(head.len());
            assert_ne!(detach(head, behind), Ok(detached()), "octet {position}");
        }
    }

    #[test]
    fn openssl_reads_a_content_in_strings() {
        let (key, certificate) = SoftwareKey::generate().of_openssl();
        // Around the blocks in which a document is read, around the strings, and none at all.
        for length in [0, 1, 100, 262_143, 262_144, 600_000, 16_777_216, 33_554_433] {
            let content: Vec<u8> = (0_usize..length).map(|at| (at % 251) as u8).collect();
            let detached = CMSOptions::BINARY | CMSOptions::DETACHED;
            let cms = CmsContentInfo::sign(Some(&certificate), Some(&key), None, Some(&content), detached).unwrap();
            let [mut cms, behind] = encapsulate(&cms.to_der().unwrap()).unwrap().map(|part| part.to_vec());

            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&content).unwrap();
            let document = SpooledDocument::new(file, length as u64, Vec::new(), Box::new(()));
            let (head, mut offset) = (cms.len(), 0);
            while let Some((octets, next)) = document.strings(offset).unwrap() {
                cms.extend_from_slice(&octets);
                offset = next;
            }
            assert_eq!((cms.len() - head) as u64, document.length_in_strings());
            cms.extend_from_slice(&behind);

            let parts = ReceivedSignedData::read(&cms).unwrap();
            assert_eq!(parts.content_octets().unwrap().unwrap().as_ref(), content, "{length}");
            let (store, mut out) = (X509StoreBuilder::new().unwrap().build(), Vec::new());
            let flags = CMSOptions::BINARY | CMSOptions::NO_SIGNER_CERT_VERIFY;
            let mut cms = CmsContentInfo::from_der(&cms).unwrap();
            cms.verify(None, Some(&store), None, Some(&mut out), flags).unwrap();
            assert!(out == content, "{length}");
        }
    }
}
