//! Who is calling: a client known by API key or by TLS client certificate.

mod api_key;
mod mtls;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use store::Store;

use crate::error::ApiError;

pub(crate) use mtls::remember_peer_certificate;

/// An authenticated caller.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// Name of the client.
    pub(crate) client: String,
}

/// Finds the client behind a request. An `Authorization` header decides where there is one; a client certificate else.
///
/// # Errors
/// [`ApiError::Unauthenticated`] without saying which part was wrong.
pub(crate) async fn authenticate(request: &HttpRequest, store: &Store) -> Result<Principal, ApiError> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let client = match (headers.next(), headers.next()) {
        (Some(header), None) => api_key::client(header, store).await?,
        (None, _) => mtls::client(request, store).await?,
        // A proxy before us may have looked at the other one.
        (Some(_), Some(_)) => None,
    };
    match client {
        Some(client) => Ok(Principal { client }),
        None => {
            metrics::counter!("sigillo_unauthenticated_total").increment(1);
            Err(ApiError::Unauthenticated(
                "no valid API key or client certificate; send \"Authorization: Bearer KEY\" with the key that \
                 sigillo client add printed",
            ))
        }
    }
}
