//! Read a form with a document and, optionally, its parameters and a signature over it.

use actix_multipart::{Field, Multipart};
use administration::configuration::ByteSize;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use workers::{AugmentationRequest, DocumentContent, SigningParameters};

use crate::error::ApiError;
use crate::frontend::body::Body;
use crate::frontend::documents;
use crate::frontend::limits::{ENVELOPE, Pending};
use crate::frontend::receiving::Receiving;

/// The parts of a form.
pub(super) struct Form {
    pub(super) document: DocumentContent,
    pub(super) signature: Option<Bytes>,
    pub(super) media_type: Option<String>,
    pub(super) parameters: SigningParameters,
}

/// Reads it. With `spooled`, a document that is too big for memory goes to the spool folder, where there is one.
pub(super) async fn read(body: &mut Body<'_>, spooled: bool) -> Result<Form, ApiError> {
    let mut form = Multipart::new(body.request.headers(), body.payload.take());
    let (limits, pending) = (body.limits, &mut *body.pending);
    let (mut document, mut signature, mut parameters) = (None, None, None);
    while let Some(field) = form.next().await {
        let mut field = field.map_err(malformed)?;
        match field.name().map(str::to_owned).as_deref() {
            Some("document") if document.is_none() => {
                let media_type = field.content_type().map(ToString::to_string);
                let receiving = Receiving::new(limits, spooled);
                document = Some((receive(&mut field, receiving, pending).await?, media_type));
            }
            Some("signature") if signature.is_none() => {
                signature = Some(read_field(&mut field, limits.in_memory(), pending).await?);
            }
            Some("parameters") if parameters.is_none() => {
                let octets = read_field(&mut field, ENVELOPE, pending).await?;
                parameters = Some(documents::parameters(&octets)?);
            }
            Some(name) => {
                return Err(ApiError::Malformed(format!(
                    "part \"{name}\" is unknown or comes twice; send \"document\" and, if need be, \"parameters\" and \"signature\""
                )));
            }
            None => return Err(ApiError::Malformed("a part of the form has no name".into())),
        }
    }
    let (document, media_type) =
        document.ok_or_else(|| ApiError::Malformed("the form has no part \"document\"".into()))?;
    Ok(Form { document, signature, media_type, parameters: parameters.unwrap_or_default() })
}

/// Reads a form with a signature and, if it is detached, its document; and, if it is in an encrypted PDF, the password of that.
pub(super) async fn read_signature(body: &mut Body<'_>) -> Result<AugmentationRequest, ApiError> {
    let mut form = Multipart::new(body.request.headers(), body.payload.take());
    let (limits, spooled, pending) = (body.limits, body.takes_spooled(), &mut *body.pending);
    let (mut signature, mut document, mut parameters) = (None, None, None);
    while let Some(field) = form.next().await {
        let mut field = field.map_err(malformed)?;
        match field.name().map(str::to_owned).as_deref() {
            Some("signature") if signature.is_none() => {
                signature = Some(read_field(&mut field, limits.in_memory(), pending).await?);
            }
            Some("document") if document.is_none() => {
                document = Some(receive(&mut field, Receiving::new(limits, spooled), pending).await?);
            }
            Some("parameters") if parameters.is_none() => {
                let octets = read_field(&mut field, ENVELOPE, pending).await?;
                parameters = Some(documents::parameters(&octets)?);
            }
            other => {
                return Err(ApiError::Malformed(format!(
                    "part \"{}\" is unknown or comes twice; send \"signature\" and, if need be, \"document\" and \"parameters\"",
                    other.unwrap_or_default()
                )));
            }
        }
    }
    let signature = signature.ok_or_else(|| ApiError::Malformed("the form has no part \"signature\"".into()))?;
    Ok(AugmentationRequest { signature, document, parameters: parameters.unwrap_or_default() })
}

async fn receive(
    field: &mut Field,
    mut document: Receiving<'_>,
    pending: &mut Pending,
) -> Result<DocumentContent, ApiError> {
    while let Some(chunk) = field.next().await {
        document.take(&chunk.map_err(malformed)?, pending).await?;
    }
    document.finish().await
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
