//! Every URL of the service on one page.

use actix_web::web::{self, ServiceConfig, get, post, resource, scope};
use actix_web::{HttpRequest, HttpResponse};
use utoipa_swagger_ui::SwaggerUi;

use crate::error::ApiError;
use crate::frontend::{health, native, timestamp, workers};
use crate::openapi;

/// Adds all routes.
pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(
        scope("/v1/workers")
            .service(resource("").get_only(workers::list))
            .service(resource("/{worker}").get_only(workers::show))
            .service(resource("/{worker}/certificates").get_only(workers::certificates))
            .service(resource("/{worker}/sign").post_only(native::sign_document))
            .service(resource("/{worker}/sign/raw").post_only(native::sign_raw))
            .service(resource("/{worker}/sign-digest").post_only(native::sign_digest))
            .service(resource("/{worker}/augment").post_only(native::augment))
            .service(resource("/{worker}/preview").post_only(native::preview)),
    )
    .service(resource("/tsa/{worker}").post_only(timestamp::stamp))
    .service(resource("/health/live").get_only(health::live))
    .service(resource("/health/ready").get_only(health::ready))
    .service(resource("/metrics").get_only(health::metrics))
    .service(web::redirect("/docs", "/docs/"))
    .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", openapi::document()))
    .default_service(web::to(unknown_path));
}

async fn unknown_path(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownPath(request.path().to_owned()))
}

async fn other_method(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::Method { method: request.method().to_string(), path: request.path().to_owned() })
}

/// One method for a URL; every other one is answered by a problem document.
trait OneMethod {
    fn get_only<F, Args>(self, handler: F) -> Self
    where
        F: actix_web::Handler<Args>,
        Args: actix_web::FromRequest + 'static,
        F::Output: actix_web::Responder + 'static;

    fn post_only<F, Args>(self, handler: F) -> Self
    where
        F: actix_web::Handler<Args>,
        Args: actix_web::FromRequest + 'static,
        F::Output: actix_web::Responder + 'static;
}

impl OneMethod for actix_web::Resource {
    fn get_only<F, Args>(self, handler: F) -> Self
    where
        F: actix_web::Handler<Args>,
        Args: actix_web::FromRequest + 'static,
        F::Output: actix_web::Responder + 'static,
    {
        self.route(get().to(handler)).default_service(web::to(other_method))
    }

    fn post_only<F, Args>(self, handler: F) -> Self
    where
        F: actix_web::Handler<Args>,
        Args: actix_web::FromRequest + 'static,
        F::Output: actix_web::Responder + 'static,
    {
        self.route(post().to(handler)).default_service(web::to(other_method))
    }
}
