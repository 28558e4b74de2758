//! One `SignerInfo`, read as it stands, and the verification of its value (RFC 5652, sections 5.3, 5.4 and 5.6).

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_CONTENT_TYPE, ID_MESSAGE_DIGEST};
use cryptotoken_api::verification::{IdentifiedError, verify_identified};
use cryptotoken_api::{Certificate, CertifiedKey, DigestAlgorithm};
use der::{Decode, Encode};
use spki::AlgorithmIdentifierOwned;

use super::attributes::issuer_and_serial_number;
use super::received::{is, oid};
use crate::tlv::{CONTEXT_0, CONTEXT_1, Element, INTEGER, Malformed, OCTET_STRING, SEQUENCE, SET, tlv};

/// The parts of a `SignerInfo`.
#[derive(Clone, Debug)]
pub(crate) struct SignerInfo<'a> {
    /// All of it.
    pub(crate) whole: &'a [u8],
    /// `version`.
    pub(crate) version: Element<'a>,
    /// `sid`.
    pub(crate) sid: Element<'a>,
    /// `digestAlgorithm`.
    pub(crate) digest_algorithm: Element<'a>,
    /// `signedAttrs`, with its tag `[0]`.
    pub(crate) signed_attributes: Option<Element<'a>>,
    /// `signatureAlgorithm`.
    pub(crate) signature_algorithm: Element<'a>,
    /// `signature`.
    pub(crate) signature: Element<'a>,
    /// The members of `unsignedAttrs`.
    pub(crate) unsigned_attributes: Vec<Element<'a>>,
}

/// Why a signature of others cannot be built on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerInfoFault {
    /// Not encoded as the standard says.
    #[error("it is malformed: {0}")]
    Malformed(&'static str),
    /// Signed with something that is not known here, or that is no longer fit.
    #[error("the algorithm {0} is not known here")]
    Algorithm(ObjectIdentifier),
    /// The certificate of its signer is not inside.
    #[error("it does not carry the certificate of its signer")]
    NoCertificate,
    /// The content is not what was signed.
    #[error("the digest of the content is not the one signed")]
    Digest,
    /// The value is wrong.
    #[error("the signature value does not verify")]
    Value,
}

impl From<Malformed> for SignerInfoFault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.0)
    }
}

impl<'a> SignerInfo<'a> {
    /// Reads one.
    pub(crate) fn read(element: Element<'a>) -> Result<Self, Malformed> {
        let mut parts = element.tagged(SEQUENCE, "a SignerInfo is no sequence")?.reader()?;
        let this = Self {
            whole: element.whole,
            version: parts.required(INTEGER, "a SignerInfo has no version")?,
            sid: parts.any("a SignerInfo names no signer")?,
            digest_algorithm: parts.required(SEQUENCE, "a SignerInfo names no digest algorithm")?,
            signed_attributes: parts.optional(CONTEXT_0),
            signature_algorithm: parts.required(SEQUENCE, "a SignerInfo names no signature algorithm")?,
            signature: parts.required(OCTET_STRING, "a SignerInfo has no signature value")?,
            unsigned_attributes: match parts.optional(CONTEXT_1) {
                Some(attributes) => attributes.children()?,
                None => Vec::new(),
            },
        };
        parts.finish("a SignerInfo has more than its standard says")?;
        Ok(this)
    }

    /// The same with these unsigned attributes, encoded anew around parts that stay as they are.
    pub(crate) fn with_unsigned<P: AsRef<[u8]>>(&self, attributes: &[P]) -> Vec<u8> {
        let signed = self.signed_attributes.map(|attributes| attributes.whole).unwrap_or_default();
        let unsigned = if attributes.is_empty() { Vec::new() } else { tlv(CONTEXT_1, attributes) };
        let (digest, signature) = (self.digest_algorithm.whole, self.signature_algorithm.whole);
        let parts = [self.version.whole, self.sid.whole, digest, signed, signature, self.signature.whole, &unsigned];
        tlv(SEQUENCE, &parts)
    }

    /// The values of a signed attribute.
    pub(crate) fn signed(&self, attribute: ObjectIdentifier) -> Result<Vec<Element<'a>>, Malformed> {
        let attributes = self.signed_attributes.map_or_else(|| Ok(Vec::new()), |set| set.children())?;
        values(&attributes, attribute)
    }

    /// The values of an unsigned attribute.
    pub(crate) fn unsigned(&self, attribute: ObjectIdentifier) -> Result<Vec<Element<'a>>, Malformed> {
        values(&self.unsigned_attributes, attribute)
    }

    /// The digest algorithm.
    pub(crate) fn digest(&self) -> Result<DigestAlgorithm, SignerInfoFault> {
        let algorithm = self.digest_algorithm.reader()?.any("a digest algorithm has no identifier")?;
        digest_algorithm(oid(algorithm)?)
    }

    /// The one of these certificates that `sid` names.
    pub(crate) fn signer<'c>(&self, certificates: &'c [Certificate]) -> Result<&'c Certificate, SignerInfoFault> {
        let named = |certificate: &&Certificate| match self.sid.tag {
            SEQUENCE => issuer_and_serial_number(certificate).to_der().is_ok_and(|der| der == self.sid.whole),
            _ => certificate.subject_key_identifier().is_some_and(|identifier| identifier == self.sid.contents),
        };
        certificates.iter().find(named).ok_or(SignerInfoFault::NoCertificate)
    }

    /// Verifies the value with this certificate's key. `content_type` is what the attribute must say (`None`: it must be absent,
    /// as in counter-signatures); `content_digest` gives the digest of what is signed.
    pub(crate) fn verify(
        &self,
        certificate: &Certificate,
        content_type: Option<ObjectIdentifier>,
        content_digest: impl FnOnce(DigestAlgorithm) -> Option<Vec<u8>>,
    ) -> Result<(), SignerInfoFault> {
        let attributes = self.signed_attributes.ok_or(Malformed("it has no signed attributes"))?;
        match (self.signed(ID_CONTENT_TYPE)?.as_slice(), content_type) {
            ([], None) => {}
            ([found], Some(expected)) if is(*found, expected) => {}
            _ => return Err(Malformed("the signed content type is not that of the content").into()),
        }
        let digests = self.signed(ID_MESSAGE_DIGEST)?;
        let [digest] = digests.as_slice() else { return Err(Malformed("it has not one message digest").into()) };
        if content_digest(self.digest()?).is_none_or(|expected| expected != digest.contents) {
            return Err(SignerInfoFault::Digest);
        }
        // RFC 5652, section 5.4: what is signed is the DER SET OF, not the [0] that stands here.
        let signed = tlv(SET, &[attributes.contents]);
        self.verify_value(certificate.key(), &signed)
    }

    fn verify_value(&self, key: &CertifiedKey, signed: &[u8]) -> Result<(), SignerInfoFault> {
        let algorithm = AlgorithmIdentifierOwned::from_ber(self.signature_algorithm.whole)
            .map_err(|_| Malformed("the signature algorithm cannot be read"))?;
        let digest = Some(self.digest()?);
        verify_identified(key, &algorithm, digest, signed, self.signature.contents).map_err(|error| match error {
            IdentifiedError::Algorithm(oid) => SignerInfoFault::Algorithm(oid),
            IdentifiedError::Mismatch => SignerInfoFault::Value,
        })
    }
}

/// The values of an attribute among these.
pub(crate) fn values<'a>(
    attributes: &[Element<'a>],
    attribute: ObjectIdentifier,
) -> Result<Vec<Element<'a>>, Malformed> {
    let mut found = Vec::new();
    for each in attributes {
        let mut parts = each.tagged(SEQUENCE, "an attribute is no sequence")?.reader()?;
        if is(parts.any("an attribute has no type")?, attribute) {
            found.extend(parts.required(SET, "an attribute has no values")?.children()?);
        }
    }
    Ok(found)
}

/// The digest algorithm of this identifier.
pub(crate) fn digest_algorithm(oid: ObjectIdentifier) -> Result<DigestAlgorithm, SignerInfoFault> {
    DigestAlgorithm::ALL.into_iter().find(|each| each.oid() == oid).ok_or(SignerInfoFault::Algorithm(oid))
}
