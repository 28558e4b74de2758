//! Write a SignedData again around parts that stay as they are: new members come in, and enclosing lengths change.
//!
//! Members that are there keep their order, because an archive timestamp of the second version covers it (TS 101 733, clause 6.4);
//! new ones go where DER wants them among members in DER order.

use bytes::Bytes;
use const_oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};

use super::received::{ReceivedSignedData, is};
use crate::tlv::{CONTEXT_0, CONTEXT_1, INTEGER, OBJECT_IDENTIFIER, SEQUENCE, SET, header, tlv};

/// What a SignedData is to hold beside what it holds, everything DER.
#[derive(Default)]
pub(crate) struct Additions {
    /// Members of `digestAlgorithms`.
    pub(crate) digest_algorithms: Vec<Vec<u8>>,
    /// Members of `certificates`.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// Members of `crls`.
    pub(crate) crls: Vec<Vec<u8>>,
    /// All members of `signerInfos`, the ones that are there included; `None`: as they are.
    pub(crate) signers: Option<Vec<Vec<u8>>>,
}

impl ReceivedSignedData<'_> {
    /// The whole `ContentInfo` with these additions: what stands before the content, the content, what stands behind it.
    /// `received` is what this was read from, which the content shares.
    pub(crate) fn rebuild(&self, received: &Bytes, additions: &Additions) -> Vec<Bytes> {
        let old = |elements: &[crate::tlv::Element<'_>]| elements.iter().map(|each| each.whole.to_vec()).collect();
        let digest_algorithms = tlv(SET, &with(old(&self.digest_algorithms), &additions.digest_algorithms));
        let certificates = with(old(&self.certificates), &additions.certificates);
        let crls = with(old(&self.crls), &additions.crls);
        let signers =
            additions.signers.clone().unwrap_or_else(|| self.signers.iter().map(|each| each.whole.to_vec()).collect());
        let version = tlv(INTEGER, &[[self.version_for(&certificates, &crls, &signers)]]);
        let optional = |tag, members: &[Vec<u8>]| if members.is_empty() { Vec::new() } else { tlv(tag, members) };
        let trailer = [optional(CONTEXT_0, &certificates), optional(CONTEXT_1, &crls), tlv(SET, &signers)].concat();

        let content = received.slice_ref(self.encapsulated.whole);
        let inner = version.len() + digest_algorithms.len() + content.len() + trailer.len();
        let signed_data = header(SEQUENCE, inner);
        let explicit = header(CONTEXT_0, signed_data.len() + inner);
        let outer_type = tlv(OBJECT_IDENTIFIER, &[ID_SIGNED_DATA.as_bytes()]);
        let outer = header(SEQUENCE, outer_type.len() + explicit.len() + signed_data.len() + inner);
        let prefix = [outer, outer_type, explicit, signed_data, version, digest_algorithms].concat();
        vec![prefix.into(), content, trailer.into()]
    }

    /// RFC 5652, section 5.1. Never lower than what is there.
    fn version_for(&self, certificates: &[Vec<u8>], crls: &[Vec<u8>], signers: &[Vec<u8>]) -> u8 {
        let tagged = |members: &[Vec<u8>], tag: u8| members.iter().any(|member| member.first() == Some(&tag));
        let needed = if tagged(certificates, 0xa3) || tagged(crls, CONTEXT_1) {
            5
        } else if tagged(certificates, 0xa2) {
            4
        } else if tagged(certificates, 0xa1)
            || !is(self.content_type, ID_DATA)
            || signers.iter().any(|each| is_version_3(each))
        {
            3
        } else {
            1
        };
        self.version.contents.last().copied().unwrap_or_default().max(needed)
    }
}

fn is_version_3(signer_info: &[u8]) -> bool {
    let version = crate::tlv::Element::only(signer_info).and_then(|element| element.children());
    version.is_ok_and(|parts| parts.first().is_some_and(|version| version.contents == [3]))
}

/// The members and the new ones among them, each once.
pub(crate) fn with(mut members: Vec<Vec<u8>>, new: &[Vec<u8>]) -> Vec<Vec<u8>> {
    for each in new {
        if !members.contains(each) {
            let place = members.iter().position(|member| member > each).unwrap_or(members.len());
            members.insert(place, each.clone());
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::with;

    #[test]
    fn new_members_stand_in_order_and_old_ones_as_they_were() {
        let members = |text: &str| text.bytes().map(|octet| vec![octet]).collect::<Vec<_>>();
        assert_eq!(with(members("bdf"), &members("gaceb")), members("abcdefg"));
        assert_eq!(with(members("db"), &members("c")), members("cdb"));
    }
}
