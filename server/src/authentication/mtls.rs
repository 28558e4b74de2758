//! TLS client certificates: checked against `client_ca` in the handshake, and then known by their SHA-256.

use std::any::Any;

use actix_tls::accept::openssl::TlsStream;
use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use store::Store;

use crate::error::ApiError;

/// SHA-256 of the DER of the certificate that the peer of this connection proved to have.
#[derive(Clone)]
struct PeerCertificate(String);

/// Called once for each connection, before its first request.
pub(crate) fn remember_peer_certificate(connection: &dyn Any, data: &mut Extensions) {
    let certificate = connection
        .downcast_ref::<TlsStream<TcpStream>>()
        .and_then(|stream| stream.ssl().peer_certificate())
        .and_then(|certificate| certificate.to_der().ok());
    if let Some(der) = certificate {
        data.insert(PeerCertificate(hex::encode(openssl::sha::sha256(&der))));
    }
}

pub(super) async fn client(request: &HttpRequest, store: &Store) -> Result<Option<String>, ApiError> {
    match request.conn_data::<PeerCertificate>() {
        Some(certificate) => Ok(store.client_by_certificate(&certificate.0).await?.map(|client| client.name)),
        None => Ok(None),
    }
}
