//! Lays out a PDF signature: every refusal, the incremental update, the digest of the byte range.

use std::ops::Range;

use bytes::Bytes;
use cms::signed_data::SignedAttributes;
use cryptotoken_api::{CertificateChain, DataToBeSigned, SignatureAlgorithm};
use der::Encode;
use lopdf::ObjectId;

use super::PadesConfig;
use super::byte_range::ByteRange;
use super::edits::Edits;
use super::fields::TargetField;
use super::file::PdfFile;
use super::incremental_update::IncrementalUpdate;
use super::refusal::PdfRefusal;
use super::signature_dictionary::{SignatureClaims, lay_out, text_string};
use super::{fields, pages, permissions};
use crate::cades::attributes::signed_attributes;
use crate::create::{SignatureContext, SignatureFormat};
use crate::error::{Discrepancy, WorkerError};
use crate::kind::WorkerKind;
use crate::worker::{SignedDocument, SignerDocument, SigningParameters};

/// A PDF with its update, waiting for the signature value.
pub struct PreparedPades {
    pub(super) document: Bytes,
    pub(super) update: Vec<u8>,
    /// Where in the update `/Contents` is, angle brackets included.
    pub(super) contents: Range<usize>,
    pub(super) chain: CertificateChain,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) signed_attributes: SignedAttributes,
    pub(super) data_to_be_signed: DataToBeSigned,
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
        let octets = document.octets()?;
        let chosen = |name, fixed| choose_text(parameters, name, fixed);
        let claims = SignatureClaims {
            signing_time: context.signing_time,
            reason: chosen("reason", &self.reason)?,
            location: chosen("location", &self.location)?,
            certification: self.certification,
        };
        let field = chosen("field", &self.field)?;
        let chain = context.credential.chain.clone();
        let Layout { update, contents } = update(octets, &claims, field, room(&chain))?;

        let offset = octets.len();
        let range = ByteRange::new(offset + contents.start..offset + contents.end, offset + update.len());
        let digest = range
            .digest(&[octets, &update], context.algorithm.digest())
            .map_err(|_| WorkerError::Encoding(der::ErrorKind::Failed.into()))?;
        // EN 319 142-1, clause 6.3: the claimed time is /M, so the signing-time attribute must be absent.
        let signed_attributes = signed_attributes(&digest, chain.leaf(), context.algorithm, None, &[])?;
        let data_to_be_signed = DataToBeSigned::new(signed_attributes.to_der()?);
        Ok(PreparedPades {
            document: octets.clone(),
            update,
            contents,
            chain,
            algorithm: context.algorithm,
            signed_attributes,
            data_to_be_signed,
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
}

/// An update with room for the CMS.
struct Layout {
    update: Vec<u8>,
    contents: Range<usize>,
}

fn update(
    document: &[u8],
    claims: &SignatureClaims<'_>,
    field: Option<&str>,
    reserved: usize,
) -> Result<Layout, PdfRefusal> {
    let file = PdfFile::open(document)?;
    let layout = update_of(&file, claims, field, reserved);
    // First, because objects that could not be read any more look like missing ones.
    file.refuse_exhausted()?;
    layout
}

fn update_of(
    file: &PdfFile<'_>,
    claims: &SignatureClaims<'_>,
    field: Option<&str>,
    reserved: usize,
) -> Result<Layout, PdfRefusal> {
    let fields = fields::all(file)?;
    let target = fields::choose(file, &fields, field)?;
    // Also when no field is added: what has no pages is shown by no reader.
    let page = pages::first(file)?;
    permissions::check(file, &fields, &target)?;
    if claims.certification.is_some() && permissions::is_signed(&fields) {
        return Err(PdfRefusal::AlreadySigned);
    }

    let mut numbers = file.next_object_number()?..;
    let mut new_id = || (numbers.next().unwrap_or(u32::MAX), 0);
    let signature = new_id();
    let dictionary = lay_out(file, signature, claims, reserved)?;
    let mut update = IncrementalUpdate::new(file);
    // The signature comes first in the update, where the check before release looks for it.
    let start = update.write(signature, &dictionary.text);

    let mut edits = Edits::new(file);
    let catalog = file.catalog_id();
    match &target {
        TargetField::Existing { id, .. } => edits.set(*id, &[], "V", &reference(signature))?,
        TargetField::New { name } => {
            let field = new_id();
            update.write(field, &new_field(file, field, name, page, signature)?);
            edits.push(page, &[("Annots", b"[]")], &reference(field))?;
            if file.value(file.catalog()?, b"AcroForm").is_null() {
                let form = new_id();
                let fields = [b"<</Fields[".to_vec(), reference(field), b"]/SigFlags 3>>".to_vec()].concat();
                update.write(form, &fields);
                edits.set(catalog, &[], "AcroForm", &reference(form))?;
            } else {
                edits.push(catalog, &[("AcroForm", b"<<>>"), ("Fields", b"[]")], &reference(field))?;
            }
        }
    }
    if let Ok(form) = file.value(file.catalog()?, b"AcroForm").as_dict() {
        let flags = file.value(form, b"SigFlags").as_i64().unwrap_or(0);
        // ISO 32000-2, table 225: signatures exist; save by appending only.
        if flags & 3 != 3 {
            edits.set(catalog, &[("AcroForm", b"<<>>")], "SigFlags", (flags | 3).to_string().as_bytes())?;
        }
    }
    if claims.certification.is_some() {
        edits.set(catalog, &[("Perms", b"<<>>")], "DocMDP", &reference(signature))?;
    }
    for (id, text) in edits.into_texts() {
        update.write(id, &text);
    }

    let (next, _) = new_id();
    let mut update = update.finish(next)?;
    let shifted = |range: Range<usize>| range.start + start..range.end + start;
    let contents = shifted(dictionary.contents);
    let offset = file.bytes().len();
    let range = ByteRange::new(offset + contents.start..offset + contents.end, offset + update.len());
    let room = update.get_mut(shifted(dictionary.byte_range)).unwrap_or_default();
    let numbers = range.numbers();
    room.get_mut(..numbers.len())
        .ok_or(PdfRefusal::TooLarge("its byte range does not fit the room for it"))?
        .copy_from_slice(numbers.as_bytes());
    Ok(Layout { update, contents })
}

/// A signature field merged with its invisible widget (ISO 32000-2, 12.7.5.5).
fn new_field(
    file: &PdfFile<'_>,
    id: ObjectId,
    name: &str,
    page: ObjectId,
    signature: ObjectId,
) -> Result<Vec<u8>, PdfRefusal> {
    // Flags: print (3) and locked (8).
    let parts = [
        b"<</Type/Annot/Subtype/Widget/FT/Sig/F 132/Rect[0 0 0 0]/P ".to_vec(),
        reference(page),
        b"/T".to_vec(),
        file.string(id, text_string(name))?,
        b"/V ".to_vec(),
        reference(signature),
        b">>".to_vec(),
    ];
    Ok(parts.concat())
}

fn reference((number, generation): ObjectId) -> Vec<u8> {
    format!("{number} {generation} R").into_bytes()
}

/// An estimate that is never too small: certificates, signature value, and attributes, which name the issuer twice.
fn room(chain: &CertificateChain) -> usize {
    let certificates: usize = chain.without_root().map(|certificate| certificate.der().len()).sum();
    certificates + 2 * chain.leaf().der().len() + SIGNATURE_ROOM
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
