//! What goes into a worker, what comes out, and what it is lent for one request.

use std::borrow::Cow;
use std::time::Instant;

use bytes::Bytes;
use cryptotoken_api::{Credential, DigestAlgorithm, DtbsRepresentation, SignatureAlgorithm, Signer};
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::clock::Clock;
use crate::config::WorkerConfig;
use crate::error::WorkerError;
use crate::files::{FilesFault, NamedFiles};
use crate::level::SignatureLevel;
use crate::memory::MemoryDocument;
use crate::revocation::RevocationSource;
use crate::spooled::SpooledDocument;
use crate::timestamp::TimestampSource;

/// A configured signing service without its key. Safe to share between threads; every call blocks.
pub trait Worker: Send + Sync {
    /// Its definition.
    fn config(&self) -> &WorkerConfig;

    /// Signs one document: the whole procedure of [`crate::create`].
    ///
    /// # Errors
    /// See [`WorkerError`]; what concerns the caller or the operator is reported before the key is used.
    fn process(
        &self,
        request: &SigningRequest,
        environment: &SigningEnvironment<'_>,
    ) -> Result<SignedDocument, WorkerError>;

    /// Lays out what [`Self::process`] would sign, so that it can be shown: [`crate::create::preview`]. Uses no key.
    ///
    /// # Errors
    /// See [`WorkerError`]: every refusal that comes before the key is used, and [`WorkerError::NoPreview`].
    fn preview(&self, request: &SigningRequest, environment: &PreviewEnvironment<'_>) -> Result<Preview, WorkerError>;

    /// Brings a signature, which others may have made, to the worker's level: [`crate::create::augment`]. Uses no key.
    ///
    /// # Errors
    /// See [`WorkerError`]; the signature is as it was.
    fn augment(
        &self,
        request: &AugmentationRequest,
        environment: &AugmentationEnvironment<'_>,
    ) -> Result<SignedDocument, WorkerError>;
}

/// What a caller wants signed (SD in EN 319 102-1).
#[derive(Clone, Debug)]
pub struct SignerDocument {
    /// The document, or its digest.
    pub content: DocumentContent,
    /// As the caller declared it; `None` when not at all.
    pub media_type: Option<String>,
    /// A detached signature over it that is to be joined; `None` for whoever joins none.
    pub signature: Option<Bytes>,
}

/// The bytes of a document, or what stands for them.
#[derive(Clone, Debug)]
pub enum DocumentContent {
    /// The document itself.
    Memory(MemoryDocument),
    /// The document itself, too big for memory. Formats take it where [`crate::WorkerConfig::takes_spooled`] says so.
    Spooled(SpooledDocument),
    /// Only its digest is known here; the caller keeps the document.
    Digest(DtbsRepresentation),
    /// Several files, for one signature over them all. Formats take them where [`crate::WorkerConfig::takes_files`] says so.
    Files(NamedFiles),
}

impl DocumentContent {
    /// The digest in this algorithm; `None` where only one in another algorithm is known, and of several files.
    ///
    /// # Errors
    /// When a spooled document cannot be read, and the disk is at fault; or the cryptographic library fails.
    pub fn digest(&self, algorithm: DigestAlgorithm) -> std::io::Result<Option<Vec<u8>>> {
        Ok(match self {
            Self::Memory(document) => Some(document.digest(algorithm)?),
            Self::Spooled(document) => Some(document.digest(algorithm)?),
            Self::Digest(digest) => (digest.algorithm() == algorithm).then(|| digest.digest().to_vec()),
            Self::Files(_) => None,
        })
    }

    /// Gives the octets piece by piece, as they are now; nothing where there are none, or several files of them.
    ///
    /// # Errors
    /// When a spooled document cannot be read; the disk is at fault.
    pub(crate) fn pieces(&self, mut take: impl FnMut(&[u8])) -> std::io::Result<()> {
        match self {
            Self::Memory(document) => take(document),
            Self::Spooled(document) => {
                let mut offset = 0;
                loop {
                    let block = document.block(offset)?;
                    if block.is_empty() {
                        break;
                    }
                    take(&block);
                    offset += block.len() as u64;
                }
            }
            Self::Digest(_) | Self::Files(_) => {}
        }
        Ok(())
    }
}

impl SignerDocument {
    /// The octets, for formats that need them.
    ///
    /// # Errors
    /// [`WorkerError::DigestOnly`] when only a digest was sent, [`WorkerError::NotInMemory`] when it is too big,
    /// [`WorkerError::Files`] when there are several.
    pub fn octets(&self) -> Result<&MemoryDocument, WorkerError> {
        match &self.content {
            DocumentContent::Memory(document) => Ok(document),
            DocumentContent::Spooled(_) => Err(WorkerError::NotInMemory),
            DocumentContent::Digest(_) => Err(WorkerError::DigestOnly),
            DocumentContent::Files(_) => Err(FilesFault::OnlyOne.into()),
        }
    }
}

/// What a caller asked for beside the document: names as in `caller_may_set`, and the password that opens the document.
#[derive(Clone, Debug, Default)]
pub struct SigningParameters {
    chosen: Map<String, Value>,
    password: Option<SecretString>,
}

impl SigningParameters {
    /// The parameters of a request. A `password` is kept apart from the others from here on.
    #[must_use]
    pub fn new(mut parameters: Map<String, Value>) -> Self {
        let password = match parameters.remove(Self::PASSWORD) {
            Some(Value::String(password)) => Some(SecretString::from(password)),
            // What is no text is refused by its name, like any other, and may have one inside.
            Some(_) => {
                parameters.insert(Self::PASSWORD.to_owned(), Value::Null);
                None
            }
            None => None,
        };
        Self { chosen: parameters, password }
    }

    /// The user or owner password that opens the document. No choice about the signature, so every caller may send it.
    #[must_use]
    pub const fn password(&self) -> Option<&SecretString> {
        self.password.as_ref()
    }

    /// The name of that parameter.
    pub const PASSWORD: &'static str = "password";

    /// The name of the parameter that says which signature in a document of XML is meant, by its `Id`.
    pub const SIGNATURE_ID: &'static str = "signature_id";

    /// The names present.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.chosen.keys().map(String::as_str)
    }

    /// A parameter as it came, where present.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.chosen.get(name)
    }

    /// A parameter that must be text, where present.
    ///
    /// # Errors
    /// [`WorkerError::Parameter`] when it is something else.
    pub fn text(&self, name: &str) -> Result<Option<&str>, WorkerError> {
        match self.chosen.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => {
                Err(WorkerError::Parameter { name: name.to_owned(), reason: "it must be a text; send a string".into() })
            }
        }
    }
}

/// One document with its parameters.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    /// The document.
    pub document: SignerDocument,
    /// What the caller chose, of what the worker lets callers choose.
    pub parameters: SigningParameters,
}

/// What is lent to a worker for one request.
pub struct SigningEnvironment<'a> {
    /// The credential, as it is now.
    pub credential: &'a Credential,
    /// Its key with the worker's algorithm; every use is on record.
    pub signer: &'a dyn Signer,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Where timestamps come from; `None` where there is no network, as on the command line.
    pub timestamps: Option<&'a dyn TimestampSource>,
    /// Where revocation information comes from; `None` likewise.
    pub revocation: Option<&'a dyn RevocationSource>,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// The level to reach: the worker's own, or a lower one where a test makes do without network.
    pub level: SignatureLevel,
}

impl<'a> SigningEnvironment<'a> {
    /// What of it augmentation needs: everything but the key.
    #[must_use]
    pub const fn augmentation(&self) -> AugmentationEnvironment<'a> {
        let Self { clock, timestamps, revocation, deadline, level, .. } = *self;
        AugmentationEnvironment { clock, timestamps, revocation, deadline, level }
    }
}

/// What is lent to a worker that shows what it would sign: neither a key nor a network.
#[derive(Clone, Copy)]
pub struct PreviewEnvironment<'a> {
    /// Who would sign.
    pub credential: &'a Credential,
    /// With what.
    pub algorithm: SignatureAlgorithm,
    /// The time.
    pub clock: &'a dyn Clock,
    /// The level that the signature would reach.
    pub level: SignatureLevel,
}

/// A document as it would look with a seal that is not made yet.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The octets, in order: the document with an empty signature.
    pub segments: Vec<Bytes>,
    /// The page of the seal, the first being 0.
    pub page: usize,
}

/// A signature to be brought to a higher level.
#[derive(Clone, Debug)]
pub struct AugmentationRequest {
    /// The signature, with the document in it or not.
    pub signature: Bytes,
    /// The document of a detached signature, or the files of one over several.
    pub document: Option<DocumentContent>,
    /// The password that opens the document around the signature; nothing else is for the caller to choose.
    pub parameters: SigningParameters,
}

/// What is lent to a worker that augments a signature.
#[derive(Clone, Copy)]
pub struct AugmentationEnvironment<'a> {
    /// The time.
    pub clock: &'a dyn Clock,
    /// Where timestamps come from.
    pub timestamps: Option<&'a dyn TimestampSource>,
    /// Where revocation information comes from.
    pub revocation: Option<&'a dyn RevocationSource>,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// The level to reach.
    pub level: SignatureLevel,
}

/// The result (SDO in EN 319 102-1).
#[derive(Clone, Debug)]
pub struct SignedDocument {
    /// The octets, in order. Ranges of the input are shared with it, not copied.
    pub segments: Vec<Bytes>,
    /// A document that is not in memory, as octet strings between the first segment and the others; `None` where there is none in it.
    pub spooled: Option<SpooledDocument>,
    /// What they are.
    pub media_type: String,
    /// The level reached; `None` for plain signatures, which have none.
    pub level: Option<SignatureLevel>,
    /// Why the level is lower than the worker's; `None` when it is not.
    pub degraded: Option<String>,
}

impl SignedDocument {
    /// Octets in all.
    #[must_use]
    pub fn length(&self) -> usize {
        let spooled = self.spooled.as_ref().map_or(0, SpooledDocument::length_in_strings);
        self.segments.iter().map(Bytes::len).sum::<usize>() + usize::try_from(spooled).unwrap_or(usize::MAX)
    }

    /// The same as [`Self::contiguous`], shared where there is one segment only.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        in_one_piece(&self.segments)
    }

    /// All octets in memory in one piece, a spooled document not among them; copies only when there is more than one segment.
    #[must_use]
    pub fn contiguous(&self) -> Cow<'_, [u8]> {
        match self.segments.as_slice() {
            [one] => Cow::Borrowed(one),
            several => Cow::Owned(several.concat()),
        }
    }
}

/// Segments in one piece; copies only when there is more than one.
pub(crate) fn in_one_piece(segments: &[Bytes]) -> Bytes {
    match segments {
        [one] => one.clone(),
        several => several.concat().into(),
    }
}
