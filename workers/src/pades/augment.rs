//! Bring the signatures of a PDF to a higher level: a document timestamp over all of it, the document security store, and another
//! document timestamp over that (EN 319 142-1, clauses 5.4 and 6.3).
//!
//! Every step is one more incremental update; what is there is left as it is.

use std::cell::RefCell;

use bytes::Bytes;
use cryptotoken_api::{Certificate, DigestAlgorithm, DtbsRepresentation};
use secrecy::SecretString;
use time::OffsetDateTime;

use super::assemble::MEDIA_TYPE;
use super::file::PdfFile;
use super::layout::{Layout, Says, TooSmall, byte_range, fill};
use super::octets::GrowingPdf;
use super::prepare::timestamp_room;
use super::refusal::PdfRefusal;
use super::signatures::{FoundKind, FoundSignature};
use super::{fields, pages, permissions, security_store, signature_dictionary, signatures};
use crate::augmentation::{Augmentable, AugmentationFault, Participants};
use crate::level::SignatureLevel;
use crate::revocation::RevocationEvidence;
use crate::timestamp::TimestampToken;
use crate::validation_data::ValidationData;
use crate::worker::DocumentContent;

/// A PDF whose signatures grow.
pub(super) struct AugmentablePdf {
    document: GrowingPdf,
    /// The length of what was there before the signatures that are looked at.
    before: usize,
    /// What opens it, where it is encrypted and does not open without.
    password: Option<SecretString>,
    /// Why no document timestamp may be added, where that is so.
    forbidden: Option<PdfRefusal>,
    /// Whether there is a signature without a timestamp, or none at all.
    lacks_timestamp: bool,
    /// Octets to reserve for a token.
    room: usize,
    /// A document timestamp that waits for its token.
    pending: RefCell<Option<Layout>>,
}

/// The signatures and timestamps that are looked at, and what earlier timestamps cover.
struct Found {
    signatures: Vec<FoundSignature>,
    /// Certificates that are in the security store of the revision that ends there, which a timestamp covers.
    archives: Vec<(usize, Vec<Certificate>)>,
    /// Certificates in the security store now.
    stored: Vec<Certificate>,
    /// Revocation information in it.
    evidence: Vec<RevocationEvidence>,
    /// Why no document timestamp may be added, where that is so.
    forbidden: Option<PdfRefusal>,
}

impl AugmentablePdf {
    /// Reads and verifies every signature and timestamp. `before` is the document that they were added to, where only those
    /// added since are to be looked at.
    pub(super) fn read(
        segments: &[Bytes],
        before: Option<&DocumentContent>,
        password: Option<SecretString>,
    ) -> Result<Self, AugmentationFault> {
        let (document, before) = match before {
            None => (GrowingPdf::new(segments, None), 0),
            Some(DocumentContent::Memory(original)) => {
                let document = GrowingPdf::new(segments, Some(original));
                if !document.octets().begin_with(original) {
                    return Err(AugmentationFault::OtherDocument);
                }
                (document, original.len())
            }
            Some(_) => return Err(AugmentationFault::OtherDocument),
        };
        let pending = RefCell::default();
        let mut this = Self { document, before, password, forbidden: None, lacks_timestamp: false, room: 0, pending };
        let found = this.found()?;
        let longest = found.signatures.iter().map(FoundSignature::longest_timestamp).max();
        this.room = timestamp_room(longest.unwrap_or_default());
        this.lacks_timestamp = found.lacks_timestamp();
        this.forbidden = found.forbidden;
        Ok(this)
    }

    /// Refuses our own output when it lacks what the level has: timestamps, validation data, a document timestamp over everything.
    /// `stamped_inside`: whether the signature itself holds its timestamp.
    pub(super) fn has_parts_of(&self, level: SignatureLevel, stamped_inside: bool) -> Result<(), AugmentationFault> {
        let found = self.found()?;
        if found.signatures.iter().any(|each| found.is_untimestamped(each)) {
            return Err(AugmentationFault::Malformed("a signature has no timestamp"));
        }
        if level >= SignatureLevel::BaselineLt && found.stored.is_empty() {
            return Err(AugmentationFault::Malformed("there is no document security store"));
        }
        let last = found.signatures.last();
        let stamped = last.is_some_and(|last| {
            matches!(last.kind, FoundKind::Timestamp(_)) && last.range.end() == self.document.octets().len()
        });
        let elsewhere = level == SignatureLevel::BaselineT && !stamped_inside;
        if stamped != (level == SignatureLevel::BaselineLta || elsewhere) {
            return Err(AugmentationFault::Malformed("the document timestamps are not those of the level"));
        }
        Ok(())
    }

    fn found(&self) -> Result<Found, AugmentationFault> {
        let octets = self.document.octets();
        let file = PdfFile::open(octets, self.password.as_ref())?;
        let signatures = signatures::behind(&file, self.before)?;
        if !signatures.is_empty() {
            file.refuse_damage_under_signatures()?;
        }
        let (stored, evidence) = (security_store::certificates(&file), security_store::evidence(&file));
        let forbidden = permissions::check_document_timestamp(&file).err();
        file.refuse_unread()?;
        let mut archives = Vec::new();
        for each in signatures.iter().filter(|each| matches!(each.kind, FoundKind::Timestamp(_))) {
            let end = each.range.end();
            // What cannot be read as it was then has archived nothing.
            let revision = octets.until(end).and_then(|revision| PdfFile::open(revision, self.password.as_ref()).ok());
            archives.extend(revision.map(|revision| (end, security_store::certificates(&revision))));
        }
        Ok(Found { signatures, archives, stored, evidence, forbidden })
    }

    /// Lays out a document timestamp: what it must cover.
    fn lay_out(&self, digest: DigestAlgorithm) -> Result<DtbsRepresentation, AugmentationFault> {
        // Also when it is to stand in for a signature timestamp that did not fit.
        if let Some(refusal) = &self.forbidden {
            return Err(refusal.clone().into());
        }
        let octets = self.document.octets();
        let file = PdfFile::open(octets, self.password.as_ref())?;
        let target = fields::choose(&file, &fields::all(&file)?, None, None)?;
        let page = pages::first(&file)?;
        let dictionary = |_| Ok(signature_dictionary::document_timestamp(self.room));
        let layout = Layout::in_field(&file, &target, page, None, Says::default(), dictionary);
        file.refuse_unread()?;
        let layout = layout?;
        let range = byte_range(octets.len(), &layout.contents, layout.update.len());
        let covered = self.document.digest_with(&layout.update, &range, digest).ok();
        let imprint = covered.and_then(|covered| DtbsRepresentation::new(digest, covered).ok());
        let imprint = imprint.ok_or(AugmentationFault::Malformed("its digest cannot be made"))?;
        self.pending.replace(Some(layout));
        Ok(imprint)
    }

    fn add_document_timestamp(&mut self, tokens: &[TimestampToken]) -> Result<(), AugmentationFault> {
        let ([token], Some(Layout { mut update, contents, .. })) = (tokens, self.pending.take()) else {
            return Err(AugmentationFault::Count);
        };
        fill(&mut update, &contents, &token.der).map_err(|TooSmall { needed, reserved }| {
            self.room = timestamp_room(needed);
            AugmentationFault::Room { needed, reserved }
        })?;
        self.document.append(&update);
        Ok(())
    }
}

impl Found {
    /// Whether a document timestamp covers this revision and, in the store, the certificate.
    fn is_archived(&self, end: usize, certificate: &Certificate) -> bool {
        self.archives.iter().any(|(archived, store)| *archived > end && store.contains(certificate))
    }

    /// The times of the document timestamps over this revision.
    fn covering(&self, end: usize) -> impl Iterator<Item = OffsetDateTime> {
        self.signatures.iter().filter_map(move |each| match &each.kind {
            FoundKind::Timestamp(token) if each.range.end() > end => Some(token.time),
            _ => None,
        })
    }

    /// Whether a signature has no timestamp. A document without any signature gets a document timestamp alone.
    fn lacks_timestamp(&self) -> bool {
        self.signatures.is_empty() || self.signatures.iter().any(|each| self.is_untimestamped(each))
    }

    fn is_untimestamped(&self, signature: &FoundSignature) -> bool {
        matches!(&signature.kind, FoundKind::Signature { timestamps, .. } if timestamps.is_empty())
            && self.covering(signature.range.end()).next().is_none()
    }
}

impl Augmentable for AugmentablePdf {
    /// Validation data and document timestamps may follow every signature, even one that forbids changes (ISO 32000-2, 12.8.2.2.2).
    fn refuse(&self, level: SignatureLevel) -> Result<(), AugmentationFault> {
        match &self.forbidden {
            Some(refusal) if level == SignatureLevel::BaselineLta || self.lacks_timestamp => {
                Err(refusal.clone().into())
            }
            _ => Ok(()),
        }
    }

    fn untimestamped(&self, digest: DigestAlgorithm) -> Result<Vec<DtbsRepresentation>, AugmentationFault> {
        let found = self.found()?;
        if found.lacks_timestamp() { Ok(vec![self.lay_out(digest)?]) } else { Ok(Vec::new()) }
    }

    fn add_timestamps(&mut self, tokens: &[TimestampToken]) -> Result<(), AugmentationFault> {
        if tokens.is_empty() { Ok(()) } else { self.add_document_timestamp(tokens) }
    }

    fn participants(&self) -> Result<Participants, AugmentationFault> {
        let found = self.found()?;
        let (pool, evidence) = (found.stored.clone(), found.evidence.clone());
        let mut participants = Participants { pool, evidence, ..Participants::default() };
        for each in &found.signatures {
            let end = each.range.end();
            match &each.kind {
                FoundKind::Timestamp(token) => {
                    participants.pool.extend(token.certificates.iter().cloned());
                    if !found.is_archived(end, &token.signer) {
                        participants.authorities.push((token.signer.clone(), token.time));
                    }
                }
                FoundKind::Signature { signer, timestamps, content_timestamps, certificates } => {
                    participants.pool.extend(certificates.iter().cloned());
                    if found.is_archived(end, signer) {
                        continue;
                    }
                    let times = timestamps.iter().map(|token| token.time).chain(found.covering(end));
                    let used_at = times.min().unwrap_or_else(OffsetDateTime::now_utc);
                    participants.signers.push((signer.as_ref().clone(), used_at));
                    let tokens = timestamps.iter().chain(content_timestamps);
                    participants.authorities.extend(tokens.map(|token| (token.signer.clone(), token.time)));
                }
            }
        }
        Ok(participants)
    }

    fn add_validation_data(&mut self, data: &ValidationData) -> Result<(), AugmentationFault> {
        let file = PdfFile::open(self.document.octets(), self.password.as_ref())?;
        let update = security_store::update(&file, data);
        file.refuse_unread()?;
        if let Some(update) = update? {
            self.document.append(&update);
        }
        Ok(())
    }

    fn archive_imprints(&self, digest: DigestAlgorithm) -> Result<Vec<DtbsRepresentation>, AugmentationFault> {
        Ok(vec![self.lay_out(digest)?])
    }

    fn add_archive_timestamps(&mut self, tokens: &[TimestampToken]) -> Result<(), AugmentationFault> {
        self.add_document_timestamp(tokens)
    }

    fn media_type(&self) -> &'static str {
        MEDIA_TYPE
    }

    fn finish(self: Box<Self>) -> Vec<Bytes> {
        self.document.into_segments()
    }
}
