//! Show a seal before it is made: a document in, a picture of the page out.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;
use workers::{DocumentContent, SignerDocument, SigningParameters, SigningRequest};

use super::{essence, read_signing_request};
use crate::authorization::Grant;
use crate::error::ApiError;
use crate::frontend::body::{Limit, Pending};
use crate::frontend::documents::{SignForm, SignRequest};
use crate::frontend::problems::SigningProblems;
use crate::renderer::Resolution;
use crate::request_id::RequestId;
use crate::service::Service;

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
pub(crate) async fn preview(
    request: HttpRequest,
    worker: web::Path<String>,
    payload: web::Payload,
    id: RequestId,
    service: web::Data<Service>,
) -> Result<HttpResponse, ApiError> {
    let grant = service.admit(&request, &worker, id).await?;
    let mut pending = service.limits().pending();
    let wanted = read(&request, id, payload, &service, &grant, &mut pending).await;
    let (document, resolution) = service.recorded(&grant, id, wanted).await?;
    let picture = service.dispatcher().preview(grant, id, document, resolution, pending).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "image/png"));
    response.insert_header(("Sigillo-Page", picture.page.to_string()));
    Ok(response.body(picture.png))
}

async fn read(
    request: &HttpRequest,
    id: RequestId,
    payload: web::Payload,
    service: &Service,
    grant: &Grant,
    pending: &mut Pending,
) -> Result<(SigningRequest, Resolution), ApiError> {
    let query = web::Query::<PreviewQuery>::from_query(request.query_string())
        .map_err(|error| ApiError::Malformed(format!("the query of the URL cannot be read: {error}")))?;
    let resolution = query.dpi.map_or_else(|| Ok(Resolution::default()), Resolution::new)?;
    if matches!(essence(request).as_str(), "application/json" | "multipart/form-data") {
        let (document, _) = read_signing_request(request, id, payload, service, grant, pending).await?;
        return Ok((document, resolution));
    }
    let limits = service.limits();
    let content = limits.read(request, id, payload, Limit::of(limits.in_memory()), pending).await?;
    let document = SignerDocument { content: DocumentContent::Memory(content), media_type: None, signature: None };
    Ok((SigningRequest { document, parameters: SigningParameters::default() }, resolution))
}
