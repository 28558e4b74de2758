//! Lays out a PDF signature: every refusal, the incremental update, the digest of the byte range.

use std::ops::Range;

use bytes::Bytes;
use cms::signed_data::SignedAttributes;
use cryptotoken_api::{CertificateChain, DataToBeSigned, SignatureAlgorithm};
use der::Encode;
use lopdf::ObjectId;
use secrecy::SecretString;

use super::appearance::{SealFacts, VisibleSeal};
use super::augment::AugmentablePdf;
use super::file::PdfFile;
use super::layout::{Layout, Says, byte_range};
use super::octets::PdfOctets;
use super::refusal::PdfRefusal;
use super::seed_values::{self, Offer};
use super::signature_dictionary::{self, SignatureClaims};
use super::{AppearanceConfig, PadesConfig, appearances, fields, pages, permissions};
use crate::augmentation::{Augmentable, AugmentationFault};
use crate::cades::attributes::signed_attributes;
use crate::create::{SignatureContext, SignatureFormat};
use crate::error::{Discrepancy, WorkerError};
use crate::kind::WorkerKind;
use crate::level::SignatureLevel;
use crate::memory::MemoryDocument;
use crate::worker::{DocumentContent, SignedDocument, SignerDocument, SigningParameters};

/// A PDF with its update, waiting for the signature value.
pub struct PreparedPades {
    pub(super) document: MemoryDocument,
    pub(super) update: Vec<u8>,
    /// Where in the update `/Contents` is, angle brackets included.
    pub(super) contents: Range<usize>,
    /// The page that the field is on.
    pub(super) page: ObjectId,
    pub(super) chain: CertificateChain,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) signed_attributes: SignedAttributes,
    pub(super) data_to_be_signed: DataToBeSigned,
    /// What opens the document, for whoever shows it.
    pub(super) password: Option<SecretString>,
}

impl SignatureFormat for PadesConfig {
    type Prepared = PreparedPades;

    fn prepare(
        &self,
        document: &SignerDocument,
        parameters: &SigningParameters,
        context: &SignatureContext<'_>,
    ) -> Result<PreparedPades, WorkerError> {
        // ISO/TS 32002 has Ed25519 for PDF 2.0 only, and poppler cannot verify it; ML-DSA is in no standard for PDF.
        if context.algorithm.scheme().signs_data() {
            return Err(WorkerError::Algorithm { kind: WorkerKind::Pades, algorithm: context.algorithm });
        }
        if let Some(declared) = &document.media_type {
            WorkerKind::Pades.check_media_type(declared)?;
        }
        let document = document.octets()?;
        let chosen = |name, fixed| choose_text(parameters, name, fixed);
        let chain = context.credential.chain.clone();
        let appearance = AppearanceConfig::chosen(self.appearance.as_ref(), parameters.value("appearance"))?;
        let seal = Seal {
            reason: chosen("reason", &self.reason)?,
            location: chosen("location", &self.location)?,
            field: chosen("field", &self.field)?,
            appearance: appearance.as_deref(),
            config: self,
            context,
        };
        let Layout { update, contents, page } = seal.update(document)?;

        let range = byte_range(document.len(), &contents, update.len());
        let digest = PdfOctets::of(document)
            .followed_by(&update)
            .digest(&range, context.algorithm.digest())
            .map_err(|_| WorkerError::Encoding(der::ErrorKind::Failed.into()))?;
        // EN 319 142-1, clause 6.3: the claimed time is /M, so the signing-time attribute must be absent.
        let signed_attributes = signed_attributes(&digest, chain.leaf(), context.algorithm, None, &[])?;
        let data_to_be_signed = DataToBeSigned::new(signed_attributes.to_der()?);
        Ok(PreparedPades {
            document: document.clone(),
            update,
            contents,
            page,
            chain,
            algorithm: context.algorithm,
            signed_attributes,
            data_to_be_signed,
            password: parameters.password().cloned(),
        })
    }

    fn check(
        &self,
        signed: &SignedDocument,
        document: &SignerDocument,
        context: &SignatureContext<'_>,
    ) -> Result<(), Discrepancy> {
        super::check::check(signed, document, context)
    }

    fn augmentable(
        &self,
        signature: &[Bytes],
        document: Option<&DocumentContent>,
        parameters: &SigningParameters,
    ) -> Result<Box<dyn Augmentable>, AugmentationFault> {
        Ok(Box::new(AugmentablePdf::read(signature, document, parameters.password().cloned())?))
    }
}

/// A seal to be laid out.
struct Seal<'s> {
    reason: Option<&'s str>,
    location: Option<&'s str>,
    field: Option<&'s str>,
    appearance: Option<&'s AppearanceConfig>,
    config: &'s PadesConfig,
    context: &'s SignatureContext<'s>,
}

impl Seal<'_> {
    fn update(&self, document: &MemoryDocument) -> Result<Layout, WorkerError> {
        let file = PdfFile::open(PdfOctets::of(document), self.context.parameters.password())?;
        let layout = self.update_of(&file, document);
        // First, because objects that could not be read any more look like missing ones.
        file.refuse_unread()?;
        layout
    }

    fn update_of(&self, file: &PdfFile<'_>, document: &Bytes) -> Result<Layout, WorkerError> {
        let fields = fields::all(file)?;
        let target = fields::choose(file, &fields, self.field, self.config.lock.as_ref())?;
        // Also when no field is added: what has no pages is shown by no reader.
        let page = pages::first(file)?;
        permissions::check(file, &fields, &target, self.appearance.is_some())?;
        let document_timestamp = permissions::check_document_timestamp(file);
        let only_inside = document_timestamp.is_err();
        if self.context.level == SignatureLevel::BaselineLta {
            document_timestamp?;
        }
        if permissions::is_signed(&fields) {
            file.refuse_damage_under_signatures()?;
        }
        let certifies = self.config.certification.is_some();
        if certifies && permissions::is_signed(&fields) {
            return Err(PdfRefusal::AlreadySigned.into());
        }

        let chain = &self.context.credential.chain;
        let claims = SignatureClaims {
            signing_time: self.context.signing_time,
            reason: self.reason,
            location: self.location,
            certification: self.config.certification,
            lock: target.lock(),
        };
        let digest = self.context.algorithm.digest();
        seed_values::check(
            file,
            &target,
            &Offer { claims: &claims, digest, level: self.context.minimum_level, chain },
        )?;
        let facts = SealFacts {
            certificate: chain.leaf(),
            signing_time: claims.signing_time,
            reason: claims.reason,
            location: claims.location,
            document,
        };
        let visible = self.appearance.map(|appearance| VisibleSeal::new(file, &fields, &target, appearance, &facts));
        let visible = visible.transpose()?;
        // Verifiers compare the form of a document with what was signed before.
        let drawn = !permissions::is_signed(&fields) && appearances::are_asked_for_in_vain(file, &fields);
        let says = Says { certified: certifies, drawn };
        let reserved = room(chain, self.context, only_inside);
        let page = visible.as_ref().map_or(page, |visible| visible.page);
        let dictionary = |signature| signature_dictionary::lay_out(file, signature, &claims, reserved);
        Ok(Layout::in_field(file, &target, page, visible.as_ref(), says, dictionary)?)
    }
}

/// An estimate: certificates, signature value, and attributes, which name the issuer twice. Only a timestamp can be longer; there is
/// more room where none may stand beside the signature, which is withheld when it does not fit.
fn room(chain: &CertificateChain, context: &SignatureContext<'_>, only_inside: bool) -> usize {
    let certificates: usize = chain.without_root().map(|certificate| certificate.der().len()).sum();
    let timestamped = context.level >= SignatureLevel::BaselineT;
    let timestamp = if timestamped { timestamp_room(context.longest_timestamp) } else { 0 };
    let timestamp = if only_inside { timestamp * ROOMS_INSIDE } else { timestamp };
    certificates + 2 * chain.leaf().der().len() + SIGNATURE_ROOM + timestamp
}

fn choose_text<'t>(
    parameters: &'t SigningParameters,
    name: &str,
    fixed: &'t Option<String>,
) -> Result<Option<&'t str>, WorkerError> {
    match parameters.text(name)? {
        Some(text) => match super::refuse_text(text) {
            None => Ok(Some(text)),
            Some(reason) => Err(WorkerError::Parameter { name: name.to_owned(), reason: reason.to_owned() }),
        },
        None => Ok(fixed.as_deref()),
    }
}

/// The largest value (RSA with 8192 bits: 1 KiB) and the parts of fixed size around it.
const SIGNATURE_ROOM: usize = 2048;

/// What is kept for a token with the chain of its authority where the `longest` that is known is so long. Those of the authorities on
/// the EU trusted lists have 3 to 8 KiB. They differ in length from one to the next, by their serial numbers and times.
pub(super) const fn timestamp_room(longest: usize) -> usize {
    let needed = longest + 256;
    if needed > TIMESTAMP_ROOM { needed } else { TIMESTAMP_ROOM }
}

const TIMESTAMP_ROOM: usize = 16 << 10;
const ROOMS_INSIDE: usize = 4;
