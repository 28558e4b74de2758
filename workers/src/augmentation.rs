//! What formats do to a signature that is there already: the verbs of the levels above B-B (EN 319 102-1, clauses 5.4 to 5.6).
//!
//! The order of the verbs is [`crate::create`]'s. No verb changes an octet of what the signature or its timestamps cover.

use bytes::Bytes;
use cryptotoken_api::{Certificate, DigestAlgorithm, DtbsRepresentation};
use time::OffsetDateTime;

use crate::cades::signer_info::SignerInfoFault;
use crate::level::SignatureLevel;
use crate::pades::refusal::PdfRefusal;
use crate::revocation::RevocationEvidence;
use crate::timestamp::{TimestampToken, TokenFault};
use crate::validation_data::ValidationData;

/// A signature that was read and verified, and grows.
pub trait Augmentable {
    /// Refuses what cannot be brought to this level without harm to what is there.
    ///
    /// # Errors
    /// [`AugmentationFault`].
    fn refuse(&self, level: SignatureLevel) -> Result<(), AugmentationFault>;

    /// What a signature timestamp must cover, for every signature that has none.
    ///
    /// # Errors
    /// [`AugmentationFault`].
    fn untimestamped(&self, digest: DigestAlgorithm) -> Result<Vec<DtbsRepresentation>, AugmentationFault>;

    /// Adds timestamps over what [`Self::untimestamped`] gave, in that order.
    ///
    /// # Errors
    /// [`AugmentationFault`].
    fn add_timestamps(&mut self, tokens: &[TimestampToken]) -> Result<(), AugmentationFault>;

    /// Whose certificates need a path and a status before the next archive timestamp.
    ///
    /// # Errors
    /// [`AugmentationFault`].
    fn participants(&self) -> Result<Participants, AugmentationFault>;

    /// Adds certificates and revocation information that are not there yet.
    ///
    /// # Errors
    /// [`AugmentationFault`].
    fn add_validation_data(&mut self, data: &ValidationData) -> Result<(), AugmentationFault>;

    /// What archive timestamps must cover: one imprint for each signature.
    ///
    /// # Errors
    /// [`AugmentationFault`].
    fn archive_imprints(&self, digest: DigestAlgorithm) -> Result<Vec<DtbsRepresentation>, AugmentationFault>;

    /// Adds archive timestamps over what [`Self::archive_imprints`] gave, in that order. Nothing may have been added in between.
    ///
    /// # Errors
    /// [`AugmentationFault`].
    fn add_archive_timestamps(&mut self, tokens: &[TimestampToken]) -> Result<(), AugmentationFault>;

    /// What it is now.
    fn media_type(&self) -> &'static str;

    /// The octets, in order.
    fn finish(self: Box<Self>) -> Vec<Bytes>;
}

/// Who takes part in a signature.
#[derive(Clone, Debug, Default)]
pub struct Participants {
    /// Certificates of signers, each with the time at which a timestamp proves it was used. Empty when an archive timestamp
    /// covers what they need.
    pub signers: Vec<(Certificate, OffsetDateTime)>,
    /// Certificates of time-stamping units whose timestamps nothing covers yet, each with the time of its timestamp.
    pub authorities: Vec<(Certificate, OffsetDateTime)>,
    /// Every certificate that is there, trusted or not.
    pub pool: Vec<Certificate>,
    /// Revocation information that is there, believed or not.
    pub evidence: Vec<RevocationEvidence>,
}

/// Why a signature cannot be augmented. The caller must send another one, or send it to another worker.
#[derive(Debug, thiserror::Error)]
pub enum AugmentationFault {
    /// The format of this worker has nothing to add in this version.
    #[error("workers of this kind cannot augment signatures in this version")]
    Format,
    /// The worker makes B-B, which adds nothing.
    #[error("this worker makes level B-B, which adds nothing to a signature; send it to a worker of a higher level")]
    Level,
    /// Not a signature of the format.
    #[error("what was sent is no signature that can be augmented: {0}")]
    Malformed(&'static str),
    /// Not XML that every verifier reads alike.
    #[error("what was sent is no signature that can be augmented: {0}")]
    Xml(#[from] crate::xades::XmlError),
    /// Detached, and the document did not come along.
    #[error("the signature is detached; send the document with it, as the part \"document\" of a form")]
    NoDocument,
    /// Detached, where a signature is to be joined, and the document did not come along.
    #[error("the signature is detached; send it as \"signature\", and its document as \"document\"")]
    Detached,
    /// What is there covers all certificates, and one more would come in.
    #[error("a signature with {0} cannot be joined: it covers the list of certificates, which would grow")]
    Sealed(&'static str),
    /// Detached, over several files, and none of this name came along.
    #[error(
        "the signature is over a file \"{name}\", which was not sent; send all its files with it, each under its name"
    )]
    NoFile {
        /// The name, as the signature has it.
        name: String,
    },
    /// A document that is not in memory could not be read back; the disk is at fault.
    #[error("a document cannot be read from the spool folder")]
    Spool(#[from] std::io::Error),
    /// Not detached, and another document came along.
    #[error("the document that was sent is not the one in the signature; send the signature alone")]
    OtherDocument,
    /// A signature is wrong, or not known here.
    #[error("the signature of signer {position} cannot be augmented: {fault}")]
    Signer {
        /// Which of the signers, from 1.
        position: usize,
        /// What is wrong.
        fault: SignerInfoFault,
    },
    /// A timestamp in it is wrong, or not known here.
    #[error("a timestamp of signer {position} cannot be built on: {fault}")]
    Timestamp {
        /// Which of the signers, from 1.
        position: usize,
        /// What is wrong.
        fault: TokenFault,
    },
    /// A timestamp covers something else.
    #[error("a timestamp of signer {position} does not cover this signature")]
    Imprint {
        /// Which of the signers, from 1.
        position: usize,
    },
    /// None of those that were found is the one that was asked for.
    #[error("no signature in it has the Id {id:?}; of those that are there, send one as \"signature_id\": {found}")]
    NoSignature {
        /// What was asked for, shortened.
        id: String,
        /// The first of those that are there.
        found: String,
    },
    /// Something is there that the level must not have, or that adding would break.
    #[error("level {level} cannot be added to a signature with {attribute}")]
    Attribute {
        /// The level.
        level: SignatureLevel,
        /// What stands in the way.
        attribute: &'static str,
    },
    /// The digest that was sent in place of the document is of another algorithm than what must cover it.
    #[error("the digest of the document is needed in {0}; send the document")]
    Digest(DigestAlgorithm),
    /// A PDF that cannot be read, or not be extended.
    #[error(transparent)]
    Pdf(#[from] PdfRefusal),
    /// A timestamp does not fit the room for it. The room has grown by then: what the timestamps cover must be asked for again.
    #[error("the timestamp has {needed} octets, {reserved} were reserved")]
    Room {
        /// Octets needed.
        needed: usize,
        /// Octets reserved.
        reserved: usize,
    },
    /// The number of timestamps is not that of the signatures: a bug.
    #[error("there are not as many timestamps as signatures")]
    Count,
}

/// The digest of what a timestamp covers.
pub(crate) fn imprint(digest: DigestAlgorithm, covered: &[u8]) -> Result<DtbsRepresentation, AugmentationFault> {
    DtbsRepresentation::new(digest, digest.digest(covered))
        .map_err(|_| AugmentationFault::Malformed("a digest has the wrong length"))
}

impl From<crate::tlv::Malformed> for AugmentationFault {
    fn from(malformed: crate::tlv::Malformed) -> Self {
        Self::Malformed(malformed.0)
    }
}
