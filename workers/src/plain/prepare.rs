//! Lay out a plain signature: the data to be signed is the document, or the digest sent in its place.

use cryptotoken_api::{DataToBeSigned, DtbsRepresentation, SignatureScheme, SignatureValue, ToBeSigned};

use crate::create::{Prepared, SignatureContext, SignatureFormat};
use crate::error::{Discrepancy, WorkerError};
use crate::files::FilesFault;
use crate::plain::{EcdsaEncoding, PlainConfig};
use crate::timestamp::TimestampToken;
use crate::worker::{DocumentContent, SignedDocument, SignerDocument, SigningParameters};

/// A plain signature waiting for its value.
pub struct PreparedPlain {
    signed: Signed,
    der: bool,
}

enum Signed {
    Data(DataToBeSigned),
    Representation(DtbsRepresentation),
}

impl SignatureFormat for PlainConfig {
    type Prepared = PreparedPlain;

    fn prepare(
        &self,
        document: &SignerDocument,
        _parameters: &SigningParameters,
        context: &SignatureContext<'_>,
    ) -> Result<PreparedPlain, WorkerError> {
        let scheme = context.algorithm.scheme();
        let signed = match &document.content {
            DocumentContent::Memory(octets) => Signed::Data(DataToBeSigned::new(bytes::Bytes::clone(octets))),
            DocumentContent::Spooled(_) => return Err(WorkerError::NotInMemory),
            DocumentContent::Digest(_) if !self.allow_client_hash => {
                return Err(WorkerError::DigestNotAllowed { reason: "allow_client_hash is false" });
            }
            DocumentContent::Digest(_) if scheme.signs_data() => {
                return Err(WorkerError::DigestNotAllowed { reason: "Ed25519 and ML-DSA sign data, not digests" });
            }
            DocumentContent::Digest(digest) if digest.algorithm() != context.algorithm.digest() => {
                return Err(WorkerError::DigestAlgorithm {
                    given: digest.algorithm(),
                    expected: context.algorithm.digest(),
                });
            }
            DocumentContent::Digest(digest) => Signed::Representation(digest.clone()),
            DocumentContent::Files(_) => return Err(FilesFault::OnlyOne.into()),
        };
        Ok(PreparedPlain { signed, der: scheme == SignatureScheme::Ecdsa && self.ecdsa_encoding == EcdsaEncoding::Der })
    }

    fn check(
        &self,
        signed: &SignedDocument,
        document: &SignerDocument,
        context: &SignatureContext<'_>,
    ) -> Result<(), Discrepancy> {
        super::check::check(self, signed, document, context)
    }
}

impl Prepared for PreparedPlain {
    fn to_be_signed(&self) -> ToBeSigned<'_> {
        match &self.signed {
            Signed::Data(data) => ToBeSigned::Data(data),
            Signed::Representation(representation) => ToBeSigned::Representation(representation),
        }
    }

    fn assemble(
        self,
        value: &SignatureValue,
        _timestamp: Option<&TimestampToken>,
    ) -> Result<SignedDocument, Discrepancy> {
        let octets = if self.der { value.to_ecdsa_der()? } else { value.as_bytes().to_vec() };
        Ok(SignedDocument {
            segments: vec![octets.into()],
            spooled: None,
            media_type: "application/octet-stream".into(),
            level: None,
            degraded: None,
        })
    }
}
