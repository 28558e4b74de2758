//! Read a form with a document, or several, and, optionally, parameters and a signature over it.

use actix_multipart::{Field, Multipart};
use administration::configuration::ByteSize;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use workers::files::MAX_FILES;
use workers::{
    AugmentationRequest, DocumentContent, FilesFault, NamedFile, NamedFiles, SigningParameters, WorkerError,
};

use crate::error::ApiError;
use crate::frontend::body::Body;
use crate::frontend::documents::parameters as read_parameters;
use crate::frontend::limits::{BodyLimits, ENVELOPE, Pending};
use crate::frontend::receiving::Receiving;

/// A form with a document.
pub(super) struct Form {
    pub(super) document: DocumentContent,
    pub(super) signature: Option<Bytes>,
    pub(super) media_type: Option<String>,
    pub(super) parameters: SigningParameters,
}

/// Reads it. With `spooled`, documents that are too big for memory go to the spool folder, where there is one.
pub(super) async fn read(body: &mut Body<'_>, spooled: bool) -> Result<Form, ApiError> {
    let Parts { documents, signature, parameters } = Parts::read(body, spooled).await?;
    let (document, media_type) = documents.finish()?.ok_or_else(|| lacks("document"))?;
    Ok(Form { document, signature, media_type, parameters })
}

/// Reads a form with a signature and, if it is detached, what it is over; and, if it is in an encrypted PDF, the password of that.
pub(super) async fn read_signature(body: &mut Body<'_>) -> Result<AugmentationRequest, ApiError> {
    let spooled = body.takes_spooled();
    let Parts { documents, signature, parameters } = Parts::read(body, spooled).await?;
    let signature = signature.ok_or_else(|| lacks("signature"))?;
    let document = documents.finish()?.map(|(document, _)| document);
    Ok(AugmentationRequest { signature, document, parameters })
}

/// The parts of a form, as they were sent.
struct Parts {
    documents: Documents,
    signature: Option<Bytes>,
    parameters: SigningParameters,
}

impl Parts {
    async fn read(body: &mut Body<'_>, spooled: bool) -> Result<Self, ApiError> {
        let announced = body.declared_length().unwrap_or(0);
        let mut form = Multipart::new(body.request.headers(), body.payload.take());
        let (limits, pending) = (body.limits, &mut *body.pending);
        let mut documents = Documents { announced, ..Documents::default() };
        let (mut signature, mut parameters) = (None, None);
        while let Some(field) = form.next().await {
            let mut field = field.map_err(malformed)?;
            match field.name().map(str::to_owned).as_deref() {
                Some("document") => documents.receive(&mut field, limits, spooled, pending).await?,
                Some("signature") if signature.is_none() => {
                    signature = Some(read_field(&mut field, limits.in_memory(), pending).await?);
                }
                Some("parameters") if parameters.is_none() => {
                    let octets = read_field(&mut field, ENVELOPE, pending).await?;
                    parameters = Some(read_parameters(&octets)?);
                }
                Some(name) => {
                    return Err(ApiError::Malformed(format!(
                        "part \"{name}\" is unknown or comes twice; a form has \"document\", \"signature\" and \"parameters\""
                    )));
                }
                None => return Err(ApiError::Malformed("a part of the form has no name".into())),
            }
        }
        Ok(Self { documents, signature, parameters: parameters.unwrap_or_default() })
    }
}

fn lacks(part: &str) -> ApiError {
    ApiError::Malformed(format!("the form has no part \"{part}\""))
}

/// The parts "document" of a form.
#[derive(Default)]
struct Documents {
    /// Octets of the whole form.
    announced: u64,
    files: Vec<NamedFile>,
    octets: u64,
}

impl Documents {
    async fn receive(
        &mut self,
        field: &mut Field,
        limits: &BodyLimits,
        spooled: bool,
        pending: &mut Pending,
    ) -> Result<(), ApiError> {
        if self.files.len() == MAX_FILES {
            return Err(WorkerError::from(FilesFault::Count { count: MAX_FILES + 1 }).into());
        }
        let name = field.content_disposition().and_then(|each| each.get_filename()).unwrap_or_default().to_owned();
        let media_type = field.content_type().map(ToString::to_string);
        let mut document = Receiving::following(limits, spooled, self.octets);
        document.announce(self.announced.saturating_sub(self.octets));
        while let Some(chunk) = field.next().await {
            document.take(&chunk.map_err(malformed)?, pending).await?;
        }
        self.octets = document.length();
        self.files.push(NamedFile { name, media_type, content: document.finish().await? });
        Ok(())
    }

    /// One document with its media type, whatever its name; or several files.
    fn finish(mut self) -> Result<Option<(DocumentContent, Option<String>)>, ApiError> {
        match self.files.len() {
            0 | 1 => Ok(self.files.pop().map(|file| (file.content, file.media_type))),
            _ => {
                let files = NamedFiles::new(self.files).map_err(WorkerError::from)?;
                Ok(Some((DocumentContent::Files(files), None)))
            }
        }
    }
}

async fn read_field(field: &mut Field, limit: ByteSize, pending: &mut Pending) -> Result<Bytes, ApiError> {
    let mut octets = BytesMut::new();
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(malformed)?;
        if (octets.len() as u64).saturating_add(chunk.len() as u64) > limit.0 {
            return Err(ApiError::TooLarge { limit });
        }
        pending.grow(chunk.len())?;
        octets.extend_from_slice(&chunk);
    }
    Ok(octets.freeze())
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function of map_err")]
fn malformed(error: actix_multipart::MultipartError) -> ApiError {
    ApiError::Malformed(format!("the form cannot be read: {error}"))
}
