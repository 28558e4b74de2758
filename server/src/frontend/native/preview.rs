//! Show a seal before it is made: a document in, a picture of the page out.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use serde::Deserialize;
use utoipa::IntoParams;
use workers::SigningRequest;

use super::reading;
use crate::dispatch::Work;
use crate::error::ApiError;
use crate::frontend::admitted::Admitted;
use crate::frontend::body::Body;
use crate::frontend::documents::{SignForm, SignRequest};
use crate::frontend::problems::SigningProblems;
use crate::renderer::Resolution;

/// How the picture is to be.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewQuery {
    /// Dots per inch.
    #[param(minimum = 18, maximum = 300, example = 144)]
    dpi: Option<u16>,
}

/// Show the page of the seal as it would be.
///
/// The body is what `sign` or `sign/raw` takes, and is refused as they refuse it; the key is not used. The answer is a picture of the
/// page that the seal would stand on, with the seal on it; that of an invisible seal is the first page as it is.
#[utoipa::path(
    post,
    path = "/v1/workers/{worker}/preview",
    operation_id = "preview",
    tag = "signing",
    params(("worker" = String, Path, description = "Name of the worker"), PreviewQuery),
    request_body(description = "The document, by itself or with its parameters",
        content((Vec<u8> = "application/pdf"), (SignRequest = "application/json"), (SignForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "The page", content_type = "image/png", body = Vec<u8>,
         headers(("Sigillo-Request-Id" = String, description = "The request, as in logs and audit records"),
                 ("Sigillo-Page" = u32, description = "Which page it is, the first being 1"))),
        SigningProblems,
    )
)]
pub(crate) async fn preview(mut admitted: Admitted) -> Result<HttpResponse, ApiError> {
    let (document, resolution) = admitted.read(read).await?;
    let picture = admitted.work(Work::Preview(document, resolution)).await?.picture()?;
    admitted.hold(picture.png.len()).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "image/png"));
    response.insert_header(("Sigillo-Page", picture.page.to_string()));
    Ok(admitted.answer(&mut response, Bytes::from(picture.png)))
}

async fn read(body: &mut Body<'_>) -> Result<(SigningRequest, Resolution), ApiError> {
    let query = web::Query::<PreviewQuery>::from_query(body.request.query_string())
        .map_err(|error| ApiError::Malformed(format!("the query of the URL cannot be read: {error}")))?;
    let resolution = query.dpi.map_or_else(|| Ok(Resolution::default()), Resolution::new)?;
    let document = match body.media_type().as_str() {
        "application/json" | "multipart/form-data" => reading::document_with_parameters(body).await?.0,
        _ => reading::bare_document(body).await?,
    };
    Ok((document, resolution))
}
