//! The description of the native API (OpenAPI 3.1), collected from the handlers.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::error::Problem;
use crate::frontend::{documents, health, native, timestamp, workers};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sigillo",
        description = "Remote signing with electronic seals: documents in, signed documents out. Keys stay in PKCS#11 devices.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        native::sign_document,
        native::sign_raw,
        native::sign_digest,
        native::augment,
        native::preview,
        timestamp::stamp,
        workers::list,
        workers::show,
        workers::certificates,
        health::live,
        health::ready,
        health::metrics
    ),
    components(schemas(
        Problem,
        documents::SignRequest,
        documents::SignResponse,
        documents::NamedDocument,
        documents::SignForm,
        documents::AugmentForm,
        documents::SignDigestRequest,
        documents::SignDigestResponse,
        documents::WorkerInfo,
        documents::WorkerList,
        documents::CertificateList,
        health::Readiness,
        health::TokenReadiness
    )),
    tags(
        (name = "signing", description = "Sign documents and digests"),
        (name = "timestamps", description = "RFC 3161"),
        (name = "workers", description = "What the caller may use"),
        (name = "health", description = "For machines that watch the service")
    ),
    servers((url = "/", description = "This server")),
    security(("apiKey" = []), ("basic" = [])),
    modifiers(&Schemes)
)]
struct NativeApi;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("apiKey", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    }
}

/// The document as `/openapi.json` serves it.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    NativeApi::openapi()
}

/// The document as `openapi/native-v1.yaml` holds it.
///
/// # Errors
/// Only when the encoder fails, which would be a bug.
pub fn yaml() -> Result<String, Box<dyn std::error::Error>> {
    Ok(document().to_yaml()?)
}
