//! The one creation procedure (EN 319 102-1, clause 4): the order of the steps exists here and nowhere else.
//!
//! prepare, sign, verify the own signature, timestamp, assemble, collect and add validation data, archive timestamp, check.
//! [`augment`] takes a signature that is there already through the steps that it lacks.

mod ladder;
mod services;

use std::borrow::Cow;

use bytes::Bytes;
use cryptotoken_api::{
    Credential, DigestAlgorithm, DtbsRepresentation, SignatureAlgorithm, SignatureValue, ToBeSigned, verification,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::augmentation::{Augmentable, AugmentationFault};
use crate::clock::Clock;
use crate::config::WorkerConfig;
use crate::error::{Discrepancy, WorkerError};
use crate::files::FilesFault;
use crate::kind::WorkerKind;
use crate::level::SignatureLevel;
use crate::policy;
use crate::timestamp::{TimestampSource, TimestampToken};
use crate::worker::{
    AugmentationEnvironment, AugmentationRequest, DocumentContent, Preview, PreviewEnvironment, SignedDocument,
    SignerDocument, SigningEnvironment, SigningParameters, SigningRequest,
};
use ladder::Ladder;
use services::Services;

/// What a format knows of the signature to be made.
#[derive(Clone, Copy, Debug)]
pub struct SignatureContext<'a> {
    /// Certificate chain and name.
    pub credential: &'a Credential,
    /// Scheme and digest.
    pub algorithm: SignatureAlgorithm,
    /// The claimed signing time, in UTC.
    pub signing_time: OffsetDateTime,
    /// The level that it is to reach.
    pub level: SignatureLevel,
    /// The lowest level that it may be left at during an outage.
    pub minimum_level: SignatureLevel,
    /// The clock it comes from.
    pub clock: &'a dyn Clock,
    /// What the caller chose.
    pub parameters: &'a SigningParameters,
    /// Octets of the longest timestamp that is known to come from where timestamps will come from; 0 when nothing is known.
    pub longest_timestamp: usize,
    /// A number that no other signature has, for formats that name their signatures.
    pub id: Uuid,
    /// Timestamps over the content, where the format wants some, in the order of [`SignatureFormat::stamped_content`].
    pub content_timestamps: &'a [TimestampToken],
}

/// The verbs that differ between formats.
pub trait SignatureFormat {
    /// What `prepare` hands to `assemble`.
    type Prepared: Prepared;

    /// Reads the document, refuses what cannot be signed, and lays out the signature.
    ///
    /// # Errors
    /// Every refusal that depends on the document or the parameters. Nothing after this step refuses.
    fn prepare(
        &self,
        document: &SignerDocument,
        parameters: &SigningParameters,
        context: &SignatureContext<'_>,
    ) -> Result<Self::Prepared, WorkerError>;

    /// Recomputes digests and signature over the final bytes, as a stranger would (promise 3).
    ///
    /// # Errors
    /// What is wrong; the document is withheld then.
    fn check(
        &self,
        signed: &SignedDocument,
        document: &SignerDocument,
        context: &SignatureContext<'_>,
    ) -> Result<(), Discrepancy>;

    /// Whether the content is stamped before it is signed, and the timestamp signed with it.
    fn wants_content_timestamp(&self) -> bool {
        false
    }

    /// What each timestamp over the content covers: by default one does, the document as it came.
    ///
    /// # Errors
    /// As of [`Self::prepare`], which has been called before.
    fn stamped_content(
        &self,
        document: &SignerDocument,
        _parameters: &SigningParameters,
        _context: &SignatureContext<'_>,
        digest: DigestAlgorithm,
    ) -> Result<Vec<DtbsRepresentation>, WorkerError> {
        let content = match &document.content {
            DocumentContent::Memory(document) => representation(digest, document.digest(digest)?),
            DocumentContent::Spooled(document) => representation(digest, document.digest(digest)?),
            DocumentContent::Digest(digest) => Ok(digest.clone()),
            DocumentContent::Files(_) => Err(FilesFault::OnlyOne.into()),
        };
        content.map(|content| vec![content])
    }

    /// Puts a document that is not in memory into the signature, which is complete but for it. Nothing to do for formats that take none.
    ///
    /// # Errors
    /// What stands in the way; the signature is withheld then.
    fn encapsulate(&self, _signed: &mut SignedDocument, _document: &SignerDocument) -> Result<(), Discrepancy> {
        Ok(())
    }

    /// Reads the signature in segments that was just made, so that it can be brought to a higher level. What was in the document before it is
    /// left as it is.
    ///
    /// # Errors
    /// [`AugmentationFault`]: a bug.
    fn growing(
        &self,
        signature: &[Bytes],
        document: &SignerDocument,
        parameters: &SigningParameters,
    ) -> Result<Box<dyn Augmentable>, AugmentationFault> {
        self.augmentable(signature, Some(&document.content), parameters)
    }

    /// Reads a signature in segments, which others may have made, and verifies it, so that it can be brought to a higher level.
    /// `document` is that of a detached signature; of `parameters` only the password is looked at, and which signature is meant.
    ///
    /// # Errors
    /// [`AugmentationFault`]: what it is that cannot be built on. A format that is made at B-B only has nothing to add.
    fn augmentable(
        &self,
        _signature: &[Bytes],
        _document: Option<&DocumentContent>,
        _parameters: &SigningParameters,
    ) -> Result<Box<dyn Augmentable>, AugmentationFault> {
        Err(AugmentationFault::Format)
    }
}

/// A signature laid out and waiting for its value. Consumed by `assemble`, so it cannot be used twice.
pub trait Prepared {
    /// What the key signs.
    fn to_be_signed(&self) -> ToBeSigned<'_>;

    /// What a signature timestamp covers: the octets of the value as the format writes them.
    ///
    /// # Errors
    /// When the value is in no known encoding, or the format has no signature timestamps.
    fn timestamp_input<'a>(&self, _value: &'a SignatureValue) -> Result<Cow<'a, [u8]>, Discrepancy> {
        Err(Discrepancy::Unreadable("this format has no signature timestamps".into()))
    }

    /// Whether the timestamp fits where [`Self::assemble`] puts it. One that does not is worth nothing there: another one is asked for,
    /// which the format puts elsewhere.
    ///
    /// # Errors
    /// As [`Self::assemble`].
    fn has_room(&self, _value: &SignatureValue, _timestamp: &TimestampToken) -> Result<bool, Discrepancy> {
        Ok(true)
    }

    /// Puts the value in its place, and the timestamp over it beside it.
    ///
    /// # Errors
    /// What stands in the way; the signature has been made by then and is withheld.
    fn assemble(
        self,
        value: &SignatureValue,
        timestamp: Option<&TimestampToken>,
    ) -> Result<SignedDocument, Discrepancy>;

    /// The document as it is laid out, without a value; `None` for formats in which there is nothing to see.
    ///
    /// # Errors
    /// When what is to be seen cannot be found.
    fn preview(self) -> Result<Option<Preview>, WorkerError>
    where
        Self: Sized,
    {
        Ok(None)
    }
}

/// Makes one signature.
///
/// # Errors
/// See [`WorkerError`].
pub fn create<F: SignatureFormat>(
    format: &F,
    config: &WorkerConfig,
    request: &SigningRequest,
    environment: &SigningEnvironment<'_>,
) -> Result<SignedDocument, WorkerError> {
    let minimum_level = config.minimum_level().min(environment.level);
    let mut context = SignatureContext {
        credential: environment.credential,
        algorithm: environment.signer.algorithm(),
        signing_time: environment.clock.now(),
        level: environment.level,
        minimum_level,
        clock: environment.clock,
        parameters: &request.parameters,
        longest_timestamp: environment.timestamps.map_or(0, TimestampSource::longest_token),
        id: Uuid::new_v4(),
        content_timestamps: &[],
    };
    check_request(config, request, &context)?;
    let mut ladder = Ladder::new(environment.level, minimum_level);
    let services = Services::new(config, environment.augmentation())?;
    let digest = services.digest(context.algorithm.digest());
    refuse_other_digest(environment.level, &request.document.content, digest)?;
    let stamped = if format.wants_content_timestamp() && environment.level >= SignatureLevel::BaselineT {
        // First without it, so that what is refused is refused before anybody is asked.
        format.prepare(&request.document, &request.parameters, &context)?;
        let content = format.stamped_content(&request.document, &request.parameters, &context, digest)?;
        let leaf = environment.credential.chain.leaf();
        content.iter().map(|each| services.stamp(each, Some(leaf))).collect::<Result<Vec<_>, _>>()?
    } else {
        Vec::new()
    };
    context.content_timestamps = &stamped;
    let prepared = format.prepare(&request.document, &request.parameters, &context)?;

    let value = environment.signer.sign(prepared.to_be_signed(), environment.deadline)?;

    let leaf = environment.credential.chain.leaf();
    verification::verify(environment.credential.chain.leaf_key(), context.algorithm, prepared.to_be_signed(), &value)
        .map_err(|error| WorkerError::Withheld(error.into()))?;
    let timestamp = ladder.climb(SignatureLevel::BaselineT, || {
        let input = prepared.timestamp_input(&value).map_err(WorkerError::Withheld)?;
        // Nothing that rests on the signature leaves the service before it is on record.
        environment.signer.settle()?;
        services.stamp(&imprint(digest, &input)?, Some(leaf))
    })?;
    let beside = match timestamp {
        Some(token) if prepared.has_room(&value, &token).map_err(WorkerError::Withheld)? => Some(token),
        _ => None,
    };
    // The key has been used by then, and is not used again for more room.
    let elsewhere = ladder.reached() >= SignatureLevel::BaselineT && beside.is_none();
    let mut signed = prepared.assemble(&value, beside.as_ref()).map_err(WorkerError::Withheld)?;
    if elsewhere || ladder.goes_to(SignatureLevel::BaselineLt) {
        let withheld = |fault: AugmentationFault| WorkerError::Withheld(Discrepancy::Augmentation(fault));
        let signature = format.growing(&signed.segments, &request.document, &request.parameters);
        let mut signature = signature.map_err(withheld)?;
        if elsewhere {
            stamp_signatures(signature.as_mut(), &services, digest, &withheld)?;
        }
        let chain = environment.credential.chain.certificates();
        long_term(signature.as_mut(), &services, &mut ladder, digest, chain, &withheld)?;
        signed.segments = signature.finish();
    }
    if signed.level.is_some() {
        signed.level = Some(ladder.reached());
        signed.degraded = ladder.outage();
    }
    format.encapsulate(&mut signed, &request.document).map_err(WorkerError::Withheld)?;
    format.check(&signed, &request.document, &context).map_err(WorkerError::Withheld)?;
    Ok(signed)
}

/// What is refused before the document is looked at.
fn check_request(
    config: &WorkerConfig,
    request: &SigningRequest,
    context: &SignatureContext<'_>,
) -> Result<(), WorkerError> {
    policy::check(config.kind(), context.credential, context.signing_time)?;
    config.check_parameters(&request.parameters)?;
    if matches!(request.document.content, DocumentContent::Files(_)) && !config.takes_files() {
        return Err(FilesFault::OnlyOne.into());
    }
    if request.document.signature.is_some() && !config.joins() {
        let reason = "this worker joins no signatures; send the document alone".into();
        return Err(WorkerError::Parameter { name: "signature".into(), reason });
    }
    Ok(())
}

/// What a seal would look like: the first step of [`create`] alone, with all its refusals.
///
/// # Errors
/// See [`WorkerError`]; [`WorkerError::NoPreview`] for formats in which there is nothing to see.
pub fn preview<F: SignatureFormat>(
    format: &F,
    config: &WorkerConfig,
    request: &SigningRequest,
    environment: &PreviewEnvironment<'_>,
) -> Result<Preview, WorkerError> {
    let context = SignatureContext {
        credential: environment.credential,
        algorithm: environment.algorithm,
        signing_time: environment.clock.now(),
        level: environment.level,
        minimum_level: config.minimum_level().min(environment.level),
        clock: environment.clock,
        parameters: &request.parameters,
        longest_timestamp: 0,
        id: Uuid::new_v4(),
        content_timestamps: &[],
    };
    check_request(config, request, &context)?;
    let prepared = format.prepare(&request.document, &request.parameters, &context)?;
    prepared.preview()?.ok_or(WorkerError::NoPreview { kind: config.kind() })
}

/// Brings a signature to the level of the environment. One of level B-LTA gets one more archive timestamp. Never degrades: what
/// is there already stays worth what it is.
///
/// # Errors
/// See [`WorkerError`].
pub fn augment<F: SignatureFormat>(
    format: &F,
    config: &WorkerConfig,
    request: &AugmentationRequest,
    environment: &AugmentationEnvironment<'_>,
) -> Result<SignedDocument, WorkerError> {
    let level = environment.level;
    if level == SignatureLevel::BaselineB {
        return Err(AugmentationFault::Level.into());
    }
    if matches!(request.document, Some(DocumentContent::Files(_))) && config.kind() != WorkerKind::Xades {
        return Err(FilesFault::OnlyOne.into());
    }
    config.check_augmentation_parameters(&request.parameters)?;
    let services = Services::new(config, *environment)?;
    let digest = services.digest(DigestAlgorithm::Sha256);
    let read = |signature: &[Bytes]| format.augmentable(signature, request.document.as_ref(), &request.parameters);
    let mut signature = read(std::slice::from_ref(&request.signature))?;
    signature.refuse(level)?;
    let mut ladder = Ladder::new(level, level);

    ladder.climb(SignatureLevel::BaselineT, || {
        stamp_signatures(signature.as_mut(), &services, digest, &WorkerError::from)
    })?;
    long_term(signature.as_mut(), &services, &mut ladder, digest, &[], &WorkerError::from)?;
    let media_type = signature.media_type().to_owned();
    let signed =
        SignedDocument { segments: signature.finish(), spooled: None, media_type, level: Some(level), degraded: None };
    read(&signed.segments).map_err(|fault| WorkerError::Withheld(Discrepancy::Augmentation(fault)))?;
    Ok(signed)
}

/// Timestamps for the signatures that have none.
fn stamp_signatures(
    signature: &mut dyn Augmentable,
    services: &Services<'_>,
    digest: DigestAlgorithm,
    fault: &dyn Fn(AugmentationFault) -> WorkerError,
) -> Result<(), WorkerError> {
    let mut add = || {
        let imprints = signature.untimestamped(digest).map_err(fault)?;
        let tokens: Vec<_> =
            imprints.iter().map(|imprint| services.stamp(imprint, None)).collect::<Result<_, WorkerError>>()?;
        Ok::<_, WorkerError>(signature.add_timestamps(&tokens))
    };
    again_in_larger_room(&mut add)?.map_err(fault)
}

/// The steps above B-T, the same for a new signature and for one that was there.
fn long_term(
    signature: &mut dyn Augmentable,
    services: &Services<'_>,
    ladder: &mut Ladder,
    digest: DigestAlgorithm,
    chain: &[cryptotoken_api::Certificate],
    fault: &dyn Fn(AugmentationFault) -> WorkerError,
) -> Result<(), WorkerError> {
    ladder.climb(SignatureLevel::BaselineLt, || {
        let data = services.collect(&signature.participants().map_err(fault)?, chain)?;
        signature.add_validation_data(&data).map_err(fault)
    })?;
    ladder.climb(SignatureLevel::BaselineLta, || {
        let mut add = || {
            let imprints = signature.archive_imprints(digest).map_err(fault)?;
            let tokens: Vec<_> =
                imprints.iter().map(|imprint| services.stamp(imprint, None)).collect::<Result<_, _>>()?;
            Ok::<_, WorkerError>(signature.add_archive_timestamps(&tokens))
        };
        again_in_larger_room(&mut add)?.map_err(fault)
    })?;
    Ok(())
}

/// A timestamp for which the room was too small is asked for once more: what it covers has changed with the room.
fn again_in_larger_room(add: &mut dyn FnMut() -> Stamped) -> Stamped {
    match add()? {
        Err(AugmentationFault::Room { .. }) => add(),
        added => Ok(added),
    }
}

type Stamped = Result<Result<(), AugmentationFault>, WorkerError>;

fn imprint(algorithm: DigestAlgorithm, octets: &[u8]) -> Result<DtbsRepresentation, WorkerError> {
    representation(algorithm, algorithm.digest(octets))
}

fn representation(algorithm: DigestAlgorithm, digest: Vec<u8>) -> Result<DtbsRepresentation, WorkerError> {
    DtbsRepresentation::new(algorithm, digest)
        .map_err(|error| WorkerError::Withheld(Discrepancy::Unreadable(error.to_string())))
}

/// An archive timestamp covers the document's digest, which must be there in its algorithm.
fn refuse_other_digest(
    level: SignatureLevel,
    content: &DocumentContent,
    digest: DigestAlgorithm,
) -> Result<(), WorkerError> {
    match content {
        DocumentContent::Digest(given) if level == SignatureLevel::BaselineLta && given.algorithm() != digest => {
            Err(WorkerError::DigestAlgorithm { given: given.algorithm(), expected: digest })
        }
        _ => Ok(()),
    }
}
