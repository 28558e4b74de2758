//! Read a form with a document and, optionally, its parameters and a signature over it.

use actix_multipart::{Field, Multipart};
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use workers::SigningParameters;

use crate::error::ApiError;
use crate::frontend::body::{BodyLimits, Pending};
use crate::frontend::documents;

/// The parts of a form.
pub(super) struct Form {
    pub(super) document: Bytes,
    pub(super) signature: Option<Bytes>,
    pub(super) media_type: Option<String>,
    pub(super) parameters: SigningParameters,
}

pub(super) async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    limits: &BodyLimits,
    pending: &mut Pending,
) -> Result<Form, ApiError> {
    let mut form = Multipart::new(request.headers(), payload);
    let (mut document, mut signature, mut parameters) = (None, None, None);
    while let Some(field) = form.next().await {
        let mut field = field.map_err(malformed)?;
        match field.name().map(str::to_owned).as_deref() {
            Some("document") if document.is_none() => {
                let media_type = field.content_type().map(ToString::to_string);
                document = Some((read_field(&mut field, limits.document(), limits, pending).await?, media_type));
            }
            Some("signature") if signature.is_none() => {
                signature = Some(read_field(&mut field, limits.document(), limits, pending).await?);
            }
            Some("parameters") if parameters.is_none() => {
                let octets = read_field(&mut field, limits.document(), limits, pending).await?;
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

/// Reads a form with a signature and, if it is detached, its document.
pub(super) async fn read_signature(
    request: &HttpRequest,
    payload: web::Payload,
    limits: &BodyLimits,
    pending: &mut Pending,
) -> Result<(Bytes, Option<Bytes>), ApiError> {
    let mut form = Multipart::new(request.headers(), payload);
    let (mut signature, mut document) = (None, None);
    while let Some(field) = form.next().await {
        let mut field = field.map_err(malformed)?;
        let part = match field.name().map(str::to_owned).as_deref() {
            Some("signature") if signature.is_none() => &mut signature,
            Some("document") if document.is_none() => &mut document,
            other => {
                return Err(ApiError::Malformed(format!(
                    "part \"{}\" is unknown or comes twice; send \"signature\" and, if it is detached, \"document\"",
                    other.unwrap_or_default()
                )));
            }
        };
        *part = Some(read_field(&mut field, limits.document(), limits, pending).await?);
    }
    let signature = signature.ok_or_else(|| ApiError::Malformed("the form has no part \"signature\"".into()))?;
    Ok((signature, document))
}

async fn read_field(
    field: &mut Field,
    limit: u64,
    limits: &BodyLimits,
    pending: &mut Pending,
) -> Result<Bytes, ApiError> {
    let mut octets = BytesMut::new();
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(malformed)?;
        if (octets.len() as u64).saturating_add(chunk.len() as u64) > limit {
            return Err(limits.too_large());
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
