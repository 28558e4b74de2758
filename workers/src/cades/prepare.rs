//! Lay out a CMS signature: digest of the content, signed attributes.

use bytes::Bytes;
use cms::signed_data::SignedAttributes;
use cryptotoken_api::{CertificateChain, DataToBeSigned, SignatureAlgorithm};
use der::Encode;

use super::assemble::{DETACHED, ENCAPSULATED};
use super::augment::AugmentableCms;
use super::encapsulate::encapsulate;
use super::joining::{self, Joined};
use super::optional_attributes::attributes;
use super::{CadesConfig, CadesMode};
use crate::augmentation::{Augmentable, AugmentationFault};
use crate::create::{SignatureContext, SignatureFormat};
use crate::error::{Discrepancy, WorkerError};
use crate::level::SignaturePackaging;
use crate::worker::{DocumentContent, SignedDocument, SignerDocument, SigningParameters, in_one_piece};

/// A CMS signature waiting for its value.
pub struct PreparedCades {
    /// What is put in when the signature is laid out; a document that is not in memory comes last of all.
    pub(super) content: Option<Bytes>,
    pub(super) media_type: &'static str,
    pub(super) joined: Option<Joined>,
    pub(super) chain: CertificateChain,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) signed_attributes: SignedAttributes,
    pub(super) data_to_be_signed: DataToBeSigned,
}

impl SignatureFormat for CadesConfig {
    type Prepared = PreparedCades;

    fn prepare(
        &self,
        document: &SignerDocument,
        parameters: &SigningParameters,
        context: &SignatureContext<'_>,
    ) -> Result<PreparedCades, WorkerError> {
        let digest_algorithm = context.algorithm.digest();
        let properties = self.properties.chosen(parameters)?;
        if self.mode == CadesMode::CounterSign && properties.describes_content() {
            let reason = "a counter-signature signs no content; leave content_hints and mime_type out".into();
            return Err(WorkerError::Parameter { name: "mime_type".into(), reason });
        }
        let mut joined = None;
        let before = if self.mode == CadesMode::Sign { None } else { joining::parts_of(document) };
        let before = before.map(|(cms, beside)| Joined::read(cms, beside, self.mode, digest_algorithm)).transpose()?;
        let (content, digest) = match (&document.content, self.packaging) {
            _ if before.is_some() => {
                let (signature, digest) = before.unzip();
                joined = signature;
                (None, digest.unwrap_or_default())
            }
            (DocumentContent::Spooled(_), _) if self.mode != CadesMode::Sign => return Err(WorkerError::NotInMemory),
            (DocumentContent::Memory(document), SignaturePackaging::Encapsulated) => {
                (Some(Bytes::clone(document)), document.digest(digest_algorithm)?)
            }
            (DocumentContent::Memory(document), _) => (None, document.digest(digest_algorithm)?),
            (DocumentContent::Spooled(document), _) => (None, document.digest(digest_algorithm)?),
            (DocumentContent::Digest(_), SignaturePackaging::Encapsulated) => {
                return Err(WorkerError::DigestNotAllowed {
                    reason: "its packaging is encapsulated, so it needs the document",
                });
            }
            (DocumentContent::Digest(digest), _) if digest.algorithm() != digest_algorithm => {
                return Err(WorkerError::DigestAlgorithm { given: digest.algorithm(), expected: digest_algorithm });
            }
            (DocumentContent::Digest(digest), _) => (None, digest.digest().to_vec()),
        };
        let chain = context.credential.chain.clone();
        let more = attributes(&properties, context.content_timestamp)?;
        let signed_attributes = joining::attributes(self.mode, &digest, context, &more)?;
        // RFC 5652, section 5.4: what is signed is the DER SET OF, not the [0] that stands in the SignerInfo.
        let data_to_be_signed = DataToBeSigned::new(signed_attributes.to_der()?);
        let media_type = if self.packaging == SignaturePackaging::Encapsulated { ENCAPSULATED } else { DETACHED };
        let algorithm = context.algorithm;
        Ok(PreparedCades { content, media_type, joined, chain, algorithm, signed_attributes, data_to_be_signed })
    }

    fn check(
        &self,
        signed: &SignedDocument,
        document: &SignerDocument,
        context: &SignatureContext<'_>,
    ) -> Result<(), Discrepancy> {
        super::check::check(self, signed, document, context)
    }

    fn encapsulate(&self, signed: &mut SignedDocument, document: &SignerDocument) -> Result<(), Discrepancy> {
        if let (DocumentContent::Spooled(content), SignaturePackaging::Encapsulated) =
            (&document.content, self.packaging)
        {
            let around = encapsulate(&signed.contiguous());
            signed.segments = around.map_err(|malformed| Discrepancy::Unreadable(malformed.to_string()))?.into();
            signed.spooled = Some(content.clone());
        }
        Ok(())
    }

    fn growing(
        &self,
        signature: &[Bytes],
        document: &SignerDocument,
        parameters: &SigningParameters,
    ) -> Result<Box<dyn Augmentable>, AugmentationFault> {
        match (self.mode, joining::parts_of(document)) {
            (CadesMode::CoSign | CadesMode::CounterSign, Some((before, beside))) => {
                Ok(Box::new(AugmentableCms::read_since(in_one_piece(signature), beside, before)?))
            }
            _ => self.augmentable(signature, Some(&document.content), parameters),
        }
    }

    fn wants_content_timestamp(&self) -> bool {
        self.content_timestamp
    }

    fn augmentable(
        &self,
        signature: &[Bytes],
        document: Option<&DocumentContent>,
        _: &SigningParameters,
    ) -> Result<Box<dyn Augmentable>, AugmentationFault> {
        Ok(Box::new(AugmentableCms::read(in_one_piece(signature), document)?))
    }
}
