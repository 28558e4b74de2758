//! A CMS SignedData that others may have made, read without a copy and without decoding what is not looked at (RFC 5652, section 5).
//!
//! Signatures to be augmented, timestamp tokens and our own output go through here. BER is read as well as DER.

use std::borrow::Cow;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::ID_SIGNED_DATA;
use cryptotoken_api::Certificate;

use super::signer_info::SignerInfo;
use crate::tlv::{CONTEXT_0, CONTEXT_1, Element, INTEGER, Malformed, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET};

/// The parts of a `SignedData`.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedSignedData<'a> {
    /// `version`.
    pub(crate) version: Element<'a>,
    /// The members of `digestAlgorithms`.
    pub(crate) digest_algorithms: Vec<Element<'a>>,
    /// `encapContentInfo`.
    pub(crate) encapsulated: Element<'a>,
    /// `eContentType`.
    pub(crate) content_type: Element<'a>,
    /// The octet string in `eContent`; `None` in a detached signature.
    pub(crate) content: Option<Element<'a>>,
    /// The members of `certificates`.
    pub(crate) certificates: Vec<Element<'a>>,
    /// The members of `crls`: `CertificateList`, or `[1]` around other revocation information.
    pub(crate) crls: Vec<Element<'a>>,
    /// `signerInfos`.
    pub(crate) signers: Vec<SignerInfo<'a>>,
}

impl<'a> ReceivedSignedData<'a> {
    /// Reads a `ContentInfo` that holds a `SignedData`.
    pub(crate) fn read(octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut outer = Element::only(octets)?.tagged(SEQUENCE, "it is no CMS")?.reader()?;
        let content_type = outer.required(OBJECT_IDENTIFIER, "it is no CMS: it names no content type")?;
        if !is(content_type, ID_SIGNED_DATA) {
            return Err(Malformed("the CMS is no SignedData"));
        }
        let explicit = outer.required(CONTEXT_0, "the CMS has no content")?;
        outer.finish("the CMS has more than type and content")?;
        Self::parts(Element::only(explicit.contents)?.tagged(SEQUENCE, "the SignedData is no sequence")?)
    }

    fn parts(signed_data: Element<'a>) -> Result<Self, Malformed> {
        let mut parts = signed_data.reader()?;
        let version = parts.required(INTEGER, "the SignedData has no version")?;
        let digest_algorithms = parts.required(SET, "the SignedData has no digest algorithms")?.children()?;
        let encapsulated = parts.required(SEQUENCE, "the SignedData has no content type")?;
        let members = |set: Option<Element<'a>>| set.map_or_else(|| Ok(Vec::new()), |set| set.children());
        let certificates = members(parts.optional(CONTEXT_0))?;
        let crls = members(parts.optional(CONTEXT_1))?;
        let signers = parts.required(SET, "the SignedData has no signers")?;
        parts.finish("the SignedData has more than its standard says")?;

        let mut inner = encapsulated.reader()?;
        let content_type = inner.required(OBJECT_IDENTIFIER, "the SignedData has no content type")?;
        let content = match inner.optional(CONTEXT_0) {
            None => None,
            Some(explicit) => Some(Element::only(explicit.contents)?),
        };
        inner.finish("the content has more than type and octets")?;
        if content.is_some_and(|content| content.tag & 0x1f != OCTET_STRING) {
            return Err(Malformed("the content is no octet string"));
        }
        let signers = signers.children()?.into_iter().map(SignerInfo::read).collect::<Result<_, _>>()?;
        Ok(Self { version, digest_algorithms, encapsulated, content_type, content, certificates, crls, signers })
    }

    /// The content, if it is inside.
    pub(crate) fn content_octets(&self) -> Result<Option<Cow<'a, [u8]>>, Malformed> {
        self.content.map(|content| content.octets()).transpose()
    }

    /// The certificates inside that can be read. Attribute certificates and keys of unknown kinds help nobody here.
    pub(crate) fn readable_certificates(&self) -> Vec<Certificate> {
        let plain = self.certificates.iter().filter(|each| each.tag == SEQUENCE);
        plain.filter_map(|each| Certificate::from_der(each.whole).ok()).collect()
    }
}

/// Whether the element is this object identifier.
pub(crate) fn is(element: Element<'_>, oid: ObjectIdentifier) -> bool {
    element.tag == OBJECT_IDENTIFIER && element.contents == oid.as_bytes()
}

/// The object identifier that the element is.
pub(crate) fn oid(element: Element<'_>) -> Result<ObjectIdentifier, Malformed> {
    let element = element.tagged(OBJECT_IDENTIFIER, "there is no object identifier where one must be")?;
    ObjectIdentifier::from_bytes(element.contents).map_err(|_| Malformed("an object identifier is malformed"))
}
